"""Snapshots counted in a people table: every segment's size, make-up, conversion and movement, without a row loop."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, FromClause, Integer, select

from core.errors import NotFound
from core.load.members import ValueCount, distinct_counts, grouped, masks_of, stayed
from core.model import Column, ColumnType, Segment, Snapshot, Table
from core.ports import Engine

OTHER, NONE = "other", "(none)"
VALUES_KEPT = 30  # per attribute; the rest is counted together
MOST_TEXTS = 200  # a text column with more values describes single people
MOST_NUMBERS = 10
MOST_ATTRIBUTES = 30
MOST_TRACKED = 2_000  # values of a column that was an attribute before
_SHORT = 20  # values that any text column may have, however few the rows
_AT_ONCE = 100  # segments in one statement
_ID_NAMES = ("id", "user_id", "customer_id", "person_id", "account_id", "member_id", "people_id", "uid", "uuid")
_PERSONAL = re.compile(
    r"(^|_)(first|last|full|user|given|family|sur|nick)?_?name$|e?mail|phone|mobile|address|street|birth|ssn|iban|passport",
    re.I,
)
_TRUTHS = (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.NUMBER)


@dataclass(frozen=True, slots=True)
class People:
    """A people table, and which of its columns say that somebody converted and who somebody is."""

    table: Table
    conversion: str = "converted"
    id: str | None = None  # None: found by its name

    @property
    def id_column(self) -> str | None:
        """The column that says who somebody is, if there is one."""
        names = [c.name for c in self.table.columns]
        if self.id is not None:
            return self.id if self.id in names else None
        lower = {n.lower(): n for n in reversed(names)}
        known = next((lower[n] for n in _ID_NAMES if n in lower), None)
        return known or next((n for n in names if n.lower().endswith("_id")), None)


@dataclass(frozen=True, slots=True)
class Counted:
    """One snapshot per segment that could be counted, why the others could not, and what is not tracked."""

    snapshots: tuple[Snapshot, ...]
    failed: Mapping[str, str] = field(default_factory=dict)  # by segment id
    notes: tuple[str, ...] = ()


def count(
    engine: Engine,
    people: People,
    segments: Sequence[Segment],
    at: datetime,
    *,
    before: Table | None = None,
    tracked: Collection[str] = (),
) -> Counted:
    """A snapshot of every segment at ``at``; one that does not fit the table fails alone.

    ``before`` is the people table of the last snapshot: who entered and left is seen in it, by the same rules.
    Attributes are the columns in ``tracked`` and every text, boolean or number column with few values, unless its
    name says that it tells who somebody is.
    Raises: NotFound when the table's data is gone, ProviderError when the engine fails.
    """
    relation = engine.relation(people.table)
    masks, failed = masks_of(segments, relation)
    fitting = [s for s in segments if s.id in masks]
    asked = {*tracked, *(a for s in fitting for a in s.watch.critical_attributes)}
    attributes, conversion, notes = _columns(engine, people, asked)
    moves, unmoved = _moves(engine, people, before, fitting)
    snapshots: list[Snapshot] = []
    for some in _chunks(fitting):
        found = grouped(engine, relation, [*attributes, *conversion], [masks[s.id] for s in some])
        made_of = [_labelled(values) for values in found.columns[: len(attributes)]]
        for i, s in enumerate(some):
            size, moved = found.sizes[i], moves.get(s.id)
            snapshots.append(
                Snapshot(
                    segment=s.id,
                    ts=at,
                    size=size,
                    shares={a: _shares(values, i) for a, values in zip(attributes, made_of, strict=True)},
                    conv_rate=_rate(found.columns[-1], i) if conversion else None,
                    velocity_in=size - moved.still if moved else None,
                    velocity_out=moved.held - moved.still if moved else None,
                    source=people.table.provenance.uri,
                )
            )
    return Counted(tuple(snapshots), failed, (*notes, *unmoved))


def _chunks(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    return (segments[i : i + _AT_ONCE] for i in range(0, len(segments), _AT_ONCE))


# --- make-up and conversion -----------------------------------------------------------------------


def _columns(engine: Engine, people: People, asked: Collection[str]) -> tuple[list[str], list[str], tuple[str, ...]]:
    """The columns whose values make a segment up, the one that says who converted, and what is not followed."""
    columns = [c for c in people.table.columns if c.type is not ColumnType.TIMESTAMP and c.name != people.id_column]
    rows, values = distinct_counts(engine, engine.relation(people.table), [c.name for c in columns])
    of = dict(zip(columns, values, strict=True))
    chosen = [
        c.name
        for c, n in of.items()
        if c.name != people.conversion and (n <= MOST_TRACKED if c.name in asked else _describes(c, n, rows))
    ]
    chosen = sorted(chosen, key=lambda name: name not in asked)[:MOST_ATTRIBUTES]
    notes = [f"Attribute '{name}' is not a column that can be followed." for name in sorted({*asked} - {*chosen})]
    converted = next((c for c in columns if c.name == people.conversion), None)
    if converted is None:
        notes.append(f"There is no column '{people.conversion}': conversion is not tracked.")
    elif converted.type not in _TRUTHS or of[converted] > MOST_TRACKED:
        notes.append(f"Column '{people.conversion}' does not say who converted: conversion is not tracked.")
        converted = None
    return chosen, [converted.name] if converted else [], tuple(notes)


def _describes(column: Column, values: int, rows: int) -> bool:
    """Whether a column groups people: few values, and each of them many times."""
    if column.type is ColumnType.BOOLEAN:
        return True
    if names_people(column):
        return False
    if column.type is ColumnType.TEXT:
        return 0 < values <= MOST_TEXTS and (values <= _SHORT or values * 5 <= rows)
    return 0 < values <= MOST_NUMBERS and values * 20 <= rows


def names_people(column: Column) -> bool:
    """Whether a column's name says that its values tell who somebody is."""
    return column.type is not ColumnType.BOOLEAN and bool(_PERSONAL.search(column.name))


def _labelled(values: Sequence[ValueCount]) -> list[tuple[str, ValueCount]]:
    """The values with what they are called in a snapshot: the rarest of the whole table are ``other``."""
    common = sorted(values, key=lambda v: (-v.rows, _shown(v.value)))[:VALUES_KEPT]
    kept = {_shown(v.value) for v in common}
    return [(name if (name := _shown(v.value)) in kept else OTHER, v) for v in values]


def _shown(value: object) -> str:
    if value is None or value == "":
        return NONE
    return str(value).lower() if isinstance(value, bool) else str(value)[:100]


def _shares(values: Sequence[tuple[str, ValueCount]], i: int) -> dict[str, float]:
    """The share of each value among the members of segment ``i``, largest first; nothing for an empty segment."""
    members: dict[str, int] = {}
    for label, value in values:
        if n := value.members[i]:
            members[label] = members.get(label, 0) + n
    total = sum(members.values())
    return {label: n / total for label, n in sorted(members.items(), key=lambda item: (-item[1], item[0]))}


def _rate(values: Sequence[ValueCount], i: int) -> float | None:
    """The mean of a yes/no (1/0) column over those members of segment ``i`` of whom it is known."""
    known = [(v.value, v.members[i]) for v in values if isinstance(v.value, bool | int | float)]
    people = sum(n for _, n in known)
    return sum(v * n for v, n in known) / people if people else None


# --- movement -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moved:
    held: int  # how many the segment held
    still: int  # how many of them it still holds


def _moves(
    engine: Engine, people: People, before: Table | None, segments: Sequence[Segment]
) -> tuple[dict[str, _Moved], tuple[str, ...]]:
    """What became of each segment's members, and why that is not known where it is not."""
    unknown = "who entered and left is not known."
    key = people.id_column
    if before is None:
        return {}, (f"There is no earlier people table: {unknown}",)
    if key is None or before.column(key) is None:
        return {}, (f"There is no id column in both people tables: {unknown}",)
    try:
        then = select(engine.relation(before)).subquery("then")
    except NotFound:
        return {}, (f"The earlier people table is no longer kept: {unknown}",)
    now = select(engine.relation(people.table)).subquery("now")
    if _kind(now.c[key]) != _kind(then.c[key]) or not all(_names_each(engine, t, key) for t in (now, then)):
        return {}, (f"Column '{key}' does not name each person once: {unknown}",)
    was, unfit = masks_of(segments, then)
    still, _ = masks_of(segments, now)
    joined = then.outerjoin(now, now.c[key] == then.c[key])
    moves: dict[str, _Moved] = {}
    for some in _chunks([s for s in segments if s.id in was]):
        counts = stayed(engine, joined, [was[s.id] for s in some], [still[s.id] for s in some])
        moves |= {s.id: _Moved(held, kept) for s, (held, kept) in zip(some, counts, strict=True)}
    return moves, tuple(f"{why} In the earlier people table, so {unknown}" for why in unfit.values())


def _kind(column: ColumnElement[object]) -> type[object]:
    return Integer if isinstance(column.type, Integer) else type(column.type)


def _names_each(engine: Engine, relation: FromClause, key: str) -> bool:
    rows, (named,) = distinct_counts(engine, relation, [key])
    return rows == named
