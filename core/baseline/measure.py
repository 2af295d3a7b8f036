"""Tables to a Panel: one aggregate query per table, whatever the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import Select

from core.baseline.query import aggregate_query
from core.engine.buckets import FREQUENCIES
from core.errors import ConfigError, InputError
from core.model import ColumnType, Dataset, Direction, Floats, Metric, MetricKind, Panel, Table
from core.ports import Engine

Aggregate = Literal["sum", "mean", "min", "max", "median", "count", "last", "distinct"]
ADDITIVE = frozenset({"sum", "count", "distinct"})  # nothing happened is 0, not unknown
NUMERIC = frozenset({ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN})


class MetricSpec(BaseModel):
    """How one metric is measured from a table. ``over`` makes it a ratio: sum(column) / sum(over)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str = ""
    table: str
    column: str | None = None
    agg: Aggregate = "sum"
    over: str | None = None
    unit: str = ""
    kind: MetricKind = MetricKind.SUM
    good: Direction = Direction.NONE
    system: str = ""

    @model_validator(mode="after")
    def _complete(self) -> MetricSpec:
        if self.column is None and (self.agg != "count" or self.over is not None):
            raise ValueError(f"metric '{self.name}' needs a column")
        return self

    def metric(self) -> Metric:
        """What the series of this spec measure."""
        label = self.label or self.name.replace("_", " ")
        return Metric(self.name, label, self.unit, self.kind, self.good, self.system or self.table)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        return tuple(c for c in (self.column, self.over) if c is not None)

    @property
    def needs_numbers(self) -> bool:
        """Whether its columns must be numeric."""
        return self.over is not None or self.agg not in ("count", "distinct")


@dataclass(frozen=True, slots=True)
class Measured:
    """A panel, the periods left out per table (``align="inner"``), and remarks for people."""

    panel: Panel
    dropped: Mapping[str, tuple[date, ...]]
    notes: tuple[str, ...]


def measure(
    engine: Engine,
    dataset: Dataset,
    specs: Sequence[MetricSpec],
    *,
    time: Mapping[str, str],
    freq: str,
    dimensions: Sequence[str] = (),
    align: Literal["inner", "outer"] = "outer",
    timezone: str = "UTC",
    max_series: int = 500,
) -> Measured:
    """One series per metric and combination of dimension values, on one time axis.

    ``inner`` keeps only the periods every table has, and lists the others per table; ``outer`` keeps every
    period from the first to the last, NaN where a table has none. A slice without rows in a period its
    table does have is 0 for sums and counts of event rows, and NaN for readings (one row per period).
    Units: days, weeks and months are those of ``timezone``, stamped midnight UTC.
    Abstains: of more than ``max_series`` series, the slices with the fewest rows are left out, with a note.
    Raises: ConfigError for an unknown frequency; InputError naming a missing table or column.
    """
    freq = "W-MON" if freq == "W" else freq
    if freq not in FREQUENCIES:
        raise ConfigError(f"Unknown frequency '{freq}'.", hint=f"Known: {', '.join(FREQUENCIES)}.", field="freq")
    parts: dict[str, pd.DataFrame] = {}
    for name in dict.fromkeys(s.table for s in specs):
        own = [s for s in specs if s.table == name]
        table = _table(dataset, name, time, own, dimensions)
        query = aggregate_query(engine.relation(table), table, own, time[name], freq, dimensions, timezone)
        parts[name] = _rows(engine, query, dimensions)
    index, dropped = _axis({n: pd.DatetimeIndex(p["period"].unique()) for n, p in parts.items()}, freq, align)
    slices, notes = _slices(parts, len(specs), dimensions, max_series)
    return Measured(_panel(parts, specs, dimensions, index, slices, freq), dropped, notes)


def _table(
    dataset: Dataset, name: str, time: Mapping[str, str], specs: Sequence[MetricSpec], dimensions: Sequence[str]
) -> Table:
    """The table, with every column that is asked of it."""
    if name not in dataset.tables:
        raise InputError(f"There is no table '{name}'.", hint=f"Tables: {', '.join(dataset.tables)}.", field=name)
    if name not in time:
        raise ConfigError(f"Table '{name}' has no time column.", field=name)
    table = dataset.tables[name]
    for column in (time[name], *dimensions, *(c for s in specs for c in s.columns)):
        if table.column(column) is None:
            known = ", ".join(c.name for c in table.columns)
            raise InputError(f"Table '{name}' has no column '{column}'.", hint=f"Columns: {known}.", field=column)
    for spec in specs:
        for column in spec.columns if spec.needs_numbers else ():
            found = table.column(column)
            if found is not None and found.type not in NUMERIC:
                raise InputError(
                    f"Metric '{spec.name}': column '{column}' of table '{name}' holds {found.type}, not numbers.",
                    field=column,
                )
    return table


def _rows(engine: Engine, query: Select[tuple[object, ...]], dimensions: Sequence[str]) -> pd.DataFrame:
    """One row per period and slice: ``period``, ``slice`` (tuple of text), ``rows`` and ``m0, m1, ...``."""
    frame: pd.DataFrame = engine.fetch(query).to_pandas()
    frame["period"] = pd.to_datetime(frame["period"], utc=True).astype("datetime64[us, UTC]")
    keys = [frame[f"k{i}"].map(lambda v: "(none)" if pd.isna(v) else str(v)) for i in range(len(dimensions))]
    frame["slice"] = list(zip(*keys, strict=True)) if keys else [()] * len(frame)
    return frame


def _axis(
    periods: Mapping[str, pd.DatetimeIndex], freq: str, align: str
) -> tuple[pd.DatetimeIndex, dict[str, tuple[date, ...]]]:
    """The panel's time axis, and what ``inner`` alignment left out of each table."""
    if align == "inner":
        index = reduce(lambda a, b: a.intersection(b), periods.values()).sort_values()
        return index, {n: _dates(p.difference(index), freq) for n, p in periods.items()}
    index = reduce(lambda a, b: a.union(b), periods.values()).sort_values()
    if len(index):
        index = pd.date_range(index[0], index[-1], freq=freq, unit="us")
    return index, {n: () for n in periods}


def _dates(index: pd.DatetimeIndex, freq: str) -> tuple[date, ...]:
    moments = [t.to_pydatetime() for t in index]
    return tuple(moments if freq == "h" else [m.date() for m in moments])


def _slices(
    parts: Mapping[str, pd.DataFrame], metrics: int, dimensions: Sequence[str], max_series: int
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The slices to keep, in order of their names; those with the most rows win."""
    rows = pd.concat([p.groupby("slice")["rows"].sum() for p in parts.values()]).groupby(level=0).sum()
    room = max(1, max_series // max(metrics, 1))
    ranked = sorted(rows.index, key=lambda s: (-rows[s], s))
    if len(ranked) <= room:
        return sorted(ranked), ()
    note = f"{len(ranked)} values of {', '.join(dimensions)} found; kept the {room} with the most rows."
    return sorted(ranked[:room]), (note,)


def _panel(
    parts: Mapping[str, pd.DataFrame],
    specs: Sequence[MetricSpec],
    dimensions: Sequence[str],
    index: pd.DatetimeIndex,
    slices: Sequence[tuple[str, ...]],
    freq: str,
) -> Panel:
    own = {name: [s for s in specs if s.table == name] for name in parts}
    blocks = [_block(parts[s.table], own[s.table].index(s), s, index, slices) for s in specs]
    labels = pd.DataFrame([list(s) for s in slices] * len(specs), columns=list(dimensions), dtype="str")
    labels.insert(0, "metric", [s.name for s in specs for _ in slices])
    values = np.concatenate(blocks) if blocks else np.empty((0, len(index)))
    return Panel(values, index, labels, {s.name: s.metric() for s in specs}, freq)


def _block(
    part: pd.DataFrame, i: int, spec: MetricSpec, index: pd.DatetimeIndex, slices: Sequence[tuple[str, ...]]
) -> Floats:
    """Shape: ``[n_slices, n_points]`` of one metric."""
    values = np.full((len(slices), len(index)), np.nan)
    number = {s: k for k, s in enumerate(slices)}
    held = part[part["slice"].isin(number) & part["period"].isin(index)]
    at = index.get_indexer(pd.DatetimeIndex(held["period"]))
    values[held["slice"].map(number).to_numpy(dtype=int), at] = held[f"m{i}"].to_numpy(dtype=float, na_value=np.nan)
    events = len(part) > 0 and int(part["rows"].max()) > 1
    if events and spec.agg in ADDITIVE and spec.over is None:
        present = index.isin(part["period"])
        absent = np.ones_like(values, dtype=bool)
        absent[held["slice"].map(number).to_numpy(dtype=int), at] = False
        values[absent & present[None, :]] = 0.0
    return values
