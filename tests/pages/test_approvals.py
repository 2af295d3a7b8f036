"""The Approvals page without a browser: the inbox, decisions from the list, filters, what was decided, time saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal, local
from core.model import Action, ActionState
from core.service import actions, casework, execution
from core.service.health import PLAYBOOK
from core.service.verification import VERIFIERS
from core.service.workbench import Workbench
from ui import auth

ANA = local("default")
Open = Callable[..., AppTest]


def texts(at: AppTest) -> str:
    shown = (*at.markdown, *at.header, *at.caption, *at.info, *at.success, *at.warning, *at.error)
    return "\n".join(str(e.value) for e in shown).replace("\\", "")


def metric(at: AppTest, label: str) -> tuple[str, str]:
    found = next(m for m in at.metric if m.label == label)
    return found.value, found.delta


def listed(at: AppTest) -> list[str]:
    return [str(b.key).removeprefix("approvals_why_") for b in at.button if str(b.key).startswith("approvals_why_")]


@pytest.fixture
def proposed(bench: Workbench) -> dict[str, Action]:
    """The demo's proposals by type."""
    casework.run(bench, ANA, PLAYBOOK, ask_model=False)
    return {a.proposal.action_type: a for a in actions.listing(bench, ANA)}


def test_an_empty_inbox_says_where_actions_come_from(opened: Open) -> None:
    at = opened("approvals")
    assert not at.exception
    assert "Incidents of services propose them" in at.info[0].value
    assert metric(at, "Wait for a decision") == ("0", "the inbox is empty")


def test_the_inbox_holds_what_a_person_must_decide(opened: Open, proposed: dict[str, Action]) -> None:
    """What is only to be read waits for nobody; the surest cause's action comes first."""
    at = opened("approvals")
    assert not at.exception
    assert listed(at) == [proposed["rollback"].action_id, proposed["increase_pool"].action_id]
    shown = texts(at)
    assert "payment-service: error rate 12.00 %" in shown
    assert "expires in 24 h" in shown
    assert "dry run" in shown


def test_filters_are_read_from_the_link(opened: Open, proposed: dict[str, Action]) -> None:
    assert listed(opened("approvals", approvals_type="Rollback")) == [proposed["rollback"].action_id]
    assert listed(opened("approvals", approvals_text="pool")) == [proposed["increase_pool"].action_id]
    assert len(listed(opened("approvals", approvals_text="payment"))) == 2
    at = opened("approvals", approvals_text="nothing like it")
    assert listed(at) == []
    assert "Nothing matches these filters" in texts(at)


def test_a_dry_run_approved_from_the_list_is_simulated(
    opened: Open, proposed: dict[str, Action], bench: Workbench
) -> None:
    """Scenario 2: EXECUTED and labelled simulated; nothing is verified and the incident stays in progress."""
    action = proposed["rollback"].action_id
    at = opened("approvals")
    at.text_input(key=f"approvals_reason_{action}").set_value("known fix").run()
    at.button(key=f"approvals_approve_{action}").click().run()
    assert listed(at) == [proposed["increase_pool"].action_id]
    flight = opened("approvals", approvals_list="In flight")
    assert listed(flight) == [action]
    execution.tick(bench, VERIFIERS)
    decided = opened("approvals", approvals_list="Decided")
    assert listed(decided) == [action]
    shown = texts(decided)
    assert "simulated" in shown
    assert "Simulated: nothing was called." in shown
    assert "known fix" in shown
    assert actions.get(bench, ANA, action).state is ActionState.EXECUTED


def test_rejected_from_the_list_with_its_reason(opened: Open, proposed: dict[str, Action], bench: Workbench) -> None:
    action = proposed["increase_pool"].action_id
    at = opened("approvals")
    at.button(key=f"approvals_reject_{action}").click().run()
    assert "A rejection needs a reason." in at.error[0].value
    at.text_input(key=f"approvals_reason_{action}").set_value("would hide it").run()
    at.button(key=f"approvals_reject_{action}").click().run()
    kept = actions.get(bench, ANA, action)
    assert (kept.state, kept.rejected_by, kept.reason) == (ActionState.REJECTED, "local", "would hide it")
    decided = opened("approvals", approvals_list="Decided")
    assert "Rejected by local" in texts(decided)


def test_a_second_approval_is_refused_with_its_reason(
    opened: Open, proposed: dict[str, Action], bench: Workbench
) -> None:
    """DP-16: somebody else was first, after the page was drawn."""
    action = proposed["rollback"].action_id
    at = opened("approvals")
    actions.approve(bench, replace(ANA, user="bo"), action)
    at.button(key=f"approvals_approve_{action}").click().run()
    assert actions.get(bench, ANA, action).approvals == ("bo",)


def test_time_saved_has_its_formula_and_n(opened: Open, proposed: dict[str, Action], bench: Workbench) -> None:
    """DP-26: 45 min minus the time from detection to approval."""
    assert metric(opened("approvals"), "Time saved per incident") == ("n/a", "n = 0")
    actions.approve(bench, ANA, proposed["rollback"].action_id)
    saved = actions.saved(bench, ANA)
    assert saved.measured_min is not None
    at = opened("approvals")
    assert metric(at, "Time saved per incident") == (f"{45 - saved.measured_min:.1f} min", "n = 1")
    assert "manual baseline - mean(first approval - detection)" in texts(at)
    assert metric(at, "Approved within 2 min")[0] == "1 of 1"


def test_a_viewer_reads_the_inbox_only(
    opened: Open, proposed: dict[str, Action], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at = opened("approvals")
    assert len(listed(at)) == 2
    assert not [b for b in at.button if "_approve_" in str(b.key) or "_reject_" in str(b.key)]


def test_soonest_to_expire_comes_first(opened: Open, proposed: dict[str, Action], bench: Workbench) -> None:
    pool = proposed["increase_pool"]
    with bench.store.begin() as books:
        soon = replace(
            pool, expires_at=pool.proposed_at + timedelta(minutes=30), updated_at=pool.updated_at + timedelta(seconds=1)
        )
        books.actions.save(soon, expected=pool.updated_at)
    at = opened("approvals", approvals_soonest="true")
    assert listed(at)[0] == pool.action_id
    assert "expires in 30 min" in texts(at) or "expires in 29 min" in texts(at)
