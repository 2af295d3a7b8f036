"""The book of actions on SQLite and PostgreSQL (DP-14, DP-16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.decide import proposals
from core.decide.proposals import IllegalMove
from core.errors import Conflict, NotFound
from core.model import Action, ActionState, Proposal
from core.store.books import Store
from tests.store.conftest import CANARY
from tests.store.samples import NOW, SOON, at_once

PROPOSAL = Proposal(
    action_type="rollback",
    title="Roll back payment-service",
    description="To the version before.",
    eta_minutes=5,
    risk_score=0.2,
    params={"target_version": "v2.3.9"},
    adapter="sandbox",
)
ACTION = Action(
    action_id="ACT-9909B4E1D710ED64",
    incident_id="INC-0A1B2C3D",
    tenant="acme",
    sequence=0,
    proposal=PROPOSAL,
    mode="live",
    state=ActionState.PROPOSED,
    evidence_key="e1",
    proposed_at=NOW,
    expires_at=NOW + timedelta(days=1),
    updated_at=NOW,
)


def test_an_action_comes_back_unchanged(store: Store) -> None:
    full = replace(
        ACTION,
        state=ActionState.VERIFIED,
        approvals=("ana", "bo"),
        approved_at=SOON,
        rejected_by="cy",
        reason="because",
        executed_at=SOON,
        result={"status": 200},
        verify_result={"good": True},
    )
    with store.begin() as books:
        assert books.actions.propose(full)
    with store.read() as books:
        assert books.actions.get("acme", ACTION.action_id) == full
        with pytest.raises(NotFound):
            books.actions.get("other", ACTION.action_id)


def test_dp14_the_same_proposal_twice_is_one_row(store: Store) -> None:
    with store.begin() as books:
        assert books.actions.propose(ACTION)
        assert not books.actions.propose(replace(ACTION, proposed_at=SOON))
    with store.read() as books:
        assert books.actions.of_incident("acme", ACTION.incident_id) == (ACTION,)


def test_dp14_twenty_threads_propose_one_row(store: Store) -> None:
    def act(_: int) -> bool:
        with store.begin() as books:
            return books.actions.propose(ACTION)

    assert sorted(map(str, at_once(20, act))) == ["False"] * 19 + ["True"]


def test_dp16_of_twenty_threads_that_approve_exactly_one_wins(store: Store) -> None:
    with store.begin() as books:
        books.actions.propose(ACTION)

    def act(i: int) -> str:
        with store.begin() as books:
            current = books.actions.get("acme", ACTION.action_id)
            approved = proposals.approve(current, f"person {i}", SOON)
            books.actions.save(approved, expected=current.updated_at)
        return f"person {i}"

    outcomes = at_once(20, act)
    winners = [o for o in outcomes if isinstance(o, str)]
    assert len(winners) == 1
    assert sum(isinstance(o, Conflict | IllegalMove) for o in outcomes) == 19
    with store.read() as books:
        kept = books.actions.get("acme", ACTION.action_id)
    assert (kept.approvals, kept.state) == ((winners[0],), ActionState.APPROVED)


def test_secrets_are_not_kept(store: Store) -> None:
    told = replace(ACTION, reason=f"token {CANARY}", result={"text": CANARY})
    with store.begin() as books:
        books.actions.propose(told)
        kept = books.actions.get("acme", ACTION.action_id)
    assert CANARY not in kept.reason + str(kept.result)


def test_the_list_and_what_is_due(store: Store) -> None:
    later = NOW + timedelta(days=2)

    def other(number: int, **changes: object) -> Action:
        return replace(ACTION, action_id=f"ACT-{number:016X}", **changes)  # type: ignore[arg-type]

    with store.begin() as books:
        for action in (
            ACTION,
            other(2, proposed_at=SOON, expires_at=later),
            other(3, state=ActionState.APPROVED),
            other(4, state=ActionState.EXECUTED),
            other(5, state=ActionState.EXECUTED, mode="dry_run"),
            other(6, state=ActionState.REJECTED, tenant="other"),
        ):
            books.actions.propose(action)
        assert len(books.actions.list("acme")) == 5
        assert books.actions.list("acme", limit=1)[0].action_id.endswith("2")
        assert len(books.actions.list("acme", states=[ActionState.EXECUTED])) == 2
        due = {a.action_id[-1] for a in books.actions.unsettled(NOW + timedelta(days=1))}
    assert due == {"4", "3", ACTION.action_id[-1]}
