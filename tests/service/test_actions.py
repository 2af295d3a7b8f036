"""Actions from proposal to mitigation (DP-13 to DP-17, DP-21, DP-22, DP-26; scenarios 1, 2 and 5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core import telemetry
from core.access import Principal
from core.bootstrap import build
from core.decide.proposals import ApprovalRules, IllegalMove, executing_since
from core.errors import Forbidden, InputError, NotFound, ProviderError
from core.model import (
    Action,
    ActionState,
    CheckReport,
    Dataset,
    Incident,
    IncidentStatus,
    JsonObject,
    Look,
    Proposal,
    Severity,
    TimelineEntry,
    Trigger,
)
from core.playbook import EventPlaybook, EventUse
from core.service import actions, casework, execution, incidents
from core.service.desk import Desk
from core.service.execution import Verdict
from core.service.workbench import Workbench
from core.settings import Settings
from tests import postgres
from tests.service.conftest import NOW, Hand
from tests.store.samples import at_once

ANA = Principal("ana@example.com", "default", "responder")
BO = Principal("bo@example.com", "default", "admin")
VERA = Principal("vera@example.com", "default", "viewer")
SECRET = SecretStr("whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u")
BODY: JsonObject = {"explanation": {"hypotheses": [{"kind": "change", "cause": "v2.4.1"}], "confidence": 0.92}}
INCIDENT = Incident(
    incident_id="INC-0A1B2C3D",
    tenant="default",
    playbook="services",
    dedup_key="service:payment-service:error_rate",
    type="error_rate",
    severity=Severity.CRITICAL,
    status=IncidentStatus.OPEN,
    title="payment-service fails",
    subject="payment-service",
    detected_at=NOW,
    created_at=NOW,
    updated_at=NOW,
    run_id="run-1",
    body=BODY,
    timeline=(TimelineEntry(NOW, "detected", "system"),),
)
ROLLBACK = Proposal(
    action_type="rollback",
    title="Roll back payment-service",
    description="To the version before v2.4.1.",
    eta_minutes=5,
    risk_score=0.2,
    params={"target_version": "v2.3.9"},
    adapter="sandbox",
)
POOL = replace(ROLLBACK, action_type="increase_pool", title="Raise the pool", risk_score=0.1, params={"size": 50})
SCALE = replace(
    ROLLBACK, action_type="scale_out", title="Add replicas", risk_score=0.05, requires_approval=False, params={}
)
S = ActionState
LOOK = Look(
    run_id="run-2",
    playbook="services",
    trigger=Trigger(kind="manual", actor="ana", tenant="default"),
    started_at=NOW,
    ended_at=NOW,
    as_of=NOW,
    dataset=Dataset({}),
    checks=CheckReport(),
    findings=(),
    notes=(),
)


@dataclass
class Bench:
    """A workbench over one incident, whose playbook and settings a test changes as it likes."""

    wb: Workbench
    clock: Hand
    good: bool = False
    told: list[str] = field(default_factory=list)

    def configured(self, rules: ApprovalRules | None = None, **settings: object) -> Bench:
        """The same store under other rules and settings."""
        playbook = self.wb.events["services"]
        if rules is not None:
            playbook = playbook.model_copy(update={"approval": rules})
        known = self.wb.ctx.settings.model_copy(update=settings)
        ctx = replace(self.wb.ctx, settings=known)
        return replace(self, wb=replace(self.wb, ctx=ctx, events={"services": playbook}))

    def propose(self, *drafts: Proposal) -> tuple[Action, ...]:
        return actions.propose(self.wb, INCIDENT, drafts)

    def tick(self) -> int:
        def notify(_wb: Workbench, action: Action, incident: Incident) -> None:
            self.told.append(f"{incident.incident_id} {action.state}")

        return execution.tick(self.wb, {"services": lambda _wb, _a: Verdict(self.good, "12 % of 5 %")}, notify)

    def incident(self) -> Incident:
        return incidents.get(self.wb, ANA, INCIDENT.incident_id)

    def action(self, action: Action) -> Action:
        return actions.get(self.wb, ANA, action.action_id)

    def audited(self) -> list[str]:
        with self.wb.store.read() as books:
            return [e.action for e in reversed(books.audit.list("default"))]


def playbook() -> EventPlaybook:
    uses = (EventUse(detector="sentinel"),)
    return EventPlaybook(name="services", title="Services", loader="none", events=uses, explainer="none")


def bench_over(wb: Workbench, clock: Hand) -> Bench:
    with wb.store.begin() as books:
        books.incidents.add(INCIDENT)
    return Bench(replace(wb, events={"services": playbook()}), clock)


@pytest.fixture
def bench(tmp_path: Path, clock: Hand) -> Iterator[Bench]:
    """Live actions over a SQLite store."""
    settings = Settings(_env_file=None, telltale_home=tmp_path, telltale_live_actions=True)
    wb = build(settings, clock)
    yield bench_over(wb, clock)
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]


def test_dp17_scenario1_approved_executed_verified_mitigated(bench: Bench) -> None:
    waited = telemetry.value("action_approval_time_seconds_sum")
    rollback, pool = bench.propose(ROLLBACK, POOL)
    bench.clock.forward(seconds=90)
    actions.approve(bench.wb, ANA, rollback.action_id, "looks like the deploy")
    incident = bench.incident()
    assert (incident.status, incident.assignee) == (IncidentStatus.IN_PROGRESS, ANA.user)
    assert telemetry.value("action_approval_time_seconds_sum") == waited + 90
    assert bench.tick() == 1
    done = bench.action(rollback)
    assert done.state is S.EXECUTED
    assert done.result["sandbox"] is True
    assert execution.healed(bench.wb, "default") == {"payment-service": bench.clock.now()}

    assert bench.tick() == 1  # read, still bad
    assert bench.tick() == 0  # not due yet
    bench.clock.forward(seconds=10)
    bench.good = True
    assert bench.tick() == 1
    verified = bench.action(rollback)
    assert (verified.state, verified.verify_result["polls"]) == (S.VERIFIED, 2)
    assert bench.incident().status is IncidentStatus.MITIGATED
    assert bench.tick() == 0
    assert bench.audited() == [
        "action_proposed", "action_proposed", "action_approved", "action_executed", "action_verified",
    ]  # fmt: skip
    history = actions.history(bench.wb, VERA, INCIDENT.incident_id)
    approved = history[2]
    assert (approved.approved_by, approved.decision["reason"]) == (ANA.user, "looks like the deploy")
    with bench.wb.store.read() as books:
        assert books.audit.verify("default").ok
    saved = actions.saved(bench.wb, VERA)
    assert (saved.n, saved.measured_min, saved.saved_min, saved.within_target) == (1, 1.5, 43.5, 1)
    assert bench.action(pool).state is S.PROPOSED


def test_scenario2_a_dry_run_is_simulated_and_leaves_the_incident_in_progress(bench: Bench) -> None:
    dry = bench.configured(telltale_live_actions=False)
    (rollback,) = dry.propose(ROLLBACK)
    assert rollback.mode == "dry_run"
    actions.approve(dry.wb, ANA, rollback.action_id)
    dry.tick()
    done = dry.action(rollback)
    assert (done.state, done.result["simulated"]) == (S.EXECUTED, True)
    assert done.result["request"]["url"] == "sandbox://demo/actions"  # type: ignore[index,call-overload]
    dry.good = True
    assert dry.tick() == 0
    assert dry.incident().status is IncidentStatus.IN_PROGRESS
    assert execution.healed(dry.wb, "default") == {}


def test_dp17_a_fix_that_does_not_hold_in_time_is_told(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    actions.approve(bench.wb, ANA, rollback.action_id)
    bench.tick()
    for _ in range(31):
        bench.tick()
        bench.clock.forward(seconds=10)
    assert bench.action(rollback).state is S.VERIFY_FAILED
    assert bench.told == ["INC-0A1B2C3D VERIFY_FAILED"]
    assert bench.incident().status is IncidentStatus.IN_PROGRESS
    assert "did not help" in bench.incident().timeline[-1].event
    assert bench.propose(ROLLBACK)[0].action_id == rollback.action_id  # not proposed again


def test_a_verifier_that_fails_is_a_bad_reading(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    actions.approve(bench.wb, ANA, rollback.action_id)
    execution.execute(bench.wb, "default", rollback.action_id)

    def broken(_wb: Workbench, _action: Action) -> Verdict:
        raise ProviderError("The warehouse is away.", retryable=True)

    assert execution.tick(bench.wb, {"services": broken}) == 1
    assert "warehouse is away" in str(bench.action(rollback).verify_result["text"])
    bench.clock.forward(minutes=5)
    execution.tick(bench.wb, {})
    assert bench.action(rollback).state is S.VERIFY_FAILED


def test_dp14_proposed_twice_is_one_row_and_one_line(bench: Bench) -> None:
    first = bench.propose(ROLLBACK)
    again = bench.propose(replace(ROLLBACK, description="now with other words"))
    assert first[0].action_id == again[0].action_id == "ACT-9909B4E1D710ED64"
    assert len(actions.of_incident(bench.wb, VERA, INCIDENT.incident_id)) == 1
    assert bench.audited() == ["action_proposed"]


def test_dp16_a_second_approve_and_an_unknown_action_are_refused(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    actions.approve(bench.wb, ANA, rollback.action_id)
    with pytest.raises(IllegalMove, match="APPROVED"):
        actions.approve(bench.wb, BO, rollback.action_id)
    with pytest.raises(IllegalMove, match="APPROVED"):
        actions.reject(bench.wb, BO, rollback.action_id, "too late")
    with pytest.raises(NotFound):
        actions.approve(bench.wb, ANA, "ACT-0000000000000000")
    with pytest.raises(NotFound):
        actions.approve(bench.wb, replace(ANA, tenant="other"), rollback.action_id)
    assert bench.audited() == ["action_proposed", "action_approved"]


def test_dp21_scenario5_a_viewer_decides_nothing_and_a_rejected_action_is_not_called(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    with pytest.raises(Forbidden):
        actions.approve(bench.wb, VERA, rollback.action_id)
    with pytest.raises(Forbidden):
        actions.reject(bench.wb, VERA, rollback.action_id, "no")
    with pytest.raises(InputError, match="reason"):
        actions.reject(bench.wb, ANA, rollback.action_id, " ")
    refused = actions.reject(bench.wb, ANA, rollback.action_id, "wrong cause")
    assert (refused.rejected_by, refused.reason) == (ANA.user, "wrong cause")
    assert bench.tick() == 0
    assert bench.propose(ROLLBACK)[0].state is S.REJECTED  # a person's no stands
    with pytest.raises(IllegalMove, match="REJECTED"):
        execution.execute(bench.wb, "default", rollback.action_id)


def test_two_people_must_approve_when_the_rule_is_on(bench: Bench) -> None:
    careful = bench.configured(ApprovalRules(two_person=True))
    (rollback,) = careful.propose(ROLLBACK)
    assert actions.approve(careful.wb, ANA, rollback.action_id).state is S.PROPOSED
    assert careful.incident().status is IncidentStatus.OPEN
    with pytest.raises(IllegalMove, match="another person"):
        actions.approve(careful.wb, ANA, rollback.action_id)
    assert actions.approve(careful.wb, BO, rollback.action_id).approvals == (ANA.user, BO.user)
    assert careful.incident().status is IncidentStatus.IN_PROGRESS


def test_dp15_auto_approval_is_off_and_executes_when_on(bench: Bench) -> None:
    (waiting,) = bench.propose(SCALE)
    assert waiting.state is S.PROPOSED
    actions.reject(bench.wb, ANA, waiting.action_id, "not now")
    eager = bench.configured(ApprovalRules(auto=True))
    rollback, scale = eager.propose(ROLLBACK, replace(SCALE, params={"replicas": 2}))
    assert (rollback.state, scale.state) == (S.PROPOSED, S.APPROVED)
    assert scale.approvals == ("policy-engine",)
    eager.tick()
    assert eager.action(scale).state is S.EXECUTED
    executed = actions.history(eager.wb, VERA, INCIDENT.incident_id)[-1]
    assert (executed.action, executed.decision["actor"]) == ("action_executed", "policy-engine")
    assert eager.incident().status is IncidentStatus.IN_PROGRESS
    assert actions.saved(eager.wb, VERA).n == 0  # nobody was fast here


def test_dp15_low_confidence_is_never_unattended(bench: Bench) -> None:
    with bench.wb.store.begin() as books:
        current = books.incidents.get("default", INCIDENT.incident_id)
        unsure = replace(current, body={"explanation": {"confidence": 0.69}}, updated_at=NOW + timedelta(seconds=1))
        books.incidents.save(unsure, expected=current.updated_at)
    (scale,) = bench.configured(ApprovalRules(auto=True)).propose(SCALE)
    assert scale.state is S.PROPOSED


def test_a_proposal_is_void_when_its_evidence_changed(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    with bench.wb.store.begin() as books:
        current = books.incidents.get("default", INCIDENT.incident_id)
        other: JsonObject = {"explanation": {"hypotheses": [{"kind": "capacity"}], "confidence": 0.5}}
        now = current.updated_at + timedelta(seconds=1)
        books.incidents.save(replace(current, body=other, updated_at=now), expected=current.updated_at)
    with pytest.raises(IllegalMove, match="void"):
        actions.approve(bench.wb, ANA, rollback.action_id)
    voided = bench.action(rollback)
    assert (voided.state, voided.rejected_by) == (S.REJECTED, "system")
    assert bench.audited()[-1] == "action_rejected"
    (again,) = bench.propose(ROLLBACK)
    assert (again.sequence, again.state) == (1, S.PROPOSED)


def test_a_proposal_is_void_when_the_configuration_changed_even_after_approval(bench: Bench) -> None:
    rollback, pool = bench.propose(ROLLBACK, POOL)
    actions.approve(bench.wb, ANA, rollback.action_id)
    dry = bench.configured(telltale_live_actions=False)
    with pytest.raises(IllegalMove, match="void"):
        actions.approve(dry.wb, ANA, pool.action_id)
    done = execution.execute(dry.wb, "default", rollback.action_id)
    assert (done.state, done.result["called"]) == (S.FAILED, False)


def test_a_newer_draft_of_the_same_kind_replaces_an_open_proposal_and_leaves_the_others(bench: Bench) -> None:
    rollback, pool = bench.propose(ROLLBACK, POOL)
    bench.propose()
    (further,) = bench.propose(replace(ROLLBACK, params={"target_version": "v2.3.8"}))
    assert "newer proposal" in bench.action(rollback).reason
    assert {bench.action(pool).state, further.state} == {S.PROPOSED}


def test_a_proposal_expires(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    bench.clock.forward(days=1)
    assert bench.tick() == 1
    assert "expired" in bench.action(rollback).reason
    assert bench.tick() == 0


@pytest.mark.parametrize("to", ["dismissed", "resolved"])
def test_an_incident_that_ends_rejects_its_open_proposals(bench: Bench, to: str) -> None:
    rollback, pool = bench.propose(ROLLBACK, POOL)
    actions.approve(bench.wb, ANA, rollback.action_id)
    incidents.move(bench.wb, ANA, INCIDENT.incident_id, to, "false alarm")
    assert (bench.action(pool).state, bench.action(pool).rejected_by) == (S.REJECTED, "system")
    assert bench.audited()[-2:] == ["action_rejected", f"incident_{to}"]
    bench.tick()
    left = bench.action(rollback)
    assert (left.state, left.result["called"]) == (S.FAILED, False)
    assert bench.propose(ROLLBACK) == ()


def test_dp13_what_is_not_set_up_or_lacks_a_version_is_not_approvable(bench: Bench) -> None:
    by_airflow = replace(ROLLBACK, adapter="airflow", title="Re-extract")
    unknown = replace(ROLLBACK, blocked="needs version", title="Roll back", params={})
    airflow, version = bench.propose(by_airflow, unknown)
    assert "AIRFLOW_URL" in airflow.proposal.blocked
    for action, why in ((airflow, "not set up"), (version, "needs version")):
        with pytest.raises(IllegalMove, match=why):
            actions.approve(bench.wb, ANA, action.action_id)


def test_documentation_needs_no_approval(bench: Bench) -> None:
    link = replace(ROLLBACK, action_type="documentation", adapter="", requires_approval=False, params={"url": "x"})
    (read,) = bench.propose(link)
    bench.clock.forward(days=30)
    assert bench.tick() == 0
    with pytest.raises(IllegalMove, match="documentation"):
        actions.approve(bench.wb, ANA, read.action_id)


def test_dp17_a_failed_call_is_counted_and_comes_anew_for_a_person(bench: Bench, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("no", 500)
    hooked = bench.configured(action_webhook_url=httpserver.url_for("/hook"), action_webhook_secret=SECRET)
    failures = telemetry.value("integration_call_failures_total", adapter="webhook")
    ctx = replace(hooked.wb.ctx, http=build_http(hooked.wb.ctx.settings))
    hooked = replace(hooked, wb=replace(hooked.wb, ctx=ctx))
    (action,) = hooked.propose(replace(ROLLBACK, adapter="webhook"))
    shown = actions.preview(hooked.wb, VERA, action.action_id)
    actions.approve(hooked.wb, ANA, action.action_id)
    hooked.tick()
    failed = hooked.action(action)
    assert failed.state is S.FAILED
    assert "500" in str(failed.result["error"])
    assert httpserver.log[0][0].get_json() == shown.body
    assert telemetry.value("integration_call_failures_total", adapter="webhook") == failures + 1
    (again,) = hooked.propose(replace(ROLLBACK, adapter="webhook"))
    assert (again.sequence, again.state) == (1, S.PROPOSED)
    assert len(httpserver.log) == 1


def build_http(settings: Settings) -> object:
    from core.adapters.http import SafeHttp

    return SafeHttp(allow=settings.http_hosts)


def test_an_action_whose_process_died_is_shown_and_never_run_again(bench: Bench) -> None:
    (rollback,) = bench.propose(ROLLBACK)
    actions.approve(bench.wb, ANA, rollback.action_id)

    class Died(BaseException):
        """The process ends here."""

    class Deadly:
        def now(self) -> object:
            raise Died

    dead = replace(bench.wb, ctx=replace(bench.wb.ctx, clock=Deadly()))  # type: ignore[arg-type]
    claimed = execution.change(bench.wb, "default", rollback.action_id, claim(bench.wb))
    with pytest.raises(Died):
        execution._carried_out(dead, claimed, INCIDENT)
    assert executing_since(bench.action(rollback)) == NOW
    assert bench.tick() == 0
    with pytest.raises(IllegalMove, match="carried out already"):
        execution.execute(bench.wb, "default", rollback.action_id)
    bench.clock.forward(minutes=10)
    assert bench.tick() == 1
    left = bench.action(rollback)
    assert (left.state, left.result["unknown"]) == (S.FAILED, True)


def claim(wb: Workbench) -> Callable[..., Action]:
    return lambda desk, action, incident: execution._claimed(wb, desk, action, incident)


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, clock: Hand) -> Iterator[Bench]:
    """Live actions over either database."""
    url = None
    if request.param == "postgresql":
        cluster: postgres.Cluster = request.getfixturevalue("cluster")
        url = SecretStr(cluster.new_database())
    known = Settings(_env_file=None, telltale_home=tmp_path, telltale_live_actions=True, telltale_database_url=url)
    wb = build(known, clock)
    yield bench_over(wb, clock)
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]


def test_dp16_twenty_people_approve_at_once_and_exactly_one_wins(shared: Bench) -> None:
    (rollback,) = shared.propose(ROLLBACK)

    def act(i: int) -> Action:
        return actions.approve(shared.wb, replace(ANA, user=f"person {i}"), rollback.action_id)

    outcomes = at_once(20, act)
    winners = [o for o in outcomes if isinstance(o, Action)]
    assert len(winners) == 1
    assert sum(isinstance(o, IllegalMove) for o in outcomes) == 19
    assert shared.action(rollback).approvals == winners[0].approvals
    assert shared.audited().count("action_approved") == 1
    assert shared.incident().assignee == winners[0].approvals[0]


def test_dp16_many_ticks_at_once_call_an_action_once(shared: Bench, httpserver: HTTPServer) -> None:
    calls, gate = [], threading.Lock()

    def receive(_request: object) -> object:
        from werkzeug import Response

        with gate:
            calls.append(1)
        return Response("ok")

    httpserver.expect_request("/hook").respond_with_handler(receive)  # type: ignore[arg-type]
    hooked = shared.configured(action_webhook_url=httpserver.url_for("/hook"), action_webhook_secret=SECRET)
    ctx = replace(hooked.wb.ctx, http=build_http(hooked.wb.ctx.settings))
    hooked = replace(hooked, wb=replace(hooked.wb, ctx=ctx))
    (action,) = hooked.propose(replace(ROLLBACK, adapter="webhook"))
    actions.approve(hooked.wb, ANA, action.action_id)
    at_once(8, lambda _: hooked.tick())
    assert len(calls) == 1
    assert hooked.action(action).state in (S.EXECUTED, S.VERIFIED)


def test_proposing_approving_and_dismissing_at_once_never_waits_forever(shared: Bench) -> None:
    """The order actions, incident, audit is kept by everybody."""
    rollback, _ = shared.propose(ROLLBACK, POOL)

    def act(i: int) -> object:
        if i % 3 == 0:
            return shared.propose(ROLLBACK, replace(POOL, params={"size": i}))
        if i % 3 == 1:
            return actions.approve(shared.wb, ANA, rollback.action_id)
        return incidents.move(shared.wb, BO, INCIDENT.incident_id, "dismissed", "noise")

    outcomes = at_once(9, act)
    assert not [o for o in outcomes if type(o).__name__ == "StoreError"]
    with shared.wb.store.read() as books:
        assert books.audit.verify("default").ok


def test_dp07_a_recovery_rejects_what_is_still_open(bench: Bench) -> None:
    """The system's own way of closing an incident goes over the same desk."""
    (rollback,) = bench.propose(ROLLBACK)
    healthy = {"explanation": BODY["explanation"], "healthy": 1}
    with bench.wb.store.begin() as books:
        current = books.incidents.get("default", INCIDENT.incident_id)
        better = replace(current, body=healthy, updated_at=current.updated_at + timedelta(seconds=1))
        books.incidents.save(better, expected=current.updated_at)
    with bench.wb.store.begin() as books:
        desk = Desk(books, NOW)
        look = replace(LOOK, healthy=frozenset({INCIDENT.dedup_key}))
        (resolved,) = casework._recovered(desk, bench.wb.events["services"], look, NOW)
        desk.close()
    assert resolved.status is IncidentStatus.RESOLVED
    assert bench.action(rollback).rejected_by == "system"
    assert bench.audited()[-1] == "action_rejected"
