"""All channels through the outbox: each fails for itself, is counted, tried three times, and can be tested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook

from core import telemetry
from core.access import Principal
from core.bootstrap import build
from core.model import Delivery, DeliveryState
from core.service import sending
from core.service.workbench import Workbench
from core.settings import Settings
from tests.act.samples import INCIDENT, WEBHOOK_SECRET, everything_on
from tests.adapters.mail_server import Post
from tests.service.conftest import Hand

POSTED = {"ok": True, "channel": "C0123", "ts": "1.2"}
PD = {"status": "success", "dedup_key": "INC-0000AAAA"}


@pytest.fixture
def on(settings: Settings, clock: Hand, httpserver: HTTPServer) -> Iterator[Workbench]:
    """A workbench with every channel on; all services but Slack's webhook are well."""
    httpserver.expect_request("/slack").respond_with_data("oops", status=500)
    httpserver.expect_request("/api/chat.postMessage").respond_with_json(POSTED)
    httpserver.expect_request("/teams").respond_with_data("", status=202)
    httpserver.expect_request("/n8n").respond_with_data("ok")
    httpserver.expect_request("/v2/enqueue").respond_with_json(PD, status=202)
    httpserver.expect_request("/rest/api/3/search/jql").respond_with_json({"issues": []})
    httpserver.expect_request("/rest/api/3/issue").respond_with_json({"key": "OPS-1234"}, status=201)
    every = everything_on(httpserver.url_for("").rstrip("/"))
    smtp = {k: v for k, v in settings.model_dump().items() if k.startswith(("smtp_", "telltale_home"))}
    wb = build(every.model_copy(update=smtp), clock)
    yield wb
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]


def queue(wb: Workbench, who: Principal) -> dict[str, Delivery]:
    """The message, queued once for each channel."""
    told = replace(INCIDENT, incident_id=None)
    with wb.store.begin() as books:
        return {
            name: books.outbox.enqueue(channel.compose(told), who.tenant, who.user, wb.ctx.clock.now())
            for name, channel in wb.channels.items()
        }


def states(wb: Workbench, who: Principal, queued: dict[str, Delivery]) -> dict[str, Delivery]:
    with wb.store.read() as books:
        return {name: books.outbox.get(who.tenant, d.id) for name, d in queued.items()}


def test_slack_500_leaves_the_others_delivered_pu_scenario_5(
    on: Workbench, who: Principal, clock: Hand, post: Post, httpserver: HTTPServer
) -> None:
    before = telemetry.value("integration_call_failures_total", adapter="slack")
    queued = queue(on, who)
    for _ in range(4):
        sending.deliver(on, "worker")
        clock.forward(hours=1)
    after = states(on, who, queued)
    assert {name: (d.state, d.attempts) for name, d in after.items()} == {
        "email": (DeliveryState.SENT, 1),
        "slack": (DeliveryState.FAILED, 3),
        "slack_bot": (DeliveryState.SENT, 1),
        "teams": (DeliveryState.SENT, 1),
        "webhook": (DeliveryState.SENT, 1),
        "pagerduty": (DeliveryState.SENT, 1),
        "jira": (DeliveryState.SENT, 1),
    }
    assert after["jira"].reference == "OPS-1234"
    assert telemetry.value("integration_call_failures_total", adapter="slack") - before == 3
    with on.store.read() as books:
        failed = [e.decision for e in reversed(books.audit.list(who.tenant)) if e.action == "message_failed"]
    assert [(f["channel"], f["attempt"], f["final"]) for f in failed] == [
        ("slack", 1, False),
        ("slack", 2, False),
        ("slack", 3, True),
    ]
    assert [r.path for r, _ in httpserver.log].count("/slack") == 3
    assert (len(post.mails), after["slack_bot"].reference, after["pagerduty"].reference) == (
        1,
        "C0123:1.2",
        "INC-0000AAAA",
    )


def test_a_webhook_is_tried_again_under_the_same_id(
    on: Workbench, who: Principal, clock: Hand, httpserver: HTTPServer
) -> None:
    httpserver.clear()
    httpserver.expect_ordered_request("/n8n").respond_with_data("busy", status=503, headers={"Retry-After": "120"})
    httpserver.expect_ordered_request("/n8n").respond_with_data("ok")
    with on.store.begin() as books:
        note = on.channels["webhook"].compose(replace(INCIDENT, incident_id=None))
        queued = books.outbox.enqueue(note, who.tenant, who.user, on.ctx.clock.now())
    sending.deliver(on, "worker")
    clock.forward(seconds=119)
    assert sending.deliver(on, "worker") == 0
    clock.forward(seconds=1)
    assert sending.deliver(on, "worker") == 1
    first, second = (request for request, _ in httpserver.log)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == queued.id
    assert first.get_data() == second.get_data()
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 120
    body = second.get_data().decode()
    assert second.headers["webhook-signature"] == Webhook(WEBHOOK_SECRET).sign(queued.id, on.ctx.clock.now(), body)


@pytest.mark.parametrize("name", ["email", "slack_bot", "teams", "webhook", "pagerduty", "jira"])
def test_the_test_button_works(on: Workbench, who: Principal, name: str, post: Post, httpserver: HTTPServer) -> None:
    assert sending.test_message(on, who, name).state is DeliveryState.SENT
    sent = post.mails[0].decode() if name == "email" else httpserver.log[-1][0].get_data().decode()
    assert "This is a test message" in sent


def test_states_say_who_is_reached_or_what_is_needed(on: Workbench, wb: Workbench) -> None:
    assert {s.name: s.recipient for s in sending.channel_states(on)} == {
        "email": "ops@example.com",
        "slack": "Slack channel of the webhook",
        "slack_bot": "Slack channel C0123",
        "teams": "Teams channel of the workflow",
        "webhook": "Webhook at localhost",
        "pagerduty": "PagerDuty service of the routing key",
        "jira": "Jira project OPS",
    }
    off = {s.name: s.needs for s in sending.channel_states(wb) if not s.on}
    assert off["webhook"] == "WEBHOOK_URL and WEBHOOK_SECRET"
    assert set(off) == {"slack_bot", "teams", "webhook", "pagerduty", "jira"}


def test_no_secret_of_any_channel_is_kept(on: Workbench, who: Principal, clock: Hand) -> None:
    secrets = everything_on().secrets
    queued = queue(on, who)
    sending.deliver(on, "worker")
    kept = json.dumps([repr(d) for d in states(on, who, queued).values()])
    on.store.close()
    kept += "".join(p.read_bytes().decode("latin-1") for p in on.ctx.settings.telltale_home.rglob("*") if p.is_file())
    assert len(secrets) >= 6
    assert not [s for s in (*secrets, SecretStr(WEBHOOK_SECRET).get_secret_value()) if s in kept]
    assert "canary" not in kept
