"""Cases that are dismissed: by a person, or by the decision table with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.decide import lifecycle
from core.model import Case, Incident, IncidentStatus, Severity
from core.playbook import EventPlaybook
from core.store.books import Books


def stays(playbook: EventPlaybook, current: Incident, fresh: Incident, case: Case) -> bool:
    """Whether a dismissed incident stays so: a person's word holds unless the case came back worse, the table's own
    only while the table still dismisses the case. Where the table dismisses at all, nobody's word silences another
    CRITICAL alert.
    """
    if current.status is not IncidentStatus.DISMISSED:
        return False
    if current.body.get("dismissed_by_table"):
        return case.decision.recommended_action == "dismiss"
    critical = fresh.severity is Severity.CRITICAL and any(r.action == "dismiss" for r in playbook.policy.rows)
    return fresh.severity <= current.severity and not (critical and not _told_before(current, case))


def _told_before(current: Incident, case: Case) -> bool:
    """Whether the case is the very alert that the incident was made of."""
    known = current.body.get("metrics")
    return isinstance(known, Mapping) and known.get("alert_id") == case.metrics.get("alert_id")


def seen_again(books: Books, current: Incident, case: Case, now: datetime) -> Incident:
    """A case that the table dismisses again is counted: a recurrence is proven by its repeats."""
    if case.decision.recommended_action != "dismiss":
        return current
    after = max(now, current.updated_at + timedelta(microseconds=1))
    seen = replace(current, occurrences=current.occurrences + 1, updated_at=after)
    books.incidents.save(seen, expected=current.updated_at)
    return seen


def as_decided(incident: Incident, case: Case, now: datetime) -> Incident:
    """A case that the table dismisses is kept, and dismissed with the reason."""
    if case.decision.recommended_action != "dismiss":
        return incident
    because = case.decision.receipt.because
    marked = replace(incident, body={**incident.body, "dismissed_by_table": True})
    return lifecycle.move(marked, IncidentStatus.DISMISSED, lifecycle.SYSTEM, now, because)
