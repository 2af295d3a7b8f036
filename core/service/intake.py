"""Incidents and findings that other programs report."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core import telemetry
from core.access import Principal, require
from core.act.channels import audience
from core.decide import lifecycle
from core.decide.severity import lenient
from core.errors import InputError, StoreError
from core.model import Action, Incident, IncidentStatus, Json, JsonObject, Proposal, Severity, TimelineEntry
from core.service import actions, alerts
from core.service.desk import Desk, attempt
from core.service.workbench import Workbench

AHEAD = timedelta(minutes=5)  # a reporter's clock may be ahead by this much
MOST_REPORTS = 10


class NotPersisted(StoreError):
    """A reported incident could not be kept."""

    code = "INCIDENT_PERSISTENCE_FAILED"


@dataclass(frozen=True, slots=True)
class Reported:
    """An incident as another program tells it."""

    service: str
    type: str
    severity: str
    title: str
    playbook: str = "service_incidents"
    dedup_key: str = ""
    detected_at: datetime | None = None
    text: str = ""
    metrics: JsonObject = field(default_factory=dict)


def create(wb: Workbench, who: Principal, reported: Reported) -> tuple[Incident, bool]:
    """The incident, and whether it is new: a repeat of an open one is another occurrence of that.

    People are alerted as by a run: once, and again when it is worse or comes back; the next tick sends the messages.

    Raises: NotPersisted when the store is down; InputError for a time that is still to come; Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    if reported.detected_at is not None and reported.detected_at > now + AHEAD:
        raise InputError("The time of detection is still to come.", field="detected_at")
    try:
        incident, isnew = attempt(wb, lambda desk: _kept(wb, desk, who, reported))
    except StoreError as error:
        raise NotPersisted("The incident could not be kept; nothing was changed.", hint=error.hint) from error
    if isnew:
        telemetry.incident_created(incident.severity.name, incident.subject)
    return incident, isnew


def _kept(wb: Workbench, desk: Desk, who: Principal, reported: Reported) -> tuple[Incident, bool]:
    fresh = _fresh(who, reported, desk.now)
    current = desk.books.incidents.find_latest(who.tenant, fresh.dedup_key)
    dismissed = current is not None and current.status is IncidentStatus.DISMISSED
    if current is not None and dismissed and fresh.severity <= current.severity:
        return current, False
    isnew = current is None or lifecycle.on_repeat(current, desk.now) is lifecycle.Repeat.NEW
    if current is None or isnew:
        desk.books.incidents.add(fresh)
        incident, news = fresh, True
    else:
        seen = replace(fresh, title=current.title, run_id=current.run_id, body={**current.body, **fresh.body})
        incident, rose = lifecycle.repeat(current, seen, desk.now)
        desk.books.incidents.save(incident, expected=current.updated_at)
        news = rose or current.status is IncidentStatus.RESOLVED or not current.alerted
    if news:
        _alert(wb, desk, incident, who)
    _audit(desk, who, incident, "incident_reported", {"new": isnew, "severity": incident.severity.name})
    return incident, isnew


def _alert(wb: Workbench, desk: Desk, incident: Incident, who: Principal) -> None:
    """Stores the incident's alert with it, where its playbook is one of events that alert by themselves."""
    playbook = wb.events.get(incident.playbook)
    if playbook is None or not playbook.notify.auto:
        return
    message = alerts.alert(wb, playbook, (incident,))
    for name in audience(wb.channels, message.severity):
        alerts.enqueue(wb, desk.books, message, name, who.tenant, incident.run_id, who, desk.now)


def _fresh(who: Principal, reported: Reported, now: datetime) -> Incident:
    severity, note = lenient(reported.severity)
    detected = reported.detected_at or now
    lines = [TimelineEntry(now, f"reported {severity.name}: {reported.title}", who.user)]
    lines += [TimelineEntry(now, note, who.user)] if note else []
    body: dict[str, Json] = {"metrics": reported.metrics} if reported.metrics else {}
    if reported.text:
        body["reported"] = reported.text
    return Incident(
        incident_id="INC-" + secrets.token_hex(4).upper(),
        tenant=who.tenant,
        playbook=reported.playbook,
        dedup_key=reported.dedup_key or f"service:{reported.service}:{reported.type}",
        type=reported.type,
        severity=severity,
        status=IncidentStatus.OPEN,
        title=reported.title,
        subject=reported.service,
        detected_at=detected,
        created_at=now,
        updated_at=now,
        run_id="",
        body=body,
        timeline=tuple(lines),
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of incidents and how many there are in all."""

    items: tuple[Incident, ...]
    total: int


def page(
    wb: Workbench,
    who: Principal,
    *,
    statuses: Sequence[IncidentStatus] = (),
    severities: Sequence[Severity] = (),
    service: str | None = None,
    playbook: str | None = None,
    sort: str = "created_at",
    descending: bool = True,
    number: int = 1,
    size: int = 20,
) -> Page:
    """One page of the tenant's incidents."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        items, total = books.incidents.page(
            who.tenant,
            statuses=statuses,
            severities=severities,
            subject=service,
            playbook=playbook,
            sort=sort,
            descending=descending,
            offset=(number - 1) * size,
            limit=size,
        )
    return Page(items, total)


def report(
    wb: Workbench,
    who: Principal,
    incident_id: str,
    agent: str,
    *,
    rcca: JsonObject | None = None,
    proposals: Sequence[Proposal] = (),
) -> tuple[Incident, tuple[Action, ...]]:
    """The incident with an agent's root cause report beside our own explanation, and its proposals as actions.

    What an agent claims is never our evidence: its confidence opens no gate, and each of its proposals needs a person.
    Raises: NotFound, Forbidden.
    """
    require(who, "incidents:write")
    incident = attempt(wb, lambda desk: _reported(desk, who, incident_id, agent, rcca, len(proposals)))
    careful = [replace(p, requires_approval=True) for p in proposals]
    return incident, actions.propose(wb, incident, careful) if careful else ()


def _reported(
    desk: Desk, who: Principal, incident_id: str, agent: str, rcca: JsonObject | None, proposed: int
) -> Incident:
    current = desk.books.incidents.get(who.tenant, incident_id)
    incident, event = current, f"{agent} proposed {proposed} {'action' if proposed == 1 else 'actions'}"
    if rcca is not None:
        before = current.body.get("reports")
        entry: JsonObject = {"agent": agent, "actor": who.user, "at": desk.now.isoformat(), "rcca": rcca}
        kept = [entry, *(before if isinstance(before, list) else [])][:MOST_REPORTS]
        incident = replace(current, body={**current.body, "reports": kept})
        event = f"{agent} reported: {rcca.get('root_cause')}"
    incident = desk.tell(incident, current, [event], who.user)
    _audit(desk, who, incident, "agent_report", {"agent": agent, "rcca": rcca, "proposals": proposed})
    return incident


def _audit(desk: Desk, who: Principal, incident: Incident, what: str, more: JsonObject) -> None:
    desk.books.audit.append(
        who.tenant,
        "api",
        what,
        {"actor": who.user, **more},
        desk.now,
        incident_id=incident.incident_id,
        correlation_id=incident.run_id,
    )
