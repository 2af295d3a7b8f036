"""The book of fix templates: a tenant's own fix for a kind of alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.model import Json
from core.store.alert_tables import FixTemplateRow


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template as it was saved, by whom."""

    kind: str
    template: Json
    saved_at: datetime
    saved_by: str


class FixTemplates:
    """Fix templates by kind."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def set(self, tenant: str, stored: StoredTemplate) -> None:
        """The fix of this kind from now on."""
        self._session.merge(
            FixTemplateRow(
                tenant=tenant, kind=stored.kind, template=stored.template, saved_at=stored.saved_at,
                saved_by=stored.saved_by,
            )
        )  # fmt: skip
        self._session.flush()

    def remove(self, tenant: str, kind: str) -> bool:
        """The playbook's own fix holds again; False when it did."""
        gone = delete(FixTemplateRow).where(FixTemplateRow.tenant == tenant, FixTemplateRow.kind == kind)
        return self._session.scalar(gone.returning(FixTemplateRow.kind)) is not None

    def list(self, tenant: str) -> tuple[StoredTemplate, ...]:
        """The tenant's own templates, by kind."""
        rows = self._session.scalars(
            select(FixTemplateRow).where(FixTemplateRow.tenant == tenant).order_by(FixTemplateRow.kind)
        )
        return tuple(StoredTemplate(r.kind, r.template, r.saved_at, r.saved_by) for r in rows)
