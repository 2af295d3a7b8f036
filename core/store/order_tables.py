"""The tables of order events: what was told, once, and what could not be kept; migration 0008 builds exactly these."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.model import Json
from core.store.tables import Row


class OrderEventRow(Row):
    """One event of an order. ``flags`` is a sum of powers of two, ``payload`` JSON text.

    ``seq`` makes new rows go to the end of the table, which costs SQLite half of what a scattered key would.
    """

    __tablename__ = "order_events"
    __table_args__ = (UniqueConstraint("tenant", "source", "event_id"), Index(None, "tenant", "occurred_at"))
    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    tenant: Mapped[str]
    source: Mapped[str]
    event_id: Mapped[str]
    order_id: Mapped[str]
    event_type: Mapped[str]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    correlation_id: Mapped[str]
    carrier: Mapped[str]
    line_count: Mapped[int | None] = mapped_column(BigInteger)
    total_amount_cents: Mapped[int | None] = mapped_column(BigInteger)
    items_count: Mapped[int | None] = mapped_column(BigInteger)
    flags: Mapped[int] = mapped_column(SmallInteger)
    payload: Mapped[str | None] = mapped_column(Text)


class DeadLetterRow(Row):
    """A document that is not in ``order_events`` yet, with why. Its id is made from its content: one of each."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index(None, "tenant", "state", "created_at"), Index(None, "state", "next_retry_at"))
    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    event_id: Mapped[str]
    correlation_id: Mapped[str]
    document: Mapped[Json]
    error: Mapped[str]
    field: Mapped[str]
    state: Mapped[str]  # PENDING | FAILED | PROCESSED
    attempts: Mapped[int]
    next_retry_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
