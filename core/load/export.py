"""CSV for people: a cell that a spreadsheet would run as a formula is made plain text."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

# leading blanks, BOM and zero-width characters do not stop a spreadsheet from seeing the formula behind them
_FORMULA = re.compile(r"^[\s\ufeff\u200b\u00a0\"']*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")
_NUMBER = re.compile(r"^[+-]?(\d+([.,]\d+)*|\.\d+)([eE][+-]?\d+)?%?$")


def neutral(cell: str) -> str:
    """``cell``, with an apostrophe before it when it would run as a formula; numbers stay as they are."""
    if _FORMULA.match(cell) and not _NUMBER.match(cell):
        return f"'{cell}"
    return cell


def write_csv(rows: pa.Table) -> bytes:
    """``rows`` as UTF-8 CSV with a header, safe to open in a spreadsheet."""
    from pyarrow import csv

    columns = [_neutral_column(c) for c in rows.columns]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(columns, names=[neutral(n) for n in rows.column_names]), sink)
    return bytes(sink.getvalue().to_pybytes())


def _neutral_column(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values
    distinct = pc.unique(values)
    safe = pa.array([None if c is None else neutral(c) for c in distinct.to_pylist()], pa.string())
    return pc.take(safe, pc.index_in(values, distinct))
