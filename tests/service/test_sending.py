"""Sending a run: exact, once unless confirmed, each channel for itself, retried, and no secret kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from core.access import Principal
from core.errors import Conflict, Forbidden, NotFound
from core.model import DeliveryState, Light, Run
from core.service import incidents, runs, sending
from core.service.workbench import Workbench
from core.store.incidents import Incidents
from tests.adapters.mail_server import Post
from tests.service.conftest import HOOK, Hand


@pytest.fixture
def run(wb: Workbench, who: Principal) -> Run:
    return runs.run(wb, who, "daily_kpis", ask_model=False)


def incident_of(wb: Workbench, who: Principal, run: Run):
    rows = run.report["incidents"]
    return incidents.get(wb, who, rows[0]["incident_id"])


def actions(wb: Workbench, who: Principal) -> list[str]:
    with wb.store.read() as books:
        return [e.action for e in reversed(books.audit.list(who.tenant)) if e.agent == "act"]


def test_what_arrives_is_what_the_preview_showed_op18(
    wb: Workbench, who: Principal, run: Run, post: Post, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
    for channel in ("email", "slack"):
        assert sending.send(wb, who, run.id, channel).state is DeliveryState.SENT
    mail = message_from_bytes(post.mails[0], policy=default)
    shown = sending.preview(wb, run, "email")
    assert mail["Subject"] == shown.subject == "[OpsPulse RED] 2025-12-13"
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").strip() == shown.text.strip()
    (request, _) = httpserver.log[0]
    assert json.loads(request.data) == sending.preview(wb, run, "slack").payload
    assert incident_of(wb, who, run).alerted
    assert [e.event for e in incident_of(wb, who, run).timeline][-2:] == ["alert sent by email", "alert sent by slack"]
    assert actions(wb, who) == ["message_queued", "message_sent"] * 2


def test_a_second_identical_send_needs_a_confirmation(wb: Workbench, who: Principal, run: Run, post: Post) -> None:
    sending.send(wb, who, run.id, "email")
    with pytest.raises(Conflict, match="queued or sent already"):
        sending.send(wb, who, run.id, "email")
    assert len(post.mails) == 1
    assert sending.send(wb, who, run.id, "email", again=True).state is DeliveryState.SENT
    assert len(post.mails) == 2


def test_another_message_about_the_same_day_is_not_called_identical_op18(
    wb: Workbench, who: Principal, run: Run, post: Post, clock: Hand
) -> None:
    """A rerun that says the same is identical; one with other figures is not, but the first one is still found."""
    first = sending.send(wb, who, run.id, "email")
    clock.forward(minutes=1)
    rerun = runs.run(wb, who, "daily_kpis", ask_model=False)
    same = sending.preview(wb, rerun, "email")
    assert sending.already_sent(wb, who, same) == first
    other = replace(rerun, headline="7 metrics moved the wrong way")
    changed = sending.preview(wb, other, "email")
    assert sending.already_sent(wb, who, changed) is None
    assert sending.told_before(wb, who, other, "email") == first
    assert sending.told_before(wb, who, replace(other, light=Light.YELLOW), "email") is None
    assert sending.told_before(wb, who, other, "slack") is None


def test_one_channel_failing_leaves_the_other_sent(
    wb: Workbench, who: Principal, run: Run, post: Post, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(HOOK).respond_with_data("no_service", status=404)
    slack, mail = (sending.send(wb, who, run.id, channel) for channel in ("slack", "email"))
    assert (slack.state, mail.state) == (DeliveryState.FAILED, DeliveryState.SENT)
    assert slack.error.startswith("Slack refused the message (404, no_service).")
    assert len(post.mails) == 1


def test_a_retry_waits_for_its_time_and_is_the_same_mail(
    wb: Workbench, who: Principal, run: Run, post: Post, clock: Hand
) -> None:
    post.replies.append("451 4.3.0 try later")
    first = sending.send(wb, who, run.id, "email")
    assert (first.state, first.attempts) == (DeliveryState.QUEUED, 1)
    assert first.next_attempt_at is not None
    assert 15 <= (first.next_attempt_at - clock.now()).total_seconds() <= 22.5
    clock.forward(seconds=14)
    assert sending.deliver(wb, "worker") == 0
    clock.forward(seconds=10)
    assert sending.deliver(wb, "worker") == 1
    assert len(post.mails) == 1
    with wb.store.read() as books:
        assert books.outbox.get(who.tenant, first.id).state is DeliveryState.SENT


def test_given_up_after_three_attempts_and_sent_by_hand_later(
    wb: Workbench, who: Principal, run: Run, post: Post, clock: Hand
) -> None:
    post.replies += ["451 4.3.0 try later"] * 3
    first = sending.send(wb, who, run.id, "email")
    for _ in range(3):
        clock.forward(hours=1)
        sending.deliver(wb, "worker")
    with wb.store.read() as books:
        given_up = books.outbox.get(who.tenant, first.id)
    assert (given_up.state, given_up.attempts, post.mails) == (DeliveryState.FAILED, 3, [])
    again = sending.retry(wb, who, first.id)
    assert (again.state, again.created_by, again.subject) == (DeliveryState.SENT, "ana", first.subject)
    assert again.id != first.id
    assert actions(wb, who)[-2:] == ["message_retried", "message_sent"]
    with pytest.raises(Conflict, match="queued or sent already"):
        sending.retry(wb, who, first.id)
    with pytest.raises(Conflict, match="only one that was given up"):
        sending.retry(wb, who, again.id)
    with pytest.raises(Forbidden):
        sending.retry(wb, Principal("vi", "default", "viewer"), first.id)
    with pytest.raises(NotFound):
        sending.retry(wb, Principal("eve", "other", "admin"), first.id)


def test_somebody_changing_the_incident_does_not_send_it_twice(
    wb: Workbench, who: Principal, run: Run, post: Post, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark "sent" stands although noting it in the incident meets another writer, which is tried once more."""
    met: list[str] = []
    save = Incidents.save

    def busy(self: Incidents, incident, expected) -> None:
        if not met:
            met.append(incident.incident_id)
            raise Conflict("changed meanwhile")
        save(self, incident, expected)

    monkeypatch.setattr(Incidents, "save", busy)
    assert sending.send(wb, who, run.id, "email").state is DeliveryState.SENT
    clock.forward(hours=2)
    assert sending.deliver(wb, "worker") == 0
    assert len(post.mails) == 1
    assert met
    assert incident_of(wb, who, run).alerted


def test_recovery_only_after_an_alert_and_once(wb: Workbench, who: Principal, run: Run, post: Post) -> None:
    incident_id = incident_of(wb, who, run).incident_id
    incidents.move(wb, who, incident_id, "resolved")
    with pytest.raises(Conflict, match="Nobody was alerted"):
        sending.recovery_preview(wb, who, incident_id, "email")
    incidents.move(wb, who, incident_id, "open")
    sending.send(wb, who, run.id, "email")
    with pytest.raises(Conflict, match="is OPEN; there is no recovery"):
        sending.recovery(wb, who, incident_id, "email")
    incidents.move(wb, who, incident_id, "resolved", "refund job fixed")
    shown = sending.recovery_preview(wb, who, incident_id, "email")
    assert len(post.mails) == 1  # resolving sends nothing by itself
    assert sending.recovery(wb, who, incident_id, "email").state is DeliveryState.SENT
    assert message_from_bytes(post.mails[1], policy=default)["Subject"] == shown.subject
    assert shown.subject == f"[Telltale RESOLVED] {incident_id} 2025-12-13"
    with pytest.raises(Conflict, match="queued or sent already"):
        sending.recovery(wb, who, incident_id, "email")
    assert incident_of(wb, who, run).timeline[-1].event == "recovery message sent by email"


def test_no_secret_is_kept(wb: Workbench, who: Principal, run: Run, httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request(HOOK).respond_with_data(f"what is {httpserver.url_for(HOOK)}?", status=400)
    sending.send(wb, who, run.id, "slack")
    sending.test_message(wb, who, "slack")
    wb.store.close()
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert run.id.encode() in kept
    assert b"canary-webhook-secret" not in kept


def test_only_administrators_test_a_channel(wb: Workbench, who: Principal, post: Post) -> None:
    with pytest.raises(Forbidden):
        sending.test_message(wb, Principal("rob", "default", "responder"), "email")
    assert sending.test_message(wb, who, "email").state is DeliveryState.SENT
    assert b"This is a test message" in post.mails[0]


def test_two_workers_send_a_message_once(opened: Callable[[], Workbench], who: Principal, post: Post) -> None:
    one, two = opened(), opened()
    run = runs.run(one, who, "daily_kpis", ask_model=False)
    note = sending.preview(one, run, "email")
    with one.store.begin() as books:
        books.outbox.enqueue(note, who.tenant, who.user, one.ctx.clock.now())
    assert sending.deliver(one, "one") + sending.deliver(two, "two") == 1
    assert len(post.mails) == 1
