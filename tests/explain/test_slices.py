"""Contribution of dimension values, measured on a real engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from core.engine.sql import SqlEngine
from core.explain.evidence import MetricSource, Question, gather
from core.explain.rules import explain_by_rules
from core.explain.slices import Contribution, split
from core.explain.verify import verify
from core.model import Column, ColumnType, Dataset, Evidence, EvidenceStatus, Provenance, Table

Ask = Callable[..., Question]


def _table(folder: Path, frame: pd.DataFrame, time: ColumnType) -> Table:
    path = folder / "orders.parquet"
    frame.to_parquet(path)
    types = {"day": time, "country": ColumnType.TEXT, "device": ColumnType.TEXT}
    columns = tuple(Column(str(c), types.get(str(c), ColumnType.NUMBER)) for c in frame.columns)
    return Table("orders", columns, path, Provenance("orders", "x", "s", len(frame), 0, datetime.now(UTC)))


def _frame(days: list[datetime], *, shift_hours: int = 0) -> pd.DataFrame:
    """Refunds of every day add up to the demo's totals' shape: the last day DE's phones triple."""
    rows = []
    for i, day in enumerate(days):
        for country, base in (("DE", 100.0), ("FR", 60.0), (None, 5.0)):
            for device in ("phone", "desktop"):
                hit = i == len(days) - 1 and country == "DE" and device == "phone"
                at = day.replace(tzinfo=None) + timedelta(hours=shift_hours)
                rows.append((at, country, device, base * (3 if hit else 1), 200.0))
    return pd.DataFrame(rows, columns=["day", "country", "device", "refunds", "orders"])


@pytest.fixture
def ask(demo: Ask, tmp_path: Path) -> Ask:
    def build(
        *, agg: str = "sum", over: str | None = None, time: ColumnType = ColumnType.DATE, **changes: object
    ) -> Question:
        question = demo()
        delta = next(d for d in question.deltas if d.metric.name == "refunds")
        frame = _frame([*delta.trained_on, delta.at], shift_hours=0 if time is ColumnType.DATE else 9)
        frame["day"] = frame["day"].dt.date if time is ColumnType.DATE else frame["day"].dt.tz_localize("UTC")
        folder = tmp_path / "tables"
        folder.mkdir(exist_ok=True)
        return replace(
            question,
            engine=SqlEngine(folder),
            dataset=Dataset({"orders": _table(folder, frame, time)}),
            metrics=(MetricSource("refunds", "orders", "refunds", agg, over, "day"),),
            dimensions=("country", "device", "nowhere"),
            **changes,  # type: ignore[arg-type]
        )

    return build


def _only(question: Question) -> Evidence:
    (fact,) = Contribution().gather(question)
    return fact


@pytest.mark.parametrize("time", [ColumnType.DATE, ColumnType.TIMESTAMP])
def test_the_slice_at_fault_is_named_with_its_part(ask: Ask, time: ColumnType) -> None:
    fact = _only(ask(time=time))
    assert fact.data[0]["where"] == "country=DE, device=phone"
    assert fact.numbers["change_abs"] == pytest.approx(200.0)
    assert fact.numbers["share_pct"] == pytest.approx(100.0)
    assert fact.numbers["residual_abs"] == pytest.approx(0.0, abs=1e-9)


def test_parts_add_up_even_with_missing_dimension_values(ask: Ask) -> None:
    rows = _only(ask()).data[1:]
    for dimension in ("country", "device"):
        parts = [r["contribution"] for r in rows if r["dimension"] == dimension]
        assert sum(float(p) for p in parts) == pytest.approx(200.0)  # type: ignore[arg-type]
    assert {r["value"] for r in rows if r["dimension"] == "country"} == {"DE", "FR", "(missing)"}


def test_a_ratio_is_split_into_rate_and_mix(ask: Ask) -> None:
    fact = _only(ask(over="orders"))
    assert fact.numbers["rate_effect"] == pytest.approx(200 / 1200)
    assert fact.numbers["mix_effect"] == pytest.approx(0.0)
    assert "rate effect +0.167" in fact.statement


def test_a_mean_is_a_ratio_to_its_rows(ask: Ask) -> None:
    assert _only(ask(agg="mean")).numbers["change_abs"] == pytest.approx(200 / 6)


def test_local_days_are_cut_at_local_midnight(ask: Ask) -> None:
    question = ask(time=ColumnType.TIMESTAMP, timezone="Pacific/Auckland")  # 09:00 UTC is 22:00 there
    source = question.metrics[0]
    delta = next(d for d in question.deltas if d.metric.name == "refunds")
    found = split(question, question.dataset.tables["orders"], source, delta, ["country"])
    assert found.change == pytest.approx(200.0)


def test_the_evidence_gives_a_hypothesis_and_passes_its_own_check(ask: Ask) -> None:
    explanation = explain_by_rules(ask())
    assert any(h.kind == "business" and "country=DE, device=phone" in h.cause for h in explanation.hypotheses)
    fact = next(e for e in explanation.evidence if e.kind == "contribution")
    assert verify(fact.statement, [fact]).unmatched == ()


def test_without_dimensions_it_says_where_it_looked(demo: Ask, ask: Ask) -> None:
    (fact,) = Contribution().gather(demo())
    assert fact.status is EvidenceStatus.NO_DATA
    (fact,) = Contribution().gather(replace(ask(), metrics=()))
    assert "country, device and nowhere" in fact.statement


def test_a_provider_that_fails_leaves_an_error_in_its_place(ask: Ask) -> None:
    question = ask()
    question.dataset.tables["orders"].path.unlink()
    errors = [e for e in gather(question) if e.status is EvidenceStatus.ERROR]
    assert [e.source for e in errors] == ["contribution"]
    assert "gone" in errors[0].statement
