"""The tables of data incidents; migration 0006 builds exactly these."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.model import Json
from core.store.columns import JsonText
from core.store.tables import Row


class AlertRow(Row):
    """One received alert, or a refused body (state ``rejected``). ``key`` is what makes a repeat a repeat."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("tenant", "key"),
        Index(None, "state", "received_at"),
        Index(None, "tenant", "received_at"),
        Index(None, "tenant", "incident_id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    key: Mapped[str]
    source: Mapped[str]
    alert_id: Mapped[str]
    title: Mapped[str]
    severity: Mapped[int]
    state: Mapped[str]
    received_at: Mapped[datetime]
    received_by: Mapped[str]
    alert: Mapped[Json] = mapped_column(JsonText)
    raw: Mapped[Json] = mapped_column(JsonText, deferred=True)
    deliveries: Mapped[int]
    counted: Mapped[int]
    batch: Mapped[str | None]
    attempts: Mapped[int]
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    run_id: Mapped[str]
    incident_id: Mapped[str | None]
    action: Mapped[str]
    note: Mapped[str]


class SchemaSnapshotRow(Row):
    """The columns of every table of a warehouse at a moment."""

    __tablename__ = "schema_snapshots"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    columns: Mapped[Json] = mapped_column(JsonText)


class FixTemplateRow(Row):
    """A tenant's own fix for one kind of alert, in the place of the playbook's."""

    __tablename__ = "fix_templates"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    template: Mapped[Json]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str]
