"""The flows of the order playbook: steps with status, escalation once, corrections kept once and decided once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core import telemetry
from core.access import Principal
from core.bootstrap import build
from core.decide.proposals import IllegalMove
from core.errors import Conflict, Forbidden, InputError
from core.model import ActionState, Incident, IncidentStatus
from core.service import actions, casework, execution, inputs, order_billing, order_flows
from core.service.verification import VERIFIERS
from core.service.workbench import Workbench
from core.settings import Settings
from tests.playbooks.order_scene import event, jsonl, moment
from tests.service.conftest import Hand


@pytest.fixture
def clock() -> Hand:
    return Hand(moment("12:05"))


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="admin")


@pytest.fixture
def wb(tmp_path: Path, clock: Hand, httpserver: HTTPServer) -> Iterator[Workbench]:
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.1"})
    settings = Settings(
        _env_file=None,
        telltale_home=tmp_path,
        telltale_live_actions=True,
        openai_api_key=None,
        slack_bot_token=SecretStr("xoxb-test"),
        slack_channel="C1",
        slack_api_url=httpserver.url_for("/api"),
    )
    made = build(settings, clock)
    yield made
    made.store.close()
    made.ctx.engine.close()  # type: ignore[attr-defined]


def told(wb: Workbench, who: Principal, *events: dict[str, object], invoices: str = "") -> None:
    """The tenant's own events and invoices from now on."""
    inputs.put_file(wb, who, "order_sla", "events.jsonl", jsonl(events), "events.jsonl")
    if invoices:
        inputs.put_file(wb, who, "order_sla", "invoices.csv", invoices.encode(), "invoices.csv")


def incident(wb: Workbench, key: str) -> Incident:
    with wb.store.read() as books:
        found = books.incidents.find_latest("default", f"order:default:{key}")
    assert found is not None
    return found


def subjects(wb: Workbench) -> list[str]:
    with wb.store.read() as books:
        return [d.subject for d in books.outbox.list("default") if d.channel == "slack_bot"]


def test_operations_hear_of_a_delay_after_30_minutes_and_of_its_escalation_once_e2_22(
    wb: Workbench, who: Principal, clock: Hand
) -> None:
    told(wb, who, event("order_paid", "10:00"))
    order_flows.run(wb, who, "order_processing")
    assert subjects(wb) == []  # 5 minutes late: logged only
    clock.at = moment("12:30")
    order_flows.run(wb, who, "order_processing")
    assert len(subjects(wb)) == 1
    clock.at = moment("13:00")
    order_flows.run(wb, who, "orchestrator")
    assert "client_due_at" in incident(wb, "ORD-1:PICK_DELAY").body
    assert "escalated_at" not in incident(wb, "ORD-1:PICK_DELAY").body
    for at in ("16:00", "16:05"):
        clock.at = moment(at)
        order_flows.run(wb, who, "orchestrator")
    assert [s for s in subjects(wb) if s.startswith("[ESCALATED]")] != []
    assert sum(s.startswith("[ESCALATED]") for s in subjects(wb)) == 1
    assert "escalated_at" in incident(wb, "ORD-1:PICK_DELAY").body


def test_corrections_are_kept_once_and_decided_once_e2_25(wb: Workbench, who: Principal, clock: Hand) -> None:
    work = [
        e
        for order in ("A", "B", "C")
        for e in (
            event("pick_completed", "10:00", order),
            event("pack_completed", "10:10", order),
            event("ship_label_printed", "10:20", order),
        )
    ]
    told(wb, who, *work, invoices="order_id,amount_cents\nA,100\nB,700\nC,70\n")
    before = telemetry.value("invoice_adjustments_total")
    for _ in range(2):
        order_flows.run(wb, who, "billing")
    assert telemetry.value("invoice_adjustments_total") - before == 2
    states = {a.order_id: (a.state, a.delta_cents) for a in order_billing.adjustments(wb, who)}
    assert states == {"A": ("BOOKED", -30), "B": ("WAITING", -630)}
    (waiting,) = order_billing.adjustments(wb, who, ("WAITING",))
    with pytest.raises(Forbidden):
        order_billing.decide(wb, replace(who, role="viewer"), waiting.id, approve=True)
    with pytest.raises(InputError):
        order_billing.decide(wb, who, waiting.id, approve=False)
    assert order_billing.decide(wb, who, waiting.id, approve=True).state == "APPROVED"
    with pytest.raises(Conflict):
        order_billing.decide(wb, who, waiting.id, approve=True)
    assert order_billing.adjustments(wb, replace(who, tenant="other")) == []
    assert order_billing.export(wb, who).decode().splitlines()[1].startswith("A,A,2025-08,100,70,-30,booked,")
    with wb.store.read() as books:
        assert books.audit.verify("default").ok


def test_a_failed_step_is_shown_and_later_ones_run_e2_29(wb: Workbench, who: Principal) -> None:
    told(wb, who, event("order_paid", "10:00"), invoices="order_id\nA\n")
    inputs.put_file(wb, who, "order_sla", "events.jsonl", b"\xff\xfe\x00bad\x00", "events.jsonl")
    with wb.store.begin() as books:
        books.inputs.remove("default", "order_sla", "events.jsonl")
    done = order_flows.run(wb, who, "orchestrator")
    steps = {s["name"]: s["status"] for s in done.report["steps"]}  # type: ignore[union-attr, index, call-overload]
    assert steps["order_processing.judge_orders"] == "failed"
    assert steps["exception_management.escalate"] == "ok"
    assert steps["billing.waiting"] == "ok"
    assert "events.jsonl" in done.headline
    assert order_flows.latest(wb, who)["orchestrator"].id == done.id
    with pytest.raises(InputError):
        order_flows.run(wb, who, "tidy_up")


def test_a_missing_scan_is_asked_for_again_at_most_twice_e2_21(
    wb: Workbench, who: Principal, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    playbook = wb.events["order_sla"]
    auto = playbook.model_copy(update={"approval": playbook.approval.model_copy(update={"auto": True})})
    bench = replace(wb, events={**wb.events, "order_sla": auto})
    clock.at = moment("14:31")
    told(bench, who, event("pick_completed", "10:00"), event("exception_reported", "10:00", "B", payload={}))
    casework.run(bench, who, "order_sla", kind="schedule")
    scan = incident(bench, "ORD-1:MISSING_SCAN")
    (action,) = actions.of_incident(bench, who, scan.incident_id)
    assert (action.state, action.approvals) == (ActionState.APPROVED, ("policy-engine",))
    execution.tick(bench, VERIFIERS)
    clock.forward(minutes=6)
    execution.tick(bench, VERIFIERS)
    (action,) = actions.of_incident(bench, who, scan.incident_id)
    assert action.state is ActionState.VERIFY_FAILED  # the scan still is missing
    told(bench, who, event("pick_completed", "10:00"), event("pack_completed", "14:36"))
    for _ in range(2):
        casework.run(bench, who, "order_sla", kind="schedule")
        clock.forward(minutes=1)
    assert incident(bench, "ORD-1:MISSING_SCAN").status is IncidentStatus.RESOLVED


def test_only_a_missing_scan_runs_unattended(wb: Workbench, who: Principal, clock: Hand) -> None:
    clock.at = moment("2025-08-16T12:00:00")
    told(wb, who, event("exception_reported", "2025-08-16T11:00:00Z", payload={"exception_reason": "address"}),
         event("delivery_failed", "2025-08-16T11:00:00Z", "C"))  # fmt: skip
    casework.run(wb, who, "order_sla", kind="schedule")
    for key in ("ORD-1:ADDRESS_ERROR", "C:CARRIER_ISSUE"):
        (action,) = actions.of_incident(wb, who, incident(wb, key).incident_id)
        assert (action.state, action.proposal.requires_approval) == (ActionState.PROPOSED, True)
    assert "weekend" in action.proposal.description


def test_lookbacks_have_names() -> None:
    assert (timedelta(hours=24), timedelta(hours=168)) == (order_flows.ORDERS, order_flows.EXCEPTIONS)
    assert timedelta(hours=24) == order_billing.LOOKBACK


def test_there_is_no_third_attempt_e2_21(wb: Workbench, who: Principal, clock: Hand) -> None:
    clock.at = moment("14:31")
    told(wb, who, event("pick_completed", "10:00"))
    casework.run(wb, who, "order_sla", kind="schedule")
    scan = incident(wb, "ORD-1:MISSING_SCAN")
    with wb.store.begin() as books:
        (first,) = books.actions.of_incident("default", scan.incident_id)
        for n in (1, 2):
            books.actions.propose(
                replace(
                    first, action_id=f"ACT-{n:016d}", sequence=n, mode="live", state=ActionState.VERIFY_FAILED,
                    executed_at=clock.at,
                )
            )  # fmt: skip
    with pytest.raises(IllegalMove, match="2 attempts were made"):
        actions.approve(wb, who, first.action_id)
    casework.run(wb, who, "order_sla", kind="schedule")
    found = actions.of_incident(wb, who, scan.incident_id)
    assert not any(a.state is ActionState.PROPOSED and not a.proposal.blocked for a in found)
