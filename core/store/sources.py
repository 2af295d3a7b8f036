"""The book of named sources: versions are kept, a deleted source can be brought back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from core.errors import Conflict, InputError, NotFound
from core.model import Json
from core.redaction import Redactor
from core.store.records import NamedSource
from core.store.rowlocks import insert_once
from core.store.tables import SourceRow

LONGEST_NAME = 200


class Sources:
    """Named sources; each save is a new version."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def save(self, tenant: str, name: str, definition: Json, actor: str, now: datetime) -> NamedSource:
        """The definition as the newest version of the name; a deleted source is thereby back.

        Raises: InputError for an empty or over-long name, Conflict when somebody saved it at the same moment.
        """
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InputError(f"A source name has 1 to {LONGEST_NAME} characters.", field="name")
        last = self._last(tenant, name)
        version = last.version + 1 if last else 1
        values = {
            "tenant": tenant,
            "name": name,
            "version": version,
            "definition": self._redactor.json(definition),
            "saved_by": actor,
            "saved_at": now,
        }
        if not insert_once(self._session, SourceRow, values):
            raise Conflict(f"Source '{name}' was saved by somebody else meanwhile.", hint="Reload and try again.")
        return self.get(tenant, name, version)

    def get(self, tenant: str, name: str, version: int | None = None) -> NamedSource:
        """The newest version, or the given one even of a deleted source. Raises: NotFound."""
        row = self._last(tenant, name) if version is None else self._session.get(SourceRow, (tenant, name, version))
        if row is None or (version is None and row.deleted_at is not None):
            raise NotFound(f"There is no source '{name}'.", field="source")
        return _source(row)

    def list(self, tenant: str, *, deleted: bool = False) -> tuple[NamedSource, ...]:
        """The newest version of every source by name; with ``deleted`` those that were deleted instead."""
        later = aliased(SourceRow)
        newest = select(func.max(later.version)).where(later.tenant == tenant, later.name == SourceRow.name)
        query = select(SourceRow).where(SourceRow.tenant == tenant, SourceRow.version == newest.scalar_subquery())
        query = query.where(SourceRow.deleted_at.is_not(None) if deleted else SourceRow.deleted_at.is_(None))
        return tuple(_source(row) for row in self._session.scalars(query.order_by(SourceRow.name)))

    def versions(self, tenant: str, name: str) -> tuple[NamedSource, ...]:
        """Every version of the name, newest first."""
        query = select(SourceRow).where(SourceRow.tenant == tenant, SourceRow.name == name)
        return tuple(_source(row) for row in self._session.scalars(query.order_by(SourceRow.version.desc())))

    def delete(self, tenant: str, name: str, now: datetime) -> None:
        """The source is gone from :meth:`get` and :meth:`list` until :meth:`undelete`. Raises: NotFound."""
        self._mark(tenant, name, now)

    def undelete(self, tenant: str, name: str) -> NamedSource:
        """The source is back as it was. Raises: NotFound when there never was one."""
        self._mark(tenant, name, None)
        return self.get(tenant, name)

    def _mark(self, tenant: str, name: str, deleted_at: datetime | None) -> None:
        row = self._last(tenant, name)
        if row is None:
            raise NotFound(f"There is no source '{name}'.", field="source")
        row.deleted_at = deleted_at
        self._session.flush()

    def _last(self, tenant: str, name: str) -> SourceRow | None:
        query = select(SourceRow).where(SourceRow.tenant == tenant, SourceRow.name == name)
        return self._session.scalar(query.order_by(SourceRow.version.desc()).limit(1))


def _source(row: SourceRow) -> NamedSource:
    return NamedSource(row.name, row.version, row.definition, row.saved_by, row.saved_at, row.deleted_at)
