"""What the clock can start: a run of every playbook and saved source, and the playbooks' own further jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from core.access import Principal, require
from core.playbook import ScheduleSpec
from core.service import alert_providers, casework, order_flows, runs, snapshots
from core.service.workbench import Workbench

Work: TypeAlias = Callable[[Workbench, Principal], str]  # answers what it did in a sentence
FURTHER: Mapping[str, Work] = {
    "segment_drift.snapshot": snapshots.job,
    "data_incidents.snapshot": alert_providers.job,
    "order_sla.flows": order_flows.job,
}  # job name: work


def run(wb: Workbench, who: Principal, job: str, key: str) -> str:
    """Does the job once for this key; answers what it found in a line.

    Raises: WorkbenchError when it cannot.
    """
    require(who, "incidents:write")
    if job in FURTHER:
        return FURTHER[job](wb, who)
    if job in wb.events:
        return casework.run(wb, who, job, kind="schedule", key=key).headline
    return runs.run(wb, who, job, kind="schedule", key=key).headline


def planned(wb: Workbench) -> dict[str, ScheduleSpec]:
    """The built-in jobs with the times their playbooks propose."""
    series = {name: p.schedule for name, p in wb.playbooks.items()}
    events = {name: p.schedule for name, p in wb.events.items()}
    further = {f"{name}.{job}": spec for name, p in wb.events.items() for job, spec in p.jobs.items()}
    return {**series, **events, **further}
