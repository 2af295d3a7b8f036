"""Tables to panels: aggregates, alignment, slices, time zones, and messages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.baseline.measure import Aggregate, Measured, MetricSpec, measure
from core.errors import ConfigError, InputError
from core.model import Dataset, MetricKind
from core.ports import Engine

Build = Callable[..., Dataset]


def orders() -> pd.DataFrame:
    """Six orders on three of four days."""
    times = [
        "2025-03-01 09:00",
        "2025-03-01 21:00",
        "2025-03-01 23:30",
        "2025-03-02 10:00",
        "2025-03-04 08:00",
        "2025-03-04 09:00",
    ]
    return pd.DataFrame(
        {
            "at": pd.to_datetime(times, utc=True),
            "amount": [10.1, 20.2, 5.0, 7.7, 0.1, 0.2],
            "visits": [100, 100, 50, 10, 0, 0],
            "paid": [True, False, True, True, True, True],
            "country": ["DE", "DE", "FR", "DE", "FR", None],
            "customer": ["a", "a", "b", "c", "c", "d"],
        }
    )


def run(engine: Engine, data: Dataset, *specs: MetricSpec, **how: object) -> Measured:
    return measure(engine, data, specs, **{"time": {"orders": "at"}, "freq": "D", **how})  # type: ignore[arg-type]


def spec(agg: Aggregate = "sum", column: str | None = "amount", **more: object) -> MetricSpec:
    return MetricSpec.model_validate({"name": agg, "table": "orders", "column": column, "agg": agg, **more})


@pytest.mark.parametrize(
    ("agg", "column", "expected"),
    [
        ("sum", "amount", [35.3, 7.7, np.nan, 0.3]),
        ("mean", "amount", [35.3 / 3, 7.7, np.nan, 0.15]),
        ("min", "amount", [5.0, 7.7, np.nan, 0.1]),
        ("max", "amount", [20.2, 7.7, np.nan, 0.2]),
        ("median", "amount", [10.1, 7.7, np.nan, 0.15]),
        ("last", "amount", [5.0, 7.7, np.nan, 0.2]),
        ("count", None, [3, 1, np.nan, 2]),
        ("distinct", "customer", [2, 1, np.nan, 2]),
        ("sum", "paid", [2, 1, np.nan, 2]),
    ],
)
def test_aggregates(engine: Engine, dataset: Build, agg: Aggregate, column: str | None, expected: list[float]) -> None:
    panel = run(engine, dataset(orders=orders()), spec(agg, column)).panel
    np.testing.assert_allclose(panel.values, [expected], rtol=1e-12)
    assert [str(t) for t in panel.index[[0, -1]]] == ["2025-03-01 00:00:00+00:00", "2025-03-04 00:00:00+00:00"]


def test_the_only_row_of_a_day_keeps_its_exact_value(engine: Engine, dataset: Build) -> None:
    panel = run(engine, dataset(orders=orders()), spec(), spec("mean"), spec("median")).panel
    assert panel.values[:, 1].tolist() == [7.7, 7.7, 7.7]


def test_a_ratio_divides_sums_and_has_no_value_over_zero(engine: Engine, dataset: Build) -> None:
    ratio = MetricSpec(name="rate", table="orders", column="amount", over="visits", kind=MetricKind.RATIO)
    panel = run(engine, dataset(orders=orders()), ratio).panel
    np.testing.assert_allclose(panel.values, [[35.3 / 250, 0.77, np.nan, np.nan]])


def test_slices_of_events_are_zero_where_nothing_happened(engine: Engine, dataset: Build) -> None:
    result = run(engine, dataset(orders=orders()), spec(), spec("mean"), dimensions=["country"])
    names = list(zip(result.panel.series["metric"], result.panel.series["country"], strict=True))
    assert names == [(m, c) for m in ("sum", "mean") for c in ("(none)", "DE", "FR")]
    np.testing.assert_allclose(
        result.panel.values[:3], [[0, 0, np.nan, 0.2], [30.3, 7.7, np.nan, 0], [5, 0, np.nan, 0.1]]
    )
    np.testing.assert_allclose(result.panel.values[4], [15.15, 7.7, np.nan, np.nan])


def test_slices_of_readings_are_missing_where_there_is_none(engine: Engine, dataset: Build) -> None:
    frame = orders().iloc[[0, 2, 3]]
    panel = run(engine, dataset(orders=frame), spec(), dimensions=["country"]).panel
    np.testing.assert_allclose(panel.values, [[10.1, 7.7], [5.0, np.nan]])


def test_too_many_slices_are_left_out_with_a_note(engine: Engine, dataset: Build) -> None:
    result = run(engine, dataset(orders=orders()), spec(), dimensions=["customer"], max_series=2)
    assert result.panel.series["customer"].tolist() == ["a", "c"]
    assert result.notes == ("4 values of customer found; kept the 2 with the most rows.",)


def test_days_are_those_of_the_time_zone(engine: Engine, dataset: Build) -> None:
    panel = run(engine, dataset(orders=orders()), spec("count", None), timezone="Europe/Berlin").panel
    np.testing.assert_allclose(panel.values, [[2, 2, np.nan, 2]])  # 23:30 UTC is half past midnight there


@pytest.mark.parametrize(
    ("freq", "points", "first"), [("h", 73, "2025-03-01"), ("W", 2, "2025-02-24"), ("MS", 1, "2025-03-01")]
)
def test_frequencies(engine: Engine, dataset: Build, freq: str, points: int, first: str) -> None:
    panel = run(engine, dataset(orders=orders()), spec(), freq=freq).panel
    assert panel.shape == (1, points)
    assert str(panel.index[0].date()) == first
    assert np.nansum(panel.values) == pytest.approx(43.3)


def test_alignment_over_two_tables(engine: Engine, dataset: Build) -> None:
    visits = pd.DataFrame({"at": pd.to_datetime(["2025-03-02", "2025-03-05"], utc=True), "n": [5, 6]})
    data = dataset(orders=orders(), visits=visits)
    specs = (spec(), MetricSpec(name="n", table="visits", column="n"))
    time = {"orders": "at", "visits": "at"}
    outer = run(engine, data, *specs, time=time)
    np.testing.assert_allclose(outer.panel.values[1], [np.nan, 5, np.nan, np.nan, 6])
    inner = run(engine, data, *specs, time=time, align="inner")
    np.testing.assert_allclose(inner.panel.values, [[7.7], [5.0]])
    assert [str(d) for d in inner.dropped["orders"]] == ["2025-03-01", "2025-03-04"]
    assert [str(d) for d in inner.dropped["visits"]] == ["2025-03-05"]


def test_no_rows_make_an_empty_panel(engine: Engine, dataset: Build) -> None:
    for align in ("inner", "outer"):
        panel = run(engine, dataset(orders=orders().iloc[:0]), spec(), align=align).panel
        assert panel.shape[1] == 0


def test_messages_name_what_is_wrong(engine: Engine, dataset: Build) -> None:
    data = dataset(orders=orders())
    with pytest.raises(InputError, match="Table 'orders' has no column 'price'"):
        run(engine, data, spec(column="price"))
    with pytest.raises(InputError, match="Metric 'sum': column 'country' of table 'orders' holds text, not numbers"):
        run(engine, data, spec(column="country"))
    with pytest.raises(InputError, match="There is no table 'sales'"):
        run(engine, data, MetricSpec(name="x", table="sales", column="a"))
    with pytest.raises(ConfigError, match="Unknown frequency 'fortnight'"):
        run(engine, data, spec(), freq="fortnight")
    with pytest.raises(ConfigError, match="no time column"):
        run(engine, data, spec(), time={})
    with pytest.raises(ValidationError, match="needs a column"):
        MetricSpec(name="x", table="orders", agg="sum")
