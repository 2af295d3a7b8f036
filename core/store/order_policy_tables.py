"""The tables of order policies and invoice adjustments; migration 0007 builds exactly these."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.store.tables import Row


class OrderPolicyRow(Row):
    """One saved version of a tenant's order policy; none is ever changed."""

    __tablename__ = "order_policies"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    note: Mapped[str]
    restored_from: Mapped[int | None]
    saved_by: Mapped[str]
    saved_at: Mapped[datetime]


class AdjustmentRow(Row):
    """The correction of one invoice. Its id is made from invoice and amounts, so that it is found only once."""

    __tablename__ = "invoice_adjustments"
    __table_args__ = (Index(None, "tenant", "state", "created_at"),)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    invoice_id: Mapped[str]
    order_id: Mapped[str]
    invoiced_cents: Mapped[int] = mapped_column(BigInteger)
    recomputed_cents: Mapped[int] = mapped_column(BigInteger)
    delta_cents: Mapped[int] = mapped_column(BigInteger)
    rationale: Mapped[str]
    state: Mapped[str]  # BOOKED | WAITING | MANUAL_REVIEW | APPROVED | REJECTED
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str]
