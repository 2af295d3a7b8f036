"""Remedies against servers on this machine: the request shown is the request made (DP-13, DP-17, PU-22)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook
from werkzeug import Request as Received
from werkzeug import Response

from core.act.remedies import build_remedy, remedies
from core.act.remedy import filled
from core.adapters.http import SafeHttp
from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import Action, ActionState, JsonObject, Proposal
from core.settings import Settings

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"
SUBJECT = "payment-service"
NOW = datetime.now(UTC)  # the library's verifier looks at the real clock
ACTION = Action(
    action_id="ACT-9909B4E1D710ED64",
    incident_id="INC-0A1B2C3D",
    tenant="acme",
    sequence=0,
    proposal=Proposal(
        action_type="rollback",
        title="Roll back payment-service",
        description="",
        eta_minutes=5,
        risk_score=0.2,
        params={"target_version": "v2.3.9"},
        adapter="webhook",
    ),
    mode="live",
    state=ActionState.APPROVED,
    evidence_key="e",
    proposed_at=NOW,
    expires_at=NOW,
    updated_at=NOW,
)


@dataclass
class Standing:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


Make = Callable[..., Context]


@pytest.fixture
def make(tmp_path: Path, httpserver: HTTPServer) -> Make:
    def context(**more: object) -> Context:
        base = httpserver.url_for("").rstrip("/")
        known: dict[str, object] = {
            "airflow_url": base,
            "action_webhook_url": f"{base}/hooks/actions",
            "action_webhook_secret": SecretStr(SECRET),
            "airflow_token": SecretStr("static-bearer-token"),
        }
        settings = Settings(_env_file=None, telltale_home=tmp_path, **{**known, **more})  # type: ignore[arg-type]
        http = SafeHttp(allow=settings.http_hosts)
        return Context(settings=settings, clock=Standing(), engine=None, http=http, ledger=None)  # type: ignore[arg-type]

    return context


def given(params: JsonObject, action_type: str = "rollback") -> Action:
    return replace(ACTION, proposal=replace(ACTION.proposal, params=params, action_type=action_type))


JOBS = {"re_extract": {"dag": "people_daily"}, "retry_load": {"dag": "orders", "tasks": ["load_orders"]}}


def test_dp17_airflow_triggers_a_run_under_the_actions_id(make: Make, httpserver: HTTPServer) -> None:
    ctx = make()
    airflow = build_remedy(ctx.settings, "airflow", {"jobs": JOBS})
    action = given({"segment": "S1"}, "re_extract")
    shown = airflow.preview(action, SUBJECT)
    assert shown.url.endswith("/api/v2/dags/people_daily/dagRuns")
    assert shown.body == {
        "logical_date": None,
        "dag_run_id": "ACT-9909B4E1D710ED64",
        "conf": {
            "segment": "S1",
            "subject": "payment-service",
            "incident_id": "INC-0A1B2C3D",
            "action_id": "ACT-9909B4E1D710ED64",
        },
        "note": "ACT-9909B4E1D710ED64 for INC-0A1B2C3D: Roll back payment-service",
    }
    assert "static-bearer-token" not in str(shown)
    httpserver.expect_ordered_request(
        "/api/v2/dags/people_daily/dagRuns",
        method="POST",
        json=shown.body,
        headers={**shown.headers, "Authorization": "Bearer static-bearer-token"},
    ).respond_with_json({"state": "queued"})
    httpserver.expect_ordered_request("/api/v2/dags/people_daily/dagRuns").respond_with_json({"detail": "x"}, 409)
    assert airflow.execute(action, SUBJECT, ctx)["status"] == 200
    assert airflow.execute(action, SUBJECT, ctx)["already"] is True
    httpserver.check()


def test_dp17_airflow_clears_tasks_with_a_token_of_its_login(make: Make, httpserver: HTTPServer) -> None:
    ctx = make(airflow_token=None, airflow_user="ops", airflow_password=SecretStr("airflow-password-1"))
    airflow = build_remedy(ctx.settings, "airflow", {"jobs": JOBS})
    action = given({"dag_run_id": "manual__2026-01-05"}, "retry_load")
    httpserver.expect_ordered_request(
        "/auth/token", method="POST", json={"username": "ops", "password": "airflow-password-1"}
    ).respond_with_json({"access_token": "fresh"}, 201)
    httpserver.expect_ordered_request(
        "/api/v2/dags/orders/clearTaskInstances",
        method="POST",
        json=airflow.preview(action, SUBJECT).body,
        headers={"Authorization": "Bearer fresh"},
    ).respond_with_json({"task_instances": []})
    assert airflow.preview(action, SUBJECT).body["dry_run"] is False
    assert airflow.execute(action, SUBJECT, ctx)["status"] == 200
    httpserver.check()
    with pytest.raises(InputError, match="dag_run_id"):
        airflow.preview(given({}, "retry_load"), SUBJECT)


@pytest.mark.parametrize(("status", "reply"), [(401, "{}"), (201, "[]"), (201, "no json")])
def test_airflow_without_a_token_is_a_failure(make: Make, httpserver: HTTPServer, status: int, reply: str) -> None:
    ctx = make(airflow_token=None, airflow_user="ops", airflow_password=SecretStr("airflow-password-1"))
    httpserver.expect_request("/auth/token").respond_with_data(reply, status)
    with pytest.raises(ProviderError, match="no token"):
        build_remedy(ctx.settings, "airflow", {"jobs": JOBS}).execute(given({}, "re_extract"), SUBJECT, ctx)
    with pytest.raises(ConfigError, match="login"):
        build_remedy(ctx.settings, "airflow", {"jobs": JOBS}).execute(
            given({}, "re_extract"), SUBJECT, make(airflow_token=None)
        )


def test_dp17_the_webhook_is_signed_over_what_was_shown(make: Make, httpserver: HTTPServer) -> None:
    ctx, seen = make(), []

    def receive(request: Received) -> Response:
        seen.append(Webhook(SECRET).verify(request.data, dict(request.headers)))
        assert request.headers["webhook-id"] == request.headers["Idempotency-Key"] == ACTION.action_id
        return Response("done", 202)

    httpserver.expect_request("/hooks/actions", method="POST").respond_with_handler(receive)
    webhook = build_remedy(ctx.settings, "webhook", {})
    assert webhook.execute(ACTION, SUBJECT, ctx) == {"status": 202, "answer": "done"}
    assert seen == [json.loads(webhook.preview(ACTION, SUBJECT).data)]
    assert "webhook-signature" not in webhook.preview(ACTION, SUBJECT).headers


def test_a_kubernetes_rollback_goes_through_a_webhook_template(make: Make, httpserver: HTTPServer) -> None:
    ctx = make()
    url = httpserver.url_for("/deploy/{service}")
    rollback = build_remedy(ctx.settings, "kubernetes_rollback", {"url": url, "namespace": "shop"})
    shown = rollback.preview(ACTION, SUBJECT)
    assert shown.url.endswith("/deploy/payment-service")
    spec = shown.body["spec"]
    assert spec == {
        "template": {"spec": {"containers": [{"name": "payment-service", "image": "payment-service:v2.3.9"}]}}
    }
    httpserver.expect_request("/deploy/payment-service", method="POST", json=shown.body).respond_with_json({})
    assert rollback.execute(ACTION, SUBJECT, ctx)["status"] == 200


@pytest.mark.parametrize("bad", ["../admin", "a/b", "a b", "a;rm -rf /", "", "x" * 101, "ä", 7, None])
def test_a_parameter_cannot_bend_an_address(bad: object) -> None:
    with pytest.raises(InputError, match="service"):
        filled("https://deploy.example.com/{service}", {"service": bad})  # type: ignore[dict-item]


@pytest.mark.parametrize("template", ["https://{service}.example.com/x", "{service}", "http://a.b{service}/"])
def test_the_host_is_never_a_parameter(template: str) -> None:
    with pytest.raises(ConfigError, match="host"):
        filled(template, {"service": "evil.example"})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://evil.example/x", "list of action hosts"),
        ("http://deploy.example.com/x", "https"),
        ("http://127.0.0.1.evil.example/x", "https"),
    ],
)
def test_only_listed_hosts_over_https_or_this_machine(make: Make, url: str, why: str) -> None:
    ctx = make(telltale_action_hosts="deploy.example.com", telltale_http_allow="deploy.example.com")
    with pytest.raises(InputError, match=why):
        build_remedy(ctx.settings, "webhook", {"url": url}).execute(ACTION, SUBJECT, ctx)


@pytest.mark.parametrize("status", [302, 400, 403, 500])
def test_any_other_status_is_a_failure(make: Make, httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/hooks/actions").respond_with_data(
        "no", status, headers={"Location": httpserver.url_for("/elsewhere")}
    )
    ctx = make()
    with pytest.raises(ProviderError, match=f"{status}"):
        build_remedy(ctx.settings, "webhook", {}).execute(ACTION, SUBJECT, ctx)
    assert len(httpserver.log) == 1


def test_unsigned_actions_are_not_posted_and_what_is_not_set_up_says_so(make: Make) -> None:
    ctx = make(action_webhook_secret=None)
    with pytest.raises(ConfigError, match="ACTION_WEBHOOK_SECRET"):
        build_remedy(ctx.settings, "webhook", {}).execute(ACTION, SUBJECT, ctx)
    for name in ("airflow", "webhook", "kubernetes_rollback"):
        off = make(airflow_url=None, action_webhook_url=None)
        with pytest.raises(ConfigError, match="not set up"):
            build_remedy(off.settings, name, {}).preview(ACTION, SUBJECT)
    with pytest.raises(ConfigError, match="no Airflow job for rollback"):
        build_remedy(ctx.settings, "airflow", {"jobs": JOBS}).preview(ACTION, SUBJECT)


def test_sandbox_and_documentation_call_nothing_and_say_what_they_are(make: Make, httpserver: HTTPServer) -> None:
    ctx = make()
    sandbox = build_remedy(ctx.settings, "sandbox", {})
    assert sandbox.preview(ACTION, SUBJECT).url.startswith("sandbox://")
    assert sandbox.execute(ACTION, SUBJECT, ctx)["sandbox"] is True
    read = build_remedy(ctx.settings, "", {})
    assert read.name == "documentation"
    assert read.preview(given({"url": "https://wiki.example.com/x"}), SUBJECT).url == "https://wiki.example.com/x"
    assert "nothing was called" in str(read.execute(ACTION, SUBJECT, ctx)["answer"])
    assert httpserver.log == []


def test_every_remedy_is_frozen_documented_and_refuses_unknown_keys() -> None:
    assert set(remedies.names) == {"airflow", "webhook", "kubernetes_rollback", "sandbox", "documentation"}
    for cls in remedies:
        assert cls.__doc__
        assert cls.model_config["frozen"]
        built = cls()
        assert cls.model_validate(built.model_dump()) == built
        with pytest.raises(ConfigError, match="shell"):
            remedies.build(cls.name, {"shell": "rm"})
