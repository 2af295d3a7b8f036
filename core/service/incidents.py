"""Handling incidents: every move is checked against the state machine, saved by compare-and-swap, and audited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.access import Principal, require
from core.decide import lifecycle
from core.errors import Conflict, WorkbenchError
from core.model import Incident, IncidentStatus
from core.service import alerts
from core.service.desk import Desk, correlation
from core.service.workbench import Workbench


def get(wb: Workbench, who: Principal, incident_id: str) -> Incident:
    """One incident of the person's tenant. Raises: NotFound."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.incidents.get(who.tenant, incident_id)


def move(
    wb: Workbench, who: Principal, incident_id: str, to: str, reason: str = "", *, seen: datetime | None = None
) -> Incident:
    """The incident in its new state; ``seen`` is the ``updated_at`` that the person had on screen.

    Raises: Conflict when the move is not allowed (with the allowed list) or when somebody changed the incident after
    ``seen``; InputError for a dismissal without a reason; NotFound; Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        current = books.incidents.get(who.tenant, incident_id)
        if seen is not None and current.updated_at != seen:
            last = current.timeline[-1]
            raise Conflict(
                f"{incident_id} was changed meanwhile by {last.actor}: {last.event}.",
                hint="It is shown as it is now; try again if you still want to.",
            )
        saved = lifecycle.move(current, lifecycle.parse_status(to), who.user, now, reason=reason)
        desk = Desk(books, now)
        desk.drop_open(saved)
        books.incidents.save(saved, expected=current.updated_at)
        desk.close()
        alerts.follow(wb, books, saved, saved.timeline[-1].event, who.user, now)
        books.audit.append(
            who.tenant,
            "person",
            f"incident_{saved.status.lower()}",
            {"from": str(current.status), "to": str(saved.status), "reason": reason, "actor": who.user},
            now,
            incident_id=incident_id,
            correlation_id=correlation(current),
            approved_by=who.user,
        )
    return saved


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of several incidents: those in their new state, and why the others are as they were."""

    done: tuple[Incident, ...]
    refused: tuple[str, ...]


def move_all(wb: Workbench, who: Principal, seen: Mapping[str, datetime], to: str, reason: str = "") -> Moved:
    """Moves each incident that may be moved, each for itself; ``seen`` as in :func:`move`. Raises: Forbidden."""
    require(who, "incidents:write")
    done, refused = [], []
    for incident_id, at in seen.items():
        try:
            done.append(move(wb, who, incident_id, to, reason, seen=at))
        except WorkbenchError as error:
            refused.append(f"{incident_id}: {error.message}")
    return Moved(tuple(done), tuple(refused))


def allowed(incident: Incident) -> tuple[IncidentStatus, ...]:
    """The states this incident may move to now."""
    return lifecycle.allowed(incident.status)
