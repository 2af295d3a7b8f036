"""Running playbooks by the clock: off until switched on; a missed slot runs once; runs never overlap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.access import Principal, require
from core.errors import ConfigError, WorkbenchError
from core.service import jobs, people
from core.service.workbench import Workbench
from core.store.records import Schedule

LONGEST_GAP = timedelta(days=366)


def next_slot(cron: str, timezone: str, after: datetime) -> datetime | None:
    """The first time after ``after`` that the cron expression names.

    Raises: ConfigError naming the expression.
    """
    from apscheduler.triggers.cron import CronTrigger

    try:
        trigger = CronTrigger.from_crontab(cron, timezone=timezone)
    except (ValueError, LookupError) as exc:
        raise ConfigError(
            f"Schedule '{cron}': {exc}.", hint="Expected five fields such as 0 9 * * *.", field="cron"
        ) from None
    slot: datetime | None = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    return slot


def upcoming(cron: str, timezone: str, after: datetime, count: int = 3) -> tuple[datetime, ...]:
    """The next ``count`` slots, in the schedule's time zone; fewer when the expression names no more.

    Raises: ConfigError naming the expression.
    """
    slots: list[datetime] = []
    while len(slots) < count and (slot := next_slot(cron, timezone, slots[-1] if slots else after)) is not None:
        slots.append(slot)
    return tuple(slots)


def due_slot(schedule: Schedule, served_until: datetime, now: datetime) -> datetime | None:
    """The latest slot after ``served_until`` that has come; older missed ones are skipped."""
    slot, after = None, max(served_until, now - LONGEST_GAP)
    while (upcoming := next_slot(schedule.cron, schedule.timezone, after)) is not None and upcoming <= now:
        slot = after = upcoming
    return slot


def save(wb: Workbench, who: Principal, job: str, cron: str, *, enabled: bool) -> Schedule:
    """Sets a playbook's schedule; it starts from now, earlier slots are not made up for.

    Raises: ConfigError for a cron expression that is not one.
    """
    require(who, "tools:manage")
    now = wb.ctx.clock.now()
    zone = wb.ctx.settings.telltale_timezone
    next_slot(cron, zone, now)
    with wb.store.begin() as books:
        schedule = Schedule(job, cron, zone, enabled, updated_by=who.user, updated_at=now)
        books.schedules.set(who.tenant, schedule)
        books.audit.append(
            who.tenant,
            "person",
            "schedule_changed",
            {"job": job, "cron": cron, "enabled": enabled, "actor": who.user},
            now,
            correlation_id=job,
            approved_by=who.user,
        )
    return schedule


@dataclass(frozen=True, slots=True)
class Served:
    """One slot that was run, and how it ended."""

    job: str
    slot: datetime
    ok: bool
    message: str


def tick(wb: Workbench) -> tuple[Served, ...]:
    """Runs every due slot of every tenant that no other process has taken."""
    return tuple(served for tenant in people.tenants(wb) for served in _tick(wb, tenant))


def _tick(wb: Workbench, tenant: str) -> list[Served]:
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        schedules = [s for s in books.schedules.list(tenant) if s.enabled]
        last = {s.job: books.schedules.history(tenant, s.job, limit=1) for s in schedules}
    served = []
    for schedule in schedules:
        since = max([schedule.updated_at, *(slot.slot for slot in last[schedule.job])])
        slot = due_slot(schedule, since, now)
        if slot is None:
            continue
        with wb.store.begin() as books:
            mine = books.schedules.claim(tenant, schedule.job, slot, now)
        if mine:
            served.append(_serve(wb, tenant, schedule, slot))
    return served


def _serve(wb: Workbench, tenant: str, schedule: Schedule, slot: datetime) -> Served:
    robot = Principal(user="schedule", tenant=tenant, role="responder")
    try:
        served = Served(
            schedule.job, slot, True, jobs.run(wb, robot, schedule.job, f"{schedule.job}:{slot.isoformat()}")
        )
    except WorkbenchError as exc:
        served = Served(schedule.job, slot, False, str(exc))
    with wb.store.begin() as books:
        books.schedules.finish(tenant, schedule.job, slot, wb.ctx.clock.now(), ok=served.ok, note=served.message)
    return served
