"""Text cells to typed Parquet inside DuckDB: one expression per column, whichever way the rows were read."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from core.engine.duck import quoted_name, quoted_text
from core.load import formats as f
from core.load.formats import Format
from core.load.inference import TOLERANCE, Candidates
from core.load.layout import Layout, shortest
from core.load.rejects import RejectList
from core.load.rows import Dialect, Record, is_blank
from core.load.text import Text

if TYPE_CHECKING:
    import duckdb

BATCH = 20_000
MAX_CELL = 131_072
_FEW = 10  # from this many values on, a single stray one does not make a column text
_NULLS = "(" + ", ".join(quoted_text(n) for n in f.NULLS) + ")"


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column of the table to be, and the format its cells are read in."""

    name: str
    original: str
    format: Format


class NotClean(Exception):
    """The quick reader met something it does not judge; the careful one takes over. Never leaves the package."""


def copy_clean(
    connection: duckdb.DuckDBPyConnection,
    text: Text,
    dialect: Dialect,
    skip: int,
    columns: Sequence[TypedColumn],
    target: Path,
) -> int:
    """Copies a file without any flaw into ``target`` and answers its row count.

    Raises: NotClean at the first row or cell that does not fit exactly.
    """
    import duckdb

    names = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(columns)))
    nulls = ", ".join(quoted_text(n) for n in f.NULLS)
    source = (
        f"read_csv({quoted_text(str(text.path))}, auto_detect=false, header=false, skip={skip}, "
        f"delim={quoted_text(dialect.delimiter)}, quote={quoted_text(dialect.quote or '')}, "
        f"escape={quoted_text(dialect.quote or '')}, columns={{{names}}}, strict_mode=true, "
        f"nullstr=[{nulls}], max_line_size={MAX_CELL})"
    )
    empty = f"coalesce({', '.join(f'c{i}' for i in range(len(columns)))}) IS NULL"
    values = ", ".join(_checked(i, c, empty) for i, c in enumerate(columns))
    try:
        rows = int(_copy(connection, f"SELECT {values} FROM {source}", target))
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as exc:
        raise NotClean(str(exc)) from exc
    if not text.quotes and rows not in (text.newlines - skip, text.newlines - skip + 1):
        raise NotClean("blank lines")
    return rows


def _checked(i: int, column: TypedColumn, empty: str) -> str:
    value = column.format.sql(f"c{i}")
    if value != f"c{i}":
        value = f"coalesce({value}, CASE WHEN c{i} IS NOT NULL THEN error('cell') END)"
    if i == 0:
        value = f"CASE WHEN {empty} THEN error('row') ELSE {value} END"
    return f"{value} AS {quoted_name(column.name)}"


def stage(records: Iterable[Record], layout: Layout, target: Path, rejects: RejectList) -> int:
    """Writes the well-formed records as text into ``target`` and answers how many data rows came in.

    Rows of a wrong shape go to ``rejects``; blank lines are no rows.
    """
    schema = pa.schema([("line", pa.int64()), *((f"c{i}", pa.string()) for i in range(layout.width))])
    rows_in = 0
    lines: list[int] = []
    rows: list[list[str]] = []
    with pq.ParquetWriter(target, schema, compression="lz4") as writer:
        for line, cells, broken in records:
            if broken is None and is_blank(cells) and not (layout.width == 1 and cells and '"' in cells[0]):
                continue
            rows_in += 1
            reason = broken or _misfit(cells, layout)
            if reason:
                rejects.add(line, reason, cells[0] if broken else joined(cells))
                continue
            lines.append(line)
            rows.append(cells)
            if len(rows) == BATCH:
                writer.write_batch(_batch(schema, lines, rows))
                lines, rows = [], []
        if rows:
            writer.write_batch(_batch(schema, lines, rows))
    return rows_in


def _misfit(cells: list[str], layout: Layout) -> str:
    """Fits ``cells`` to the width in place; answers why that cannot be done."""
    width, found = layout.width, len(cells)
    if found > width:
        if any(c.strip() for c in cells[width:]):
            return _width_reason(found, width)
        del cells[width:]
    elif found < width:
        if not layout.pad or found < shortest(width):
            return _width_reason(found, width)
        cells.extend([""] * (width - found))
    if all(c in f.NULLS for c in cells):
        return "the row holds no value"
    return ""


def _width_reason(found: int, width: int) -> str:
    return f"{found} cell{'s' if found != 1 else ''} where {width} were expected"


def _batch(schema: pa.Schema, lines: list[int], rows: list[list[str]]) -> pa.RecordBatch:
    import pyarrow.compute as pc

    nulls = pa.array(f.NULLS)
    missing = pa.scalar(None, pa.string())
    columns = []
    for cells in zip(*rows, strict=True):
        values = pa.array(cells, pa.string())
        columns.append(pc.if_else(pc.is_in(values, nulls), missing, values))
    return pa.record_batch([pa.array(lines, pa.int64()), *columns], schema=schema)


def joined(cells: Iterable[str | None]) -> str:
    """Cells as one line of CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(["" if c is None else c for c in cells])
    return out.getvalue()


def chosen(
    connection: duckdb.DuckDBPyConnection,
    raw: Path,
    layout: Layout,
    found: Sequence[Candidates],
    stated: frozenset[str],
) -> tuple[tuple[TypedColumn, ...], tuple[str, ...]]:
    """The format of every column, judged on all its values, and remarks on columns that nearly had a type."""
    parts, flags = [], ["*"]
    for i, candidate in enumerate(found):
        parts.append(f"count(c{i}) - count(*) FILTER (trim(c{i}) IN {_NULLS})")
        for j, form in enumerate(candidate.formats):
            bad = f"bad_{i}_{j}"
            flags.append(f"{_bad(i, form)} AS {bad}")
            parts.append(f"count(*) FILTER ({bad}), arg_min(c{i}, line) FILTER ({bad}), min(line) FILTER ({bad})")
    source = f"SELECT {', '.join(flags)} FROM read_parquet({quoted_text(str(raw))})"
    counted = iter(_one(connection, f"SELECT {', '.join(parts)} FROM ({source})"))
    columns, notes = [], []
    for i, candidate in enumerate(found):
        total = int(str(next(counted) or 0))
        tried = [(int(str(next(counted) or 0)), form, next(counted), next(counted)) for form in candidate.formats]
        form = f.TEXT
        if tried and total:
            misses, best, value, line = min(tried, key=lambda t: t[0])
            allowed = max((1 - TOLERANCE) * total, 1 if total >= _FEW else 0)
            if misses <= allowed or layout.names[i] in stated:
                form = best
            elif misses <= total / 2:
                notes.append(
                    f"'{layout.names[i]}' is kept as text: {misses:,} of {total:,} values are not "
                    f"{best.expected} ('{str(value)[:40]}' in line {line})."
                )
        columns.append(TypedColumn(layout.names[i], layout.originals[i], form))
    return tuple(columns), tuple(notes)


def copy_judged(
    connection: duckdb.DuckDBPyConnection,
    raw: Path,
    staged: int,
    columns: Sequence[TypedColumn],
    target: Path,
    rejects: RejectList,
) -> int:
    """Copies those of the ``staged`` rows whose every cell has its column's type; the others become rejects."""
    source = f"read_parquet({quoted_text(str(raw))})"
    judged = [i for i, c in enumerate(columns) if c.format is not f.TEXT]
    bad = [_bad(i, columns[i].format) for i in judged]
    keep = f"WHERE NOT coalesce({' OR '.join(f'({b})' for b in bad)}, false)" if bad else ""
    values = ", ".join(f"{c.format.sql(f'c{i}')} AS {quoted_name(c.name)}" for i, c in enumerate(columns))
    rows = _copy(connection, f"SELECT {values} FROM {source} {keep}", target)
    if rows < staged:
        which = " ".join(f"WHEN {b} THEN {i}" for b, i in zip(bad, judged, strict=True))
        query = (
            f"SELECT * FROM (SELECT *, CASE {which} END AS which FROM {source}) WHERE which IS NOT NULL ORDER BY line"
        )
        _reject(connection.execute(query), columns, rejects)
    return rows


def _reject(result: duckdb.DuckDBPyConnection, columns: Sequence[TypedColumn], rejects: RejectList) -> None:
    while rows := result.fetchmany(1_000):
        for line, *cells, which in rows:
            column, value = columns[which], cells[which]
            shown = value if len(value) <= 60 else value[:57] + "..."
            finite = "; it is not a finite number" if _infinite(value) else ""
            reason = f"{column.name} is '{shown}'; expected {column.format.expected}{finite}"
            rejects.add(line, reason, joined(cells), column.name)


def _infinite(value: str) -> bool:
    try:
        return abs(float(value)) == float("inf")
    except ValueError:
        return False


def _bad(i: int, form: Format) -> str:
    return f"c{i} IS NOT NULL AND trim(c{i}) NOT IN {_NULLS} AND ({form.sql(f'c{i}')}) IS NULL"


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    result = connection.execute(f"COPY ({query}) TO {quoted_text(str(target))} (FORMAT parquet, COMPRESSION zstd)")
    row = result.fetchone()
    return int(row[0]) if row else 0


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    return tuple(connection.execute(query).fetchone() or ())
