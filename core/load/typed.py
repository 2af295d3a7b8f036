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
_ROWS = 122_880  # in one batch, and so in one row group
_NULLS = "[" + ", ".join(quoted_text(n) for n in f.NULLS) + "]"


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
    missed = _misses(connection, raw, [c.formats[:1] for c in found])
    doubted = [c.formats[1:] if m and m[0].count else () for c, m in zip(found, missed, strict=True)]
    further = _misses(connection, raw, doubted) if any(doubted) else [[] for _ in found]
    totals = _totals(connection, raw, layout.width)
    for i, (total, tried) in enumerate(zip(totals, map(list.__add__, missed, further), strict=True)):
        form = f.TEXT
        if tried and total:
            best = min(tried, key=lambda m: m.count)
            allowed = max((1 - TOLERANCE) * total, 1 if total >= _FEW else 0)
            if best.count <= allowed or layout.names[i] in stated:
                form = best.format
            elif best.count <= total / 2:
                notes.append(
                    f"'{layout.names[i]}' is kept as text: {best.count:,} of {total:,} values are not "
                    f"{best.format.expected} ('{str(best.value)[:40]}' in line {best.line})."
                )
        columns.append(TypedColumn(layout.names[i], layout.originals[i], form))
    return tuple(columns), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Misses:
    """How many values of a column are not written in the format, and the first of them."""

    format: Format
    count: int
    value: object
    line: object


def _misses(connection: duckdb.DuckDBPyConnection, raw: Path, tried: Sequence[Sequence[Format]]) -> list[list[_Misses]]:
    """What each column's ``tried`` formats miss. Shape: as ``tried``."""
    parts, flags = ["count(*)"], ["*"]
    for i, forms in enumerate(tried):
        for j, form in enumerate(forms):
            bad = f"bad_{i}_{j}"
            flags.append(f"{_unread(i, form.sql(f'c{i}'))} AS {bad}")
            parts.append(f"count(*) FILTER ({bad}), arg_min(c{i}, line) FILTER ({bad}), min(line) FILTER ({bad})")
    source = f"SELECT {', '.join(flags)} FROM read_parquet({quoted_text(str(raw))})"
    counted = iter(_one(connection, f"SELECT {', '.join(parts)} FROM ({source})")[1:])
    return [[_Misses(form, int(str(next(counted))), next(counted), next(counted)) for form in forms] for forms in tried]


def _totals(connection: duckdb.DuckDBPyConnection, raw: Path, width: int) -> list[int]:
    """How many cells of each column hold a value."""
    parts = ", ".join(f"count(*) FILTER (c{i} IS NOT NULL AND NOT {_nullish(i)})" for i in range(width))
    counted = _one(connection, f"SELECT {parts} FROM read_parquet({quoted_text(str(raw))})")
    return [int(str(n)) for n in counted]


def copy_judged(
    connection: duckdb.DuckDBPyConnection,
    raw: Path,
    staged: int,
    columns: Sequence[TypedColumn],
    target: Path,
    rejects: RejectList,
) -> int:
    """Copies those of the ``staged`` rows whose every cell has its column's type; the others become rejects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = f"read_parquet({quoted_text(str(raw))})"
    judged = [i for i, c in enumerate(columns) if c.format is not f.TEXT]
    read = ", ".join(f"{columns[i].format.sql(f'c{i}')} AS v{i}" for i in judged)
    which = " ".join(f"WHEN {_unread(i, f'v{i}')} THEN {i}" for i in judged)
    values = ", ".join(f"{'v' if i in judged else 'c'}{i} AS {quoted_name(c.name)}" for i, c in enumerate(columns))
    # one streamed pass: a WHERE would make DuckDB read every cell twice
    result = connection.execute(
        f"SELECT {values}, line, {f'CASE {which} END' if which else 'NULL::INTEGER'} "
        f"FROM (SELECT *{', ' if read else ''}{read} FROM {source})"
    ).to_arrow_reader(_ROWS)
    texts = [c.name for c in columns if c.format is f.TEXT]
    bad = []
    with pq.ParquetWriter(
        target, pa.schema(list(result.schema)[:-2]), compression="zstd", use_dictionary=texts
    ) as writer:
        for batch in result:
            flaws = batch.column(len(columns) + 1)
            rows = batch.select(range(len(columns)))
            if flaws.null_count < len(flaws):
                bad.append(pa.table({"line": batch.column(len(columns)), "which": flaws}).filter(flaws.is_valid()))
                rows = rows.filter(flaws.is_null())
            writer.write_batch(rows)
    if not bad:
        return staged
    found = pa.concat_tables(bad)
    connection.register("bad", found)
    _reject(
        connection.execute(f"SELECT raw.*, which FROM {source} AS raw JOIN bad USING (line) ORDER BY line"),
        columns,
        rejects,
    )
    connection.unregister("bad")
    return staged - len(found)


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


def _unread(i: int, value: str) -> str:
    """Whether ``value`` lacks what ``c{i}`` holds; CASE asks the rarer question only where it must."""
    return f"CASE WHEN c{i} IS NULL OR ({value}) IS NOT NULL THEN false ELSE NOT {_nullish(i)} END"


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
