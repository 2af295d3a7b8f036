"""The SELECT that measures the metrics of one table, as a SQLAlchemy expression for any engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
    Subquery,
    case,
    cast,
    func,
    select,
)

from core.engine.buckets import time_bucket
from core.model import ColumnType, Table

if TYPE_CHECKING:
    from core.baseline.measure import MetricSpec

AGGREGATES: dict[str, Callable[[ColumnElement[Any]], ColumnElement[Any]]] = {
    "sum": func.sum,
    "mean": func.avg,
    "min": func.min,
    "max": func.max,
}


def aggregate_query(
    relation: FromClause,
    table: Table,
    specs: Sequence[MetricSpec],
    time: str,
    freq: str,
    dimensions: Sequence[str],
    timezone: str,
) -> Select[tuple[object, ...]]:
    """One row per period and slice: ``period``, ``k0..`` (dimensions), ``rows``, ``m0..`` in the order of ``specs``."""
    stamp = relation.c[time]
    period = time_bucket(stamp, freq, timezone)
    keys = [relation.c[d].label(f"k{i}") for i, d in enumerate(dimensions)]
    columns = sorted({c for s in specs for c in s.columns})
    held = [relation.c[c].label(f"v{i}") for i, c in enumerate(columns)]
    if any(s.agg == "last" for s in specs):
        newest = func.row_number().over(
            partition_by=[period, *(relation.c[d] for d in dimensions)], order_by=stamp.desc()
        )
        held.append(newest.label("newest"))
    rows = select(period.label("period"), *keys, *held).where(stamp.is_not(None)).subquery("rows_in")
    groups = [rows.c["period"], *(rows.c[f"k{i}"] for i in range(len(dimensions)))]
    values = [_value(s, rows, table, columns).label(f"m{i}") for i, s in enumerate(specs)]
    return select(*groups, func.count().label("rows"), *values).group_by(*groups)


def _value(spec: MetricSpec, rows: Subquery, table: Table, columns: Sequence[str]) -> ColumnElement[Any]:
    """The aggregate of one metric over the rows of a period and slice."""

    def number(column: str) -> ColumnElement[Any]:
        value: ColumnElement[Any] = rows.c[f"v{columns.index(column)}"]
        held = table.column(column)
        if held is not None and held.type is ColumnType.BOOLEAN:
            value = cast(value, Integer)
        return cast(value, Double)

    if spec.column is None:
        return func.count()
    if spec.over is not None:
        return func.sum(number(spec.column)) / func.nullif(func.sum(number(spec.over)), 0)
    raw = rows.c[f"v{columns.index(spec.column)}"]
    if spec.agg in ("count", "distinct"):
        return func.count(raw.distinct() if spec.agg == "distinct" else raw)
    value = number(spec.column)
    if spec.agg == "median":
        return func.percentile_cont(0.5).within_group(value)
    if spec.agg == "last":
        return func.max(case((rows.c["newest"] == 1, value)))
    return AGGREGATES[spec.agg](value)
