"""The life of an incident: which moves are allowed, and what a repeat of its key does. Pure functions."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import Conflict, InputError
from core.model import Incident, IncidentStatus, TimelineEntry

SYSTEM = "system"  # the actor of what no person did
REOPEN_WITHIN = timedelta(hours=24)
SEEN_AGAIN = "seen again"

_OPEN, _ACKNOWLEDGED, _IN_PROGRESS = IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, IncidentStatus.IN_PROGRESS
_MITIGATED, _RESOLVED = IncidentStatus.MITIGATED, IncidentStatus.RESOLVED
_CLOSED, _DISMISSED = IncidentStatus.CLOSED, IncidentStatus.DISMISSED

ALLOWED: Mapping[IncidentStatus, tuple[IncidentStatus, ...]] = {
    _OPEN: (_ACKNOWLEDGED, _IN_PROGRESS, _RESOLVED, _DISMISSED),
    _ACKNOWLEDGED: (_IN_PROGRESS, _RESOLVED, _DISMISSED),
    _IN_PROGRESS: (_MITIGATED, _RESOLVED, _DISMISSED),
    _MITIGATED: (_IN_PROGRESS, _RESOLVED),
    _RESOLVED: (_CLOSED, _OPEN),
    _DISMISSED: (_OPEN,),
    _CLOSED: (),
}
_ALIASES = {
    "INVESTIGATING": _IN_PROGRESS,
    "IGNORED": _DISMISSED,
    "FALSE_POSITIVE": _DISMISSED,
    "DISMISS": _DISMISSED,
}


class Repeat(enum.StrEnum):
    """What a further occurrence of a dedup key does."""

    OCCURRENCE = "occurrence"  # joins the incident that is open
    REOPEN = "reopen"  # the incident was resolved too early
    NEW = "new"


def parse_status(word: str) -> IncidentStatus:
    """The state that ``word`` means, whatever its case. Raises: InputError listing the words."""
    name = word.strip().upper().replace(" ", "_").replace("-", "_")
    if name in _ALIASES:
        return _ALIASES[name]
    try:
        return IncidentStatus(name)
    except ValueError:
        known = ", ".join([*IncidentStatus, *(alias.lower() for alias in _ALIASES)])
        raise InputError(f"'{word}' is not an incident status.", hint=f"Known: {known}.", field="status") from None


def allowed(status: IncidentStatus, actor: str | None = None) -> tuple[IncidentStatus, ...]:
    """The states an incident may move to from ``status``; given the actor, only the moves this actor may make."""
    if status is IncidentStatus.DISMISSED and actor == SYSTEM:
        return ()
    return ALLOWED[status]


def move(incident: Incident, to: IncidentStatus, actor: str, now: datetime, reason: str = "") -> Incident:
    """The incident in its new state, with the move in its timeline.

    Raises: Conflict naming the allowed states for any other move, for a dismissed incident that ``SYSTEM`` would
    reopen, and for a resolved one moved by nobody; InputError for a dismissal without a reason or an empty actor.
    """
    if not actor.strip():
        raise InputError("A state change needs the person who made it.", field="actor")
    choices = allowed(incident.status, actor)
    if to not in choices:
        names = ", ".join(choices) or "no other state"
        raise Conflict(
            f"An incident that is {incident.status} cannot become {to}.", hint=f"Allowed: {names}.", field="status"
        )
    if to is IncidentStatus.DISMISSED and not reason.strip():
        raise InputError("A dismissal needs a reason.", field="reason")
    event = f"{incident.status} to {to}" + (f": {reason.strip()}" if reason.strip() else "")
    return _recorded(_stamped(replace(incident, status=to), actor, now), event, actor, now)


def _stamped(moved: Incident, actor: str, now: datetime) -> Incident:
    if moved.status is IncidentStatus.ACKNOWLEDGED:
        return replace(moved, acknowledged_by=actor)
    if moved.status is IncidentStatus.IN_PROGRESS and moved.assignee is None and actor != SYSTEM:
        return replace(moved, assignee=actor)
    if moved.status is IncidentStatus.RESOLVED:
        return replace(moved, resolved_by=actor, resolved_at=now)
    if moved.status is IncidentStatus.OPEN:
        return replace(moved, resolved_by=None, resolved_at=None)
    return moved


def on_repeat(latest: Incident | None, now: datetime) -> Repeat:
    """What another occurrence does, given the newest incident of its key.

    A resolved incident reopens within 24 hours (inclusive); a closed one never does, and a dismissed one only by hand.
    """
    if latest is None or latest.status in (IncidentStatus.CLOSED, IncidentStatus.DISMISSED):
        return Repeat.NEW
    if latest.status is not IncidentStatus.RESOLVED:
        return Repeat.OCCURRENCE
    resolved_at = latest.resolved_at or latest.updated_at
    return Repeat.REOPEN if now - resolved_at <= REOPEN_WITHIN else Repeat.NEW


def repeat(incident: Incident, candidate: Incident, now: datetime) -> tuple[Incident, bool]:
    """The incident with one more occurrence, seen in ``candidate``, and whether its severity rose (it never falls).

    A resolved incident comes back as OPEN. Title, body and run are the candidate's: the newest facts.
    Raises: Conflict when the incident can neither take an occurrence nor be reopened.
    """
    kind = on_repeat(incident, now)
    if kind is Repeat.NEW:
        raise Conflict(f"Incident {incident.incident_id} is {incident.status}; a repeat is a new incident.")
    rose = candidate.severity > incident.severity
    event = f"occurrence {incident.occurrences + 1}"
    if rose:
        event += f", severity {incident.severity.name} to {candidate.severity.name}"
    if kind is Repeat.REOPEN:
        incident = move(incident, IncidentStatus.OPEN, SYSTEM, now, SEEN_AGAIN)
    seen = replace(
        incident,
        occurrences=incident.occurrences + 1,
        severity=max(incident.severity, candidate.severity),
        title=candidate.title,
        body=candidate.body,
        run_id=candidate.run_id,
    )
    return _recorded(seen, event, SYSTEM, now), rose


def comebacks(incident: Incident) -> int:
    """How often the incident was seen again after it was resolved."""
    return sum(e.actor == SYSTEM and e.event.endswith(f": {SEEN_AGAIN}") for e in incident.timeline)


def _recorded(incident: Incident, event: str, actor: str, now: datetime) -> Incident:
    """``updated_at`` always grows, also under a standing clock: the store compares it to notice other writers."""
    after = max(now, incident.updated_at + timedelta(microseconds=1))
    entry = TimelineEntry(now, event, actor)
    return replace(incident, updated_at=after, timeline=(*incident.timeline, entry))
