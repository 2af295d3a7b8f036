"""The table of action proposals."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from core.model import Json
from core.store.tables import Row


class ActionRow(Row):
    """One proposal of an incident and what became of it. The id follows from its content, so it is stored once."""

    __tablename__ = "actions"
    __table_args__ = (Index(None, "tenant", "incident_id"), Index(None, "tenant", "state", "updated_at"))
    action_id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    incident_id: Mapped[str]
    sequence: Mapped[int]
    state: Mapped[str]
    mode: Mapped[str]
    evidence_key: Mapped[str]
    proposal: Mapped[Json]
    proposed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    approvals: Mapped[Json]
    approved_at: Mapped[datetime | None]
    rejected_by: Mapped[str | None]
    reason: Mapped[str]
    executed_at: Mapped[datetime | None]
    result: Mapped[Json]
    verify_result: Mapped[Json]
