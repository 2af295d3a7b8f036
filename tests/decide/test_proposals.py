"""The state machine of actions, their ids, unattended approval and time saved (DP-14, DP-15, DP-16, DP-26)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decide import proposals
from core.decide.lifecycle import SYSTEM
from core.decide.proposals import ApprovalRules, IllegalMove
from core.errors import InputError
from core.model import Action, ActionState, Incident, IncidentStatus, JsonObject, Proposal, Severity

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
S = ActionState
RULES = ApprovalRules()
ROLLBACK = Proposal(
    action_type="rollback",
    title="Roll back payment-service",
    description="To the version before v2.4.1.",
    eta_minutes=5,
    risk_score=0.2,
    params={"target_version": "v2.3.9"},
    adapter="sandbox",
)
SCALE = replace(ROLLBACK, action_type="scale_out", risk_score=0.05, requires_approval=False, params={"replicas": 2})
BODY: JsonObject = {"explanation": {"hypotheses": [{"kind": "change", "cause": "v2.4.1"}], "confidence": 0.92}}
INCIDENT = Incident(
    incident_id="INC-0A1B2C3D",
    tenant="acme",
    playbook="service_incidents",
    dedup_key="service:payment-service:error_rate",
    type="error_rate",
    severity=Severity.CRITICAL,
    status=IncidentStatus.OPEN,
    title="payment-service",
    subject="payment-service",
    detected_at=NOW,
    created_at=NOW,
    updated_at=NOW,
    run_id="run-1",
    body=BODY,
)


def draft(proposal: Proposal = ROLLBACK, earlier: tuple[Action, ...] = (), mode: proposals.Mode = "live") -> Action:
    key = proposals.evidence_key(INCIDENT, proposal, {"mode": mode})
    return proposals.drafted(INCIDENT, proposal, earlier, mode, key, NOW, RULES)


def test_dp14_action_id_goldens() -> None:
    action = draft()
    assert action.action_id == "ACT-9909B4E1D710ED64"
    content = {"title": "Roll back payment-service", "target_version": "v2.3.9", "action_type": "rollback"}
    assert proposals.action_id("INC-0A1B2C3D", 1, content) == "ACT-FE0D861180FF7F00"


def test_dp14_the_same_proposal_is_the_same_action() -> None:
    first = draft()
    assert draft(earlier=(first,)) is first
    described = replace(ROLLBACK, description="other words", risk_score=0.3)
    assert draft(described, (first,)) is first
    assert draft(replace(ROLLBACK, params={"target_version": "v2.3.8"}), (first,)).action_id != first.action_id


@pytest.mark.parametrize(
    ("before", "anew"),
    [
        ({"state": S.REJECTED, "rejected_by": "ana"}, False),
        ({"state": S.REJECTED, "rejected_by": SYSTEM}, True),  # expired or voided
        ({"state": S.FAILED}, True),
        ({"state": S.APPROVED}, False),
        ({"state": S.VERIFIED}, False),
        ({"state": S.VERIFY_FAILED}, False),
        ({"state": S.EXECUTED}, False),
        ({"state": S.EXECUTED, "mode": "dry_run"}, True),
    ],
)
def test_what_may_be_proposed_again(before: dict[str, object], anew: bool) -> None:
    last = replace(draft(), **before)  # type: ignore[arg-type]
    again = draft(earlier=(last,))
    assert again.sequence == (1 if anew else 0)
    if anew:
        assert again.action_id == "ACT-FE0D861180FF7F00"
        assert again.state is S.PROPOSED


TABLE = {  # acceptance README, "Action-proposal state machine"
    S.PROPOSED: {S.APPROVED, S.REJECTED},
    S.APPROVED: {S.EXECUTED, S.FAILED},
    S.EXECUTED: {S.VERIFIED, S.VERIFY_FAILED},
}


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("to", [s for s in S if s is not S.PROPOSED])
def test_dp16_exactly_the_moves_of_the_table_are_allowed(state: S, to: S) -> None:
    action = replace(draft(), state=state)
    moves = {
        S.APPROVED: lambda: proposals.approve(action, "ana", NOW),
        S.REJECTED: lambda: proposals.reject(action, "ana", NOW, "no"),
        S.EXECUTED: lambda: proposals.finish(action, {}, NOW, ok=True),
        S.FAILED: lambda: proposals.finish(action, {}, NOW, ok=False),
        S.VERIFIED: lambda: proposals.verified(action, {}, NOW, good=True),
        S.VERIFY_FAILED: lambda: proposals.verified(action, {}, NOW, good=False),
    }
    if to in TABLE.get(state, set()):
        moved = moves[to]()
        assert moved.state is to
        assert moved.updated_at > action.updated_at
        return
    with pytest.raises(IllegalMove) as caught:
        moves[to]()
    assert isinstance(caught.value, InputError)  # HTTP 400, not 409
    assert all(s in caught.value.hint for s in TABLE.get(state, set()))


def test_dp16_approval_says_who_and_when_and_a_second_is_refused() -> None:
    approved = proposals.approve(draft(), "ana", NOW, reason=" looks right ")
    assert (approved.approvals, approved.approved_at, approved.reason) == (("ana",), NOW, "looks right")
    with pytest.raises(IllegalMove, match="APPROVED"):
        proposals.approve(approved, "bo", NOW)


def test_two_people_must_approve_where_the_rule_is_on() -> None:
    once = proposals.approve(draft(), "ana", NOW, two_person=True)
    assert (once.state, once.approved_at) == (S.PROPOSED, None)
    with pytest.raises(IllegalMove, match="another person"):
        proposals.approve(once, "ana", NOW, two_person=True)
    twice = proposals.approve(once, "bo", NOW, two_person=True)
    assert (twice.state, twice.approvals) == (S.APPROVED, ("ana", "bo"))


def test_dp13_a_blocked_proposal_is_not_approvable() -> None:
    with pytest.raises(IllegalMove, match="needs version"):
        proposals.approve(draft(replace(ROLLBACK, blocked="needs version")), "ana", NOW)


def test_a_rejection_needs_a_reason() -> None:
    with pytest.raises(InputError, match="reason") as caught:
        proposals.reject(draft(), "ana", NOW, "  ")
    assert caught.value.field == "reason"


def test_only_one_claims_an_approved_action() -> None:
    approved = proposals.approve(draft(), "ana", NOW)
    claimed = proposals.claim(approved, NOW)
    assert proposals.executing_since(claimed) == NOW
    assert claimed.state is S.APPROVED
    with pytest.raises(IllegalMove, match="carried out already"):
        proposals.claim(claimed, NOW)
    done = proposals.finish(claimed, {"status": 200}, NOW, ok=True)
    assert proposals.executing_since(done) is None
    assert done.executed_at == NOW


def test_scenario2_a_dry_run_is_never_verified() -> None:
    done = replace(draft(mode="dry_run"), state=S.EXECUTED)
    with pytest.raises(IllegalMove, match="dry run"):
        proposals.verified(done, {}, NOW, good=True)
    assert not proposals.in_flight(done)
    assert proposals.in_flight(replace(done, mode="live"))


def test_a_proposal_is_void_when_old_or_when_its_evidence_or_configuration_changed() -> None:
    action = draft()

    def key(incident: Incident = INCIDENT, mode: str = "live") -> str:
        return proposals.evidence_key(incident, ROLLBACK, {"mode": mode})

    assert proposals.void_reason(action, key(), NOW) == ""
    assert "expired" in proposals.void_reason(action, key(), NOW + timedelta(days=1))
    assert "changed" in proposals.void_reason(action, key(mode="dry_run"), NOW)
    capacity: JsonObject = {"explanation": {"hypotheses": [{"kind": "capacity"}]}}
    assert "changed" in proposals.void_reason(action, key(replace(INCIDENT, body=capacity)), NOW)
    more: JsonObject = {**BODY, "metrics": {"error_rate": 0.13}}
    assert proposals.void_reason(action, key(replace(INCIDENT, body=more, occurrences=9)), NOW) == ""


@pytest.mark.parametrize(
    ("proposal", "confidence", "rules", "why"),
    [
        (SCALE, 0.70, {"auto": True}, ""),
        (SCALE, 0.99, {}, "off"),
        (SCALE, 0.69, {"auto": True}, "confidence"),
        (replace(SCALE, risk_score=0.30), 0.70, {"auto": True}, ""),
        (replace(SCALE, risk_score=0.31), 0.70, {"auto": True}, "risk"),
        (replace(SCALE, requires_approval=True), 0.9, {"auto": True}, "requires approval"),
        (replace(SCALE, action_type="rollback"), 0.9, {"auto": True}, "not on the list"),
        (replace(SCALE, blocked="needs version"), 0.9, {"auto": True}, "needs version"),
    ],
)
def test_dp15_unattended_approval(proposal: Proposal, confidence: float, rules: dict[str, object], why: str) -> None:
    reasons = proposals.held_back(proposal, confidence, ApprovalRules.model_validate(rules))
    assert len(reasons) == (1 if why else 0)
    assert why in "".join(reasons)


def test_dp26_time_saved() -> None:
    minutes = [(NOW, NOW + timedelta(minutes=1)), (NOW, NOW + timedelta(minutes=2))]
    saved = proposals.time_saved(minutes)
    assert (saved.n, saved.measured_min, saved.saved_min, saved.within_target) == (2, 1.5, 43.5, 1)
    assert proposals.time_saved([]).saved_min is None


@given(steps=st.lists(st.sampled_from(["approve", "reject", "claim", "finish", "verify"]), max_size=8))
@settings(max_examples=100, deadline=None)
def test_no_order_of_calls_approves_or_claims_twice(steps: list[str]) -> None:
    action, done = draft(), []
    for step in steps:
        try:
            action = {
                "approve": lambda a=action: proposals.approve(a, "ana", NOW),
                "reject": lambda a=action: proposals.reject(a, "ana", NOW, "no"),
                "claim": lambda a=action: proposals.claim(a, NOW),
                "finish": lambda a=action: proposals.finish(a, {}, NOW, ok=True),
                "verify": lambda a=action: proposals.verified(a, {}, NOW, good=True),
            }[step]()
            done.append(step)
        except IllegalMove:
            pass
    assert len(done) == len(set(done))
    assert not {"approve", "reject"} <= set(done)
