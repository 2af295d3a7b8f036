"""The book of received alerts: each is kept once before it is answered, then claimed in batches until it is decided."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, undefer

from core.model import Json, Severity
from core.redaction import Redactor
from core.store.alert_tables import AlertRow
from core.store.rowlocks import take_turn

PENDING, CLAIMED, AGAIN, DONE, REJECTED = "pending", "claimed", "again", "done", "rejected"
STATES = (PENDING, CLAIMED, AGAIN, DONE, REJECTED)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert that came in; ``key`` makes it the same as another one of its tenant."""

    tenant: str
    key: str
    source: str
    alert_id: str
    title: str
    severity: Severity
    alert: Json
    raw: Json
    received_at: datetime
    received_by: str


@dataclass(frozen=True, slots=True)
class Inboxed:
    """A received alert and what became of it. ``raw`` is None where it was not asked for."""

    id: str
    tenant: str
    source: str
    alert_id: str
    title: str
    severity: Severity
    state: str
    received_at: datetime
    received_by: str
    alert: Json
    deliveries: int
    counted: int
    batch: str | None
    attempts: int
    done_at: datetime | None
    run_id: str
    incident_id: str | None
    action: str
    note: str
    raw: Json = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one alert of a batch."""

    incident_id: str | None
    action: str
    note: str = ""


class Received:
    """Alerts as they came in, and refused bodies beside them."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, alerts: Sequence[NewAlert]) -> frozenset[tuple[str, str]]:
        """Keeps what is new and counts a delivery of what is not; answers the (tenant, key) of the new ones."""
        first: dict[tuple[str, str], NewAlert] = {}
        for alert in alerts:
            first.setdefault((alert.tenant, alert.key), alert)
        new = self._inserted(list(first.values()))
        told = Counter((a.tenant, a.key) for a in alerts)
        for name, count in told.items():
            if more := count - (name in new):
                self._delivered_again(*name, more)
        return new

    def _inserted(self, alerts: Sequence[NewAlert]) -> frozenset[tuple[str, str]]:
        if not alerts:
            return frozenset()
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        rows = [self._row(alert) for alert in alerts]
        statement = insert(AlertRow).values(rows).on_conflict_do_nothing().returning(AlertRow.tenant, AlertRow.key)
        return frozenset((tenant, key) for tenant, key in self._session.execute(statement))

    def _delivered_again(self, tenant: str, key: str, more: int) -> None:
        state = case((AlertRow.state == DONE, AGAIN), else_=AlertRow.state)
        self._session.execute(
            update(AlertRow)
            .where(AlertRow.tenant == tenant, AlertRow.key == key)
            .values(deliveries=AlertRow.deliveries + more, state=state)
        )

    def _row(self, alert: NewAlert) -> dict[str, object]:
        return {
            "id": uuid.uuid4().hex, "tenant": alert.tenant, "key": alert.key,
            "source": alert.source, "alert_id": alert.alert_id, "title": self._redactor.text(alert.title),
            "severity": int(alert.severity), "state": PENDING, "received_at": alert.received_at,
            "received_by": alert.received_by, "alert": self._redactor.json(alert.alert),
            "raw": self._redactor.json(alert.raw), "deliveries": 1, "counted": 0, "batch": None, "attempts": 0,
            "lease_until": None, "done_at": None, "run_id": "", "incident_id": None, "action": "", "note": "",
        }  # fmt: skip

    def reject(self, tenant: str, raw: str, reason: str, actor: str, now: datetime) -> None:
        """Keeps the beginning of a body that was refused, and why."""
        ident = uuid.uuid4().hex
        self._session.add(
            AlertRow(
                id=ident, tenant=tenant, key=ident, source="", alert_id="", title="", severity=int(Severity.LOW),
                state=REJECTED, received_at=now, received_by=actor, alert={}, raw=self._redactor.text(raw),
                deliveries=1, counted=0, batch=None, attempts=0, lease_until=None, done_at=now, run_id="",
                incident_id=None, action="", note=self._redactor.text(reason),
            )
        )  # fmt: skip
        self._session.flush()

    # --- Batches --------------------------------------------------------------------------------------------------

    def claim(self, now: datetime, lease_s: float, limit: int) -> tuple[Inboxed, ...]:
        """The next batch: one whose worker died, as it was, else the oldest alerts of one tenant, as a new one.

        Until ``now + lease_s`` nobody else gets it.
        """
        take_turn(self._session, "alerts")
        until = now + timedelta(seconds=lease_s)
        dead = select(AlertRow.batch).where(AlertRow.state == CLAIMED, AlertRow.lease_until <= now)
        batch = self._session.scalar(dead.order_by(AlertRow.received_at, AlertRow.id).limit(1))
        if batch is not None:
            which: ColumnElement[bool] = AlertRow.batch == batch
        else:
            waiting = select(AlertRow.tenant).where(AlertRow.state == PENDING)
            tenant = self._session.scalar(waiting.order_by(AlertRow.received_at, AlertRow.id).limit(1))
            if tenant is None:
                return ()
            batch = uuid.uuid4().hex
            oldest = select(AlertRow.id).where(AlertRow.state == PENDING, AlertRow.tenant == tenant)
            chosen = self._session.scalars(oldest.order_by(AlertRow.received_at, AlertRow.id).limit(limit)).all()
            which = AlertRow.id.in_(chosen)
        change = update(AlertRow).where(which).values(
            state=CLAIMED, batch=batch, lease_until=until, attempts=AlertRow.attempts + 1
        )  # fmt: skip
        self._session.execute(change.execution_options(synchronize_session=False))
        return self._listed(AlertRow.batch == batch, limit=100_000, oldest_first=True)

    def release(self, ids: Collection[str]) -> None:
        """Each of these becomes a batch of its own, to be taken at once: together they could not be processed."""
        for ident in ids:
            self._session.execute(
                update(AlertRow)
                .where(AlertRow.id == ident)
                .values(batch=uuid.uuid4().hex, lease_until=AlertRow.received_at, attempts=0)
            )

    def finish(self, batch: str, run_id: str, outcomes: Mapping[str, Outcome], now: datetime) -> None:
        """Every alert of the batch is done, by its id; one that was delivered again meanwhile waits for its count."""
        again = case((AlertRow.deliveries > 1, AGAIN), else_=DONE)
        alike: dict[Outcome, list[str]] = {}
        for ident, outcome in outcomes.items():
            alike.setdefault(outcome, []).append(ident)
        for outcome, ids in alike.items():
            change = update(AlertRow).where(
                AlertRow.id.in_(ids), AlertRow.batch == batch, AlertRow.state == CLAIMED
            )  # fmt: skip
            self._session.execute(
                change.values(
                    state=again, counted=1, done_at=now, run_id=run_id, incident_id=outcome.incident_id,
                    action=outcome.action, note=outcome.note, lease_until=None,
                ).execution_options(synchronize_session=False)
            )  # fmt: skip

    def again(self, limit: int = 500) -> tuple[Inboxed, ...]:
        """Decided alerts that were delivered again and not counted yet, locked until the transaction ends."""
        take_turn(self._session, "alerts-again")
        return self._listed(AlertRow.state == AGAIN, limit=limit, oldest_first=True)

    def counted(self, ident: str, deliveries: int) -> None:
        """So many deliveries of the alert are counted on its incident."""
        state = case((AlertRow.deliveries > deliveries, AGAIN), else_=DONE)
        self._session.execute(update(AlertRow).where(AlertRow.id == ident).values(counted=deliveries, state=state))

    # --- Reading --------------------------------------------------------------------------------------------------

    def get(self, tenant: str, ident: str) -> Inboxed | None:
        """One alert with its raw body; None when there is none, also for another tenant's."""
        query = select(AlertRow).options(undefer(AlertRow.raw)).where(AlertRow.tenant == tenant, AlertRow.id == ident)
        row = self._session.scalar(query)
        return None if row is None else _inboxed(row, row.raw)

    def list(
        self, tenant: str, *, states: Collection[str] = (), source: str | None = None, limit: int = 100, offset: int = 0
    ) -> tuple[Inboxed, ...]:
        """The tenant's alerts, newest first."""
        wanted: list[ColumnElement[bool]] = [AlertRow.tenant == tenant]
        wanted += [AlertRow.state.in_(states)] if states else []
        wanted += [AlertRow.source == source] if source is not None else []
        return self._listed(*wanted, limit=limit, offset=offset)

    def of_incident(self, tenant: str, incident_id: str) -> tuple[Inboxed, ...]:
        """The alerts of an incident, newest first."""
        return self._listed(AlertRow.tenant == tenant, AlertRow.incident_id == incident_id, limit=1000)

    def keyed(self, names: Collection[tuple[str, str]]) -> tuple[Inboxed, ...]:
        """The alerts with these (tenant, key)."""
        return self._listed(tuple_(AlertRow.tenant, AlertRow.key).in_(list(names)), limit=len(names)) if names else ()

    def counts(self, tenant: str, since: datetime | None = None) -> tuple[tuple[str, str, str, int, int], ...]:
        """How many alerts and deliveries there are by state, action and source."""
        query = select(
            AlertRow.state, AlertRow.action, AlertRow.source, func.count(), func.sum(AlertRow.deliveries)
        ).where(AlertRow.tenant == tenant)
        if since is not None:
            query = query.where(AlertRow.received_at >= since)
        grouped = query.group_by(AlertRow.state, AlertRow.action, AlertRow.source)
        return tuple(
            (state, action, source, n, int(d)) for state, action, source, n, d in self._session.execute(grouped)
        )

    def waiting(self) -> int:
        """How many alerts of all tenants are not decided."""
        query = select(func.count()).select_from(AlertRow).where(AlertRow.state.in_((PENDING, CLAIMED)))
        return self._session.scalar(query) or 0

    def _listed(
        self, *wanted: ColumnElement[bool], limit: int, offset: int = 0, oldest_first: bool = False
    ) -> tuple[Inboxed, ...]:
        order = (AlertRow.received_at, AlertRow.id)
        ordered = order if oldest_first else tuple(c.desc() for c in order)
        query = select(AlertRow).where(*wanted).order_by(*ordered).offset(offset).limit(limit)
        rows = self._session.scalars(query.execution_options(populate_existing=True))
        return tuple(_inboxed(row) for row in rows)


def _inboxed(row: AlertRow, raw: Json = None) -> Inboxed:
    return Inboxed(
        row.id, row.tenant, row.source, row.alert_id, row.title, Severity(row.severity), row.state, row.received_at,
        row.received_by, row.alert, row.deliveries, row.counted, row.batch, row.attempts, row.done_at, row.run_id,
        row.incident_id, row.action, row.note, raw,
    )  # fmt: skip
