"""What the columns of a loaded file are good for, told from their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlalchemy import ColumnElement, Select, func, select

from core.model import ColumnType, Table
from core.ports import Engine

MAX_DIMENSION_VALUES = 200


def flags_among(engine: Engine, table: Table, names: Sequence[str]) -> list[str]:
    """Whole-number columns that say yes or no (``label``, ``is_anomaly``): their sum over time is nobody's figure."""
    whole = [c.name for c in table.columns if c.type is ColumnType.INTEGER and c.name in names]
    if not whole:
        return []
    relation = engine.relation(table)
    ends = (e for i, n in enumerate(whole) for e in _ends(relation.c[n], i))
    found = engine.fetch(cast("Select[tuple[object, ...]]", select(*ends))).to_pylist()[0]
    return [n for i, n in enumerate(whole) if (found[f"low{i}"], found[f"high{i}"]) == (0, 1)]


def _ends(column: ColumnElement[int], i: int) -> tuple[ColumnElement[int], ColumnElement[int]]:
    return func.min(column).label(f"low{i}"), func.max(column).label(f"high{i}")


def dimensions_of(engine: Engine, table: Table, time: str) -> list[str]:
    """Text columns with between 2 and MAX_DIMENSION_VALUES values, most telling (fewest values) first."""
    names = [c.name for c in table.columns if c.type in (ColumnType.TEXT, ColumnType.BOOLEAN) and c.name != time]
    if not names:
        return []
    relation = engine.relation(table)
    counting = select(*(func.count(relation.c[n].distinct()).label(n) for n in names))
    counts = engine.fetch(cast("Select[tuple[object, ...]]", counting)).to_pylist()[0]
    rows = max(1, table.provenance.rows)
    fits = {n: c for n, c in counts.items() if 2 <= c <= MAX_DIMENSION_VALUES and c <= rows / 2}
    return sorted(fits, key=fits.__getitem__)
