"""Drift incidents: found by segment and type, resolved, dismissed, and what other programs note on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from core.access import Principal, require
from core.errors import InputError, NotFound
from core.model import Incident, IncidentStatus, Json, Proposal, Severity
from core.service import actions, incidents, segments
from core.service.audience import PLAYBOOK
from core.service.desk import Desk, attempt
from core.service.workbench import Workbench

MOST_LISTED = 1_000
MOST_NOTES = 50


def listing(
    wb: Workbench,
    who: Principal,
    *,
    statuses: Collection[IncidentStatus] = (),
    severities: Collection[Severity] = (),
    types: Collection[str] = (),
    segment: str | None = None,
) -> tuple[Incident, ...]:
    """The drift incidents that match every given filter, last changed first (at most 1,000)."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.incidents.list(
            who.tenant, statuses=statuses, severities=severities, playbook=PLAYBOOK, limit=10_000
        )
    wanted = (i for i in found if (not types or i.type in types) and segment in (None, i.subject))
    return tuple(i for i, _ in zip(wanted, range(MOST_LISTED), strict=False))


def of_segment(wb: Workbench, who: Principal, segment_id: str) -> tuple[Incident, ...]:
    """The incidents of a segment, also of one that was deleted. Raises: NotFound when nothing is known of it."""
    require(who, "incidents:read")
    found = listing(wb, who, segment=segment_id)
    if not found:
        segments.get(wb, who, segment_id)
    return found


def get(wb: Workbench, who: Principal, incident_id: str) -> Incident:
    """One drift incident. Raises: NotFound, also for an incident of another playbook."""
    require(who, "incidents:read")
    incident = incidents.get(wb, who, incident_id)
    if incident.playbook != PLAYBOOK:
        raise _unknown(incident_id)
    return incident


def move(
    wb: Workbench, who: Principal, incident_id: str, to: str, reason: str = "", *, seen: datetime | None = None
) -> Incident:
    """The incident in its new state, as ``incidents.move`` says. Raises: NotFound, Conflict, InputError, Forbidden."""
    require(who, "incidents:write")
    get(wb, who, incident_id)
    return incidents.move(wb, who, incident_id, to, reason, seen=seen)


def resolve(
    wb: Workbench,
    who: Principal,
    incident_id: str,
    reason: str = "",
    *,
    accept: bool = False,
    seen: datetime | None = None,
) -> Incident:
    """The incident resolved; with ``accept`` its segment's baselines of this type begin today.

    Raises: NotFound (with ``accept`` also for a segment that is gone), Conflict, Forbidden.
    """
    require(who, "incidents:write")
    incident = get(wb, who, incident_id)
    if accept:
        segments.get(wb, who, incident.subject)
        reason = f"{reason}; accepted as new normal".removeprefix("; ")
    done = incidents.move(wb, who, incident_id, IncidentStatus.RESOLVED, reason, seen=seen)
    if accept:
        segments.accept_as_new_normal(wb, who, incident.subject, incident.type)
    return done


def note(
    wb: Workbench, who: Principal, incident_id: str, segment_id: str, severity: Severity, text: str = ""
) -> Incident:
    """The incident with what another program said of it as a note; its severity stays our own.

    Counting the segment's people anew is proposed as an action, for somebody to approve. Source: PU-22.
    Raises: NotFound, InputError when it is about another segment, Forbidden.
    """
    require(who, "incidents:write")
    noted = attempt(wb, lambda desk: _noted(desk, who, incident_id, segment_id, severity, text))
    actions.propose(wb, noted, (_again(wb, noted),))
    return noted


def _again(wb: Workbench, incident: Incident) -> Proposal:
    adapter = next(iter(wb.events[PLAYBOOK].remedies), "webhook")
    return Proposal(
        action_type="re_extract",
        title=f"Extract the people of {incident.body.get('label') or incident.subject} again",
        description="Starts the extraction behind this segment once more; the next snapshot shows whether it helped.",
        eta_minutes=30,
        risk_score=0.10,
        params={"segment": incident.subject, "type": incident.type},
        adapter=adapter,
    )


def _noted(desk: Desk, who: Principal, incident_id: str, segment_id: str, severity: Severity, text: str) -> Incident:
    current = desk.books.incidents.get(who.tenant, incident_id)
    if current.playbook != PLAYBOOK:
        raise _unknown(incident_id)
    if current.subject != segment_id:
        raise InputError(f"segmentId: incident {incident_id} is about '{current.subject}'.", field="segmentId")
    line: dict[str, Json] = {
        "at": desk.now.isoformat(),
        "actor": who.user,
        "severity": severity.name,
        "text": text,
    }
    before = current.body.get("notes")
    kept = [*(before if isinstance(before, list) else []), line][-MOST_NOTES:]
    event = f"{who.user} says {severity.name}" + (f": {text}" if text else "")
    noted = desk.tell(replace(current, body={**current.body, "notes": kept}), current, [event], who.user)
    desk.books.audit.append(
        who.tenant,
        "webhook",
        "incident_noted",
        {"segment": segment_id, **line},
        desk.now,
        incident_id=incident_id,
        correlation_id=current.run_id,
    )
    return noted


def _unknown(incident_id: str) -> NotFound:
    return NotFound(f"There is no drift incident '{incident_id}'.", field="incident")
