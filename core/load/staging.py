"""Rows as text on disk before they are typed: record by record, or regular lines in bulk and the odd ones singly.

Both ways write the same rows and list the same rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.load import formats as f
from core.load.layout import Layout, shortest
from core.load.lines import surveyed
from core.load.rejects import RejectList
from core.load.rows import Dialect, Record, is_blank, records
from core.load.text import Text
from core.load.typed import joined

BATCH = 20_000
BLOCK = 1 << 23


def stage(found: Iterable[Record], layout: Layout, target: Path, rejects: RejectList) -> int:
    """Writes the well-formed records as text into ``target`` and answers how many data rows came in.

    Rows of a wrong shape go to ``rejects``; blank lines are no rows.
    """
    rows_in = 0
    kept: list[Record] = []
    with _writer(target, layout) as writer:
        for record in found:
            if _is_no_row(record, layout):
                continue
            rows_in += 1
            if _fits(record, layout, rejects):
                kept.append(record)
            if len(kept) == BATCH:
                writer.write_table(_table(kept, layout))
                kept = []
        if kept:
            writer.write_table(_table(kept, layout))
    return rows_in


def is_regular(text: Text, dialect: Dialect, layout: Layout) -> bool:
    """Whether a line without surprises is one row, so that ``stage_in_bulk`` may read the file."""
    marks = (dialect.delimiter, dialect.quote or '"')
    plain = all(m.isascii() and m not in "\r\n" for m in marks) and marks[0] != marks[1]
    return plain and dialect.escape is None and text.uniform and layout.width > 1


def stage_in_bulk(path: Path, dialect: Dialect, layout: Layout, target: Path, rejects: RejectList) -> int:
    """Answers and writes what ``stage`` does of the records of a file that ``is_regular``."""
    rows_in = 0
    with path.open("rb") as stream, _writer(target, layout) as writer:
        for rows, others in _blocks(stream, dialect, layout):
            counted = [r for r in others if not _is_no_row(r, layout)]
            kept = [r for r in counted if _fits(r, layout, rejects)]
            rows_in += rows.num_rows + len(counted)
            if kept:
                rows = pa.concat_tables([rows, _table(kept, layout)]).sort_by("line")
            if rows.num_rows:
                writer.write_table(rows)
    return rows_in


def _blocks(stream: BinaryIO, dialect: Dialect, layout: Layout) -> Iterator[tuple[pa.Table, list[Record]]]:
    """The regular rows of each stretch of the file, and its other records in the order of their lines."""
    for _ in range(layout.skip):
        stream.readline()
    start, first, rewinds = stream.tell(), layout.skip + 1, 0
    while text := stream.read(BLOCK) + stream.readline():
        survey = surveyed(text, dialect, layout.width)
        others: list[Record] = []
        after, free = start + len(text), 0
        for i in np.flatnonzero(survey.odd).tolist():
            if i < free:  # it lies in a quoted cell of the record before
                continue
            begin = start + int(survey.starts[i])
            record, lines, size = _record_at(stream, begin, dialect, first + i, rewinds)
            others.append(record)
            broken = record[2] is not None
            rewinds += broken and lines > 1
            if not broken:
                free, after = i + lines, max(after, begin + size)
                survey.odd[i:free] = True
        rows = _regular(survey.regular(text), dialect, layout)
        rows = rows.add_column(0, "line", pa.array(np.flatnonzero(~survey.odd) + first))
        rows, empty = _without_empty(rows)
        for line in empty:
            i = line - first
            others += records([text[survey.starts[i] : survey.ends[i]].decode()], dialect, line)
        yield rows, sorted(others, key=lambda record: record[0])
        start, first = after, first + max(len(survey.starts), free)
        stream.seek(start)


def _record_at(stream: BinaryIO, at: int, dialect: Dialect, line: int, rewinds: int) -> tuple[Record, int, int]:
    """The record that starts at byte ``at``, and how many lines and bytes were read to tell."""
    stream.seek(at)
    sizes: list[int] = []

    def lines() -> Iterator[str]:
        while raw := stream.readline():
            sizes.append(len(raw))
            yield raw.decode()

    return next(records(lines(), dialect, line, rewinds)), len(sizes), sum(sizes)


def _regular(runs: Sequence[bytes], dialect: Dialect, layout: Layout) -> pa.Table:
    """Lines of the expected width as columns of text."""
    from pyarrow import csv

    names = [f"c{i}" for i in range(layout.width)]
    # the first line is ours: without it a table might be empty, or begin with what looks like a byte order mark
    first = (dialect.delimiter * (layout.width - 1) + "\n").encode()
    return csv.read_csv(
        pa.BufferReader(b"".join([first, *runs])),
        read_options=csv.ReadOptions(column_names=names, skip_rows=1),
        parse_options=csv.ParseOptions(delimiter=dialect.delimiter, quote_char=dialect.quote or False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=f.NULLS, strings_can_be_null=True
        ),
    )


def _without_empty(rows: pa.Table) -> tuple[pa.Table, list[int]]:
    """The rows that hold any value, and the lines of those that hold none."""
    cells = rows.columns[1:]
    if any(c.null_count == 0 for c in cells):
        return rows, []
    empty = cells[0].is_null()
    for c in cells[1:]:
        empty = pc.and_(empty, c.is_null())
    return rows.filter(pc.invert(empty)), rows["line"].filter(empty).to_pylist()


def _is_no_row(record: Record, layout: Layout) -> bool:
    _, cells, broken = record
    return broken is None and is_blank(cells) and not (layout.width == 1 and bool(cells) and '"' in cells[0])


def _fits(record: Record, layout: Layout, rejects: RejectList) -> bool:
    """Whether the record is a row of the table, made as wide as it should be; else it is rejected."""
    line, cells, broken = record
    reason = broken or _misfit(cells, layout)
    if reason:
        rejects.add(line, reason, cells[0] if broken else joined(cells))
    return not reason


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


def _schema(layout: Layout) -> pa.Schema:
    return pa.schema([("line", pa.int64()), *((f"c{i}", pa.string()) for i in range(layout.width))])


def _writer(target: Path, layout: Layout) -> pq.ParquetWriter:
    schema = _schema(layout)
    return pq.ParquetWriter(target, schema, compression="lz4", write_statistics=False, use_dictionary=schema.names[1:])


def _table(kept: Sequence[Record], layout: Layout) -> pa.Table:
    nulls = pa.array(f.NULLS)
    missing = pa.scalar(None, pa.string())
    columns = []
    for cells in zip(*(cells for _, cells, _ in kept), strict=True):
        values = pa.array(cells, pa.string())
        columns.append(pc.if_else(pc.is_in(values, nulls), missing, values))
    return pa.table([pa.array([line for line, _, _ in kept], pa.int64()), *columns], schema=_schema(layout))
