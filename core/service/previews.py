"""Small reads of a loaded table for the screen: one page of rows, the time it spans, one metric over it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Select, func, select

from core.baseline.measure import MetricSpec, measure
from core.model import Dataset, Panel, Table
from core.ports import Engine

POINTS = 600  # more than that on one chart is noise, and slow to draw
STEPS = {
    "h": timedelta(hours=1),
    "D": timedelta(days=1),
    "W": timedelta(days=7),
    "MS": timedelta(days=30),
    "YS": timedelta(days=365),
}
HOURS_UP_TO = timedelta(days=3)  # irregular times over a shorter span are gathered per hour, else per day


def page(engine: Engine, table: Table, number: int, size: int) -> pd.DataFrame:
    """Rows ``(number - 1) * size`` and on, in file order. Shape: at most ``size`` rows."""
    rows: Select[Any] = engine.relation(table).select().limit(size).offset((number - 1) * size)
    frame: pd.DataFrame = engine.fetch(rows).to_pandas()
    return frame


def period(engine: Engine, table: Table, column: str) -> tuple[datetime, datetime] | None:
    """The first and last time in ``column``; None when it is empty."""
    relation = engine.relation(table)
    limits: Select[Any] = select(func.min(relation.c[column]).label("a"), func.max(relation.c[column]).label("b"))
    row = engine.fetch(limits).to_pylist()[0]
    return None if row["a"] is None else (_moment(row["a"]), _moment(row["b"]))


def natural(span: timedelta) -> str:
    """The frequency for times without a regular step."""
    return "h" if span < HOURS_UP_TO else "D"


def outline(engine: Engine, table: Table, time_column: str, metric: MetricSpec, freq: str) -> Panel:
    """One metric over the whole table, gathered coarsely enough for one chart. Shape: ``[1, <= POINTS]``, roughly."""
    limits = period(engine, table, time_column)
    span = limits[1] - limits[0] if limits else timedelta(0)
    fits = [f for f in list(STEPS)[list(STEPS).index(freq) :] if span / STEPS[f] <= POINTS]
    return measure(
        engine, Dataset({table.name: table}), [metric], time={table.name: time_column}, freq=fits[0] if fits else "MS"
    ).panel


def gathered(hourly: pd.DataFrame, *, mean: bool) -> tuple[pd.DataFrame, str]:
    """Hourly sums as one series coarse enough for one chart, and its frequency.

    Shape: ``hourly`` as :meth:`core.load.glimpse.Glimpse.hourly` gives it; the series has columns ts and value.
    """
    limits = hourly["ts"].iloc[[0, -1]].tolist() if len(hourly) else [pd.Timestamp(0)] * 2
    span: timedelta = limits[1] - limits[0]
    least = list(STEPS).index(natural(span))
    freq = next((f for f in list(STEPS)[least:] if span / STEPS[f] <= POINTS), "MS")
    sums = hourly.set_index("ts").resample(freq).sum(min_count=1)
    value = sums["total"] / sums["cells"] if mean else sums["total"]
    return value.rename("value").reset_index(), freq


def _moment(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    assert isinstance(value, date)
    return datetime.combine(value, time(), UTC)
