"""The book of schedules: when jobs run, and that each planned time runs once over all replicas."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from core.redaction import Redactor
from core.store.records import Schedule, Slot
from core.store.rowlocks import insert_once, take_turn
from core.store.tables import ScheduleRow, SlotRow


class Schedules:
    """Schedules by job, and the history of their runs."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def set(self, tenant: str, schedule: Schedule) -> None:
        """The job's schedule is this one from now on."""
        self._session.merge(
            ScheduleRow(
                tenant=tenant,
                job=schedule.job,
                cron=schedule.cron,
                timezone=schedule.timezone,
                enabled=schedule.enabled,
                updated_by=schedule.updated_by,
                updated_at=schedule.updated_at,
            )
        )
        self._session.flush()

    def get(self, tenant: str, job: str) -> Schedule | None:
        """The job's schedule, if somebody set one."""
        row = self._session.get(ScheduleRow, (tenant, job))
        return _schedule(row) if row else None

    def list(self, tenant: str) -> tuple[Schedule, ...]:
        """Every schedule of the tenant, by job."""
        query = select(ScheduleRow).where(ScheduleRow.tenant == tenant).order_by(ScheduleRow.job)
        return tuple(_schedule(row) for row in self._session.scalars(query))

    def claim(self, tenant: str, job: str, slot: datetime, now: datetime, lease_s: float = 3600) -> bool:
        """Whether the caller, alone among all replicas, is to run the job for this planned time.

        False when the time was claimed before, and while another run of the job is going on: ask again later then.
        A run whose process died stops being in the way when its lease ends.
        """
        take_turn(self._session, f"job:{tenant}:{job}")
        running = select(SlotRow.slot).where(*_of(tenant, job), SlotRow.finished_at.is_(None))
        if self._session.scalar(running.where(SlotRow.lease_until > now).limit(1)) is not None:
            return False
        lease_until = now + timedelta(seconds=lease_s)
        values = {"tenant": tenant, "job": job, "slot": slot, "claimed_at": now, "lease_until": lease_until, "note": ""}
        return insert_once(self._session, SlotRow, values)

    def finish(self, tenant: str, job: str, slot: datetime, now: datetime, *, ok: bool, note: str = "") -> None:
        """The claimed run has ended; ``note`` says why when it is not ``ok``."""
        done = update(SlotRow).where(*_of(tenant, job), SlotRow.slot == slot)
        self._session.execute(done.values(finished_at=now, ok=ok, note=self._redactor.text(note)))

    def history(self, tenant: str, job: str | None = None, limit: int = 50) -> tuple[Slot, ...]:
        """Up to ``limit`` runs, the latest planned time first."""
        query = select(SlotRow).where(SlotRow.tenant == tenant).order_by(SlotRow.slot.desc(), SlotRow.job).limit(limit)
        if job is not None:
            query = query.where(SlotRow.job == job)
        return tuple(_slot(row) for row in self._session.scalars(query))


def _of(tenant: str, job: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SlotRow.tenant == tenant, SlotRow.job == job


def _schedule(row: ScheduleRow) -> Schedule:
    return Schedule(row.job, row.cron, row.timezone, row.enabled, row.updated_by, row.updated_at)


def _slot(row: SlotRow) -> Slot:
    return Slot(row.job, row.slot, row.claimed_at, row.lease_until, row.finished_at, row.ok, row.note)
