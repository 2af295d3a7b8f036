"""The outbox: what is to be sent is first stored, then leased by one worker at a time until it is sent or given up."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, or_, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.model import Delivery, DeliveryState, Notification
from core.redaction import Redactor
from core.store.records import Leased
from core.store.rowlocks import insert_once
from core.store.tables import OutboxRow

_LIVE = (DeliveryState.QUEUED.value, DeliveryState.SENDING.value, DeliveryState.SENT.value)


class Outbox:
    """Messages and what became of them. At least once: a repeat after a crash carries the same id."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def enqueue(
        self, notification: Notification, tenant: str, actor: str, now: datetime, *, again: bool = False
    ) -> Delivery:
        """Stores the message to be sent now. ``again`` is a person's confirmed wish to send it once more.

        Raises: Conflict when an identical message (same dedup key) is queued or sent and ``again`` is False.
        """
        row = self._row(notification, tenant, actor, now)
        row["live_key"] = None if again else f"{tenant}\n{notification.dedup_key}"
        if not insert_once(self._session, OutboxRow, row):
            raise Conflict(
                f"This {notification.channel} message is queued or sent already.", hint="Confirm to send it again."
            )
        return self.get(tenant, str(row["id"]))

    def _row(self, notification: Notification, tenant: str, actor: str, now: datetime) -> dict[str, object]:
        return {
            "id": uuid.uuid4().hex,
            "tenant": tenant,
            "channel": notification.channel,
            "recipient": self._redactor.text(notification.recipient),
            "subject": self._redactor.text(notification.subject),
            "text": self._redactor.text(notification.text),
            "payload": self._redactor.json(notification.payload),
            "dedup_key": notification.dedup_key,
            "run_id": notification.run_id,
            "incident_id": notification.incident_id,
            "state": DeliveryState.QUEUED.value,
            "attempts": 0,
            "created_at": now,
            "created_by": actor,
            "next_attempt_at": now,
            "error": "",
            "reference": "",
        }

    def find_sent(self, tenant: str, dedup_key: str) -> Delivery | None:
        """The newest identical message that is queued, being sent or sent; one that failed does not count."""
        return self._newest(tenant, OutboxRow.dedup_key == dedup_key)

    def find_about(self, tenant: str, topic: str) -> Delivery | None:
        """The same for every message whose dedup key begins with ``topic``."""
        return self._newest(tenant, OutboxRow.dedup_key.startswith(topic, autoescape=True))

    def _newest(self, tenant: str, which: ColumnElement[bool]) -> Delivery | None:
        query = select(OutboxRow).where(OutboxRow.tenant == tenant, which, OutboxRow.state.in_(_LIVE))
        row = self._session.scalar(query.order_by(OutboxRow.created_at.desc(), OutboxRow.id).limit(1))
        return _delivery(row) if row else None

    def lease_due(self, now: datetime, owner: str, lease_s: float, limit: int = 10) -> tuple[Leased, ...]:
        """Up to ``limit`` messages that are due or whose sender died; until ``now + lease_s`` they are ``owner``'s.

        The attempt is counted here, so that one which ends in a crash counts too.
        """
        due = or_(
            and_(OutboxRow.state == DeliveryState.QUEUED.value, OutboxRow.next_attempt_at <= now),
            and_(OutboxRow.state == DeliveryState.SENDING.value, OutboxRow.lease_until <= now),
        )
        query = select(OutboxRow).where(due).order_by(OutboxRow.next_attempt_at, OutboxRow.id).limit(limit)
        rows = self._session.scalars(query.with_for_update(skip_locked=True)).all()
        for row in rows:
            row.state, row.attempts = DeliveryState.SENDING.value, row.attempts + 1
            row.lease_owner, row.lease_until = owner, now + timedelta(seconds=lease_s)
        self._session.flush()
        return tuple(Leased(row.tenant, _delivery(row), _notification(row)) for row in rows)

    def mark_sent(self, delivery_id: str, reference: str, now: datetime) -> bool:
        """The message is sent, whoever holds the lease by now; False when it was marked so before."""
        change = update(OutboxRow).where(OutboxRow.id == delivery_id, OutboxRow.state != DeliveryState.SENT.value)
        return self._changed(
            change.values(
                state=DeliveryState.SENT.value,
                sent_at=now,
                reference=self._redactor.text(reference),
                error="",
                next_attempt_at=None,
                lease_owner=None,
                lease_until=None,
            )
        )

    def mark_retry(self, delivery_id: str, owner: str, next_attempt_at: datetime, error: str) -> bool:
        """The attempt failed and another follows; False when ``owner`` no longer holds the lease."""
        change = update(OutboxRow).where(*_held(delivery_id, owner))
        return self._changed(
            change.values(
                state=DeliveryState.QUEUED.value,
                next_attempt_at=next_attempt_at,
                error=self._redactor.text(error),
                lease_owner=None,
                lease_until=None,
            )
        )

    def mark_failed(self, delivery_id: str, owner: str, error: str) -> bool:
        """Given up; an identical message may be queued again. False when ``owner`` no longer holds the lease."""
        change = update(OutboxRow).where(*_held(delivery_id, owner))
        return self._changed(
            change.values(
                state=DeliveryState.FAILED.value,
                next_attempt_at=None,
                error=self._redactor.text(error),
                live_key=None,
                lease_owner=None,
                lease_until=None,
            )
        )

    def _changed(self, change: Update) -> bool:
        changed = self._session.execute(change.returning(OutboxRow.id)).first() is not None
        self._session.expire_all()
        return changed

    def get(self, tenant: str, delivery_id: str) -> Delivery:
        """What became of the message. Raises: NotFound, also for another tenant's id."""
        return _delivery(self._find(tenant, delivery_id))

    def payload(self, tenant: str, delivery_id: str) -> Notification:
        """The message as it is or was sent. Raises: NotFound, also for another tenant's id."""
        return _notification(self._find(tenant, delivery_id))

    def _find(self, tenant: str, delivery_id: str) -> OutboxRow:
        row = self._session.scalar(select(OutboxRow).where(OutboxRow.tenant == tenant, OutboxRow.id == delivery_id))
        if row is None:
            raise NotFound(f"There is no message '{delivery_id}'.", field="delivery")
        return row

    def list(
        self,
        tenant: str,
        *,
        run_id: str | None = None,
        incident_id: str | None = None,
        state: DeliveryState | None = None,
        limit: int = 200,
    ) -> tuple[Delivery, ...]:
        """Up to ``limit`` messages that match every given filter, newest first."""
        query = select(OutboxRow).where(OutboxRow.tenant == tenant)
        if run_id is not None:
            query = query.where(OutboxRow.run_id == run_id)
        if incident_id is not None:
            query = query.where(OutboxRow.incident_id == incident_id)
        if state is not None:
            query = query.where(OutboxRow.state == state.value)
        query = query.order_by(OutboxRow.created_at.desc(), OutboxRow.id).limit(limit)
        return tuple(_delivery(row) for row in self._session.scalars(query))


def _held(delivery_id: str, owner: str) -> tuple[ColumnElement[bool], ...]:
    sending = OutboxRow.state == DeliveryState.SENDING.value
    return OutboxRow.id == delivery_id, OutboxRow.lease_owner == owner, sending


def _notification(row: OutboxRow) -> Notification:
    assert isinstance(row.payload, dict)
    return Notification(
        channel=row.channel,
        recipient=row.recipient,
        subject=row.subject,
        text=row.text,
        payload=row.payload,
        dedup_key=row.dedup_key,
        run_id=row.run_id,
        incident_id=row.incident_id,
    )


def _delivery(row: OutboxRow) -> Delivery:
    return Delivery(
        id=row.id,
        channel=row.channel,
        recipient=row.recipient,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        sent_at=row.sent_at,
        next_attempt_at=row.next_attempt_at,
        error=row.error,
        reference=row.reference,
        subject=row.subject,
        run_id=row.run_id,
        incident_id=row.incident_id,
        created_by=row.created_by,
    )
