"""The metrics of a source as rows of a form, and back."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pydantic import ValidationError

from core.baseline.measure import MetricSpec
from core.errors import InputError
from core.model import ColumnType, Direction, MetricKind
from core.service.sources import NUMERIC, SourceDefinition, StoredTable, guess_metric, slug

ROWS = "(rows)"  # stands for counting rows, where a column's name would be
AGGREGATES = ("sum", "mean", "median", "min", "max", "last", "count", "distinct")
COLUMNS = ["use", "table", "column", "label", "agg", "over", "unit", "good"]


def to_rows(definition: SourceDefinition) -> pd.DataFrame:
    """One row per metric and per column that could become one; ``use`` marks those that are measured.

    Shape: columns ``COLUMNS``, index the metric's name.
    """
    chosen = {(m.table, m.column): m for m in definition.metrics}
    found: dict[str, MetricSpec] = {m.name: m for m in definition.metrics}
    for table in definition.tables:
        for spec in candidates(table):
            if (spec.table, spec.column) not in chosen:
                name = spec.name if spec.name not in found else slug(f"{spec.table}_{spec.name}")
                found.setdefault(name, spec.model_copy(update={"name": name}))
    rows = [_row(spec, used=spec in definition.metrics) for spec in found.values()]
    return pd.DataFrame(rows, columns=COLUMNS, index=pd.Index(list(found), name="name"))


def candidates(table: StoredTable) -> list[MetricSpec]:
    """Everything in a table that can be measured: numbers, true/false as a share, and the number of rows."""
    numbers = [guess_metric(c, table.name) for c, t in table.columns.items() if t in NUMERIC and c != table.time]
    shares = [
        MetricSpec(name=slug(c), label=c.replace("_", " "), table=table.name, column=c, agg="mean",
                   kind=MetricKind.GAUGE, system=table.name)
        for c, t in table.columns.items() if t is ColumnType.BOOLEAN
    ]  # fmt: skip
    rows = MetricSpec(name=slug(f"{table.name}_rows"), label="Rows", table=table.name, agg="count", system=table.name)
    return [*numbers, *shares, rows]


def numeric_columns(definition: SourceDefinition) -> list[str]:
    """Columns that a ratio can be divided by."""
    return list(dict.fromkeys(c for t in definition.tables for c, kind in t.columns.items() if kind in NUMERIC))


def from_rows(frame: pd.DataFrame, definition: SourceDefinition) -> tuple[MetricSpec, ...]:
    """The metrics that are marked in the form.

    Raises: InputError naming the row and what was expected.
    """
    kinds = {m.name: m.kind for m in definition.metrics}
    specs = tuple(_spec(str(name), row, kinds, definition) for name, row in frame.iterrows() if row["use"])
    if not specs:
        raise InputError("No metric is marked: nothing would be measured.", hint="Mark at least one.", field="metrics")
    return specs


def _row(spec: MetricSpec, *, used: bool) -> list[object]:
    column = spec.column if spec.column is not None else ROWS
    label = spec.label or spec.name.replace("_", " ")
    return [used, spec.table, column, label, spec.agg, spec.over, spec.unit, str(spec.good)]


def _spec(name: str, row: pd.Series, kinds: Mapping[str, MetricKind], definition: SourceDefinition) -> MetricSpec:
    cells = {k: None if pd.isna(v) else v for k, v in row.items()}
    label, over, column = str(cells["label"] or name), cells["over"], str(cells["column"])
    table = next(t for t in definition.tables if t.name == cells["table"])
    if over and (over not in table.columns or over == column):
        hint = f"Choose another number of {table.name}."
        raise InputError(f"{label}: '{over}' cannot be its divisor.", hint=hint, field="over")
    counted = column == ROWS
    if counted and over:
        raise InputError(f"{label}: counted rows have no divisor.", field="over")
    guess = kinds.get(name) or (MetricKind.SUM if counted else guess_metric(column, table.name).kind)
    agg = "count" if counted else str(cells["agg"] or "sum")
    try:
        return MetricSpec(
            name=name,
            label=label,
            table=table.name,
            column=None if counted else column,
            agg=agg,
            over=str(over) if over else None,
            unit=str(cells["unit"] or ""),
            kind=_kind(agg, bool(over), guess),
            good=Direction(str(cells["good"] or "none")),
            system=table.name,
        )
    except ValidationError as exc:
        raise InputError(f"{label}: {exc.errors()[0]['msg']}.", field="metrics") from None


def _kind(agg: str, ratio: bool, guess: MetricKind) -> MetricKind:
    if ratio:
        return MetricKind.RATIO
    if agg in ("sum", "count", "distinct"):
        return MetricKind.SUM
    return guess if guess in (MetricKind.GAUGE, MetricKind.DURATION) else MetricKind.GAUGE
