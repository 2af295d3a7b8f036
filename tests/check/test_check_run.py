"""Every kind of check against an independent count in pandas; errors, gate, samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.check.run import gate, run_checks, to_rows
from core.check.spec import KINDS, CheckSpec
from core.engine.sql import SqlEngine
from core.model import CheckReport, CheckStatus, Dataset
from tests.check.conftest import NOW, MakeDataset

PASSED, FAILED, ERROR = CheckStatus.PASSED, CheckStatus.FAILED, CheckStatus.ERROR


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    n = 400
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "day": pd.date_range("2025-11-01", periods=n, freq="2h"),
            "country": rng.choice(["US", "DE", "FR", "JP"], n),
            "amount": rng.normal(100, 20, n).round(2),
            "gross": rng.integers(100, 200, n),
            "refunds": rng.integers(0, 50, n),
            "code": [f"c{i % 150}" for i in range(n)],
            "note": rng.choice(["a", "bb", "ccc"], n),
            "typed": ["12", "7.5", "x", "1e400", None, "nan", "2025-01-02", "3"] * (n // 8),
        }
    )
    frame["net"] = frame["gross"] - frame["refunds"]
    frame.loc[[3, 50, 399], "net"] += 7
    frame.loc[[5, 6], "id"] = 4
    frame.loc[rng.random(n) < 0.05, "amount"] = np.nan
    frame.loc[[1, 2], "note"] = None
    return frame


def run(specs: list[CheckSpec], data: Dataset, engine: SqlEngine) -> CheckReport:
    return run_checks(specs, data, engine, now=NOW)


def spec(check: str, column: str | None = None, table: str = "orders", **more: object) -> CheckSpec:
    return CheckSpec.model_validate({"check": check, "table": table, "column": column, **more})


def cases(f: pd.DataFrame) -> list[tuple[CheckSpec, pd.Series, pd.Series]]:
    """Each row check with the rows it judges and the rows that break it, counted by pandas."""
    every = pd.Series(True, index=f.index)
    number = pd.to_numeric(f["typed"], errors="coerce")
    typed = f["typed"].notna()
    about = {"left": "net", "op": "~=", "right": {"minus": ["gross", "refunds"]}, "tolerance": 1}
    share = {"left": {"divide": ["refunds", "gross"]}, "op": "<", "right": 0.25}
    return [
        (spec("expect_column_values_to_not_be_null", "amount"), every, f["amount"].isna()),
        (spec("expect_column_values_to_be_unique", "id"), every, f["id"].duplicated(keep=False)),
        (
            spec("expect_compound_columns_to_be_unique", columns=["country", "code"]),
            every,
            f.duplicated(["country", "code"], keep=False),
        ),
        (
            spec("expect_column_values_to_be_between", "amount", params={"min_value": 80, "max_value": 120}),
            f["amount"].notna(),
            f["amount"].notna() & ~f["amount"].between(80, 120),
        ),
        (
            spec("expect_column_values_to_be_between", "gross", params={"min_value": 110, "strict_min": True}),
            every,
            f["gross"] <= 110,
        ),
        (
            spec("expect_column_values_to_be_between", "day", params={"max_value": "2025-11-20"}),
            every,
            f["day"] > pd.Timestamp("2025-11-20"),
        ),
        (
            spec("expect_column_values_to_be_in_set", "country", params={"value_set": ["US", "DE"]}),
            every,
            ~f["country"].isin(["US", "DE"]),
        ),
        (
            spec("expect_column_values_to_not_be_in_set", "country", params={"value_set": ["JP"]}),
            every,
            f["country"] == "JP",
        ),
        (
            spec("expect_column_value_lengths_to_be_between", "note", params={"max_value": 2}),
            f["note"].notna(),
            f["note"].str.len() > 2,
        ),
        (
            spec("expect_column_values_to_match_regex", "code", params={"regex": r"^c\d{1,2}$"}),
            every,
            f["code"].str.len() > 3,
        ),
        (
            spec("expect_column_values_to_be_of_type", "typed", params={"type_": "number"}),
            every,
            typed & ~np.isfinite(number),
        ),
        (
            spec("expect_column_values_to_be_of_type", "typed", params={"type_": "integer"}),
            every,
            typed & ~(np.isfinite(number) & (number % 1 == 0)),
        ),
        (
            spec("expect_column_values_to_be_of_type", "typed", params={"type_": "date"}),
            every,
            typed & (f["typed"] != "2025-01-02"),
        ),
        (spec("expect_column_values_to_be_of_type", "typed", params={"type_": "text"}), every, ~every),
        (spec("row_rule", params=about), every, (f["net"] - (f["gross"] - f["refunds"])).abs() > 1),
        (spec("row_rule", params=share), every, f["refunds"] / f["gross"] >= 0.25),
    ]


def test_row_checks_count_what_pandas_counts(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    expected = cases(orders)
    report = run([case for case, _, _ in expected], dataset(orders=orders), engine)
    for (case, judged, wrong), result in zip(expected, report.results, strict=True):
        broken = wrong.fillna(False).astype(bool)
        assert result.status is (FAILED if broken.any() else PASSED), result.message
        assert (result.unexpected_count, result.rows) == (broken.sum(), judged.sum()), case
        assert result.unexpected_pct == pytest.approx(100 * broken.sum() / judged.sum())
        assert [row["_row"] for row in result.sample] == list(orders.index[broken][:20] + 1), case


def test_a_sample_row_is_the_whole_row(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    rule = {"left": "net", "op": "~=", "right": {"minus": ["gross", "refunds"]}, "tolerance": 1}
    result = run([spec("row_rule", params=rule)], dataset(orders=orders), engine).results[0]
    source = orders.iloc[3]
    assert result.sample[0] == {
        "_row": 4,
        **{k: source[k] for k in ("id", "country", "gross", "refunds", "code", "net")},
        "amount": source["amount"],
        "note": source["note"],
        "typed": source["typed"],
        "day": source["day"].isoformat(),
    }
    assert result.message == (
        "orders should have net = gross - refunds (± 1) in every row: 3 of 400 rows, 0.75 %, do not (row 4, 51, 400)."
    )


AGGREGATES: Mapping[str, tuple[str, float]] = {
    "min": ("min", 0),
    "max": ("max", 0),
    "mean": ("mean", 0),
    "median": ("median", 0),
    "sum": ("sum", 0),
    "stdev": ("std", 0),
    "unique_value_count": ("nunique", 0),
}


@pytest.mark.parametrize("statistic", AGGREGATES)
def test_a_statistic_is_the_one_pandas_computes(
    statistic: str, orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine
) -> None:
    seen = float(orders["amount"].agg(AGGREGATES[statistic][0]))
    name = f"expect_column_{statistic}_to_be_between"
    inside = {"min_value": int(seen) - 1, "max_value": int(seen) + 2}
    outside = {"min_value": int(seen) + 2}
    passed, failed = run(
        [spec(name, "amount", params=inside), spec(name, "amount", params=outside)], dataset(orders=orders), engine
    ).results
    assert (passed.status, failed.status) == (PASSED, FAILED)
    shown = float(re.findall(r"-?\d[\d.]*$", failed.observed)[0])
    assert shown == pytest.approx(seen, rel=1e-9)
    assert failed.message.startswith("the ")


def test_share_of_different_values(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    name = "expect_column_proportion_of_unique_values_to_be_between"
    result = run([spec(name, "country", params={"min_value": 0.5})], dataset(orders=orders), engine).results[0]
    assert (result.status, result.observed) == (FAILED, "it is 0.01")


def test_table_checks(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    names = list(orders.columns)
    match = "expect_table_columns_to_match_set"
    checks = [
        (
            spec("expect_table_row_count_to_be_between", params={"min_value": 400, "max_value": 400}),
            PASSED,
            "it has 400",
        ),
        (spec("expect_table_row_count_to_be_between", params={"min_value": 401}), FAILED, "it has 400"),
        (spec(match, params={"column_set": names}), PASSED, "it has " + ", ".join(names)),
        (spec(match, params={"column_set": names[:2], "exact_match": False}), PASSED, "it has " + ", ".join(names)),
        (spec(match, params={"column_set": names[1:]}), FAILED, "unexpected id"),
        (spec(match, params={"column_set": [*names, "x"], "exact_match": False}), FAILED, "missing x"),
        (spec("expect_column_to_exist", "id"), PASSED, ""),
        (spec("expect_column_to_exist", "x"), FAILED, ""),
    ]
    report = run([check for check, _, _ in checks], dataset(orders=orders), engine)
    for (check, status, observed), result in zip(checks, report.results, strict=True):
        assert result.status is status, check
        assert result.observed.startswith(observed)


@pytest.mark.parametrize(("hours", "status"), [(24, FAILED), (33, PASSED), (32.9, FAILED), (34, PASSED)])
def test_freshness_counts_from_now(hours: float, status: CheckStatus, dataset: MakeDataset, engine: SqlEngine) -> None:
    days = pd.DataFrame({"date": pd.date_range("2025-12-01", "2025-12-13")})
    for frame in (days, days.assign(date=days["date"].dt.date), days.assign(date=days["date"].dt.tz_localize("UTC"))):
        check = spec("freshness", "date", "days", params={"max_age_hours": hours})
        result = run([check], dataset(days=frame), engine).results[0]
        assert result.status is status, result.message
        assert result.observed == "the newest is 2025-12-13 00:00:00"


def test_mostly_allows_a_share(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    share = 1 - orders["amount"].isna().mean()
    checks = [
        spec("expect_column_values_to_not_be_null", "amount", mostly=share - 0.001),
        spec("expect_column_values_to_not_be_null", "amount", mostly=share + 0.001),
    ]
    allowed, refused = run(checks, dataset(orders=orders), engine).results
    assert (allowed.status, refused.status) == (PASSED, FAILED)
    assert allowed.unexpected_count == orders["amount"].isna().sum()


def test_nan_is_missing(dataset: MakeDataset, engine: SqlEngine) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = dataset(t=pd.DataFrame({"v": [1.0, 2.0, 3.0]}))
    pq.write_table(pa.table({"v": [1.0, float("nan"), None]}), data.tables["t"].path)
    checks = [
        spec("expect_column_values_to_not_be_null", "v", "t"),
        spec("expect_column_values_to_be_between", "v", "t", params={"min_value": 0, "max_value": 1}),
        spec("expect_column_mean_to_be_between", "v", "t", params={"min_value": 1, "max_value": 1}),
        spec("row_rule", table="t", params={"left": "v", "op": "<=", "right": 1}),
    ]
    report = run(checks, data, engine)
    assert [r.unexpected_count for r in report.results] == [2, 0, 0, 0]
    assert [r.status for r in report.results] == [FAILED, PASSED, PASSED, PASSED]
    assert [row["v"] for row in report.results[0].sample] == [None, None]


def test_no_rows(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    checks = [case for case, _, _ in cases(orders)]
    checks += [
        spec("expect_table_row_count_to_be_between", params={"min_value": 1}),
        spec("freshness", "day", params={"max_age_hours": 1}),
    ]
    report = run(checks, dataset(orders=orders.iloc[:0]), engine)
    *rows, volume, fresh = report.results
    assert {(r.status, r.unexpected_count, r.unexpected_pct) for r in rows} == {(PASSED, 0, 0.0)}
    assert (volume.status, volume.observed) == (FAILED, "it has 0")
    assert (fresh.status, fresh.observed) == (FAILED, "the newest is no value")


def test_a_check_that_cannot_run_is_an_error_not_bad_data(
    orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine
) -> None:
    checks = [
        spec("expect_column_values_to_be_between", "nope", params={"min_value": 0}),
        spec("expect_column_values_to_not_be_null", "nope"),
        spec("row_rule", params={"left": "nope", "op": "==", "right": "id"}),
        spec("freshness", "nope", params={"max_age_hours": 1}),
        spec("expect_compound_columns_to_be_unique", columns=["id", "nope"]),
        spec("expect_column_mean_to_be_between", "country", params={"min_value": 0}),
        spec("expect_column_values_to_be_between", "country", params={"min_value": 0}),
        spec("expect_column_values_to_match_regex", "code", params={"regex": "("}),
        spec("row_rule", params={"left": {"minus": ["country", "id"]}, "op": "==", "right": 0}),
        spec("expect_column_to_exist", "id", "gone"),
        spec("expect_column_values_to_not_be_null", "id"),
    ]
    report = run(checks, dataset(orders=orders), engine)
    assert [r.status for r in report.results] == [ERROR] * 10 + [PASSED]
    assert all("orders has no column nope (columns: id, day" in r.message for r in report.results[:5])
    assert report.results[9].message.endswith("there is no table gone (tables: orders).")
    assert all(r.unexpected_count == 0 and len(r.message) < 600 for r in report.results)
    assert not any("Traceback" in r.message for r in report.results)


def test_every_kind_of_check_is_run_here(orders: pd.DataFrame) -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert [k for k in KINDS if k not in here and k.split("_")[2] not in AGGREGATES and "unique_value" not in k] == []


def test_the_gate(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    wrong = {"min_value": 0, "max_value": 1}
    right = {"min_value": 0, "max_value": 1000}
    between = "expect_column_values_to_be_between"
    two = dataset(orders=orders, other=orders, third=orders, fourth=orders)
    report = run(
        [
            spec(between, "amount", params=wrong, blocks=["revenue", "net"]),
            spec(between, "amount", params=right, blocks=["fine"], critical=True),
            spec(between, "amount", "other", params=wrong, critical=True),
            spec("expect_table_row_count_to_be_between", table="third", params={"max_value": 5}),
            spec("freshness", "day", "fourth", params={"max_age_hours": 1}),
            spec(between, "nope", params=right, blocks=["unjudged"]),
        ],
        two,
        engine,
    )
    assert report.blocked_metrics == {"revenue", "net"}
    assert report.blocked_tables == {"other", "third", "fourth"}
    assert [r.column for r in report.critical] == ["amount"]


def test_a_critical_check_that_cannot_run_blocks_its_table(
    orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine
) -> None:
    check = spec("expect_column_values_to_not_be_null", "nope", critical=True)
    report = run([check], dataset(orders=orders), engine)
    assert report.blocked_tables == {"orders"}
    assert gate([check], report.results) == report


def test_odd_names_and_texts(dataset: MakeDataset, engine: SqlEngine) -> None:
    names = ["Größe in %", "se :lect", "{x}", "order", "a.b", "select * --", "it's", "_row"]
    frame = pd.DataFrame({name: [1, 2, -3] for name in names})
    checks = []
    for name in names:
        checks += [
            spec("expect_column_values_to_be_between", name, "odd", params={"min_value": 0}),
            spec("row_rule", table="odd", params={"left": name, "op": ">=", "right": 0}),
            spec("expect_column_values_to_match_regex", name, "odd", params={"regex": r"^[^-:{}%']{1,}$"}),
        ]
    report = run(checks, dataset(odd=frame), engine)
    assert [(r.status, r.unexpected_count) for r in report.results] == [(FAILED, 1)] * len(checks)


@pytest.mark.parametrize(
    "text", ["x:y", " :y", "{x}", "{{", "50 %", "%(x)s", "it's", 'a "b"', "\\:", "a\\", "-- :1", "$1"]
)
def test_text_literals_reach_the_data_unchanged(text: str, dataset: MakeDataset, engine: SqlEngine) -> None:
    frame = pd.DataFrame({"v": [text, "other"]})
    check = spec("row_rule", table="t", params={"left": "v", "op": "==", "right": {"text": text}})
    result = run([check], dataset(t=frame), engine).results[0]
    assert result.unexpected_count == 1, result.message
    assert [row["v"] for row in result.sample] == ["other"]


def test_progress_and_order(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    seen: list[tuple[int, int]] = []
    checks = [case for case, _, _ in cases(orders)][:4]
    report = run_checks(
        checks, dataset(orders=orders), engine, now=NOW, progress=lambda done, total, what: seen.append((done, total))
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert [r.check for r in report.results] == [c.check for c in checks]
    assert run_checks([], dataset(orders=orders), engine, now=NOW) == CheckReport()


def test_rows_are_json(orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine) -> None:
    import json

    report = run([case for case, _, _ in cases(orders)], dataset(orders=orders), engine)
    rows = json.loads(json.dumps(to_rows(report), allow_nan=False))
    assert len(rows) == len(report.results)
    assert rows[0]["status"] == "failed"
    assert rows[0]["unexpected_count"] == orders["amount"].isna().sum()


def test_nothing_is_printed(
    orders: pd.DataFrame, dataset: MakeDataset, engine: SqlEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    run(
        [spec("expect_column_values_to_not_be_null", "nope"), *(c for c, _, _ in cases(orders))],
        dataset(orders=orders),
        engine,
    )
    assert capfd.readouterr() == ("", "")
