"""The demo day as a Question, built by hand so that Explain is tested without the other stages."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy.sql import FromClause, Select

from core.explain.evidence import Question
from core.model import (
    ChangeType,
    CheckReport,
    CheckResult,
    CheckStatus,
    Dataset,
    Delta,
    Direction,
    Finding,
    Light,
    Metric,
    MetricKind,
    Panel,
    Severity,
    Table,
)

DEMO = Path(__file__).parents[2] / "data" / "daily_kpis"
UP, DOWN, NONE = Direction.UP, Direction.DOWN, Direction.NONE
METRICS = [
    Metric("gross", "Gross revenue", good=UP, system="revenue"),
    Metric("refunds", "Refunds", good=DOWN, system="revenue"),
    Metric("net", "Net revenue", good=UP, system="revenue"),
    Metric("new_customers", "New customers", good=UP, system="revenue"),
    Metric("sessions", "Sessions", good=UP, system="traffic"),
    Metric("signups", "Signups", good=UP, system="traffic"),
    Metric("conversion_rate", "Conversion rate", kind=MetricKind.RATIO, good=UP, system="traffic"),
    Metric("tickets_opened", "Tickets opened", good=DOWN, system="support"),
    Metric("avg_first_response_mins", "First response", "min", MetricKind.DURATION, DOWN, "support"),
    Metric("csat", "CSAT", kind=MetricKind.GAUGE, good=UP, system="support"),
    Metric("deploys", "Deploys", system="deploys"),
    Metric("failures", "Failed deploys", good=DOWN, system="deploys"),
    Metric("incident_count", "Incidents", good=DOWN, system="deploys"),
]
PASSED = CheckResult("expect_column_values_to_not_be_null", "revenue", CheckStatus.PASSED, True, "no nulls")


class NoEngine:
    """An engine that nothing may ask."""

    def relation(self, table: Table) -> FromClause:
        raise AssertionError("not asked")

    def fetch(self, statement: Select[tuple[object, ...]]) -> pa.Table:
        raise AssertionError("not asked")

    def folder(self) -> Path:
        raise AssertionError("not asked")


def _rows() -> dict[str, dict[str, float]]:
    days: dict[str, dict[str, float]] = {}
    for system in ("revenue", "traffic", "support", "deploys"):
        with (DEMO / f"{system}.csv").open() as file:
            for row in csv.DictReader(file):
                days.setdefault(row.pop("date"), {}).update({k: float(v) for k, v in row.items()})
    return days


def _pct(value: float, base: float) -> float | None:
    return (value - base) / base * 100 if base else None


def _delta(metric: Metric, days: list[datetime], values: list[float]) -> Delta:
    value, previous, earlier = values[-1], values[-2], values[-8:-1]
    base = float(np.mean(earlier))
    return Delta(
        metric, {}, days[-1], value, previous, base, value - previous, _pct(value, previous), value - base,
        _pct(value, base), None, None, "trailing_mean", days[-2], tuple(days[-8:-1]),
    )  # fmt: skip


def _concern(d: Delta) -> bool:
    assert d.vs_baseline_abs is not None
    bad = d.metric.good is not NONE and (d.vs_baseline_abs > 0) == (d.metric.good is DOWN) and d.vs_baseline_abs != 0
    small = d.metric.name in ("failures", "incident_count") and 0 < (d.baseline or 0) < 10
    size = abs(d.vs_baseline_abs) >= 1 if d.vs_baseline_pct is None else abs(d.vs_baseline_pct) >= 15
    return bad and size and (not small or abs(d.vs_baseline_abs) >= 2)


def finding_of(d: Delta, *, bad: bool = True) -> Finding:
    """The finding that a detector would make of a delta."""
    up = (d.vs_baseline_abs or 0) > 0
    return Finding(
        id=f"f-{d.metric.name}", kind="concern", detector="change", metric=d.metric.name, label=d.metric.label,
        system=d.metric.system, labels=d.labels, start=d.at, end=d.at + timedelta(days=1), observed=d.value,
        expected=d.baseline, lower=None, upper=None, unit=d.metric.unit, score=2.0, severity=Severity.CRITICAL,
        direction=UP if up else DOWN, bad=bad, change=ChangeType.SPIKE if up else ChangeType.DIP,
        baseline=d.method, change_abs=d.vs_baseline_abs, change_pct=d.vs_baseline_pct,
        summary=f"{d.metric.label} moved.",
    )  # fmt: skip


def demo_question(day: str = "2025-12-13") -> Question:
    """The question of a demo day."""
    rows = {d: r for d, r in sorted(_rows().items()) if d <= day}
    days = [datetime.fromisoformat(d).replace(tzinfo=UTC) for d in rows]
    series = {m.name: [r[m.name] for r in rows.values()] for m in METRICS}
    deltas = tuple(_delta(m, days, series[m.name]) for m in METRICS)
    findings = tuple(finding_of(d) for d in deltas if _concern(d))
    found = {f.metric for f in findings}
    panel = Panel(
        np.array([series[m.name] for m in METRICS]),
        pd.DatetimeIndex(days),
        pd.DataFrame({"metric": [m.name for m in METRICS]}),
        {m.name: m for m in METRICS},
        "D",
    )
    return Question(
        playbook="daily_kpis",
        title="Daily KPIs",
        as_of=days[-1],
        freq="D",
        deltas=deltas,
        findings=findings,
        quiet=tuple(m.name for m in METRICS if m.name not in found and m.good is not NONE),
        checks=CheckReport((PASSED, replace(PASSED, table="traffic"))),
        panel=panel,
        point=len(days) - 1,
        dataset=Dataset({}),
        engine=NoEngine(),
        light=(Light.GREEN, Light.YELLOW)[len({f.system for f in findings})]
        if len({f.system for f in findings}) < 2
        else Light.RED,
        rule="guardrail: refunds, conversion and tickets",
        missing_points=max(0, 8 - len(days)),
        actions={
            "refunds": "Review the refund queue.",
            "conversion_rate": "Walk the signup path.",
            "support": "Staff support for the top topic.",
            "deploys": "Freeze deploys until the failed ones are understood.",
        },
    )


@pytest.fixture
def demo() -> Callable[..., Question]:
    """``demo(day, **changes)``: the question of a demo day."""

    def build(day: str = "2025-12-13", **changes: object) -> Question:
        return replace(demo_question(day), **changes)  # type: ignore[arg-type]

    return build
