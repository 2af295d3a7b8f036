"""A first suite for an unknown table, read off its own data; every suggestion says why, so a person can judge it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as midnight
from typing import Any

import sqlalchemy as sa
from pydantic import JsonValue

from core.check.spec import CheckSpec
from core.model import Column, ColumnType, Table
from core.ports import Engine

MAX_VALUES = 20  # a text column with more different values is not a closed set
MIN_REPEATS = 5  # and each value is seen this often on average
MAX_KEY_PARTNERS = 8  # dimensions that are tried together with the time column
NUMERIC = (ColumnType.INTEGER, ColumnType.NUMBER)
TEMPORAL = (ColumnType.DATE, ColumnType.TIMESTAMP)
KEY_TYPES = (ColumnType.INTEGER, ColumnType.TEXT, *TEMPORAL)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one query says of a column; ``different`` is 0 and the limits are None where they are not asked for."""

    column: Column
    filled: int
    different: int
    low: object
    high: object


def suggest(table: Table, engine: Engine, *, time_column: str | None = None, now: datetime) -> tuple[CheckSpec, ...]:
    """Checks that the table passes today: schema, row count, not-null, key, ranges, value sets, freshness.

    Abstains: neither type nor range for columns with NaN or infinity, no freshness for data that is already old, and
    nothing but the schema for a table without rows.
    Raises: NotFound or ProviderError when the table cannot be read.
    """
    rows, facts = _profile(table, engine)
    suite = list(_schema(table, facts))
    if not rows:
        return tuple(suite)
    time = _time(facts, time_column)
    sets = [f for f in facts if _is_closed(f, rows)]
    key = _single_key(facts, rows, time)
    partners = [f for f in facts if f.column.type is ColumnType.TEXT and f.filled == rows and not key]
    values, pairs = _second_look(table, engine, sets, time, partners[:MAX_KEY_PARTNERS])
    suite.append(_volume(table, rows))
    suite += _complete(table, facts, rows)
    suite += _key(table, key, rows, time, pairs)
    suite += _ranges(table, facts, rows)
    suite += [_closed_set(table, f, values[f.column.name]) for f in sets]
    suite += _freshness(table, time, now)
    return tuple(suite)


def _profile(table: Table, engine: Engine) -> tuple[int, list[Facts]]:
    relation = engine.relation(table)
    wanted: list[sa.ColumnElement[Any]] = [sa.func.count().label("n")]
    for i, column in enumerate(table.columns):
        cell = relation.c[column.name]
        wanted.append(sa.func.count(cell).label(f"f{i}"))
        if column.type in KEY_TYPES:
            wanted.append(sa.func.count(cell.distinct()).label(f"d{i}"))
        if column.type in (*NUMERIC, *TEMPORAL):
            wanted += [sa.func.min(cell).label(f"l{i}"), sa.func.max(cell).label(f"h{i}")]
    query: sa.Select[Any] = sa.select(*wanted).select_from(relation)
    row: dict[str, Any] = engine.fetch(query).to_pylist()[0]
    facts = [
        Facts(column, row[f"f{i}"], row.get(f"d{i}", 0), row.get(f"l{i}"), row.get(f"h{i}"))
        for i, column in enumerate(table.columns)
    ]
    return int(row["n"]), facts


def _second_look(
    table: Table, engine: Engine, sets: list[Facts], time: Facts | None, partners: list[Facts]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The values of closed sets, and how many different (time, dimension) pairs there are."""
    relation = engine.relation(table)
    parts: list[sa.Select[Any, Any, Any]] = []
    for f in sets:
        cell = relation.c[f.column.name]
        name, none = sa.literal(f.column.name).label("name"), sa.cast(sa.null(), sa.BigInteger()).label("pairs")
        parts.append(sa.select(name, cell.label("value"), none).where(cell.is_not(None)).distinct())
    for f in partners if time else []:
        assert time is not None
        pair = sa.select(relation.c[time.column.name], relation.c[f.column.name]).distinct().subquery()
        label, empty = sa.literal(f.column.name).label("name"), sa.cast(sa.null(), sa.Text()).label("value")
        parts.append(sa.select(label, empty, sa.func.count().label("pairs")).select_from(pair))
    found = engine.fetch(sa.union_all(*parts)).to_pylist() if parts else []  # type: ignore[arg-type]
    values: dict[str, list[str]] = {f.column.name: [] for f in sets}
    for row in found:
        if row["value"] is not None:
            values[row["name"]].append(row["value"])
    return values, {row["name"]: row["pairs"] for row in found if row["value"] is None}


def _schema(table: Table, facts: list[Facts]) -> Iterator[CheckSpec]:
    names: list[JsonValue] = [c.name for c in table.columns]
    yield CheckSpec(
        check="expect_table_columns_to_match_set",
        table=table.name,
        params={"column_set": names, "exact_match": False},
        critical=True,
        dimension="schema",
        reason=f"The file has these {len(names)} columns; without one of them nothing that reads it can work.",
    )
    for column in (f.column for f in facts if _is_finite(f)):
        if column.type is not ColumnType.TEXT:
            yield CheckSpec(
                check="expect_column_values_to_be_of_type",
                table=table.name,
                column=column.name,
                params={"type_": column.type.value},
                dimension="schema",
                reason=f"Every value was read as {column.type.value}.",
            )


def _volume(table: Table, rows: int) -> CheckSpec:
    return CheckSpec(
        check="expect_table_row_count_to_be_between",
        table=table.name,
        params={"min_value": max(1, rows // 2), "max_value": rows * 2},
        dimension="volume",
        reason=f"The file has {rows} rows; half or double of that usually means a cut or repeated load.",
    )


def _complete(table: Table, facts: list[Facts], rows: int) -> Iterator[CheckSpec]:
    for f in facts:
        if f.filled == rows and _is_finite(f):
            yield CheckSpec(
                check="expect_column_values_to_not_be_null",
                table=table.name,
                column=f.column.name,
                dimension="completeness",
                reason=f"None of the {rows} rows is empty here.",
            )


def _single_key(facts: list[Facts], rows: int, time: Facts | None) -> Facts | None:
    candidates = [*([time] if time else []), *facts]
    return next((f for f in candidates if f.filled == f.different == rows > 1), None)


def _key(
    table: Table, single: Facts | None, rows: int, time: Facts | None, pairs: dict[str, int]
) -> Iterator[CheckSpec]:
    """One key: the time column, else the leftmost column that never repeats, else time with one dimension."""
    partner = next((name for name, count in pairs.items() if count == rows), None)
    if single:
        yield CheckSpec(
            check="expect_column_values_to_be_unique",
            table=table.name,
            column=single.column.name,
            dimension="uniqueness",
            reason=f"No value repeats in {rows} rows, so it looks like the key.",
        )
    elif time and partner and time.filled == rows > 1:
        yield CheckSpec(
            check="expect_compound_columns_to_be_unique",
            table=table.name,
            columns=(time.column.name, partner),
            dimension="uniqueness",
            reason=f"There is one row per {time.column.name} and {partner}, so together they look like the key.",
        )


def _ranges(table: Table, facts: list[Facts], rows: int) -> Iterator[CheckSpec]:
    for f in facts:
        numbers = f.column.type in NUMERIC and f.filled > 0 and _is_finite(f)
        counts_up = f.column.type is ColumnType.INTEGER and f.different == rows > 1 and _spread(f) == rows - 1
        if not numbers or counts_up:  # a running number has no range of its own
            continue
        low, high = widened(float(str(f.low)), float(str(f.high)), whole=f.column.type is ColumnType.INTEGER)
        if math.isfinite(low) and math.isfinite(high):
            yield CheckSpec(
                check="expect_column_values_to_be_between",
                table=table.name,
                column=f.column.name,
                params={"min_value": low, "max_value": high},
                dimension="validity",
                reason=f"Values so far run from {f.low} to {f.high}; the range leaves half of that on each side.",
            )


def widened(low: float, high: float, *, whole: bool) -> tuple[float, float]:
    """A range around ``[low, high]`` with half its spread to spare, rounded outwards to two digits.

    Values that are never negative keep 0 as their floor; shares stay within 0..1.
    """
    if not whole and low >= 0 and 0 < high <= 1:
        return 0.0, 1.0
    room = (high - low) / 2 or abs(high) / 2 or 1.0
    if not math.isfinite(room):
        return -math.inf, math.inf
    step = 10.0 ** (math.floor(math.log10(room)) - 1)
    step = max(step, 1.0) if whole else step
    bottom = math.floor((low - room) / step) * step
    top = math.ceil((high + room) / step) * step
    digits = max(0, -math.floor(math.log10(step)))
    bottom = 0.0 if low >= 0 > bottom else round(bottom, digits)
    return (int(bottom), round(top)) if whole else (bottom, round(top, digits))


def _closed_set(table: Table, f: Facts, values: list[str]) -> CheckSpec:
    return CheckSpec(
        check="expect_column_values_to_be_in_set",
        table=table.name,
        column=f.column.name,
        params={"value_set": [*sorted(values)]},
        dimension="validity",
        reason=f"Only {len(values)} different values occur; a new one may be a typo or a new category.",
    )


def _freshness(table: Table, time: Facts | None, now: datetime) -> Iterator[CheckSpec]:
    first, last = (_moment(time.low), _moment(time.high)) if time else (None, None)
    if time is None or first is None or last is None or time.different < 3:
        return
    period = (last - first) / (time.different - 1)
    limit = math.ceil(max(3 * period, timedelta(hours=1)) / timedelta(hours=1))
    if now - last <= timedelta(hours=limit):
        yield CheckSpec(
            check="freshness",
            table=table.name,
            column=time.column.name,
            params={"max_age_hours": limit},
            dimension="timeliness",
            reason=f"A new time comes every {_span(period)}; three missed ones mean the source has stopped.",
        )


def _time(facts: list[Facts], name: str | None) -> Facts | None:
    """The column called ``name`` if it holds times, else the leftmost that does."""
    times = [f for f in facts if f.column.type in TEMPORAL]
    return next((f for f in times if f.column.name == name), times[0] if times and name is None else None)


def _is_closed(f: Facts, rows: int) -> bool:
    return f.column.type is ColumnType.TEXT and 0 < f.different <= min(MAX_VALUES, rows // MIN_REPEATS)


def _is_finite(f: Facts) -> bool:
    return all(math.isfinite(v) for v in (f.low, f.high) if isinstance(v, float))


def _spread(f: Facts) -> float:
    return float(str(f.high)) - float(str(f.low))


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, midnight(), UTC) if isinstance(value, date) else None


def _span(period: timedelta) -> str:
    hours = period / timedelta(hours=1)
    if hours >= 24:
        return f"{hours / 24:.3g} days" if round(hours / 24, 1) != 1 else "day"
    return f"{hours:.3g} h" if hours >= 1 else f"{60 * hours:.3g} min"
