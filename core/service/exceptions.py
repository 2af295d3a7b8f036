"""Exceptions of orders for those who handle them: the incidents of the order playbook, and nobody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core import telemetry
from core.access import Principal, require
from core.errors import NotFound
from core.model import Incident, IncidentStatus, JsonObject, Severity
from core.service import incidents
from core.service.workbench import Workbench
from core.store.incidents import OPEN_STATES, Tally

PLAYBOOK: Final = "order_sla"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which exceptions, in which order, and which part of them."""

    statuses: Sequence[IncidentStatus] = ()
    severities: Sequence[Severity] = ()
    reasons: Sequence[str] = ()
    order_id: str | None = None
    sort: str = "created_at"
    descending: bool = True
    number: int = 1
    size: int = 20


def page(wb: Workbench, who: Principal, asked: Asked) -> tuple[tuple[Incident, ...], int]:
    """The exceptions that were asked for, and how many there are in all."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.incidents.page(
            who.tenant,
            statuses=asked.statuses,
            severities=asked.severities,
            types=asked.reasons,
            subject=asked.order_id,
            playbook=PLAYBOOK,
            sort=asked.sort,
            descending=asked.descending,
            offset=(asked.number - 1) * asked.size,
            limit=asked.size,
        )


def get(wb: Workbench, who: Principal, incident_id: str) -> Incident:
    """One exception. Raises: NotFound, also for another tenant's and for an incident of another playbook."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.incidents.get(who.tenant, incident_id)
    if found.playbook != PLAYBOOK:
        raise NotFound(f"There is no exception '{incident_id}'.", field="incident")
    return found


def move(
    wb: Workbench, who: Principal, incident_id: str, to: str, reason: str = "", *, seen: datetime | None = None
) -> Incident:
    """The exception in its new state. Raises: Conflict with the allowed ones; InputError, NotFound, Forbidden."""
    require(who, "incidents:write")
    get(wb, who, incident_id)
    done = incidents.move(wb, who, incident_id, to, reason, seen=seen)
    gauges(wb)
    return done


def stats(wb: Workbench, who: Principal) -> JsonObject:
    """How many exceptions the tenant has: in all, open ones, and both by reason; all by status and severity."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.incidents.tally(PLAYBOOK, who.tenant)
    active = [t for t in found if t.status in OPEN_STATES]
    return {
        "total": sum(t.count for t in found),
        "active": sum(t.count for t in active),
        "by_status": {str(s): sum(t.count for t in found if t.status is s) for s in IncidentStatus},
        "by_severity": {s.name: sum(t.count for t in found if t.severity is s) for s in Severity},
        "by_reason": _by_reason(found),
        "active_by_reason": _by_reason(active),
    }


def _by_reason(found: Sequence[Tally]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tally in found:
        counts[tally.type] += tally.count
    return dict(sorted(counts.items()))


def gauges(wb: Workbench) -> None:
    """Tells the metrics how many exceptions the store has, of all tenants."""
    with wb.store.read() as books:
        found = books.incidents.tally(PLAYBOOK)
    breaches: Counter[tuple[str, str]] = Counter()
    for tally in found:
        breaches[tally.tenant, tally.type] += tally.count
    telemetry.exceptions(breaches, sum(t.count for t in found if t.status in OPEN_STATES))
