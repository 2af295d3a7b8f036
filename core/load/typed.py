"""Text cells to typed Parquet inside DuckDB: one expression per column, whichever way the rows were read."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine.duck import quoted_name, quoted_text
from core.load import formats as f
from core.load.formats import Format
from core.load.inference import TOLERANCE, Candidates
from core.load.layout import Layout
from core.load.rejects import RejectList
from core.load.rows import Dialect
from core.load.text import Text

if TYPE_CHECKING:
    import duckdb

MAX_CELL = 131_072
_FEW = 10  # from this many values on, a single stray one does not make a column text
_NULLS = "[" + ", ".join(quoted_text(n) for n in f.NULLS) + "]"


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column of the table to be, and the format its cells are read in."""

    name: str
    original: str
    format: Format
    misses: int = 0  # values of the source that are not written so


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

    source = clean_source(text, dialect, skip, len(columns))
    empty = f"coalesce({', '.join(f'c{i}' for i in range(len(columns)))}) IS NULL"
    values = ", ".join(_checked(i, c, empty) for i, c in enumerate(columns))
    try:
        rows = int(_copy(connection, f"SELECT {values} FROM {source}", target))
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException) as exc:
        raise NotClean(str(exc)) from exc
    if not text.quotes and rows not in (text.newlines - skip, text.newlines - skip + 1):
        raise NotClean("blank lines")
    return rows


def clean_source(text: Text, dialect: Dialect, skip: int, width: int, *, careless: bool = False) -> str:
    """SQL that reads a file as ``width`` columns of text, ``c0`` and on; ``careless`` passes over flawed lines."""
    names = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    nulls = ", ".join(quoted_text(n) for n in f.NULLS)
    return (
        f"read_csv({quoted_text(str(text.path))}, auto_detect=false, header=false, skip={skip}, "
        f"delim={quoted_text(dialect.delimiter)}, quote={quoted_text(dialect.quote or '')}, "
        f"escape={quoted_text(dialect.quote or '')}, columns={{{names}}}, strict_mode={str(not careless).lower()}, "
        f"ignore_errors={str(careless).lower()}, nullstr=[{nulls}], max_line_size={MAX_CELL})"
    )


def _checked(i: int, column: TypedColumn, empty: str) -> str:
    value = column.format.sql(f"c{i}")
    if value != f"c{i}":
        value = f"coalesce({value}, CASE WHEN c{i} IS NOT NULL THEN error('cell') END)"
    if i == 0:
        value = f"CASE WHEN {empty} THEN error('row') ELSE {value} END"
    return f"{value} AS {quoted_name(column.name)}"


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
    columns, notes = [], []
    total, unread = _counted(connection, raw, [c.formats[0] if c.formats else f.TEXT for c in found])
    # most columns have one format without a miss; only the others are looked at closely
    tried = _misses(connection, raw, [c.formats if n else () for c, n in zip(found, unread, strict=True)])
    for i, candidate in enumerate(found):
        form, misses = f.TEXT, 0
        if candidate.formats and not unread[i] and total[i]:
            form = candidate.formats[0]
        elif tried[i].formats and tried[i].total:
            best = min(tried[i].formats, key=lambda m: m.count)
            allowed = max((1 - TOLERANCE) * tried[i].total, 1 if tried[i].total >= _FEW else 0)
            if best.count <= allowed or layout.names[i] in stated:
                form, misses = best.format, best.count
            elif best.count <= tried[i].total / 2:
                notes.append(
                    f"'{layout.names[i]}' is kept as text: {best.count:,} of {tried[i].total:,} values are not "
                    f"{best.format.expected} ('{str(best.value)[:40]}' in line {best.line})."
                )
        columns.append(TypedColumn(layout.names[i], layout.originals[i], form, misses))
    return tuple(columns), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Miss:
    """How many values of a column are not written in ``format``, and the first of them."""

    format: Format
    count: int
    value: object
    line: object


@dataclass(frozen=True, slots=True)
class _Tried:
    """How many cells of a column hold a value, and how its formats do."""

    total: int
    formats: tuple[_Miss, ...]


def _counted(
    connection: duckdb.DuckDBPyConnection, raw: Path, formats: Sequence[Format]
) -> tuple[list[int], list[int]]:
    """Per column the cells that are not empty, and how many of them give no value in the format."""
    parts = ", ".join(f"count(c{i}), count({form.sql(f'c{i}')})" for i, form in enumerate(formats))
    counted = [int(str(n)) for n in _one(connection, f"SELECT {parts} FROM read_parquet({quoted_text(str(raw))})")]
    return counted[0::2], [cells - read for cells, read in zip(counted[0::2], counted[1::2], strict=True)]


def _misses(connection: duckdb.DuckDBPyConnection, raw: Path, tried: Sequence[Sequence[Format]]) -> list[_Tried]:
    """How the ``tried`` formats of each column do. Shape: as ``tried``."""
    parts, flags = ["count(*)"], ["*"]
    for i, forms in enumerate(tried):
        if forms:
            parts.append(f"count(*) FILTER (c{i} IS NOT NULL AND NOT {_nullish(i)})")
        for j, form in enumerate(forms):
            bad = f"bad_{i}_{j}"
            flags.append(f"{_unread(i, form)} AS {bad}")
            parts.append(f"count(*) FILTER ({bad}), arg_min(c{i}, line) FILTER ({bad}), min(line) FILTER ({bad})")
    source = f"SELECT {', '.join(flags)} FROM read_parquet({quoted_text(str(raw))})"
    counted = iter(_one(connection, f"SELECT {', '.join(parts)} FROM ({source})")[1:])
    return [
        _Tried(
            int(str(next(counted))) if forms else 0,
            tuple(_Miss(form, int(str(next(counted))), next(counted), next(counted)) for form in forms),
        )
        for forms in tried
    ]


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
    judged = [i for i, c in enumerate(columns) if c.misses]
    bad = [_unread(i, columns[i].format) for i in judged]
    keep = f"WHERE NOT ({' OR '.join(bad)})" if bad else ""
    values = ", ".join(f"{c.format.sql(f'c{i}')} AS {quoted_name(c.name)}" for i, c in enumerate(columns))
    rows = _copy(connection, f"SELECT {values} FROM {source} {keep}", target)
    if rows < staged:
        which = " ".join(f"WHEN {b} THEN {i}" for b, i in zip(bad, judged, strict=True))
        query = f"SELECT *, CASE {which} END FROM {source} WHERE {' OR '.join(bad)} ORDER BY line"
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


def _unread(i: int, form: Format) -> str:
    # CASE asks the dear question only where the cheap one left something
    return f"CASE WHEN c{i} IS NULL OR ({form.sql(f'c{i}')}) IS NOT NULL THEN false ELSE NOT {_nullish(i)} END"


def _nullish(i: int) -> str:
    # IN with so many values would become a join
    return f"list_contains({_NULLS}, trim(c{i}))"


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> int:
    result = connection.execute(
        f"COPY ({query}) TO {quoted_text(str(target))} (FORMAT parquet, COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 1000)"
    )
    row = result.fetchone()
    return int(row[0]) if row else 0


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[object, ...]:
    return tuple(connection.execute(query).fetchone() or ())
