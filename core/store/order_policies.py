"""The books of order policies, version by version, and of invoice adjustments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.store.order_policy_tables import AdjustmentRow, OrderPolicyRow
from core.store.rowlocks import insert_once

WAITING = ("WAITING", "MANUAL_REVIEW")


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """One saved version of a policy's text."""

    version: int
    text: str
    note: str
    restored_from: int | None
    saved_by: str
    saved_at: datetime


class OrderPolicies:
    """Versions of each tenant's order policy; the highest holds."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, tenant: str, text: str, note: str, by: str, now: datetime, restored_from: int | None = None
    ) -> StoredPolicy:
        """Keeps the text as the next version. Raises: Conflict when somebody else saved at the same time."""
        newest = select(func.max(OrderPolicyRow.version)).where(OrderPolicyRow.tenant == tenant)
        kept = StoredPolicy((self._session.scalar(newest) or 0) + 1, text, note, restored_from, by, now)
        if not insert_once(self._session, OrderPolicyRow, {"tenant": tenant, **asdict(kept)}):
            raise Conflict("Somebody else saved a policy just now.", hint="Look at it and save again.")
        return kept

    def current(self, tenant: str) -> StoredPolicy | None:
        """The version that holds; None while the shipped one does."""
        query = select(OrderPolicyRow).where(OrderPolicyRow.tenant == tenant).order_by(OrderPolicyRow.version.desc())
        row = self._session.scalars(query.limit(1)).first()
        return None if row is None else _policy(row)

    def get(self, tenant: str, version: int) -> StoredPolicy:
        """One version. Raises: NotFound."""
        row = self._session.get(OrderPolicyRow, (tenant, version))
        if row is None:
            raise NotFound(f"There is no version {version} of the order policy.", field="version")
        return _policy(row)

    def list(self, tenant: str) -> tuple[StoredPolicy, ...]:
        """Every version, newest first."""
        query = select(OrderPolicyRow).where(OrderPolicyRow.tenant == tenant).order_by(OrderPolicyRow.version.desc())
        return tuple(_policy(row) for row in self._session.scalars(query))


def _policy(row: OrderPolicyRow) -> StoredPolicy:
    return StoredPolicy(row.version, row.text, row.note, row.restored_from, row.saved_by, row.saved_at)


@dataclass(frozen=True, slots=True)
class StoredAdjustment:
    """The correction of one invoice and what became of it. Units: cents."""

    id: str
    invoice_id: str
    order_id: str
    invoiced_cents: int
    recomputed_cents: int
    delta_cents: int
    rationale: str
    state: str
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str = ""


class Adjustments:
    """Invoice adjustments, found once and decided once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, tenant: str, found: StoredAdjustment) -> bool:
        """Keeps a new adjustment; False when it is known."""
        return insert_once(self._session, AdjustmentRow, {"tenant": tenant, **asdict(found)})

    def get(self, tenant: str, adjustment_id: str) -> StoredAdjustment:
        """One adjustment. Raises: NotFound."""
        row = self._session.get(AdjustmentRow, (tenant, adjustment_id), populate_existing=True)
        if row is None:
            raise NotFound(f"There is no adjustment '{adjustment_id}'.", field="adjustment")
        return _adjustment(row)

    def list(self, tenant: str, states: Collection[str] = (), limit: int = 1000) -> Sequence[StoredAdjustment]:
        """Adjustments, newest first."""
        query = select(AdjustmentRow).where(AdjustmentRow.tenant == tenant)
        if states:
            query = query.where(AdjustmentRow.state.in_(states))
        ordered = query.order_by(AdjustmentRow.created_at.desc(), AdjustmentRow.id).limit(limit)
        return [_adjustment(row) for row in self._session.scalars(ordered)]

    def decide(
        self, tenant: str, adjustment_id: str, state: str, by: str, reason: str, now: datetime
    ) -> StoredAdjustment:
        """The adjustment decided. Raises: NotFound; Conflict when it does not wait for a decision."""
        before = self.get(tenant, adjustment_id)
        change = (
            update(AdjustmentRow)
            .where(AdjustmentRow.tenant == tenant, AdjustmentRow.id == adjustment_id, AdjustmentRow.state.in_(WAITING))
            .values(state=state, decided_by=by, decided_at=now, reason=reason)
            .returning(AdjustmentRow.id)
        )
        if self._session.execute(change).first() is None:
            raise Conflict(f"Adjustment {adjustment_id} is {before.state}; it does not wait for a decision.")
        return replace(before, state=state, decided_by=by, decided_at=now, reason=reason)


def _adjustment(row: AdjustmentRow) -> StoredAdjustment:
    return StoredAdjustment(
        row.id, row.invoice_id, row.order_id, row.invoiced_cents, row.recomputed_cents, row.delta_cents, row.rationale,
        row.state, row.created_at, row.decided_at, row.decided_by, row.reason,
    )  # fmt: skip
