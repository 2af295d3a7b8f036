"""The book of check runs: what the checks said of a source, and when."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from core.errors import NotFound
from core.model import Json
from core.redaction import Redactor
from core.store.records import CheckRun
from core.store.tables import CheckRunRow


class CheckRuns:
    """Check runs, newest first."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, tenant: str, source: str, ran_at: datetime, results: Json, html: bytes | None = None) -> str:
        """Keeps the results and their page (UTF-8 HTML); answers the id."""
        page = self._redactor.text(html.decode("utf-8", "replace")).encode() if html is not None else None
        row = CheckRunRow(
            id=uuid.uuid4().hex,
            tenant=tenant,
            source=source,
            ran_at=ran_at,
            results=self._redactor.json(results),
            html=page,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def get(self, tenant: str, run_id: str) -> CheckRun:
        """The check run with its page. Raises: NotFound, also for another tenant's id."""
        query = select(CheckRunRow).where(CheckRunRow.tenant == tenant, CheckRunRow.id == run_id)
        row = self._session.scalar(query.options(undefer(CheckRunRow.html)))
        if row is None:
            raise NotFound(f"There is no check run '{run_id}'.", field="check_run")
        return CheckRun(row.id, row.source, row.ran_at, row.results, row.html)

    def list(self, tenant: str, source: str | None = None, limit: int = 50) -> tuple[CheckRun, ...]:
        """Up to ``limit`` check runs without their pages, newest first."""
        query = select(CheckRunRow).where(CheckRunRow.tenant == tenant)
        if source is not None:
            query = query.where(CheckRunRow.source == source)
        query = query.order_by(CheckRunRow.ran_at.desc(), CheckRunRow.id).limit(limit)
        return tuple(CheckRun(r.id, r.source, r.ran_at, r.results, None) for r in self._session.scalars(query))
