"""The book of the audit: append-only, hash-chained per tenant."""

from __future__ import annotations

import uuid
from dataclasses import fields
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.audit.chain import ChainCheck, Head, sealed, verify
from core.model import AuditEntry, JsonObject
from core.redaction import Redactor
from core.store.columns import storable
from core.store.rowlocks import take_turn
from core.store.tables import AuditHeadRow, AuditRow


class Trail:
    """What was done, by whom, in order. Append last in a transaction: a tenant's writers take turns until it ends."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def append(
        self,
        tenant: str,
        agent: str,
        action: str,
        decision: JsonObject,
        now: datetime,
        *,
        incident_id: str | None = None,
        approved_by: str | None = None,
        correlation_id: str = "",
        event_id: str | None = None,
    ) -> AuditEntry:
        """The event as the next line of the tenant's chain; an ``event_id`` seen before answers its first line.

        Secrets are replaced before the line is sealed.
        """
        take_turn(self._session, f"audit:{tenant}")
        if event_id is not None and (seen := self._session.get(AuditRow, event_id)) is not None:
            return _entry(seen)
        clean = self._redactor.json(decision)
        assert isinstance(clean, dict)
        entry = AuditEntry(
            seq=0,
            id=event_id or uuid.uuid4().hex,
            timestamp=now,
            agent=self._line(agent),
            incident_id=incident_id,
            action=self._line(action),
            decision=clean,
            approved_by=self._line(approved_by) if approved_by is not None else None,
            correlation_id=self._line(correlation_id),
            tenant=tenant,
            prev_hash="",
            hash="",
        )
        return self._write(entry)

    def _line(self, text: str) -> str:
        return storable(self._redactor.text(text))

    def _write(self, entry: AuditEntry) -> AuditEntry:
        head = self._session.get(AuditHeadRow, entry.tenant)
        line = sealed(entry, Head(head.seq, head.hash) if head else Head())
        self._session.add(_row(line))
        if head:
            head.seq, head.hash = line.seq, line.hash
        else:
            self._session.add(AuditHeadRow(tenant=line.tenant, seq=line.seq, hash=line.hash))
        self._session.flush()
        return line

    def verify(self, tenant: str) -> ChainCheck:
        """Whether every line of the tenant still is as it was appended, and none is missing."""
        head = self._session.get(AuditHeadRow, tenant)
        rows = self._session.scalars(select(AuditRow).where(AuditRow.tenant == tenant).order_by(AuditRow.seq))
        return verify((_entry(row) for row in rows.yield_per(1000)), Head(head.seq, head.hash) if head else Head())

    def list(
        self,
        tenant: str,
        *,
        agent: str | None = None,
        action: str | None = None,
        incident_id: str | None = None,
        correlation_id: str | None = None,
        since: datetime | None = None,
        limit: int = 200,
    ) -> tuple[AuditEntry, ...]:
        """Up to ``limit`` lines that match every given filter, newest first."""
        query = select(AuditRow).where(AuditRow.tenant == tenant).order_by(AuditRow.seq.desc()).limit(limit)
        wanted = {"agent": agent, "action": action, "incident_id": incident_id, "correlation_id": correlation_id}
        query = query.filter_by(**{name: value for name, value in wanted.items() if value is not None})
        if since is not None:
            query = query.where(AuditRow.timestamp >= since)
        return tuple(_entry(row) for row in self._session.scalars(query))

    def count(self, tenant: str) -> int:
        """How many lines the tenant has."""
        return self._session.scalar(select(func.count()).where(AuditRow.tenant == tenant)) or 0


_FIELDS = tuple(f.name for f in fields(AuditEntry))


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(**{name: getattr(entry, name) for name in _FIELDS})


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(**{name: getattr(row, name) for name in _FIELDS})
