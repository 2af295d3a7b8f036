"""The book of dead letters: events that could not be kept, with why and when they are tried again."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.model import Json
from core.redaction import Redactor
from core.store.order_tables import DeadLetterRow

_AT_ONCE = 500  # rows of one INSERT


class LetterState(enum.StrEnum):
    """PENDING is tried again by itself, FAILED only when somebody asks, PROCESSED is kept by now."""

    PENDING = "PENDING"
    FAILED = "FAILED"
    PROCESSED = "PROCESSED"


UNDONE = (LetterState.PENDING, LetterState.FAILED)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document that failed. ``source`` is that of the route it came by, empty when the document names its own."""

    id: str
    tenant: str
    source: str
    event_id: str
    correlation_id: str
    document: Json
    error: str
    field: str
    state: LetterState
    attempts: int
    next_retry_at: datetime | None
    created_at: datetime
    updated_at: datetime


class DeadLetters:
    """Dead letters, oldest first."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, letters: Sequence[DeadLetter]) -> int:
        """Keeps the letters whose id is not known; answers how many were new. One told again stays as it is."""
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        distinct = {(letter.tenant, letter.id): letter for letter in letters}
        rows = [self._values(distinct[key]) for key in sorted(distinct)]
        added = 0
        for start in range(0, len(rows), _AT_ONCE):
            statement = insert(DeadLetterRow).values(rows[start : start + _AT_ONCE]).on_conflict_do_nothing()
            added += len(self._session.execute(statement.returning(DeadLetterRow.id)).all())
        return added

    def _values(self, letter: DeadLetter) -> dict[str, object]:
        return {
            "tenant": letter.tenant,
            "id": letter.id,
            "source": letter.source,
            "event_id": letter.event_id,
            "correlation_id": letter.correlation_id,
            "document": self._redactor.json(letter.document),
            "error": self._redactor.text(letter.error),
            "field": letter.field,
            "state": letter.state.value,
            "attempts": letter.attempts,
            "next_retry_at": letter.next_retry_at,
            "created_at": letter.created_at,
            "updated_at": letter.updated_at,
        }

    def save(self, letter: DeadLetter, tried: int) -> bool:
        """The letter after another attempt; False when it is PROCESSED by now, or not at attempt ``tried`` any more."""
        change = update(DeadLetterRow).where(*_one(letter.tenant, letter.id), DeadLetterRow.attempts == tried)
        change = change.where(DeadLetterRow.state != LetterState.PROCESSED.value).values(
            state=letter.state.value,
            attempts=letter.attempts,
            error=self._redactor.text(letter.error),
            field=letter.field,
            next_retry_at=letter.next_retry_at,
            updated_at=letter.updated_at,
        )
        changed = self._session.execute(change.returning(DeadLetterRow.id)).first() is not None
        self._session.expire_all()
        return changed

    def get(self, tenant: str, letter_id: str) -> DeadLetter:
        """The letter. Raises: NotFound, also for another tenant's."""
        row = self._session.scalar(select(DeadLetterRow).where(*_one(tenant, letter_id)))
        if row is None:
            raise NotFound(f"There is no dead letter '{letter_id}'.", field="ids")
        return _letter(row)

    def page(
        self, tenant: str, states: Collection[LetterState] = (), *, offset: int = 0, limit: int = 100
    ) -> tuple[tuple[DeadLetter, ...], int]:
        """Some of the tenant's letters in these states (none given: in any), newest first, and how many there are."""
        wanted = [DeadLetterRow.tenant == tenant]
        if states:
            wanted.append(DeadLetterRow.state.in_([s.value for s in states]))
        total = self._session.scalar(select(func.count()).select_from(DeadLetterRow).where(*wanted)) or 0
        ordered = select(DeadLetterRow).where(*wanted).order_by(DeadLetterRow.created_at.desc(), DeadLetterRow.id)
        return tuple(_letter(row) for row in self._session.scalars(ordered.offset(offset).limit(limit))), total

    def undone(self, tenant: str, limit: int) -> tuple[DeadLetter, ...]:
        """Up to ``limit`` letters of the tenant that are not PROCESSED, those left alone for longest first."""
        query = select(DeadLetterRow).where(
            DeadLetterRow.tenant == tenant, DeadLetterRow.state.in_([s.value for s in UNDONE])
        )
        rows = self._session.scalars(query.order_by(DeadLetterRow.updated_at, DeadLetterRow.id).limit(limit))
        return tuple(_letter(row) for row in rows)

    def due(self, now: datetime, limit: int) -> tuple[DeadLetter, ...]:
        """Up to ``limit`` letters of all tenants whose next attempt is due, longest due first."""
        waiting = DeadLetterRow.state == LetterState.PENDING.value, DeadLetterRow.next_retry_at <= now
        rows = self._session.scalars(
            select(DeadLetterRow).where(*waiting).order_by(DeadLetterRow.next_retry_at, DeadLetterRow.id).limit(limit)
        )
        return tuple(_letter(row) for row in rows)

    def depth(self, tenant: str | None = None) -> int:
        """How many letters are not PROCESSED, of one tenant or of all."""
        query = select(func.count()).select_from(DeadLetterRow)
        query = query.where(DeadLetterRow.state.in_([s.value for s in UNDONE]))
        if tenant is not None:
            query = query.where(DeadLetterRow.tenant == tenant)
        return self._session.scalar(query) or 0


def _one(tenant: str, letter_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return DeadLetterRow.tenant == tenant, DeadLetterRow.id == letter_id


def _letter(row: DeadLetterRow) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        tenant=row.tenant,
        source=row.source,
        event_id=row.event_id,
        correlation_id=row.correlation_id,
        document=row.document,
        error=row.error,
        field=row.field,
        state=LetterState(row.state),
        attempts=row.attempts,
        next_retry_at=row.next_retry_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
