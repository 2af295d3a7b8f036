"""Values the store tests write."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

from core.model import Incident, IncidentStatus, Light, Notification, Run, Severity, Source, TimelineEntry

NOW = datetime(2025, 12, 14, 9, 0, 0, 123456, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
T = TypeVar("T")

RUN = Run(
    id="run-1",
    playbook="daily_kpis",
    tenant="acme",
    as_of=datetime(2025, 12, 13, tzinfo=UTC),
    started_at=NOW,
    ended_at=SOON,
    status="completed",
    light=Light.RED,
    headline="Refunds tripled",
    source=Source.RULES,
    actor="ana",
    trigger="manual",
    report={"z": 1, "a": [1.5, None, True, "é"], "text": "quotes \" ''' \\ \n \x00 \ud800"},
)
INCIDENT = Incident(
    incident_id="INC-0000AAAA",
    tenant="acme",
    playbook="daily_kpis",
    dedup_key="kpi:2025-12-13",
    type="kpi",
    severity=Severity.CRITICAL,
    status=IncidentStatus.OPEN,
    title="Refunds up 50% on_Monday",
    subject="refunds",
    detected_at=NOW,
    created_at=NOW,
    updated_at=NOW,
    run_id="run-1",
    body={"metrics": {"refunds": 17500}},
    timeline=(TimelineEntry(NOW, "opened", "system"),),
)
MESSAGE = Notification(
    channel="email",
    recipient="ops@example.com",
    subject="[OpsPulse RED] 2025-12-13",
    text="Refunds tripled",
    payload={"html": "<p>Refunds tripled</p>"},
    dedup_key="email:kpi:2025-12-13:red",
    run_id="run-1",
    incident_id="INC-0000AAAA",
)


def incident(number: int, **changes: object) -> Incident:
    """A further incident under its own id."""
    return replace(INCIDENT, incident_id=f"INC-{number:08X}", **changes)  # type: ignore[arg-type]


def at_once(threads: int, act: Callable[[int], T]) -> list[T | Exception]:
    """What ``act`` answered or raised in each of the threads that were let go together."""
    gate = Barrier(threads)

    def go(i: int) -> T | Exception:
        gate.wait()
        try:
            return act(i)
        except Exception as exc:  # noqa: BLE001 (the caller counts what was raised)
            return exc

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(go, range(threads)))
