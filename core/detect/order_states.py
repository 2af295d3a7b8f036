"""Orders as their events leave them at a moment: one row an order, in one statement over the table of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import ColumnElement, Text, and_, bindparam, case, func, literal, select
from sqlalchemy.sql import FromClause

from core.model import Table
from core.ports import Engine

Stamps = npt.NDArray[np.int64]  # microseconds since 1970, UTC; NONE where there was no such event
NONE = np.iinfo(np.int64).min
TYPES = (
    "order_paid", "order_cancelled", "pick_completed", "pack_completed", "manifested", "picked_up",
    "shipment_dispatched", "in_transit", "out_for_delivery", "delivered", "delivery_failed",
)  # fmt: skip
FLAGS = ("oversized", "hazmat", "fragile")
SERVICES = ("service_level", "shipping_service", "service", "shipping_method")
REPORTED = "exception_reported"


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders side by side. ``at[type]`` is the latest occurrence of each event type; ``flags`` as some event told."""

    ids: npt.NDArray[np.object_]
    at: dict[str, Stamps]
    flags: dict[str, npt.NDArray[np.bool_]]
    carrier: npt.NDArray[np.object_]
    service: npt.NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Report:
    """The latest exception that was reported of an order for one reason text."""

    order_id: str
    text: str
    at: int
    event_id: str


def orders_at(engine: Engine, events: Table, now: datetime) -> Orders:
    """Every order with an event until ``now``, sorted by id."""
    e = engine.relation(events)
    service = case(*((field_of(e, name).is_not(None), field_of(e, name)) for name in SERVICES), else_=None)
    statement = (
        select(
            e.c.order_id,
            *(func.max(e.c.occurred_at).filter(e.c.event_type == t).label(t) for t in TYPES),
            *(func.bool_or(e.c[f]).label(f) for f in FLAGS),
            func.max(func.nullif(e.c.carrier, ""), type_=Text).label("carrier"),
            func.arg_max(service, e.c.occurred_at, type_=Text).filter(service.is_not(None)).label("service"),
        )
        .where(e.c.occurred_at <= bindparam("now", now))
        .group_by(e.c.order_id)
        .order_by(e.c.order_id)
    )
    rows = engine.fetch(statement)
    return Orders(
        ids=_texts(rows["order_id"]),
        at={t: stamps(rows[t]) for t in TYPES},
        flags={f: rows[f].fill_null(False).to_numpy() for f in FLAGS},
        carrier=_texts(rows["carrier"]),
        service=_texts(rows["service"]),
    )


def reports_at(engine: Engine, events: Table, now: datetime) -> list[Report]:
    """What ``exception_reported`` said of each order, the latest for each reason text."""
    e = engine.relation(events)
    text = func.lower(func.trim(func.coalesce(field_of(e, "exception_reason"), literal("other"))), type_=Text)
    statement = (
        select(
            e.c.order_id,
            text.label("text"),
            func.max(e.c.occurred_at).label("at"),
            func.arg_max(e.c.event_id, e.c.occurred_at, type_=Text).label("event_id"),
        )
        .where(and_(e.c.event_type == REPORTED, e.c.occurred_at <= bindparam("now", now)))
        .group_by(e.c.order_id, text)
        .order_by(e.c.order_id, text)
    )
    rows = engine.fetch(statement)
    at = stamps(rows["at"])
    columns = (rows[c].to_pylist() for c in ("order_id", "text", "event_id"))
    return [
        Report(order, said, int(t), event)
        for (order, said, event), t in zip(zip(*columns, strict=True), at, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Ahead:
    """An event from the future."""

    order_id: str
    event_type: str


def future_events(engine: Engine, events: Table, after: datetime, most: int = 1000) -> list[Ahead]:
    """Events that occurred later than ``after``: nothing that happened yet can be so."""
    e = engine.relation(events)
    statement = select(e.c.order_id, e.c.event_type).where(e.c.occurred_at > bindparam("after", after))
    rows = engine.fetch(statement.order_by(e.c.order_id, e.c.occurred_at).limit(most)).to_pylist()
    return [Ahead(r["order_id"], r["event_type"]) for r in rows]


def field_of(events: FromClause, path: str) -> ColumnElement[str]:
    """A field of an event's payload as text; null where it is not there."""
    return func.json_extract_string(events.c.payload, f"$.{path}", type_=Text)


def stamps(column: pa.ChunkedArray) -> Stamps:
    """Microseconds since 1970 of a column of UTC times."""
    found: Stamps = column.cast(pa.int64()).fill_null(NONE).to_numpy()
    return found


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    return np.asarray(column.fill_null("").to_pylist(), dtype=object)


def known(times: Sequence[Stamps]) -> npt.NDArray[np.bool_]:
    """Where at least one of the events happened."""
    found: npt.NDArray[np.bool_] = np.logical_or.reduce([t != NONE for t in times])
    return found
