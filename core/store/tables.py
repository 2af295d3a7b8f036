"""The tables of the state store; migrations in ``migrations/versions`` build exactly these."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, LargeBinary, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.model import Json
from core.store.columns import JsonText, Line, Utc


class Row(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc(), str: Line(), Json: JsonText()}


class RunRow(Row):
    """A finished run and its report."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key"),
        Index(None, "tenant", "playbook", "ended_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    playbook: Mapped[str]
    as_of: Mapped[datetime | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    status: Mapped[str]
    light: Mapped[str | None]
    headline: Mapped[str]
    source: Mapped[str]
    actor: Mapped[str]
    trigger: Mapped[str]
    idempotency_key: Mapped[str | None]
    report: Mapped[Json] = mapped_column(JsonText, deferred=True)


class IncidentRow(Row):
    """An incident. ``open_key`` is set while it is open, so that one dedup key has one open incident."""

    __tablename__ = "incidents"
    __table_args__ = (Index(None, "tenant", "dedup_key"), Index(None, "tenant", "status", "updated_at"))
    incident_id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    playbook: Mapped[str]
    dedup_key: Mapped[str]
    open_key: Mapped[str | None] = mapped_column(unique=True)
    type: Mapped[str]
    severity: Mapped[int]
    status: Mapped[str]
    title: Mapped[str]
    subject: Mapped[str]
    detected_at: Mapped[datetime]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    run_id: Mapped[str]
    acknowledged_by: Mapped[str | None]
    resolved_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    assignee: Mapped[str | None]
    occurrences: Mapped[int]
    alerted: Mapped[bool]
    body: Mapped[Json]
    timeline: Mapped[Json]


class OutboxRow(Row):
    """A message to send. ``live_key`` is set while an identical one must not be queued unasked."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(None, "state", "next_attempt_at"),
        Index(None, "tenant", "created_at"),
        Index(None, "tenant", "dedup_key"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    channel: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    payload: Mapped[Json]
    dedup_key: Mapped[str]
    live_key: Mapped[str | None] = mapped_column(unique=True)
    run_id: Mapped[str]
    incident_id: Mapped[str | None]
    state: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    sent_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    error: Mapped[str]
    reference: Mapped[str]


class AuditRow(Row):
    """One line of the audit; triggers refuse UPDATE and DELETE."""

    __tablename__ = "audit"
    __table_args__ = (UniqueConstraint("tenant", "seq"), Index(None, "tenant", "incident_id"))
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    seq: Mapped[int]
    timestamp: Mapped[datetime]
    agent: Mapped[str]
    incident_id: Mapped[str | None]
    action: Mapped[str]
    decision: Mapped[Json]
    approved_by: Mapped[str | None]
    correlation_id: Mapped[str]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Row):
    """The last link of a tenant's chain: without it, removed last lines would go unnoticed."""

    __tablename__ = "audit_heads"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    hash: Mapped[str]


class SourceRow(Row):
    """One version of a named source."""

    __tablename__ = "sources"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[Json]
    saved_by: Mapped[str]
    saved_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class ScheduleRow(Row):
    """When a job runs."""

    __tablename__ = "schedules"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(primary_key=True)
    cron: Mapped[str]
    timezone: Mapped[str]
    enabled: Mapped[bool]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime]


class SlotRow(Row):
    """One planned time of a job; its key makes it run once over all replicas."""

    __tablename__ = "schedule_slots"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[datetime] = mapped_column(primary_key=True)
    claimed_at: Mapped[datetime]
    lease_until: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    ok: Mapped[bool | None]
    note: Mapped[str]


class CheckRunRow(Row):
    """The results of one run of checks over one source."""

    __tablename__ = "check_runs"
    __table_args__ = (Index(None, "tenant", "source", "ran_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    source: Mapped[str]
    ran_at: Mapped[datetime]
    results: Mapped[Json]
    html: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class ModelCallRow(Row):
    """One use of the language model: a reservation, a settled call or a cache hit."""

    __tablename__ = "model_calls"
    __table_args__ = (Index(None, "day", "kind"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str]
    kind: Mapped[str]  # reserved | settled | hit
    tokens: Mapped[int] = mapped_column(BigInteger)
    micro_usd: Mapped[int] = mapped_column(BigInteger)
    priced: Mapped[bool]
    failure: Mapped[str]
    at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AnswerRow(Row):
    """A good answer of the language model."""

    __tablename__ = "answers"
    key: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[Json]
    stored_at: Mapped[datetime]
