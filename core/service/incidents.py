"""Handling incidents: every move is checked against the state machine, saved by compare-and-swap, and audited."""

from __future__ import annotations

from core.access import Principal, require
from core.decide import lifecycle
from core.model import Incident, IncidentStatus
from core.service.workbench import Workbench


def get(wb: Workbench, who: Principal, incident_id: str) -> Incident:
    """One incident of the person's tenant. Raises: NotFound."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.incidents.get(who.tenant, incident_id)


def move(wb: Workbench, who: Principal, incident_id: str, to: str, reason: str = "") -> Incident:
    """The incident in its new state.

    Raises: Conflict with the allowed list when the move is not allowed; NotFound; Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        current = books.incidents.get(who.tenant, incident_id)
        saved = lifecycle.move(current, lifecycle.parse_status(to), who.user, now, reason=reason)
        books.incidents.save(saved, expected=current.updated_at)
        books.audit.append(
            who.tenant,
            "person",
            f"incident_{saved.status.lower()}",
            {"from": str(current.status), "to": str(saved.status), "reason": reason, "actor": who.user},
            now,
            incident_id=incident_id,
            correlation_id=current.run_id,
            approved_by=who.user,
        )
    return saved


def allowed(incident: Incident) -> tuple[IncidentStatus, ...]:
    """The states this incident may move to now."""
    return lifecycle.allowed(incident.status)
