"""Which people each segment selects, counted for many segments in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, FromClause, Select, case, distinct, func, literal_column, select, tuple_
from sqlalchemy import types as sa

from core.errors import InputError
from core.load.rules import condition, parse_rules
from core.model import Ints, Segment
from core.ports import Engine

# constants stand inline: bound ones cost a scan of many segments twice its time
_YES: ColumnElement[int] = literal_column("1", sa.Integer())
_NO: ColumnElement[int] = literal_column("0", sa.Integer())

Masks = Sequence[ColumnElement[bool]]


def masks_of(
    segments: Sequence[Segment], relation: FromClause
) -> tuple[dict[str, ColumnElement[bool]], dict[str, str]]:
    """Each segment's condition by its id, and why a segment does not fit the relation."""
    masks, failed = {}, {}
    for segment in segments:
        try:
            masks[segment.id] = condition(parse_rules(segment.definition), relation)
        except InputError as exc:
            failed[segment.id] = f"{segment.name}: {exc}"
    return masks, failed


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value of a column: how many people have it at all, and how many of each segment's."""

    value: object
    rows: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """How many people each mask selects, in all and by the values of each column (in the columns' order)."""

    sizes: tuple[int, ...]
    columns: tuple[tuple[ValueCount, ...], ...]


def grouped(engine: Engine, relation: FromClause, columns: Sequence[str], masks: Masks) -> Grouped:
    """One scan that counts the members of every mask for every value of every column."""
    members = _members(relation, masks, *(relation.c[name].label(f"a{i}") for i, name in enumerate(columns)))
    values = [members.c[f"a{i}"] for i in range(len(columns))]
    sums = [_sum(members.c[f"m{i}"]).label(f"n{i}") for i in range(len(masks))]
    if not values:
        return Grouped(tuple(_one(engine, _select(sums))), ())
    rows = func.count().label("rows")
    # ``rolled`` has a bit for each column that a row is not grouped by
    rolled = func.grouping(*values, type_=sa.BigInteger()).label("rolled")
    found = engine.fetch(
        _select([*values, rolled, rows, *sums]).group_by(func.grouping_sets(tuple_(), *(tuple_(v) for v in values)))
    )
    everything = (1 << len(columns)) - 1
    single = [everything ^ (1 << i) for i in reversed(range(len(columns)))]
    totals = _set(found, everything)
    sizes = tuple(totals.column(f"n{i}")[0].as_py() for i in range(len(masks)))
    return Grouped(sizes, tuple(_counts(_set(found, s), f"a{i}", len(masks)) for i, s in enumerate(single)))


def _set(found: pa.Table, rolled: int) -> pa.Table:
    return found.filter(pc.equal(found.column("rolled"), rolled))


def _counts(rows: pa.Table, column: str, masks: int) -> tuple[ValueCount, ...]:
    members = list(zip(*(rows.column(f"n{i}").to_pylist() for i in range(masks)), strict=True))
    members = members or [()] * rows.num_rows
    values = zip(rows.column(column).to_pylist(), rows.column("rows").to_pylist(), members, strict=True)
    return tuple(ValueCount(v, n, m) for v, n, m in values)


def stayed(engine: Engine, joined: FromClause, was: Masks, still: Masks) -> list[tuple[int, int]]:
    """For each pair of masks, how many people the first selects, and how many of these the second selects too."""
    members = _members(joined, [*was, *still])
    then = [members.c[f"m{i}"] for i in range(len(was))]
    now = [members.c[f"m{len(was) + i}"] for i in range(len(was))]
    sums = [_sum(t).label(f"t{i}") for i, t in enumerate(then)]
    sums += [_sum(t * n).label(f"b{i}") for i, (t, n) in enumerate(zip(then, now, strict=True))]
    found = _one(engine, _select(sums))
    return list(zip(found[: len(was)], found[len(was) :], strict=True))


def distinct_counts(engine: Engine, relation: FromClause, columns: Sequence[str]) -> tuple[int, list[int]]:
    """How many rows there are, and how many different values (nulls apart) each column has."""
    counts = [func.count(distinct(relation.c[name])).label(f"v{i}") for i, name in enumerate(columns)]
    rows, *values = _one(engine, _select([func.count().label("rows"), *counts]).select_from(relation))
    return rows, values


def _members(relation: FromClause, masks: Masks, *columns: ColumnElement[Any]) -> FromClause:
    """The relation with ``m0``, ``m1``, ...: 1 for each person that a mask selects, else 0, evaluated once per row."""
    flags = [case((mask, _YES), else_=_NO).label(f"m{i}") for i, mask in enumerate(masks)]
    query: Select[Any] = select(*columns, *flags).select_from(relation)
    return query.subquery("members")


def _select(columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    return select(*columns)


def _one(engine: Engine, query: Select[Any]) -> list[Any]:
    return [c[0].as_py() for c in engine.fetch(query).columns]


def _sum(flags: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(flags), 0, type_=sa.BigInteger())


def combinations(
    engine: Engine, relation: FromClause, segments: Sequence[Segment]
) -> tuple[tuple[Segment, ...], Ints, Ints]:
    """The segments that fit, the sets of them that people are in (bit ``i``: in segment ``i``), and people per set.

    Shape: both int64 [sets]. At most 62 segments.
    """
    masks, _ = masks_of(segments, relation)
    kept = tuple(s for s in segments if s.id in masks)
    word: ColumnElement[int] = literal_column("0", sa.BigInteger())
    for i, segment in enumerate(kept):
        bit: ColumnElement[int] = literal_column(str(1 << i), sa.BigInteger())
        word = word + case((masks[segment.id], bit), else_=_NO)
    people = _select([word.label("word")]).select_from(relation).subquery("people")
    found = engine.fetch(_select([people.c.word, func.count().label("rows")]).group_by(people.c.word))
    return kept, found.column("word").to_numpy().astype(np.int64), found.column("rows").to_numpy().astype(np.int64)
