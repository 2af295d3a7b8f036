"""Parquet files: typed already, so only brought to the types the workbench knows."""

# ruff: noqa: S608  every name and literal in these statements is quoted by core.engine.duck
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from core.engine.duck import quoted_name, quoted_text
from core.errors import InputError
from core.load.formats import Format
from core.load.layout import unique_names
from core.load.rejects import RejectList
from core.load.typed import TypedColumn, joined
from core.model import ColumnType

if TYPE_CHECKING:
    import duckdb


def load_parquet(
    connection: duckdb.DuckDBPyConnection, source: Path, name: str, target: Path, rejects: RejectList
) -> tuple[tuple[TypedColumn, ...], int, tuple[str, ...]]:
    """Copies a Parquet file into ``target`` with known types; rows with an infinite number are rejected.

    Answers the columns, the rows loaded and remarks. Raises: InputError when the file is damaged or empty.
    """
    import duckdb

    try:
        schema = pq.read_schema(source)
    except (pa.ArrowInvalid, OSError) as exc:
        raise InputError(f"{name}: the Parquet file is damaged ({exc}).") from exc
    names, notes = unique_names([str(n) for n in schema.names])
    kinds = [_kind(field.type) for field in schema]
    notes += tuple(
        f"'{n}' holds {t}; it is loaded as text."
        for n, t, k in zip(names, schema.types, kinds, strict=True)
        if k is None
    )
    columns = tuple(
        TypedColumn(n, o, _format(k or ColumnType.TEXT)) for n, o, k in zip(names, schema.names, kinds, strict=True)
    )
    table = f"read_parquet({quoted_text(str(source))}, file_row_number=true)"
    values = ", ".join(_value(field, c) for field, c in zip(schema, columns, strict=True))
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    bad = " OR ".join(f"isinf({quoted_name(n)})" for n in floats)
    where = f"WHERE NOT coalesce({bad}, false)" if bad else ""
    try:
        copied = connection.execute(
            f"COPY (SELECT {values} FROM {table} {where}) "
            f"TO {quoted_text(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        if bad:
            for *cells, number in connection.execute(f"SELECT * FROM {table} WHERE {bad}").fetchall():
                which = next(n for n, c in zip(schema.names, cells, strict=True) if n in floats and _infinite(c))
                text = joined([None if c is None else str(c) for c in cells])
                rejects.add(number + 1, f"{which} is infinite; expected a finite number", text, which)
    except duckdb.Error as exc:
        raise InputError(f"{name}: the Parquet file cannot be read ({str(exc).splitlines()[0]}).") from exc
    return columns, int(copied[0]) if copied else 0, notes


def _infinite(value: object) -> bool:
    return isinstance(value, float) and value in (float("inf"), float("-inf"))


def _format(kind: ColumnType) -> Format:
    return Format(kind, kind.value, kind.value, "", "")


def _kind(kind: pa.DataType) -> ColumnType | None:
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    tests = (
        (pa.types.is_boolean, ColumnType.BOOLEAN),
        (pa.types.is_integer, ColumnType.INTEGER),
        (pa.types.is_floating, ColumnType.NUMBER),
        (pa.types.is_decimal, ColumnType.NUMBER),
        (pa.types.is_timestamp, ColumnType.TIMESTAMP),
        (pa.types.is_date, ColumnType.DATE),
        (pa.types.is_string, ColumnType.TEXT),
        (pa.types.is_large_string, ColumnType.TEXT),
    )
    if kind == pa.uint64():
        return None
    return next((column for test, column in tests if test(kind)), None)


def _value(field: pa.Field, column: TypedColumn) -> str:
    name = quoted_name(field.name)
    types = {
        ColumnType.INTEGER: f"CAST({name} AS BIGINT)",
        ColumnType.NUMBER: f"nullif(CAST({name} AS DOUBLE), 'nan'::DOUBLE)",
        ColumnType.BOOLEAN: name,
        ColumnType.DATE: f"CAST({name} AS DATE)",
        ColumnType.TIMESTAMP: f"CAST({name} AS TIMESTAMPTZ)",
        ColumnType.TEXT: f"CAST({name} AS VARCHAR)",
    }
    return f"{types[column.format.type]} AS {quoted_name(column.name)}"
