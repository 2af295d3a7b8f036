"""Files of order events and invoices: bad rows are set aside with line and reason, the rest becomes typed tables."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError
from core.load.orders import COUNTS, FLAGS, OrderEvent, parse_event, parse_moment
from core.load.spool import spooled
from core.load.text import readable
from core.model import Column, ColumnType, Json, JsonObject, Provenance, Reject, Table

_UTC = pa.timestamp("us", tz="UTC")
EVENT_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "event_id", "order_id", "event_type")),
        ("occurred_at", _UTC),
        ("received_at", _UTC),
        ("payload", pa.string()),  # JSON text; null without one
        ("carrier", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.bool_()) for name in FLAGS),
    ]
)
INVOICE_SCHEMA = pa.schema(
    [
        ("invoice_id", pa.string()),
        ("order_id", pa.string()),
        ("amount_cents", pa.int64()),
        ("issued_at", _UTC),
        ("due_at", _UTC),
        ("paid_at", _UTC),
    ]
)
_TYPES = {
    pa.string(): ColumnType.TEXT,
    pa.int64(): ColumnType.INTEGER,
    pa.bool_(): ColumnType.BOOLEAN,
    _UTC: ColumnType.TIMESTAMP,
}
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "invoice_id": ("invoice", "invoice_number", "id"),
    "order_id": ("order",),
    "amount_cents": ("total_cents", "invoice_cents", "invoiced_cents", "invoice_amount_cents", "invoice_total_cents"),
    "issued_at": ("invoice_date", "issued", "invoiced_at", "created_at", "date"),
    "due_at": ("due_date", "due"),
    "paid_at": ("paid_date", "paid"),
}
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_CELL = 131_072
Numbered: TypeAlias = tuple[int, str, "Json | InputError"]  # line, text, document


@dataclass(frozen=True, slots=True)
class Rows:
    """A table and what was not loaded: rejected rows, and the number of repeats of an event that is there."""

    table: Table
    rejects: tuple[Reject, ...] = ()
    duplicates: int = 0


def event_columns(table: str) -> tuple[Column, ...]:
    """The columns of ``events`` or ``invoices``."""
    schema = EVENT_SCHEMA if table == "events" else INVOICE_SCHEMA
    return tuple(Column(f.name, _TYPES[f.type]) for f in schema)


def read_events(sources: Mapping[str, Path | bytes], *, folder: Path, now: datetime) -> Rows:
    """The events of JSONL and CSV files, the first of each (source, event_id). Raises: InputError for a whole file."""
    kept: dict[tuple[str, str], OrderEvent] = {}
    rejects: list[Reject] = []
    duplicates, digest = 0, hashlib.sha256()
    for name, source in sources.items():
        for line, text, found in _documents(source, name, folder, digest):
            try:
                event = parse_event(_raised(found))
            except InputError as exc:
                rejects.append(Reject(line, exc.message, text[:1000], exc.field))
                continue
            key = (event.source, event.event_id)
            duplicates += key in kept
            kept.setdefault(key, event)
    table = stored_table("events", event_table(kept.values(), now), folder=folder)
    uri = ", ".join(f"upload:{n}" if isinstance(s, bytes) else str(s) for n, s in sources.items())
    provenance = Provenance("events", uri, digest.hexdigest(), len(kept), len(rejects) + duplicates, now)
    return Rows(_with(table, provenance), tuple(rejects), duplicates)


def event_table(events: Iterable[OrderEvent], received_at: datetime) -> pa.Table:
    """Events as an Arrow table of ``EVENT_SCHEMA``."""
    rows = list(events)
    columns: dict[str, list[object]] = {
        f.name: [getattr(e, f.name) for e in rows] for f in fields(OrderEvent) if f.name != "payload"
    }
    columns["payload"] = [json.dumps(dict(e.payload), ensure_ascii=False) if e.payload else None for e in rows]
    columns["received_at"] = [received_at] * len(rows)
    return pa.table([pa.array(columns[f.name], f.type) for f in EVENT_SCHEMA], schema=EVENT_SCHEMA)


def stored_events(path: Path, *, now: datetime, uri: str = "store:events") -> Table:
    """A Parquet file of ``EVENT_SCHEMA`` below the engine's folder as a table.

    Raises: InputError for another schema.
    """
    meta = pq.ParquetFile(path)
    missing = [n for n in EVENT_SCHEMA.names if n not in meta.schema_arrow.names]
    if missing:
        raise InputError(f"{path.name}: column '{missing[0]}' is missing.", field=missing[0])
    return Table("events", event_columns("events"), path, Provenance("events", uri, "", meta.metadata.num_rows, 0, now))


def read_invoices(source: Path | bytes, *, name: str, folder: Path, now: datetime) -> Rows:
    """The invoices of a CSV file. Raises: InputError when it cannot be read or lacks a column."""
    rows: dict[str, dict[str, object]] = {}
    rejects: list[Reject] = []
    digest = hashlib.sha256()
    for line, text, found in _documents(source, name, folder, digest, numbers=False):
        try:
            row = _invoice(_raised(found))
            if str(row["invoice_id"]) in rows:
                raise InputError(f"invoice_id '{row['invoice_id']}' is listed twice.", field="invoice_id")
            rows[str(row["invoice_id"])] = row
        except InputError as exc:
            rejects.append(Reject(line, exc.message, text[:1000], exc.field))
    table = stored_table("invoices", pa.Table.from_pylist(list(rows.values()), schema=INVOICE_SCHEMA), folder=folder)
    uri = f"upload:{name}" if isinstance(source, bytes) else str(source)
    provenance = Provenance("invoices", uri, digest.hexdigest(), len(rows), len(rejects), now)
    return Rows(_with(table, provenance), tuple(rejects))


def no_invoices(folder: Path, now: datetime) -> Table:
    """The table of invoices without a row."""
    table = stored_table("invoices", INVOICE_SCHEMA.empty_table(), folder=folder)
    return _with(table, Provenance("invoices", "missing:invoices.csv", "", 0, 0, now))


def stored_table(name: str, rows: pa.Table, *, folder: Path) -> Table:
    """The rows as Parquet below ``folder``, under the hash of their content."""
    folder = folder.resolve()
    draft = folder / f".{name}-{os.getpid()}-{id(rows)}.draft"
    pq.write_table(rows, draft, compression="zstd")
    with draft.open("rb") as stream:
        key = hashlib.file_digest(stream, "sha256").hexdigest()
    target = folder / f"{key}.parquet"
    os.replace(draft, target)
    empty = Provenance(name, "", "", rows.num_rows, 0, datetime.min)
    return Table(name, event_columns(name), target, empty)


def _with(table: Table, provenance: Provenance) -> Table:
    return Table(table.name, table.columns, table.path, provenance)


def _raised(found: Json | InputError) -> Json:
    if isinstance(found, InputError):
        raise found
    return found


def event_documents(source: Path | bytes, *, name: str, folder: Path) -> Iterator[Numbered]:
    """Every document of a JSONL or CSV file of events with its line. Raises: InputError when it cannot be read."""
    return _documents(source, name, folder, hashlib.sha256())


def _documents(
    source: Path | bytes, name: str, folder: Path, digest: hashlib._Hash, *, numbers: bool = True
) -> Iterator[Numbered]:
    """Every document of a JSONL or CSV file with its line. Raises: InputError when the file cannot be read."""
    if (len(source) if isinstance(source, bytes) else _size(source, name)) == 0:
        return
    with spooled(source, name=name, folder=folder) as spool:
        digest.update(spool.sha256.encode())
        text = readable(spool.path, spool.head, name)
        with text.path.open(encoding="utf-8", newline="") as stream:
            yield from _csv(stream, name, numbers=numbers) if ".csv" in name.lower() else _jsonl(stream)


def _size(path: Path, name: str) -> int:
    try:
        return path.stat().st_size
    except OSError as exc:
        raise InputError(f"{name}: the file cannot be read ({exc.strerror}).") from None


def _jsonl(stream: Iterable[str]) -> Iterator[Numbered]:
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            yield line, text.strip(), json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            yield line, text.strip(), InputError("The line is not a JSON object.", field="event")


def _no_constant(name: str) -> Json:
    raise ValueError(name)


def _csv(stream: Iterable[str], name: str, *, numbers: bool) -> Iterator[Numbered]:
    """Rows as documents; a blank cell is no value."""
    csv.field_size_limit(_CELL)
    reader = csv.reader(stream)
    try:
        head = [c.strip().lower().lstrip("\ufeff") for c in next(reader, [])]
        for cells in reader:
            text = ",".join(cells)
            if len(cells) > len(head):
                yield reader.line_num, text, InputError(f"{len(cells)} cells; expected {len(head)}.", field="event")
            elif any(c.strip() for c in cells):
                row = {k: v.strip() for k, v in zip(head, cells, strict=False) if v.strip()}
                yield reader.line_num, text, _typed(row) if numbers else row
    except csv.Error as exc:
        raise InputError(f"{name} line {reader.line_num}: not readable as CSV ({exc}).") from None


def _typed(row: Mapping[str, str]) -> dict[str, Json]:
    """Cells of an event as JSON has them: whole numbers, true and false, and the payload's object."""
    doc: dict[str, Json] = dict(row)
    for name in COUNTS:
        if _WHOLE.fullmatch(row.get(name, "")):
            doc[name] = int(row[name])
    for name in FLAGS:
        if (flag := row.get(name, "").lower()) in ("true", "false"):
            doc[name] = flag == "true"
    if "payload" in row:
        with suppress(ValueError, RecursionError):  # then the reader of events says that a text is no object
            doc["payload"] = json.loads(row["payload"], parse_constant=_no_constant)
    return doc


def _invoice(row: Json) -> dict[str, object]:
    assert isinstance(row, Mapping)
    found = {field: _cell(row, field) for field in INVOICE_SCHEMA.names}
    if not found["order_id"]:
        raise InputError("order_id is blank or missing; expected the invoiced order.", field="order_id")
    amount = found["amount_cents"]
    if not amount or not _WHOLE.fullmatch(amount):
        shown = f"'{amount[:40]}'" if amount else "blank or missing"
        raise InputError(f"amount_cents is {shown}; expected whole cents.", field="amount_cents")
    times = {f: _time(found[f], f) for f in ("issued_at", "due_at", "paid_at")}
    return {
        "invoice_id": found["invoice_id"] or found["order_id"],
        "order_id": found["order_id"],
        "amount_cents": int(amount),
        **times,
    }


def _cell(row: JsonObject, field: str) -> str:
    names: Sequence[str] = (field, *_ALIASES[field])
    return next((str(row[n]) for n in names if n in row), "")


def _time(text: str, field: str) -> datetime | None:
    if not text:
        return None
    return parse_moment(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else text, field)
