"""The book of order events: one row for each (tenant, source, event_id), however often and at once it is told."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa
from sqlalchemy import CursorResult, func, select
from sqlalchemy.orm import Session

from core.redaction import Redactor
from core.store.order_tables import OrderEventRow

FLAGS: Final = ("rush", "oversized", "hazmat", "fragile")  # the bits of ``flags``, lowest first
AT_ONCE: Final = 500  # rows of one INSERT: the databases take 32,766 parameters and more
READ_AT_ONCE: Final = 20_000  # rows of one record batch


class NewEvent(NamedTuple):
    """One row to keep, in the order of the table's columns. ``payload`` is JSON text without NUL."""

    tenant: str
    source: str
    event_id: str
    order_id: str
    event_type: str
    occurred_at: datetime
    received_at: datetime
    correlation_id: str
    carrier: str
    line_count: int | None
    total_amount_cents: int | None
    items_count: int | None
    flags: int
    payload: str | None


Key = tuple[str, str, str]  # tenant, source, event_id
SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "event_id", "order_id", "event_type")),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("received_at", pa.timestamp("us", "UTC")),
        ("correlation_id", pa.string()),
        ("carrier", pa.string()),
        *((name, pa.int64()) for name in ("line_count", "total_amount_cents", "items_count")),
        *((name, pa.bool_()) for name in FLAGS),
        ("payload", pa.string()),
    ]
)
_READ: Final = (*NewEvent._fields[1:],)
_FLAGS_AT: Final = _READ.index("flags")


class OrderEvents:
    """Order events of all tenants, by the time they occurred."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, events: Sequence[NewEvent]) -> frozenset[Key]:
        """Keeps the events that are not kept yet; answers which these were.

        Every row goes in the order of its key, so that two transactions with the same events cannot wait for each
        other; which were new is told by RETURNING, because psycopg counts no rows of ON CONFLICT DO NOTHING.
        """
        distinct = {(e.tenant, e.source, e.event_id): e for e in reversed(events)}
        ordered = [distinct[key] for key in sorted(distinct)]
        added: set[Key] = set()
        for start in range(0, len(ordered), AT_ONCE):
            added.update(self._insert(ordered[start : start + AT_ONCE]))
        return frozenset(added)

    def _insert(self, events: Sequence[NewEvent]) -> list[Key]:
        """One statement in the database's own words: building it from columns costs more than carrying it out."""
        connection = self._session.connection()
        clean = [e if e.payload is None else e._replace(payload=self._redactor.text(e.payload)) for e in events]
        if connection.dialect.name == "sqlite":
            done = connection.exec_driver_sql(_rows_statement(len(clean)), tuple(_sqlite_values(clean)))
        else:
            told = [dict(zip(NewEvent._fields, event, strict=True)) for event in clean]
            done = connection.exec_driver_sql(_JSON_STATEMENT, (json.dumps(told, default=datetime.isoformat),))
        return [(tenant, source, event_id) for tenant, source, event_id in done]

    def count(self, tenant: str) -> int:
        """How many events the tenant has."""
        return self._session.scalar(select(func.count()).where(OrderEventRow.tenant == tenant)) or 0

    def mark(self, tenant: str) -> int | None:
        """Grows with every event that is kept; None while the tenant has none."""
        return self._session.scalar(select(func.max(OrderEventRow.seq)).where(OrderEventRow.tenant == tenant))

    def read(self, tenant: str, since: datetime | None = None) -> Iterator[pa.RecordBatch]:
        """Every event of every order of which anything occurred at or after ``since``, in the order they were kept.

        Shape: :data:`SCHEMA`; the batches are read as they are asked for.
        """
        connection = self._session.connection()
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        words = [f"SELECT {', '.join(_READ)} FROM order_events WHERE tenant = {mark}"]  # noqa: S608 (our own names)
        given: list[Any] = [tenant]
        if since is not None:
            words.append(
                f"AND order_id IN (SELECT order_id FROM order_events WHERE tenant = {mark} AND occurred_at >= {mark})"  # noqa: S608
            )
            given += [tenant, _sqlite_time(since) if mark == "?" else since]
        words.append("ORDER BY seq")
        answer: CursorResult[Any] = connection.exec_driver_sql(
            " ".join(words), tuple(given), execution_options={"stream_results": True}
        )
        while rows := answer.fetchmany(READ_AT_ONCE):
            yield _batch(rows)


_COLUMNS: Final = ", ".join(NewEvent._fields)
_TOLD: Final = "ON CONFLICT (tenant, source, event_id) DO NOTHING RETURNING tenant, source, event_id"
_OCCURRED, _RECEIVED = NewEvent._fields.index("occurred_at"), NewEvent._fields.index("received_at")
_KINDS: Final = {
    **dict.fromkeys(("occurred_at", "received_at"), "timestamptz"),
    **dict.fromkeys(("line_count", "total_amount_cents", "items_count"), "bigint"),
    "flags": "smallint",
}
# One parameter, whatever the number of rows: psycopg would read the marks of a thousand anew each time.
_JSON_STATEMENT: Final = (
    f"INSERT INTO order_events ({_COLUMNS}) SELECT {_COLUMNS} FROM json_to_recordset(%s::json) AS told("  # noqa: S608
    + ", ".join(f"{name} {_KINDS.get(name, 'text')}" for name in NewEvent._fields)
    + f") {_TOLD}"
)


@functools.lru_cache(maxsize=64)
def _rows_statement(rows: int) -> str:
    row = f"({', '.join('?' * len(NewEvent._fields))})"
    return f"INSERT INTO order_events ({_COLUMNS}) VALUES {', '.join([row] * rows)} {_TOLD}"  # noqa: S608


def _sqlite_values(events: Sequence[NewEvent]) -> Iterator[object]:
    for event in events:
        yield from event[:_OCCURRED]
        yield _sqlite_time(event.occurred_at)
        yield _sqlite_time(event.received_at)
        yield from event[_RECEIVED + 1 :]


@functools.lru_cache(maxsize=1024)
def _sqlite_time(at: datetime) -> str:
    """A moment as the column type writes it to SQLite; always with six decimals, so that text sorts as time."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _batch(rows: Sequence[Any]) -> pa.RecordBatch:
    columns = [list(column) for column in zip(*rows, strict=True)]
    flags = columns[_FLAGS_AT]
    arrays = []
    for field in SCHEMA:
        if field.name in FLAGS:
            bit = 1 << FLAGS.index(field.name)
            arrays.append(pa.array([bool(f & bit) for f in flags], pa.bool_()))
        else:
            arrays.append(_array(columns[_READ.index(field.name)], field.type))
    return pa.record_batch(arrays, schema=SCHEMA)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) and isinstance(values[0], str):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(kind)
    return pa.array(values, kind)
