"""The book of runs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from core.errors import Conflict, NotFound
from core.model import JsonObject, Light, Run, Source
from core.redaction import Redactor
from core.store.rowlocks import insert_once
from core.store.tables import RunRow


class Runs:
    """Finished runs, newest first."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def save(self, run: Run, idempotency_key: str | None = None) -> None:
        """Keeps the run; saving it again replaces its report, light and headline.

        Raises: Conflict when another run holds the idempotency key or another tenant the id.
        """
        values = self._values(run, idempotency_key)
        if insert_once(self._session, RunRow, values):
            return
        row = self._session.get(RunRow, run.id)
        if row is None:
            raise Conflict(f"A run with idempotency key '{idempotency_key}' exists already.", field="idempotency_key")
        if row.tenant != run.tenant:
            raise Conflict(f"Run '{run.id}' exists already.", field="id")
        values["idempotency_key"] = row.idempotency_key
        for name, value in values.items():
            setattr(row, name, value)
        self._session.flush()

    def _values(self, run: Run, idempotency_key: str | None) -> dict[str, object]:
        return {
            "id": run.id,
            "tenant": run.tenant,
            "playbook": run.playbook,
            "as_of": run.as_of,
            "started_at": run.started_at,
            "ended_at": run.ended_at,
            "status": run.status,
            "light": run.light.value if run.light else None,
            "headline": self._redactor.text(run.headline),
            "source": run.source.value,
            "actor": run.actor,
            "trigger": run.trigger,
            "idempotency_key": idempotency_key,
            "report": self._redactor.json(run.report),
        }

    def get(self, tenant: str, run_id: str) -> Run:
        """The run with its report. Raises: NotFound, also for another tenant's id."""
        query = select(RunRow).where(RunRow.tenant == tenant, RunRow.id == run_id).options(undefer(RunRow.report))
        row = self._session.scalar(query)
        if row is None:
            raise NotFound(f"There is no run '{run_id}'.", field="run")
        return _run(row, row.report)

    def list(self, tenant: str, playbook: str | None = None, limit: int = 50) -> tuple[Run, ...]:
        """Up to ``limit`` runs, newest first, without their reports (``report`` is empty: see :meth:`get`)."""
        query = select(RunRow).where(RunRow.tenant == tenant).order_by(RunRow.ended_at.desc(), RunRow.id).limit(limit)
        if playbook is not None:
            query = query.where(RunRow.playbook == playbook)
        return tuple(_run(row, {}) for row in self._session.scalars(query))

    def latest(self, tenant: str, playbook: str) -> Run | None:
        """The newest run of the playbook, with its report."""
        newest = self.list(tenant, playbook, limit=1)
        return self.get(tenant, newest[0].id) if newest else None

    def by_key(self, tenant: str, idempotency_key: str) -> Run | None:
        """The run that was started under this idempotency key, with its report."""
        query = select(RunRow.id).where(RunRow.tenant == tenant, RunRow.idempotency_key == idempotency_key)
        run_id = self._session.scalar(query)
        return self.get(tenant, run_id) if run_id is not None else None


def _run(row: RunRow, report: object) -> Run:
    assert isinstance(report, dict)
    full: JsonObject = report
    return Run(
        id=row.id,
        playbook=row.playbook,
        tenant=row.tenant,
        as_of=row.as_of,
        started_at=row.started_at,
        ended_at=row.ended_at,
        status=row.status,
        light=Light(row.light) if row.light else None,
        headline=row.headline,
        source=Source(row.source),
        actor=row.actor,
        trigger=row.trigger,
        report=full,
    )
