"""Playbook tables: known columns, and the first flaw stops the run with its file, row and column."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError
from core.load import dialect as dialects
from core.load import layout
from core.load.file import content_key, described, table_name
from core.load.formats import TEXT, Format
from core.load.options import LoadOptions
from core.load.report import Loaded, LoadReport
from core.load.rows import Record, file_records, is_blank, records
from core.load.spool import MAX_BYTES, spooled
from core.load.text import readable
from core.load.timeline import regularity
from core.load.typed import TypedColumn
from core.model import Column, ColumnType, Provenance, Table

SHOWN = 5
_EXPECTED = {
    ColumnType.INTEGER: "a whole number such as 1250",
    ColumnType.NUMBER: "a number such as 1250.5",
    ColumnType.BOOLEAN: "true or false",
    ColumnType.DATE: "a date such as 2025-01-31",
    ColumnType.TIMESTAMP: "a timestamp such as 2025-01-31 14:30:00",
    ColumnType.TEXT: "text",
}
_ARROW = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.TEXT: pa.string(),
}
_Cell = str | int | float | bool | date | datetime | None


def load_strict(
    source: Path | bytes,
    *,
    columns: Mapping[str, ColumnType],
    time: str,
    folder: Path,
    now: datetime,
    table: str | None = None,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Loaded:
    """A CSV whose ``columns`` must be there, complete and well-formed, with unique values in ``time``.

    Other columns are kept as text. Rows may come in any order and are stored sorted by ``time``.
    Raises: InputError naming the file, the row's line, the column, the value and what was expected.
    """
    name = name or (source.name if isinstance(source, Path) else f"{table or 'table'}.csv")
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with spooled(source, name=name, folder=folder, max_bytes=max_bytes) as spool:
        text = readable(spool.path, spool.head, name)
        with text.path.open(encoding="utf-8", newline="") as stream:
            head = [line for line, _ in zip(stream, range(dialects.SAMPLE_LINES), strict=False)]
        dialect = dialects.detected(head, LoadOptions())
        header, originals = _header(records(head, dialect), name)
        names, renamed = layout.unique_names(originals)
        _require_columns(names, columns, name)
        lines, rows = _rows(file_records(text.path, dialect), header, len(names), name)
        values = _values(lines, rows, names, columns, name)
        _require_unique(lines, values[time], time, name)
        key = content_key(spool.sha256, f"strict {sorted(columns.items())} {time}")
        target = folder / f"{key}.parquet"
        _write(values, columns, time, spool.path.with_name("typed.parquet"), target)
    kinds = {n: columns.get(n, ColumnType.TEXT) for n in names}
    typed = tuple(
        TypedColumn(n, o, TEXT if kinds[n] is ColumnType.TEXT else Format(kinds[n], "", "", "", ""))
        for n, o in zip(names, originals, strict=True)
    )
    frequency, note = _regularity(values[time])
    uri = str(source) if isinstance(source, Path) else f"upload:{name}"
    provenance = Provenance(table or table_name(name), uri, spool.sha256, len(rows), 0, now)
    report = LoadReport(
        encoding=text.encoding,
        delimiter=dialect.delimiter,
        header_row=header,
        columns=described(target, typed),
        time_column=time,
        frequency=frequency,
        frequency_note=note,
        rows_in=len(rows),
        rows_loaded=len(rows),
        rows_rejected=0,
        guesses=(*text.notes, *renamed),
    )
    stored = tuple(Column(n, kinds[n]) for n in names)
    return Loaded(Table(provenance.table, stored, target, provenance), report)


def _header(found: Iterable[Record], name: str) -> tuple[int, list[str]]:
    """The first row that is not blank: a playbook table has no preamble."""
    for line, cells, broken in found:
        if broken is None and not is_blank(cells):
            return line, [c.strip() for c in cells]
    raise InputError(f"{name}: no header was found; expected the column names in the first row.")


def _require_columns(found: Sequence[str], wanted: Iterable[str], name: str) -> None:
    missing = [c for c in wanted if c not in found]
    if missing:
        listed = ", ".join(f"'{c}'" for c in missing)
        raise InputError(
            f"{name}: column{'s' if len(missing) > 1 else ''} {listed} missing.",
            hint=f"Found: {', '.join(found)}.",
            field=missing[0],
        )


def _rows(found: Iterable[Record], header: int, width: int, name: str) -> tuple[list[int], list[list[str]]]:
    lines, rows, flaws = [], [], []
    for line, cells, broken in found:
        if line <= header or (broken is None and is_blank(cells)):
            continue
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if broken or len(cells) != width:
            flaws.append(f"line {line}: {broken or f'{len(cells)} cells where {width} were expected'}")
        lines.append(line)
        rows.append(cells)
    _refuse(flaws, name)
    if not rows:
        raise InputError(f"{name}: there is a header but no row below it.")
    return lines, rows


def _values(
    lines: Sequence[int],
    rows: Sequence[Sequence[str]],
    names: Sequence[str],
    columns: Mapping[str, ColumnType],
    name: str,
) -> dict[str, list[_Cell]]:
    values: dict[str, list[_Cell]] = {}
    flaws: list[tuple[int, str]] = []
    for i, column in enumerate(names):
        kind = columns.get(column)
        cells: list[_Cell] = []
        for line, row in zip(lines, rows, strict=True):
            text = row[i].strip()
            try:
                cells.append(_parsed(text, kind) if kind else text or None)
            except ValueError as exc:
                shown = f"'{text[:60]}'" if text else "blank"
                flaws.append(
                    (line, f"line {line}, column '{column}': {shown}{exc}; expected {_EXPECTED[kind or TEXT.type]}")
                )
        values[column] = cells
    _refuse([flaw for _, flaw in sorted(flaws)], name)
    return values


def _parsed(text: str, kind: ColumnType) -> _Cell:
    """The cell's value. Raises: ValueError whose text completes the sentence "'x' ..."."""
    try:
        if not text:
            raise ValueError
        if kind is ColumnType.INTEGER:
            return _whole(text)
        if kind is ColumnType.NUMBER:
            return _finite(text)
        if kind is ColumnType.BOOLEAN:
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if kind is ColumnType.DATE:
            if len(text) != 10:
                raise ValueError
            return date.fromisoformat(text)
        if kind is ColumnType.TIMESTAMP:
            moment = datetime.fromisoformat(text)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except _NotFiniteError:
        raise
    except (ValueError, KeyError, OverflowError):
        raise ValueError("") from None
    return text


class _NotFiniteError(ValueError):
    """A number that counts nothing: NaN or infinite."""


def _finite(text: str) -> float:
    if "_" in text:
        raise ValueError
    value = float(text)
    if not math.isfinite(value):
        raise _NotFiniteError(" is not a finite number")
    return value


def _whole(text: str) -> int:
    value = _finite(text)
    if value != int(value):
        raise ValueError
    exact = int(text) if text.lstrip("+-").isdigit() else int(value)
    if abs(exact) >= 2**63:
        raise ValueError
    return exact


def _require_unique(lines: Sequence[int], times: Sequence[_Cell], column: str, name: str) -> None:
    first: dict[_Cell, int] = {}
    flaws = []
    for line, moment in sorted(zip(lines, times, strict=True)):
        if moment in first:
            flaws.append(
                f"column '{column}': {moment} is in line {first[moment]} and again in line {line}; expected once"
            )
        first.setdefault(moment, line)
    _refuse(flaws, name)


def _refuse(flaws: Sequence[str], name: str) -> None:
    if not flaws:
        return
    more = f" ... {len(flaws):,} such cells or rows in all." if len(flaws) > SHOWN else ""
    raise InputError(f"{name}: {'; '.join(flaws[:SHOWN])}.{more}")


def _write(
    values: Mapping[str, Sequence[_Cell]], columns: Mapping[str, ColumnType], time: str, draft: Path, target: Path
) -> None:
    arrays = {n: pa.array(cells, _ARROW[columns.get(n, ColumnType.TEXT)]) for n, cells in values.items()}
    pq.write_table(pa.table(arrays).sort_by(time), draft, compression="zstd")
    os.replace(draft, target)


def _regularity(times: Sequence[_Cell]) -> tuple[str | None, str]:
    import numpy as np

    days = [t for t in times if isinstance(t, date)]  # a timestamp is a date too
    moments = np.array([t.replace(tzinfo=None) if isinstance(t, datetime) else t for t in days], "datetime64[s]")
    return regularity(np.unique(moments).astype(np.int64))
