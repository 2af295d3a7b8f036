"""The service playbook as a whole, at a fixed clock and without a model: its six scenarios over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core import telemetry
from core.access import Principal
from core.bootstrap import build
from core.decide.proposals import IllegalMove
from core.errors import Forbidden
from core.model import ActionState, CheckReport, DeliveryState, Incident, IncidentStatus, Run, Severity
from core.service import actions, alerts, casework, execution, tools
from core.service.verification import VERIFIERS
from core.service.workbench import Recent, Workbench
from core.settings import Settings
from tests.service.conftest import Hand

NOW = datetime(2026, 3, 2, 10, 30, 20, tzinfo=UTC)
CHECKED = Recent[CheckReport](64)
JIRA = "/rest/api/3"


@pytest.fixture
def clock() -> Hand:
    return Hand(NOW)


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="responder")


@pytest.fixture
def wb(tmp_path: Path, clock: Hand, httpserver: HTTPServer) -> Iterator[Workbench]:
    """A workbench whose Slack bot and Jira are this test's server; actions are carried out for real (sandbox)."""
    url = httpserver.url_for("").rstrip("/")
    settings = Settings(
        _env_file=None,
        telltale_home=tmp_path,
        telltale_live_actions=True,
        openai_api_key=None,
        slack_bot_token=SecretStr("xoxb-test"),
        slack_channel="C1",
        slack_api_url=f"{url}/api",
        jira_url=url,
        jira_email="bot@example.com",
        jira_token=SecretStr("token"),
    )
    bench = replace(build(settings, clock), checks=CHECKED)
    yield bench
    bench.store.close()
    bench.ctx.engine.close()  # type: ignore[attr-defined]


@pytest.fixture
def well(httpserver: HTTPServer) -> HTTPServer:
    """Slack and Jira that take everything."""
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.1"})
    httpserver.expect_request(f"{JIRA}/search/jql").respond_with_json({"issues": []})
    httpserver.expect_request(f"{JIRA}/issue").respond_with_json({"key": "OPS-1234"}, status=201)
    return httpserver


def look(wb: Workbench, who: Principal, **more: object) -> Run:
    return casework.run(wb, who, "service_incidents", kind="schedule", ask_model=False, **more)  # type: ignore[arg-type]


def payment(wb: Workbench) -> Incident:
    with wb.store.read() as books:
        found = books.incidents.find_latest("default", "service:payment-service:error_rate")
    assert found is not None
    return found


def proposal(wb: Workbench, who: Principal, kind: str):
    return next(a for a in actions.of_incident(wb, who, payment(wb).incident_id) if a.proposal.action_type == kind)


def slack(server: HTTPServer) -> list[str]:
    return [json.loads(r.data)["text"] for r, _ in server.log if r.path == "/api/chat.postMessage"]


def test_scenario_1_full_run(wb: Workbench, who: Principal, clock: Hand, well: HTTPServer) -> None:
    opened = telemetry.value("incidents_created_total", severity="CRITICAL", service="payment-service")
    done = look(wb, who)
    found = payment(wb)
    assert (done.light, found.severity, found.occurrences) == ("red", Severity.CRITICAL, 1)
    assert found.body["metrics"]["error_rate"] == pytest.approx(0.12, abs=1e-9)
    top = found.body["metrics"]["top_errors"][0]
    assert (top["error_type"], top["count"], top["share"]) == ("DatabaseConnectionTimeout", 847, pytest.approx(0.847))
    leading = found.body["explanation"]["hypotheses"][0]
    assert (leading["kind"], leading["confidence"]) == ("change", 0.92)
    assert "v2.4.1" in leading["cause"]
    assert found.body["explanation"]["confidence"] == 0.92
    assert found.body["ticket_key"] == "OPS-1234"
    first = slack(well)[0]
    assert first.startswith("[CRITICAL] Incident detected: payment-service")
    posted = next(r.get_data().decode() for r, _ in well.log if r.path == "/api/chat.postMessage")
    for shown in (found.incident_id, "CRITICAL", "12.00%", "Payments", "2026-03-02 10:30 UTC"):
        assert shown in posted
    assert telemetry.value("incidents_created_total", severity="CRITICAL", service="payment-service") - opened == 1

    rollback, pool = proposal(wb, who, "rollback"), proposal(wb, who, "increase_pool")
    assert (rollback.proposal.eta_minutes, rollback.proposal.risk_score, rollback.proposal.requires_approval) == (
        5,
        0.20,
        True,
    )
    assert "v2.3.9" in json.dumps(rollback.proposal.params)
    assert (pool.proposal.eta_minutes, pool.state) == (2, ActionState.PROPOSED)
    assert f"approve|{found.incident_id}|{rollback.action_id}" in "".join(
        r.get_data().decode() for r, _ in well.log if r.path == "/api/chat.postMessage"
    )

    clock.forward(seconds=70)
    actions.approve(wb, who, rollback.action_id, "seen in the log")
    assert (payment(wb).status, payment(wb).assignee) == (IncidentStatus.IN_PROGRESS, "ana")
    execution.tick(wb, VERIFIERS)
    assert proposal(wb, who, "rollback").state is ActionState.EXECUTED
    clock.forward(minutes=2)
    execution.tick(wb, VERIFIERS)
    assert proposal(wb, who, "rollback").state is ActionState.VERIFIED
    assert payment(wb).status is IncidentStatus.MITIGATED
    assert actions.saved(wb, who).n == 1
    with wb.store.read() as books:
        told = [books.outbox.payload("default", d.id) for d in books.outbox.list("default") if d.channel == "jira"]
        wanted = [n.payload["status"] for n in told if ":moved:" in n.dedup_key]
        assert wanted == ["In Progress", "In Progress"]  # DP-20: the ticket follows IN_PROGRESS and MITIGATED
        steps = {e.action for e in books.audit.list("default", limit=1000)}
        assert books.audit.verify("default").ok
    assert {
        "detected", "explanation", "decision", "action_proposed", "action_approved", "action_executed",
        "action_verified", "message_queued", "message_sent",
    } <= steps  # fmt: skip
    with pytest.raises(IllegalMove):
        actions.approve(wb, who, rollback.action_id)


def test_scenario_2_dry_run_is_simulated_and_never_mitigates(
    wb: Workbench, who: Principal, clock: Hand, well: HTTPServer
) -> None:
    dry = replace(wb, ctx=replace(wb.ctx, settings=wb.ctx.settings.model_copy(update={"telltale_live_actions": False})))
    look(dry, who)
    actions.approve(dry, who, proposal(dry, who, "rollback").action_id)
    execution.tick(dry, VERIFIERS)
    done = proposal(dry, who, "rollback")
    assert (done.state, done.result["simulated"]) == (ActionState.EXECUTED, True)
    clock.forward(minutes=20)
    execution.tick(dry, VERIFIERS)
    assert payment(dry).status is IncidentStatus.IN_PROGRESS


def test_scenario_3_a_deployment_after_the_onset_is_no_cause(
    wb: Workbench, who: Principal, tmp_path: Path, well: HTTPServer
) -> None:
    folder = tmp_path / "late"
    tools.generate("service_incidents", 1, folder, now=NOW)
    path = folder / "deployments.csv"
    lines = [line for line in path.read_text("utf-8").splitlines() if "payment-service" not in line]
    path.write_text(
        "\n".join([*lines, "2026-03-02T10:26:00Z,payment-service,v2.4.1,v2.3.9,john.doe,Updated pool settings,success"])
        + "\n",
        "utf-8",
    )
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    look(wb, who, files=files)
    ranked = payment(wb).body["explanation"]["hypotheses"]
    assert (ranked[0]["kind"], ranked[0]["confidence"]) == ("capacity", 0.50)
    kinds = {a.proposal.action_type for a in actions.of_incident(wb, who, payment(wb).incident_id)}
    assert "rollback" not in kinds


def test_scenario_4_ten_cycles_one_incident_one_message(
    wb: Workbench, who: Principal, clock: Hand, well: HTTPServer
) -> None:
    for _ in range(10):
        look(wb, who)
        clock.forward(minutes=1)
    assert payment(wb).occurrences == 10
    assert sum("Incident detected" in text for text in slack(well)) == 1
    assert [r.path for r, _ in well.log].count(f"{JIRA}/issue") == 1
    asked = [text for text in slack(well) if "Approval needed" in text]
    assert len(asked) == len(set(asked))


def test_scenario_5_a_viewer_is_refused_and_a_rejection_calls_nothing(
    wb: Workbench, who: Principal, well: HTTPServer
) -> None:
    look(wb, who)
    rollback = proposal(wb, who, "rollback")
    with pytest.raises(Forbidden):
        actions.approve(wb, replace(who, role="viewer"), rollback.action_id)
    actions.reject(wb, who, rollback.action_id, "not now")
    execution.tick(wb, VERIFIERS)
    done = proposal(wb, who, "rollback")
    assert (done.state, done.result) == (ActionState.REJECTED, {})
    assert payment(wb).status is IncidentStatus.OPEN


def test_scenario_6_jira_down_leaves_incident_and_slack(
    wb: Workbench, who: Principal, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "QUICK_WAIT_S", 0.0)
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.1"})
    httpserver.expect_request(f"{JIRA}/search/jql").respond_with_data("down", status=503)
    look(wb, who)
    assert payment(wb).alerted
    with wb.store.read() as books:
        sent = {(d.channel, d.state) for d in books.outbox.list("default")}
    assert ("slack_bot", DeliveryState.SENT) in sent
    assert ("jira", DeliveryState.QUEUED) in sent


def test_recovery_resolves_with_a_message_dp07(wb: Workbench, who: Principal, clock: Hand, well: HTTPServer) -> None:
    look(wb, who)
    actions.approve(wb, who, proposal(wb, who, "rollback").action_id)
    execution.tick(wb, VERIFIERS)
    clock.forward(minutes=25)
    execution.tick(wb, VERIFIERS)
    for _ in range(3):
        look(wb, who)
        clock.forward(minutes=1)
    assert (payment(wb).status, payment(wb).resolved_by) == (IncidentStatus.RESOLVED, "system")
    assert sum("RECOVERED" in text for text in slack(well)) == 1
