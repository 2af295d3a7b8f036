"""What stored incidents tell later alerts: as past incidents, with the verdicts that people gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from core.access import Principal, require
from core.alert import items, mapping, texts
from core.errors import InputError
from core.model import Incident, IncidentStatus, Json, JsonObject, TimelineEntry
from core.service.desk import Desk, attempt
from core.service.workbench import Workbench

PLAYBOOK = "data_incidents"
VERDICTS = ("real", "false_positive", "expected")
KEPT = timedelta(days=90)
MOST = 2000


def documents(wb: Workbench, tenant: str) -> Mapping[str, Json]:
    """The past incidents and fix templates that a look is given."""
    with wb.store.read() as books:
        found = books.incidents.list(tenant, playbook=PLAYBOOK, limit=MOST)
        fixes = books.fix_templates.list(tenant)
    since = wb.ctx.clock.now() - KEPT
    past = [past_of(i) for i in found if i.created_at >= since]
    return {
        **({"history": past} if past else {}),
        **({"fix_templates": {f.kind: f.template for f in fixes}} if fixes else {}),
    }


def past_of(incident: Incident) -> JsonObject:
    """A stored incident in the form that history is judged by."""
    metrics, decision = mapping(incident.body.get("metrics")), mapping(incident.body.get("decision"))
    return {
        "incident_id": incident.incident_id,
        "title": incident.title,
        "kind": str(metrics.get("kind") or incident.type),
        "entity": str(metrics.get("entity") or incident.subject),
        "source": str(metrics.get("source") or ""),
        "severity": incident.severity.name,
        "at": str(metrics.get("alert_at") or incident.detected_at.isoformat()),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "verdict": verdict_of(incident),
        "dismissed": incident.status is IncidentStatus.DISMISSED,
        "occurrences": incident.occurrences,
        "value": None,
        "cause": str(decision.get("root_cause") or ""),
        "resolution": _resolution(incident),
        "alert_ids": [str(mapping(m).get("alert_id")) for m in items(metrics.get("members"))],
    }


def _resolution(incident: Incident) -> str:
    """What was written when it was resolved, else the last note."""
    for entry in reversed(incident.timeline):
        move, colon, reason = entry.event.partition(": ")
        if colon and move.endswith(("RESOLVED", "CLOSED")):
            return reason
    return next(reversed(texts(incident.body.get("notes"))), "")


def verdict_of(incident: Incident) -> str | None:
    """What a person said of it: real, false_positive or expected; None when nobody did."""
    given = mapping(incident.body.get("verdict")).get("verdict")
    return str(given) if given else None


def judge(wb: Workbench, who: Principal, incident_id: str, verdict: str, note: str = "") -> Incident:
    """The incident with a person's verdict; it counts for recurrence and figures, and closes nothing.

    Raises: InputError for another word, NotFound, Forbidden.
    """
    require(who, "incidents:write")
    if verdict not in VERDICTS:
        raise InputError(f"'{verdict}' is not a verdict.", hint=f"Known: {', '.join(VERDICTS)}.", field="verdict")

    def work(desk: Desk) -> Incident:
        current = desk.books.incidents.get(who.tenant, incident_id)
        entry: JsonObject = {"verdict": verdict, "by": who.user, "at": desk.now.isoformat(), "note": note[:2000]}
        after = max(desk.now, current.updated_at + timedelta(microseconds=1))
        line = TimelineEntry(
            desk.now, f"verdict: {verdict.replace('_', ' ')}" + (f" ({note})" if note else ""), who.user
        )
        judged = replace(
            current,
            body={**current.body, "verdict": entry},
            updated_at=after,
            timeline=(*current.timeline, line),
        )
        desk.books.incidents.save(judged, expected=current.updated_at)
        desk.books.audit.append(
            who.tenant, "person", "incident_verdict", {"actor": who.user, **entry}, desk.now,
            incident_id=incident_id, correlation_id=current.run_id, approved_by=who.user,
        )  # fmt: skip
        return judged

    return attempt(wb, work)
