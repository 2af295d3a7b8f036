"""Alerts of incidents: one message per group, queued with the incidents themselves so that none is lost."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from core.access import Principal, require
from core.act.channels import audience
from core.act.message import Button, Message
from core.audit.report import to_json
from core.decide.decision import LIGHT
from core.decide.lifecycle import comebacks
from core.errors import ConfigError, Conflict
from core.model import (
    Action,
    Delivery,
    DeliveryState,
    Incident,
    IncidentStatus,
    Json,
    JsonObject,
    Light,
    Look,
    Notification,
    Run,
)
from core.playbook import EventPlaybook
from core.service import decision_words
from core.service.alert_groups import grouped, headline
from core.service.desk import correlation, correlation_of
from core.service.workbench import Workbench
from core.store.books import Books

if TYPE_CHECKING:
    from core.service.casework import Kept

QUICK_WAIT_S = 1.0  # a run from the shell ends with its messages sent or given up, so its retries do not wait long
IDS = re.compile(r"INC-[0-9A-F]{8}")
MOST_FACTS = 14
MOST_TEXT = 80
MOST_TOLD = 10  # incidents of a message that are told at length
BEFORE_QUESTIONS = timedelta(milliseconds=1)  # people read of an incident before they are asked about its actions


def queue(
    wb: Workbench,
    books: Books,
    playbook: EventPlaybook,
    look: Look,
    kept: Sequence[Kept],
    recovered: Sequence[Incident],
    who: Principal,
    now: datetime,
) -> tuple[Delivery, ...]:
    """Stores every alert and recovery message that this look calls for, one per group and channel."""
    messages = [(alert(wb, playbook, group), quiet) for group, quiet in grouped(playbook, kept)]
    messages += [(recovery(wb, playbook, i), False) for i in recovered if i.alerted]
    queued = []
    for message, quiet in messages:
        for name in audience(wb.channels, message.severity):
            if quiet and name != "jira":  # what is only logged gets a ticket and disturbs nobody
                continue
            queued.append(enqueue(wb, books, message, name, look.trigger.tenant, look.run_id, who, now))
    return tuple(d for d in queued if d is not None)


def enqueue(
    wb: Workbench, books: Books, message: Message, name: str, tenant: str, run_id: str, who: Principal, now: datetime
) -> Delivery | None:
    """Stores one message for one channel; None when an identical one is queued or went out."""
    try:
        queued = books.outbox.enqueue(wb.channels[name].compose(message), tenant, who.user, now - BEFORE_QUESTIONS)
    except Conflict:
        return None
    books.audit.append(
        tenant,
        "act",
        "message_queued",
        {"delivery": queued.id, "channel": name, "recipient": queued.recipient, "actor": who.user, "again": False},
        now,
        incident_id=message.incident_id,
        correlation_id=correlation_of(books, tenant, message.incident_id, run_id),
    )
    return queued


def alert(wb: Workbench, playbook: EventPlaybook, incidents: Sequence[Incident]) -> Message:
    """What there is to tell of incidents of one group, the worst first; made from what is stored of them."""
    first = incidents[0]
    label = str(first.body.get("label") or first.subject)
    title, shown = headline(incidents, label), incidents[:MOST_TOLD]
    key = ",".join(sorted(map(_standing, incidents)))
    return Message(
        light=LIGHT[first.severity],
        subject=_subject(playbook, first, label, title),
        title=_subject(playbook, first, label, title),
        summary="\n\n".join(_told(i) for i in shown),
        drivers=tuple(f"{i.severity.name} {_words(i.type)}: {i.title}" for i in incidents)
        + tuple(line for i in shown for line in _evidence(i, 3)),
        actions=tuple(dict.fromkeys(text for i in shown for text in _recommended(i))),
        confidence=max(_confidence(i) for i in incidents),
        link=link(wb, playbook, first),
        playbook=playbook.name,
        as_of=first.detected_at.strftime("%Y-%m-%d %H:%M UTC"),
        dedup_key=f"alert:{key}",
        run_id=first.run_id,
        incident_id=first.incident_id,
        severity=first.severity,
        facts=_facts(playbook, incidents, label),
        body={**body(playbook, incidents), **({"status": str(first.status)} if comebacks(first) else {})},  # its ticket
    )


def _standing(incident: Incident) -> str:
    """What makes an alert of it the same alert: told again when it is worse, or is back after it was resolved."""
    back = comebacks(incident)
    return f"{incident.incident_id}={incident.severity.name}" + (f"#{back}" if back else "")


def recovery(wb: Workbench, playbook: EventPlaybook, incident: Incident) -> Message:
    """That an incident people were alerted of is in order again."""
    label = str(incident.body.get("label") or incident.subject)
    state = "resolved" if incident.status is IncidentStatus.RESOLVED else "in order again; an action is still in flight"
    by = f" by {incident.resolved_by}" if incident.resolved_by else ""
    return Message(
        light=Light.GREEN,
        subject=f"[RECOVERED] {label}: {_words(incident.type)}",
        title=f"[RECOVERED] {label}: {_words(incident.type)}",
        summary=f"{incident.incident_id} is {state}{by}. It was opened on {incident.created_at:%Y-%m-%d %H:%M} UTC.",
        drivers=(),
        actions=(),
        confidence=_confidence(incident),
        link=link(wb, playbook, incident),
        playbook=playbook.name,
        as_of=incident.updated_at.strftime("%Y-%m-%d %H:%M UTC"),
        dedup_key=f"recovered:{incident.incident_id}:{incident.occurrences}",
        run_id=incident.run_id,
        incident_id=incident.incident_id,
        severity=incident.severity,
        facts=(("Incident", incident.incident_id), ("Was", incident.title)),
        body={**body(playbook, (incident,)), "status": str(incident.status)},
    )


def request(wb: Workbench, playbook: EventPlaybook, incident: Incident, action: Action) -> Message:
    """That an action waits for somebody's yes, with both answers as buttons. Source: DP-18."""
    proposal, value = action.proposal, f"{incident.incident_id}|{action.action_id}"
    label = str(incident.body.get("label") or incident.subject)
    return Message(
        light=LIGHT[incident.severity],
        subject=f"Approval needed: {proposal.title}",
        title=f"Approval needed: {proposal.title}",
        summary=proposal.description,
        drivers=(),
        actions=(),
        confidence=_confidence(incident),
        link=link(wb, playbook, incident),
        playbook=playbook.name,
        as_of=action.proposed_at.strftime("%Y-%m-%d %H:%M UTC"),
        dedup_key=f"approval:{action.action_id}",
        run_id=incident.run_id,
        incident_id=incident.incident_id,
        severity=incident.severity,
        facts=(
            ("Action", f"{proposal.action_type} ({action.action_id})"),
            ("Incident", f"{incident.incident_id} {label}"),
            ("ETA", f"{proposal.eta_minutes} min"),
            ("Risk", f"{proposal.risk_score:.2f}"),
            ("Mode", "dry run: the request is only shown" if action.mode == "dry_run" else "live"),
        ),
        buttons=(Button("Approve", f"approve|{value}", "primary"), Button("Reject", f"reject|{value}", "danger")),
    )


def ask_approval(
    wb: Workbench, books: Books, incident: Incident, action: Action, actor: str, now: datetime
) -> Delivery | None:
    """Queues the question by the channel that can carry its answer; None where there is none or it was asked."""
    name = next((n for n in ("slack_bot", "slack") if n in wb.channels), None)
    if name is None:
        return None
    message = request(wb, wb.events[incident.playbook], incident, action)
    try:
        queued = books.outbox.enqueue(wb.channels[name].compose(message), incident.tenant, actor, now)
    except Conflict:
        return None
    books.audit.append(
        incident.tenant,
        "act",
        "message_queued",
        {"delivery": queued.id, "channel": name, "action": action.action_id, "actor": actor},
        now,
        incident_id=incident.incident_id,
        correlation_id=correlation(incident),
    )
    return queued


def follow(wb: Workbench, books: Books, incident: Incident, event: str, actor: str, now: datetime) -> None:
    """The incident's ticket, if it has one, gets the event as a comment and the status that goes with it."""
    if "jira" not in wb.channels or not incident.body.get("ticket_key") or incident.playbook not in wb.events:
        return
    message = replace(
        recovery(wb, wb.events[incident.playbook], incident),
        title=f"{incident.incident_id} is {incident.status}",
        summary=f"{event} (by {actor})",
        dedup_key=f"moved:{incident.incident_id}:{incident.updated_at.isoformat()}",
    )
    books.outbox.enqueue(wb.channels["jira"].compose(message), incident.tenant, actor, now)


def unhelpful(wb: Workbench, action: Action, incident: Incident) -> None:
    """Tells people that an action was carried out and did not help."""
    label = str(incident.body.get("label") or incident.subject)
    text = str(action.verify_result.get("text", ""))
    playbook = wb.events[incident.playbook]
    message = replace(
        alert(wb, playbook, (incident,)),
        subject=f"[{incident.severity.name}] {label}: {action.proposal.title} did not help",
        title=f"[{incident.severity.name}] {label}: {action.proposal.title} did not help",
        summary=text,
        dedup_key=f"unhelpful:{action.action_id}",
    )
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        for name in audience(wb.channels, message.severity):
            try:
                books.outbox.enqueue(wb.channels[name].compose(message), incident.tenant, "system", now)
            except Conflict:
                continue


def link(wb: Workbench, playbook: EventPlaybook, incident: Incident) -> str:
    """Where the message's link leads: the incident on the playbook's page."""
    base = wb.ctx.settings.telltale_public_url.rstrip("/")
    return f"{base}/{playbook.notify.page}?incident={incident.incident_id}"


def _subject(playbook: EventPlaybook, first: Incident, label: str, title: str) -> str:
    filled = playbook.notify.title.replace("{SEVERITY}", first.severity.name).replace("{label}", label)
    return filled.replace("{emoji}", decision_words.EMOJI[first.severity]).replace("{title}", title)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _explanation(incident: Incident) -> Mapping[str, Json]:
    found = incident.body.get("explanation")
    return found if isinstance(found, Mapping) else {}


def _told(incident: Incident) -> str:
    """Its explanation, else what the program that reported it said."""
    return str(_explanation(incident).get("text") or incident.body.get("reported") or incident.title)


def _confidence(incident: Incident) -> float:
    value = _explanation(incident).get("confidence")
    return float(value) if isinstance(value, int | float) else 0.0


def _rows(incident: Incident, key: str) -> list[Mapping[str, Json]]:
    found = incident.body.get(key)
    return [r for r in found if isinstance(r, Mapping)] if isinstance(found, list | tuple) else []


def _evidence(incident: Incident, most: int) -> list[str]:
    return [str(r.get("text", "")) for r in _rows(incident, "evidence")[:most]]


def _recommended(incident: Incident) -> list[str]:
    found = incident.body.get("recommendations")
    items = found if isinstance(found, list | tuple) else ()
    return [str(r["text"]) if isinstance(r, Mapping) else str(r) for r in items]


def _facts(playbook: EventPlaybook, incidents: Sequence[Incident], label: str) -> tuple[tuple[str, str], ...]:
    first = incidents[0]
    if told := decision_words.lines(first):
        return told
    metrics = first.body.get("metrics")
    figures = metrics.items() if isinstance(metrics, Mapping) else ()
    rows = [
        (playbook.title, label),
        ("Severity", first.severity.name),
        ("Type", ", ".join(_words(i.type) for i in incidents)),
        ("Detected", first.detected_at.strftime("%Y-%m-%d %H:%M UTC")),
        ("Incident", ", ".join(i.incident_id for i in incidents)),
        *((_words(str(k)).capitalize(), _figure(str(k), v)) for k, v in figures if _tells(v, label)),
    ]
    return tuple(rows[:MOST_FACTS])


def _tells(value: Json, label: str) -> bool:
    """Whether a metric is worth a line of a message: a figure or a short text that is not said already."""
    if isinstance(value, str):
        return bool(value) and value != label and not value.startswith("http") and len(value) <= MOST_TEXT
    return isinstance(value, int | float)


def _figure(name: str, value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.2%}" if name.endswith(("rate", "share")) else f"{value:,.4g}"
    return str(value)


def body(playbook: EventPlaybook, incidents: Sequence[Incident]) -> JsonObject:
    """The alert for programs: the worst incident's fields, and each one's where there are several. Source: PU-22."""
    rows: list[JsonObject] = [_row(playbook, i) for i in incidents]
    return {**rows[0], "incidents": rows} if len(rows) > 1 else rows[0]


def _row(playbook: EventPlaybook, incident: Incident) -> JsonObject:
    subject = "segmentId" if playbook.name == "segment_drift" else "subject"
    return {
        "incidentId": incident.incident_id,
        subject: incident.subject,
        "severity": incident.severity.name,
        "type": incident.type,
        "evidence": to_json(incident.body.get("evidence", [])),
    }


def after(wb: Workbench, run: Run, queued: Sequence[Delivery], who: Principal) -> Run:
    """Sends what was queued; the run with what became of each message."""
    from core.service import sending

    if not queued:
        return run
    owner = f"run-{run.id}"
    sending.deliver(wb, owner, limit=max(10, len(queued)))
    states = _states(wb, who, queued)
    while run.trigger == "cli" and (waiting := [d for d in states if d.state is DeliveryState.QUEUED]):
        time.sleep(QUICK_WAIT_S)
        due = max(d.next_attempt_at or wb.ctx.clock.now() for d in waiting)
        sending.deliver(wb, owner, limit=max(10, len(queued)), now=due)
        states = _states(wb, who, queued)
    done = replace(run, report={**run.report, "deliveries": to_json(states)})
    with wb.store.begin() as books:
        books.runs.save(done)
    return done


def _states(wb: Workbench, who: Principal, queued: Sequence[Delivery]) -> list[Delivery]:
    with wb.store.read() as books:
        return [books.outbox.get(who.tenant, d.id) for d in queued]


def told(dedup_key: str, incident_id: str) -> tuple[str, ...]:
    """The incidents that a message told of: a grouped alert names all of them in its key."""
    return tuple(dict.fromkeys([incident_id, *IDS.findall(dedup_key)]))


def preview(wb: Workbench, who: Principal, incident_id: str, channel: str) -> Notification:
    """The alert of an incident of an event playbook (its recovery once it is resolved), exactly as it will be sent.

    Raises: ConfigError when the channel is off; NotFound; Conflict for a recovery nobody waits for.
    """
    require(who, "incidents:read")
    with wb.store.read() as books:
        incident = books.incidents.get(who.tenant, incident_id)
    if channel not in wb.channels:
        raise ConfigError(f"The channel {channel} is off.", hint="See .env.example.", field="channel")
    playbook = wb.events[incident.playbook]
    if incident.status in (IncidentStatus.RESOLVED, IncidentStatus.CLOSED):
        if not incident.alerted:
            raise Conflict(f"Nobody was alerted of {incident_id}, so nobody needs to hear that it is resolved.")
        return wb.channels[channel].compose(recovery(wb, playbook, incident))
    return wb.channels[channel].compose(alert(wb, playbook, (incident,)))


def send(wb: Workbench, who: Principal, incident_id: str, channel: str, *, again: bool = False) -> Delivery:
    """Sends the alert (or recovery) of one incident by hand; answers what became of it.

    Raises: Conflict when an identical message went out and ``again`` is not set; ConfigError; Forbidden.
    """
    from core.service import sending

    require(who, "incidents:write")
    return sending.send_composed(wb, who, preview(wb, who, incident_id, channel), "message_queued", again=again)
