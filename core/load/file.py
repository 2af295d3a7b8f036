"""Any tabular file to a typed table: delimited text, gzip of it, Excel, Parquet."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from core.engine.duck import connect
from core.errors import InputError
from core.load import dialect as dialects
from core.load import formats, layout, sheet
from core.load.columnar import load_parquet
from core.load.glimpse import FROM_LINES, First, glimpse
from core.load.inference import Candidates, candidates, conventions
from core.load.layout import Layout
from core.load.options import LoadOptions
from core.load.rejects import RejectList
from core.load.remarks import choices
from core.load.report import Loaded, LoadedColumn, LoadReport
from core.load.rows import Dialect, Record, file_records, is_blank, records
from core.load.spool import MAX_BYTES, Spool, spooled
from core.load.staging import is_regular, stage, stage_in_bulk
from core.load.text import Text, readable
from core.load.timeline import timeline
from core.load.typed import NotClean, TypedColumn, chosen, copy_clean, copy_judged
from core.model import Column, ColumnType, Provenance, Table

if TYPE_CHECKING:
    import duckdb

VERSION = "3"  # part of every stored file's name: raise it when the same bytes would load differently
Progress = Callable[[float, str], None]
_SAMPLE_BYTES = 1 << 18
_SPREAD = 8  # further samples from the rest of a long file
_VALUES = 500  # sampled values per column


@dataclass(frozen=True, slots=True)
class _Judged:
    """A table on disk before it has its final name."""

    encoding: str
    delimiter: str
    header_row: int | None
    columns: tuple[TypedColumn, ...]
    rows_in: int
    rows: int
    notes: tuple[str, ...]
    sheets: tuple[str, ...] = ()


def load_file(
    source: Path | bytes,
    *,
    name: str,
    folder: Path,
    now: datetime,
    options: LoadOptions | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress | None = None,
    table: str | None = None,
    first: First | None = None,
) -> Loaded:
    """``source`` as a typed Parquet table in ``folder``, with a report of everything that was understood.

    Every data row is either loaded or listed as rejected. ``name`` is the file's name as people know it.
    ``first`` is called with a glimpse of a large text before its rows are judged.
    Raises: InputError naming the file and what was expected, TooLarge over ``max_bytes``.
    """
    options = options or LoadOptions()
    told = progress or (lambda _share, _what: None)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    told(0.05, "Reading")
    with spooled(source, name=name, folder=folder, max_bytes=max_bytes) as spool:
        key = content_key(spool.sha256, options.model_dump_json())
        room = spool.path.parent
        rejects = RejectList(room / "rejects.csv")
        connection = connect(folder)
        try:
            told(0.2, "Understanding")
            judged = _judge(connection, spool, name, options, room, rejects, told, first)
            rejects_file = rejects.close()
            _require_rows(judged, rejects, name)
            told(0.9, "Finishing")
            target = folder / f"{key}.parquet"
            os.replace(room / "typed.parquet", target)
            if rejects_file:
                rejects_file = Path(shutil.move(rejects_file, folder / f"{key}.rejects.csv"))
            columns = tuple(Column(c.name, c.format.type) for c in judged.columns)
            when = timeline(connection, target, columns, _stated_time(options, columns, name))
        finally:
            connection.close()
        shown = described(target, judged.columns)
        told(1.0, "Loaded")
    uri = f"upload:{name}" if isinstance(source, bytes) else str(source)
    provenance = Provenance(table or table_name(name), uri, spool.sha256, judged.rows, rejects.count, now)
    report = LoadReport(
        judged.encoding,
        judged.delimiter,
        judged.header_row,
        shown,
        when.column,
        when.frequency,
        when.note,
        judged.rows_in,
        judged.rows,
        rejects.count,
        tuple(rejects.first),
        judged.notes,
        rejects_file,
        judged.sheets,
    )
    return Loaded(Table(provenance.table, columns, target, provenance), report)


def content_key(sha256: str, parameters: str) -> str:
    """The name of a stored table: the hash of its source's content and of how it was read."""
    return hashlib.sha256(f"{VERSION}\0{sha256}\0{parameters}".encode()).hexdigest()


def table_name(name: str) -> str:
    """A table name from a file name: ``Sales 2025.csv.gz`` becomes ``sales_2025``."""
    stem = re.split(r"[/\\]", name)[-1]
    stem = re.sub(r"(?i)(\.(csv|tsv|txt|tab|gz|xlsx?|xlsm|xlsb|ods|parquet|pq))+$", "", stem)
    return re.sub(r"\W+", "_", stem).strip("_").lower() or "table"


def described(path: Path, columns: Sequence[TypedColumn]) -> tuple[LoadedColumn, ...]:
    """The columns of a stored table with their null counts and an example value each."""
    stored = pq.ParquetFile(path)
    nulls = [0] * len(columns)
    for g in range(stored.metadata.num_row_groups):
        group = stored.metadata.row_group(g)
        for i in range(len(columns)):
            statistics = group.column(i).statistics
            nulls[i] += statistics.null_count if statistics is not None and statistics.has_null_count else 0
    head = next(stored.iter_batches(batch_size=100), None)
    examples = ["" for _ in columns]
    if head is not None:
        for i, values in enumerate(head.columns):
            examples[i] = next((str(v) for v in values.to_pylist() if v is not None), "")[:60]
    return tuple(
        LoadedColumn(c.name, c.format.type, c.original, n, e) for c, n, e in zip(columns, nulls, examples, strict=True)
    )


def _judge(
    connection: duckdb.DuckDBPyConnection,
    spool: Spool,
    name: str,
    options: LoadOptions,
    room: Path,
    rejects: RejectList,
    told: Progress,
    first: First | None,
) -> _Judged:
    target = room / "typed.parquet"
    if spool.head.startswith(b"PAR1"):
        columns, rows, notes = load_parquet(connection, spool.path, name, target, rejects)
        return _Judged("parquet", "", None, columns, rows + rejects.count, rows, notes)
    if ending := sheet.kind(spool, name):
        book = sheet.read(spool.path, ending, name, options.sheet)
        plan = _planned(book.records[:2_000], book.records, ",", name, options, whole=True)
        rest = [r for r in book.records if r[0] > plan.layout.skip]
        told(0.3, "Reading row by row")
        rows_in = stage(rest, plan.layout, room / "raw.parquet", rejects)
        judged = _typed(connection, rows_in, plan, room, rejects, told)
        return _Judged(
            "", "", plan.layout.header_row, judged.columns, judged.rows_in, judged.rows,
            (*book.notes, *judged.notes), book.sheets,
        )  # fmt: skip
    text = readable(spool.path, spool.head, name, options.encoding)
    return _from_text(connection, text, name, options, room, rejects, told, first)


def _from_text(
    connection: duckdb.DuckDBPyConnection,
    text: Text,
    name: str,
    options: LoadOptions,
    room: Path,
    rejects: RejectList,
    told: Progress,
    first: First | None,
) -> _Judged:
    lines, whole = _head(text.path)
    dialect = dialects.detected(lines, options)
    sample = list(records(lines, dialect))
    plan = _planned(sample, [*sample, *_spread(text.path, dialect)], dialect.delimiter, name, options, whole=whole)
    simple = _simple(text, dialect, plan)
    if first is not None and simple and text.newlines >= FROM_LINES:
        first(glimpse(connection, text, dialect, plan.layout.skip, plan.columns))
    judged = _quick(connection, text, dialect, plan, room, told) if simple else None
    if judged is None:
        told(0.3, "Reading row by row")
        rows_in = _staged(text, dialect, plan.layout, room / "raw.parquet", rejects)
        judged = _typed(connection, rows_in, plan, room, rejects, told)
    notes = (*text.notes, *judged.notes)
    header = plan.layout.header_row
    return _Judged(text.encoding, dialect.delimiter, header, judged.columns, judged.rows_in, judged.rows, notes)


@dataclass(frozen=True, slots=True)
class _Plan:
    layout: Layout
    candidates: tuple[Candidates, ...]
    sample: Mapping[str, Sequence[str]]
    stated: frozenset[str]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[TypedColumn, ...]:
        """Every column in its likeliest format."""
        shape = self.layout
        return tuple(
            TypedColumn(n, o, c.formats[0] if c.formats else formats.TEXT)
            for n, o, c in zip(shape.names, shape.originals, self.candidates, strict=True)
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    columns: tuple[TypedColumn, ...]
    rows_in: int
    rows: int
    notes: tuple[str, ...]


def _planned(
    head: Sequence[Record], sample: Iterable[Record], delimiter: str, name: str, options: LoadOptions, *, whole: bool
) -> _Plan:
    shape = layout.detected(head, name, options.header_row, whole=whole)
    unknown = set(options.types) - set(shape.names)
    if unknown:
        raise InputError(
            f"{name}: there is no column '{min(unknown)}'.", hint=f"Columns: {', '.join(shape.names)}.", field="types"
        )
    cells = _cells(sample, shape)
    rules = conventions(cells, delimiter, options)
    found = tuple(candidates(n, cells[n], rules, options) for n in shape.names)
    notes = (*shape.notes, *(note for c in found for note in c.notes))
    return _Plan(shape, found, cells, frozenset(options.types), notes)


def _simple(text: Text, dialect: Dialect, plan: _Plan) -> bool:
    shape = plan.layout
    regular = shape.width > 1 and not shape.ragged and not shape.pad
    plain = text.uniform and dialect.quote == '"' and dialect.escape is None
    return regular and plain and all(c.settled for c in plan.candidates)


def _quick(
    connection: duckdb.DuckDBPyConnection, text: Text, dialect: Dialect, plan: _Plan, room: Path, told: Progress
) -> _Rows | None:
    columns = plan.columns
    told(0.3, "Loading")
    try:
        rows = copy_clean(connection, text, dialect, plan.layout.skip, columns, room / "typed.parquet")
    except NotClean:
        return None
    return _Rows(columns, rows, rows, (*plan.notes, *choices(columns, plan.sample)))


def _staged(text: Text, dialect: Dialect, shape: Layout, raw: Path, rejects: RejectList) -> int:
    if is_regular(text, dialect, shape):
        return stage_in_bulk(text.path, dialect, shape, raw, rejects)
    return stage(file_records(text.path, dialect, shape.skip), shape, raw, rejects)


def _typed(
    connection: duckdb.DuckDBPyConnection, rows_in: int, plan: _Plan, room: Path, rejects: RejectList, told: Progress
) -> _Rows:
    raw = room / "raw.parquet"
    told(0.7, "Typing")
    columns, remarks = chosen(connection, raw, plan.layout, plan.candidates, plan.stated)
    loaded = copy_judged(connection, raw, rows_in - rejects.count, columns, room / "typed.parquet", rejects)
    return _Rows(columns, rows_in, loaded, (*plan.notes, *remarks, *choices(columns, plan.sample)))


def _head(path: Path) -> tuple[list[str], bool]:
    """The first lines of a text file, and whether that is all of it."""
    with path.open(encoding="utf-8", newline="") as stream:
        lines: list[str] = []
        size = 0
        for line in stream:
            lines.append(line)
            size += len(line)
            if size > _SAMPLE_BYTES:
                return lines, False
    return lines, True


def _spread(path: Path, dialect: Dialect) -> list[Record]:
    """Records from further down a long file, so a column that changes later is seen."""
    size = path.stat().st_size
    found: list[Record] = []
    with path.open("rb") as stream:
        for k in range(1, _SPREAD + 1) if size > 2 * _SAMPLE_BYTES else ():
            stream.seek(size * k // (_SPREAD + 1))
            lines = stream.read(1 << 15).decode("utf-8", errors="ignore").splitlines(keepends=True)[1:-1]
            found += records(lines, dialect)
    return found


def _cells(sample: Iterable[Record], shape: Layout) -> dict[str, list[str]]:
    """Distinct trimmed values per column, in order of appearance, thinned to a few hundred."""
    # rows with an empty cell too many are loaded as well, so they are looked at too
    rows = [c for _, c, why in sample if why is None and len(c) >= shape.width and not is_blank(c)]
    first = 1 if shape.header_row is not None else 0
    rows = rows[first:]
    found = {}
    for i, name in enumerate(shape.names):
        values = list(dict.fromkeys(r[i].strip(" ") for r in rows))
        values = [v for v in values if v not in formats.NULLS]
        found[name] = values[:: max(1, len(values) // _VALUES)]
    return found


def _require_rows(judged: _Judged, rejects: RejectList, name: str) -> None:
    if judged.rows_in != judged.rows + rejects.count:
        raise AssertionError(f"{judged.rows_in} rows came in, {judged.rows} + {rejects.count} went out")
    if judged.rows == 0:
        first = rejects.first[0] if rejects.first else None
        why = f" The first: line {first.line}: {first.reason}." if first else ""
        raise InputError(f"{name}: none of {judged.rows_in:,} rows could be loaded.{why}")


def _stated_time(options: LoadOptions, columns: Sequence[Column], name: str) -> str | None:
    if options.time_column is None:
        return None
    found = next((c for c in columns if c.name == options.time_column), None)
    if found is None or found.type not in (ColumnType.DATE, ColumnType.TIMESTAMP):
        kind = f"is {found.type.value}" if found else "does not exist"
        raise InputError(
            f"{name}: the time column '{options.time_column}' {kind}; expected a date or timestamp column.",
            field="time_column",
        )
    return found.name
