"""Sentences about choices a person may want to correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.load import formats as f
from core.load.typed import TypedColumn
from core.model import ColumnType

_UNREMARKABLE = {"number", "whole number"}


def choices(columns: Sequence[TypedColumn], sample: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """One sentence per column whose format was not the plain one, with a sampled cell as proof where there is one."""
    notes = []
    for column in columns:
        form = column.format
        cells = [c for c in sample.get(column.name, ()) if form.matches(c)]
        if form.day_first is not None:
            notes.append(_order(column.name, cells, day_first=form.day_first))
        counted = form.type in (ColumnType.INTEGER, ColumnType.NUMBER) and form.name not in _UNREMARKABLE
        if counted or form in (f.COMPACT, f.EPOCH, f.EPOCH_MS):
            notes.append(f"'{column.name}' is read as {form.name}.")
        if form.type is ColumnType.TIMESTAMP and not _zoned(form, cells):
            notes.append(f"'{column.name}' has no time zone; it is taken as UTC.")
    return tuple(notes)


def _order(name: str, cells: Sequence[str], *, day_first: bool) -> str:
    order, other = ("Day", "month") if day_first else ("Month", "day")
    place = 0 if day_first else 1
    proof = next((c for c in cells if int(re.split(r"[/.-]", c.split(" ")[0])[place]) > 12), None)
    if proof:
        return f"{order} first assumed in column '{name}': {proof} cannot be {other} first."
    example = f" ({cells[0]} could be either)" if cells else ""
    return f"{order} first assumed in column '{name}' without proof{example}."


def _zoned(form: f.Format, cells: Sequence[str]) -> bool:
    if form in (f.EPOCH, f.EPOCH_MS):
        return True
    return any(re.search(r":.*(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?)$", c) for c in cells[:5])
