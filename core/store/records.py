"""What the books answer with where ``core.model`` has no word for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from core.model import Delivery, Json, Notification


@dataclass(frozen=True, slots=True)
class Leased:
    """A message this worker alone may send until its lease ends. ``delivery.id`` is the same on every attempt."""

    tenant: str
    delivery: Delivery
    notification: Notification


@dataclass(frozen=True, slots=True)
class NamedSource:
    """One version of a source of uploaded data."""

    name: str
    version: int
    definition: Json
    saved_by: str
    saved_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs: a five-field cron expression in a time zone. Off until enabled."""

    job: str
    cron: str
    timezone: str
    enabled: bool
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """One planned time of a job. ``ok`` is None while it runs, and stays so when its process died."""

    job: str
    slot: datetime
    claimed_at: datetime
    lease_until: datetime
    finished_at: datetime | None
    ok: bool | None
    note: str


@dataclass(frozen=True, slots=True)
class CheckRun:
    """The results of one run of checks over one source; ``html`` is None in lists and where there is no page."""

    id: str
    source: str
    ran_at: datetime
    results: Json
    html: bytes | None


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What the language model was used for on one UTC day.

    ``unpriced`` counts calls whose price is not configured: they are missing from ``usd``.
    """

    day: date
    calls: int
    tokens: int
    usd: float
    unpriced: int
    cache_hits: int
    failures: Mapping[str, int]
