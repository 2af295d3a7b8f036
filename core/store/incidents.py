"""The book of incidents: one open incident per dedup key, changed only by compare-and-swap."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.errors import Conflict, NotFound
from core.model import Incident, IncidentStatus, Json, Severity, TimelineEntry
from core.redaction import Redactor
from core.store.rowlocks import insert_once
from core.store.tables import IncidentRow

OPEN_STATES = frozenset(
    {IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, IncidentStatus.IN_PROGRESS, IncidentStatus.MITIGATED}
)

SORTS: Mapping[str, InstrumentedAttribute[Any]] = {
    "created_at": IncidentRow.created_at,
    "detected_at": IncidentRow.detected_at,
    "severity": IncidentRow.severity,
    "status": IncidentRow.status,
    "service": IncidentRow.subject,
}


class Incidents:
    """Incidents, last changed first."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, incident: Incident) -> None:
        """Opens the incident. Raises: Conflict when its id is taken or its dedup key has an open incident."""
        if not insert_once(self._session, IncidentRow, self._values(incident)):
            raise Conflict(f"There is an open incident for '{incident.dedup_key}' already.", field="dedup_key")

    def save(self, incident: Incident, expected: datetime) -> None:
        """Replaces the incident if it is still as it was at ``expected`` (its ``updated_at`` when it was read).

        Raises: Conflict when somebody changed it meanwhile, or when another incident of its dedup key is open;
        NotFound.
        """
        change = update(IncidentRow).where(*_one(incident.tenant, incident.incident_id))
        change = change.where(IncidentRow.updated_at == expected).values(self._values(incident))
        try:
            with self._session.begin_nested():
                changed = self._session.execute(change.returning(IncidentRow.incident_id)).first()
        except IntegrityError:
            raise Conflict(f"Another incident for '{incident.dedup_key}' is open.", field="dedup_key") from None
        self._session.expire_all()
        if changed is None:
            now = self.get(incident.tenant, incident.incident_id)
            raise Conflict(
                f"Incident {now.incident_id} was changed meanwhile (it is {now.status}).", hint="Reload and try again."
            )

    def _values(self, incident: Incident) -> dict[str, object]:
        is_open = incident.status in OPEN_STATES
        timeline: Json = [{"ts": e.ts.isoformat(), "event": e.event, "actor": e.actor} for e in incident.timeline]
        return {
            "incident_id": incident.incident_id,
            "tenant": incident.tenant,
            "playbook": incident.playbook,
            "dedup_key": incident.dedup_key,
            "open_key": f"{incident.tenant}\n{incident.dedup_key}" if is_open else None,
            "type": incident.type,
            "severity": int(incident.severity),
            "status": incident.status.value,
            "title": self._redactor.text(incident.title),
            "subject": incident.subject,
            "detected_at": incident.detected_at,
            "created_at": incident.created_at,
            "updated_at": incident.updated_at,
            "run_id": incident.run_id,
            "acknowledged_by": incident.acknowledged_by,
            "resolved_by": incident.resolved_by,
            "resolved_at": incident.resolved_at,
            "assignee": incident.assignee,
            "occurrences": incident.occurrences,
            "alerted": incident.alerted,
            "body": self._redactor.json(incident.body),
            "timeline": self._redactor.json(timeline),
        }

    def get(self, tenant: str, incident_id: str) -> Incident:
        """The incident. Raises: NotFound, also for another tenant's id."""
        row = self._session.scalar(select(IncidentRow).where(*_one(tenant, incident_id)))
        if row is None:
            raise NotFound(f"There is no incident '{incident_id}'.", field="incident")
        return _incident(row)

    def find_open(self, tenant: str, dedup_key: str) -> Incident | None:
        """The open incident of the key, if there is one."""
        row = self._session.scalar(select(IncidentRow).where(IncidentRow.open_key == f"{tenant}\n{dedup_key}"))
        return _incident(row) if row else None

    def find_latest(self, tenant: str, dedup_key: str) -> Incident | None:
        """The key's open incident, else the one created last."""
        query = select(IncidentRow).where(IncidentRow.tenant == tenant, IncidentRow.dedup_key == dedup_key)
        newest = query.order_by(
            IncidentRow.open_key.is_(None), IncidentRow.created_at.desc(), IncidentRow.updated_at.desc()
        ).limit(1)
        row = self._session.scalar(newest)
        return _incident(row) if row else None

    def list(
        self,
        tenant: str,
        *,
        statuses: Collection[IncidentStatus] = (),
        severities: Collection[Severity] = (),
        playbook: str | None = None,
        text: str = "",
        limit: int = 200,
    ) -> tuple[Incident, ...]:
        """Up to ``limit`` incidents that match every given filter, last changed first.

        ``text`` is looked for in id, title, subject and dedup key, whatever its case.
        """
        query = select(IncidentRow).where(IncidentRow.tenant == tenant)
        if statuses:
            query = query.where(IncidentRow.status.in_([s.value for s in statuses]))
        if severities:
            query = query.where(IncidentRow.severity.in_([int(s) for s in severities]))
        if playbook is not None:
            query = query.where(IncidentRow.playbook == playbook)
        if text.strip():
            query = query.where(_mentions(text.strip()))
        query = query.order_by(IncidentRow.updated_at.desc(), IncidentRow.incident_id).limit(limit)
        return tuple(_incident(row) for row in self._session.scalars(query))

    def page(
        self,
        tenant: str,
        *,
        statuses: Collection[IncidentStatus] = (),
        severities: Collection[Severity] = (),
        types: Collection[str] = (),
        subject: str | None = None,
        playbook: str | None = None,
        sort: str = "created_at",
        descending: bool = True,
        offset: int = 0,
        limit: int = 20,
    ) -> tuple[tuple[Incident, ...], int]:
        """One page of the incidents that match every given filter, and how many match; equals are ordered by id.

        ``sort`` is a key of :data:`SORTS`.
        """
        wanted = [IncidentRow.tenant == tenant]
        if statuses:
            wanted.append(IncidentRow.status.in_([s.value for s in statuses]))
        if severities:
            wanted.append(IncidentRow.severity.in_([int(s) for s in severities]))
        if types:
            wanted.append(IncidentRow.type.in_(types))
        if subject is not None:
            wanted.append(IncidentRow.subject == subject)
        if playbook is not None:
            wanted.append(IncidentRow.playbook == playbook)
        total = self._session.scalar(select(func.count()).select_from(IncidentRow).where(*wanted)) or 0
        column = SORTS[sort]
        ordered = select(IncidentRow).where(*wanted).order_by(column.desc() if descending else column.asc())
        rows = self._session.scalars(ordered.order_by(IncidentRow.incident_id).offset(offset).limit(limit))
        return tuple(_incident(row) for row in rows), total

    def counts(self, tenant: str) -> Mapping[IncidentStatus, int]:
        """How many incidents are in each state; every state is a key."""
        query = (
            select(IncidentRow.status, func.count()).where(IncidentRow.tenant == tenant).group_by(IncidentRow.status)
        )
        found = {status: n for status, n in self._session.execute(query)}
        return {status: found.get(status.value, 0) for status in IncidentStatus}

    def tally(self, playbook: str, tenant: str | None = None) -> tuple[Tally, ...]:
        """How many incidents of the playbook there are of each kind, of one tenant or of all."""
        kinds = (IncidentRow.tenant, IncidentRow.type, IncidentRow.status, IncidentRow.severity)
        query = select(*kinds, func.count()).where(IncidentRow.playbook == playbook).group_by(*kinds)
        if tenant is not None:
            query = query.where(IncidentRow.tenant == tenant)
        rows = self._session.execute(query.order_by(*kinds))
        return tuple(Tally(t, kind, IncidentStatus(s), Severity(worth), n) for t, kind, s, worth, n in rows)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many incidents of a tenant have this type, status and severity."""

    tenant: str
    type: str
    status: IncidentStatus
    severity: Severity
    count: int


def _one(tenant: str, incident_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IncidentRow.tenant == tenant, IncidentRow.incident_id == incident_id


def _mentions(text: str) -> ColumnElement[bool]:
    columns = (IncidentRow.incident_id, IncidentRow.title, IncidentRow.subject, IncidentRow.dedup_key)
    return or_(*(c.icontains(text, autoescape=True) for c in columns))


def _incident(row: IncidentRow) -> Incident:
    assert isinstance(row.body, dict)
    assert isinstance(row.timeline, list)
    return Incident(
        incident_id=row.incident_id,
        tenant=row.tenant,
        playbook=row.playbook,
        dedup_key=row.dedup_key,
        type=row.type,
        severity=Severity(row.severity),
        status=IncidentStatus(row.status),
        title=row.title,
        subject=row.subject,
        detected_at=row.detected_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        run_id=row.run_id,
        acknowledged_by=row.acknowledged_by,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
        assignee=row.assignee,
        occurrences=row.occurrences,
        alerted=row.alerted,
        body=row.body,
        timeline=tuple(TimelineEntry(datetime.fromisoformat(e["ts"]), e["event"], e["actor"]) for e in row.timeline),
    )
