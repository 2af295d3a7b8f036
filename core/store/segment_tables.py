"""The tables of segments: definitions, one snapshot a day, and the people tables these were counted in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Double, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.model import Json
from core.store.tables import Row


class SegmentRow(Row):
    """A segment; ``body`` is its document."""

    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("tenant", "name"),)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    body: Mapped[Json]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SnapshotRow(Row):
    """A segment's snapshot of one UTC day (ISO date)."""

    __tablename__ = "snapshots"
    __table_args__ = (Index(None, "tenant", "ts"),)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    segment: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    ts: Mapped[datetime]
    size: Mapped[int] = mapped_column(BigInteger)
    shares: Mapped[Json]
    conv_rate: Mapped[float | None] = mapped_column(Double)
    velocity_in: Mapped[int | None] = mapped_column(BigInteger)
    velocity_out: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str]


class PeopleTableRow(Row):
    """A loaded people table: the one in use (``day`` is ``current``), and the one of each day with snapshots."""

    __tablename__ = "people_tables"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[Json]
    saved_by: Mapped[str]
    saved_at: Mapped[datetime]
