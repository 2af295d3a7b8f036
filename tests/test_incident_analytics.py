"""Figures of data incidents, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.incident_analytics import CostRules, Record, analysed, downtime_cost

AT = datetime(2025, 12, 13, 12, tzinfo=UTC)


def record(n: int, action: str = "notify_team", took: float | None = None, verdict: str | None = None) -> Record:
    resolved = None if took is None else AT + timedelta(minutes=took)
    began = AT - timedelta(minutes=n)
    return Record(f"INC-{n}", "HIGH", "datadog", action, "OPEN", began, AT, resolved, verdict)


def test_cost_di22() -> None:
    assert downtime_cost(240, CostRules()) == 1_344_000
    assert downtime_cost(240, CostRules(per="hour")) == 22_400


def test_nothing_stored_is_no_data() -> None:
    found = analysed([], CostRules())
    assert (found.mttr.value, found.mttr.n, found.mttr.text()) == (None, 0, "no data")
    assert (found.false_positives.value, found.filter_rate.value, found.cost_total.value) == (None, None, None)


def test_figures_with_their_n() -> None:
    rows = [
        record(1, took=60, verdict="real"), record(3, took=120, verdict="false_positive"), record(2, "dismiss"),
        record(4, "dismiss", took=999, verdict="false_positive"), record(0, "auto_fix", took=30),
    ]  # fmt: skip
    found = analysed(rows, CostRules())
    assert (found.mttr.value, found.mttr.n) == (70, 3)
    assert (found.detection.value, found.detection.n) == (2, 5)
    assert (found.false_positives.value, found.false_positives.n) == (50, 2)
    assert found.filter_rate.value == pytest.approx(40)
    assert (found.cost_total.value, found.cost_per_incident.value) == (210 * 5600, 70 * 5600)
    assert found.saved_per_incident.value == 255 - 70
    assert found.by_action == {"notify_team": 2, "dismiss": 2, "auto_fix": 1}
    assert "5,600 USD per minute" in found.cost_total.formula
