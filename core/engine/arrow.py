"""Arrow tables with the few types the workbench knows, whatever engine they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import types as sa

UTC_TIMESTAMP = pa.timestamp("us", tz="UTC")


def normalised(rows: pa.Table, declared: Sequence[sa.TypeEngine[Any]] = ()) -> pa.Table:
    """``rows`` with int64, float64, bool, date32, string and timestamp[us, UTC] columns only.

    A sum of integers arrives as a 128-bit number or a decimal: it becomes int64 where it was declared
    or is whole, else float64. A timestamp without a zone is UTC.
    """
    fields: list[sa.TypeEngine[Any]] = (
        list(declared) if len(declared) == rows.num_columns else [sa.NullType()] * rows.num_columns
    )
    columns = [_normal(c, t) for c, t in zip(rows.columns, fields, strict=True)]
    return pa.table(columns, names=rows.column_names)


def _normal(values: pa.ChunkedArray, declared: sa.TypeEngine[Any]) -> pa.ChunkedArray:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _normal(values.cast(kind.value_type), declared)
    target = _target(kind, declared)
    if target is None or target == kind:
        return values
    if pa.types.is_timestamp(kind) and kind.tz is None:
        return pc.assume_timezone(values.cast(pa.timestamp("us"), safe=False), "UTC")
    return values.cast(target, safe=not pa.types.is_timestamp(kind))


def _target(kind: pa.DataType, declared: sa.TypeEngine[Any]) -> pa.DataType | None:
    if pa.types.is_integer(kind):
        return pa.float64() if isinstance(declared, sa.Float) else pa.int64()
    if pa.types.is_floating(kind):
        return pa.int64() if isinstance(declared, sa.Integer) else pa.float64()
    if pa.types.is_decimal(kind):
        whole = isinstance(declared, sa.Integer) or (kind.scale == 0 and not isinstance(declared, sa.Float))
        return pa.int64() if whole else pa.float64()
    if pa.types.is_timestamp(kind):
        return UTC_TIMESTAMP
    if pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return pa.string()
    return None
