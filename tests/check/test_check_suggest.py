"""Suggested suites: what they contain, that the table passes them, and that they notice a damaged copy."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.check.run import run_checks
from core.check.spec import CheckSpec, specs_from_yaml, specs_to_yaml
from core.check.suggest import suggest, widened
from core.engine.sql import SqlEngine
from core.model import CheckStatus
from tests.check.conftest import NOW, MakeDataset

DAYS = pd.date_range("2025-11-30", "2025-12-13")


def daily() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "date": DAYS,
            "gross": rng.integers(100_000, 110_000, 14),
            "rate": rng.uniform(0.03, 0.06, 14),
            "balance": rng.uniform(-10, 10, 14),
            "region": ["north", "south"] * 7,
            "note": [None, *(f"n{i}" for i in range(13))],
        }
    )


def suite_of(frame: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine, **more: object) -> tuple[CheckSpec, ...]:
    return suggest(dataset(t=frame).tables["t"], engine, now=NOW, **more)  # type: ignore[arg-type]


def test_a_daily_table(dataset: MakeDataset, engine: SqlEngine) -> None:
    suite = suite_of(daily(), dataset, engine)
    found = {(s.check.removeprefix("expect_"), s.column): s.params for s in suite}
    assert found["table_columns_to_match_set", None]["column_set"] == list(daily().columns)
    assert found["table_row_count_to_be_between", None] == {"min_value": 7, "max_value": 28}
    assert ("column_values_to_be_unique", "date") in found
    assert ("column_values_to_not_be_null", "gross") in found
    assert ("column_values_to_not_be_null", "note") not in found
    assert found["column_values_to_be_between", "rate"] == {"min_value": 0.0, "max_value": 1.0}
    assert found["column_values_to_be_in_set", "region"] == {"value_set": ["north", "south"]}
    assert ("column_values_to_be_in_set", "note") not in found
    assert found["freshness", "date"] == {"max_age_hours": 72}
    assert sum(s.check.endswith("_unique") for s in suite) == 1
    assert all(s.reason.endswith(".") for s in suite)
    assert specs_from_yaml(specs_to_yaml(suite)) == suite
    assert suite == suite_of(daily(), dataset, engine)


def test_the_table_passes_and_a_damaged_copy_does_not(dataset: MakeDataset, engine: SqlEngine) -> None:
    suite = suite_of(daily(), dataset, engine)
    report = run_checks(suite, dataset(t=daily()), engine, now=NOW)
    assert [r.message for r in report.failed] == []
    damaged = daily().iloc[:6].copy()
    damaged.loc[1, "date"] = damaged.loc[0, "date"]
    damaged.loc[2, "region"] = "nroth"
    damaged.loc[3, "gross"] = 10_000_000
    late = run_checks(suite, dataset(t=damaged.drop(columns="rate")), engine, now=NOW + timedelta(days=9))
    failed = {(r.check.removeprefix("expect_"), r.column) for r in late.results if r.status is CheckStatus.FAILED}
    assert failed == {
        ("table_columns_to_match_set", None),
        ("table_row_count_to_be_between", None),
        ("column_values_to_be_unique", "date"),
        ("column_values_to_be_in_set", "region"),
        ("column_values_to_be_between", "gross"),
        ("freshness", "date"),
    }


def test_a_key_of_time_and_dimension(dataset: MakeDataset, engine: SqlEngine) -> None:
    frame = pd.DataFrame({"day": DAYS.repeat(2), "shop": ["a", "b"] * 14, "sold": [5, 7] * 14})
    suite = suite_of(frame, dataset, engine)
    assert [s.columns for s in suite if s.check == "expect_compound_columns_to_be_unique"] == [("day", "shop")]
    twice = suite_of(pd.concat([frame, frame]), dataset, engine)
    assert not [s for s in twice if s.check.endswith("_unique")]


def test_old_data_is_not_called_stale(dataset: MakeDataset, engine: SqlEngine) -> None:
    old = daily().assign(date=DAYS - timedelta(days=4000))
    assert not [s for s in suite_of(old, dataset, engine) if s.check == "freshness"]


def test_the_named_time_column_is_used(dataset: MakeDataset, engine: SqlEngine) -> None:
    frame = pd.DataFrame({"born": DAYS, "seen": DAYS[::-1] + timedelta(hours=1), "n": range(14)})
    chosen = [s.column for s in suite_of(frame, dataset, engine, time_column="seen") if s.dimension == "timeliness"]
    assert chosen == ["seen"]


@pytest.mark.parametrize(
    "frame",
    [
        daily().iloc[:0],
        daily().iloc[:1],
        pd.DataFrame({"v": [np.nan, np.nan, 1.0]}),
        pd.DataFrame({"v": [float("inf"), 1.0, 2.0]}),
        pd.DataFrame({"v": [1e308, -1e308, 0.0]}),
        pd.DataFrame({"v": [7, 7, 7], "b": [True, False, True]}),
        pd.DataFrame({"Größe in %": [1, 2, 3], "it's": ["a", "b", "c"]}),
        pd.DataFrame({"id": range(1000), "note": [None] * 1000}),
    ],
    ids=["empty", "one row", "nan", "inf", "huge", "flat", "odd names", "running number"],
)
def test_odd_tables_pass_their_own_suite(frame: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    data = dataset(t=frame)
    suite = suggest(data.tables["t"], engine, now=NOW)
    report = run_checks(suite, data, engine, now=NOW)
    bad = [r.message for r in report.results if r.status is not CheckStatus.PASSED]
    assert bad == []
    assert suite[0].check == "expect_table_columns_to_match_set"


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e12, 1e12), st.floats(0, 1e12), st.booleans())
def test_a_range_contains_what_was_seen(low: float, spread: float, whole: bool) -> None:
    if whole:
        low, spread = round(low), round(spread)
    bottom, top = widened(low, low + spread, whole=whole)
    assert bottom <= low <= low + spread <= top
    assert bottom >= 0 or low < 0
