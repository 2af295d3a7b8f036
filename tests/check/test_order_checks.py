"""Checks of order events, invoices and policy: what was rejected, what is from the future, what nobody uses."""

from __future__ import annotations

from pathlib import Path

from core.check.orders import OrderEvents
from core.engine.sql import SqlEngine
from core.model import CheckResult, CheckStatus
from tests.playbooks.order_scene import event, load, moment


def results(tmp_path: Path, *events: dict[str, object], policy: str = "") -> dict[str, CheckResult]:
    engine = SqlEngine(tmp_path)
    try:
        found = OrderEvents().check(load(engine, events, "12:00", policy), moment("12:00"))
    finally:
        engine.close()
    return {r.check: r for r in found}


def test_good_inputs_pass(tmp_path: Path) -> None:
    found = results(tmp_path, event("order_paid", "12:05"))
    assert {r.status for r in found.values()} == {CheckStatus.PASSED}


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    again = event("order_paid", "10:00")
    late = event("order_paid", "12:06")
    found = results(tmp_path, again, again, late, {"source": "x"}, policy="sla: {colour: 1}\n")
    rows = found["every_row_is_valid"]
    assert (rows.status, rows.unexpected_count, rows.rows) == (CheckStatus.FAILED, 1, 4)
    assert "line 4: source is 'x'" in rows.message
    assert "1 repeats counted once" in rows.message
    future = found["event_is_not_from_the_future"]
    assert (future.status, future.unexpected_count) == (CheckStatus.FAILED, 1)
    assert future.sample[0]["event_id"] == late["event_id"]
    assert "sla.colour" in found["policy_is_valid"].message


def test_a_broken_policy_says_that_the_last_good_one_stays(tmp_path: Path) -> None:
    found = results(tmp_path, event("order_paid", "10:00"), policy="sla: [")["policy_is_valid"]
    assert found.status is CheckStatus.FAILED
    assert found.message.endswith("The last good policy stays.")
