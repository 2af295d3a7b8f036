"""Telling people: the message is composed once, shown exactly, kept in the outbox, and sent with retries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core import telemetry
from core.access import Principal, require
from core.act.channels import NEEDS, Channel, channels
from core.act.delivery import next_attempt
from core.act.message import Message
from core.errors import ConfigError, Conflict, NotFound, WorkbenchError
from core.model import (
    Delivery,
    DeliveryState,
    Incident,
    IncidentStatus,
    Json,
    Light,
    Notification,
    Run,
    TimelineEntry,
)
from core.service.alerts import told
from core.service.desk import correlation_of
from core.service.reports import artifact, artifact_name
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.records import Leased

LEASE_S = 60.0
SLACK = ("slack", "slack_bot")
RECOVERED = "recovered"  # begins the dedup key of a recovery message


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel as the page shows it. ``needs`` names the settings that would switch it on."""

    name: str
    title: str
    on: bool
    needs: str
    recipient: str = ""  # who is reached; empty when off


def message(wb: Workbench, run: Run) -> Message:
    """What there is to tell of a kept run, whatever the channel. Raises: NotFound for a refused run."""
    if run.light is None:
        raise NotFound(f"Run {run.id} was refused; there is nothing to send.", field="run")
    explanation, decision = _first(run, "explanations"), _first(run, "decisions")
    incident_id = decision.get("incident_id")
    said = Message(
        light=run.light,
        subject=_subject(wb, run),
        title=run.headline,
        summary=str(explanation["summary"]),
        drivers=tuple(f"{d['metric']} ({d['system']}): {d['evidence']}" for d in _rows(explanation["drivers"])),
        actions=tuple(str(a) for a in _list(explanation["recommended_actions"])),
        confidence=float(str(decision["confidence"])),
        link=link(wb, run),
        playbook=run.playbook,
        as_of=_day(run),
        dedup_key=_topic(run),
        run_id=run.id,
        incident_id=str(incident_id) if incident_id else None,
        report=artifact(run),
        report_name=artifact_name(wb, run.playbook),
    )
    return replace(said, dedup_key=f"{said.dedup_key}:{said.digest()}")


def link(wb: Workbench, run: Run) -> str:
    """Where the message's link leads: the page with this source and period."""
    base = wb.ctx.settings.telltale_public_url.rstrip("/")
    return f"{base}/?source={run.playbook}&today_date={_day(run)}"


def _subject(wb: Workbench, run: Run) -> str:
    from core.playbook import NotifySpec

    known = wb.playbooks.get(run.playbook)
    template = (known.notify if known else NotifySpec()).subject
    light = str(run.light)
    filled = template.replace("{LIGHT}", light.upper()).replace("{light}", light)
    return filled.replace("{date}", _day(run)).replace("{name}", run.playbook)


def _topic(run: Run) -> str:
    """What every message about this day and light has in its key, whatever it says."""
    return f"{run.playbook}:{_day(run)}:{run.light}"


def _day(run: Run) -> str:
    day = run.report.get("report")
    assert isinstance(day, dict)
    return str(day["target_date"])


def preview(wb: Workbench, run: Run, channel: str) -> Notification:
    """The message exactly as it will be sent. Raises: ConfigError when the channel is off, NotFound when unknown."""
    return _channel(wb, channel).compose(message(wb, run))


def _channel(wb: Workbench, name: str) -> Channel:
    if name not in wb.channels:
        raise ConfigError(
            f"The channel {name} is off.", hint="Configure it in .env; see .env.example.", field="channel"
        )
    return wb.channels[name]


def already_sent(wb: Workbench, who: Principal, notification: Notification) -> Delivery | None:
    """The delivery of an identical message that is queued or sent."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.outbox.find_sent(who.tenant, notification.dedup_key)


def told_before(wb: Workbench, who: Principal, run: Run, channel: str) -> Delivery | None:
    """The newest delivery by this channel about the same day and light, whatever it said."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.outbox.find_about(who.tenant, f"{channel}:{_topic(run)}:")


def send(wb: Workbench, who: Principal, run_id: str, channel: str, *, again: bool = False) -> Delivery:
    """Queues the message of a kept run and tries it at once; answers what became of it.

    Raises: Conflict when an identical message went out before and ``again`` is not set; Forbidden.
    """
    require(who, "incidents:write")
    with wb.store.read() as books:
        run = books.runs.get(who.tenant, run_id)
    return send_composed(wb, who, preview(wb, run, channel), "message_queued", again=again)


def send_composed(wb: Workbench, who: Principal, notification: Notification, action: str, *, again: bool) -> Delivery:
    """Queues the message under the person's name and tries it at once."""
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    decision: dict[str, Json] = {
        "channel": notification.channel,
        "recipient": notification.recipient,
        "subject": notification.subject,
        "again": again,
        "actor": who.user,
    }
    with wb.store.begin() as books:
        queued = books.outbox.enqueue(notification, who.tenant, who.user, now, again=again)
        books.audit.append(
            who.tenant,
            "act",
            action,
            {**decision, "delivery": queued.id},
            now,
            incident_id=notification.incident_id,
            approved_by=who.user,
            correlation_id=correlation_of(books, who.tenant, notification.incident_id, notification.run_id),
        )
    deliver(wb, f"send-{queued.id}")
    with wb.store.read() as books:
        return books.outbox.get(who.tenant, queued.id)


def retry(wb: Workbench, who: Principal, delivery_id: str, *, again: bool = False) -> Delivery:
    """Sends a message that was given up once more, unchanged, as a new delivery of the person who asks.

    Raises: Conflict when it was not given up, or when an identical message went out meanwhile and ``again`` is not
    set; NotFound; Forbidden.
    """
    require(who, "incidents:write")
    with wb.store.read() as books:
        old = books.outbox.get(who.tenant, delivery_id)
        notification = books.outbox.payload(who.tenant, delivery_id)
    if old.state is not DeliveryState.FAILED:
        raise Conflict(f"This message is {old.state}; only one that was given up can be retried.", field="delivery")
    return send_composed(wb, who, notification, "message_retried", again=again)


def recovery_preview(wb: Workbench, who: Principal, incident_id: str, channel: str) -> Notification:
    """The message that an incident is resolved, exactly as it will be sent.

    Raises: Conflict when the incident is not resolved or nobody was alerted of it; ConfigError; NotFound.
    """
    require(who, "incidents:read")
    with wb.store.read() as books:
        incident = books.incidents.get(who.tenant, incident_id)
        run = books.runs.get(who.tenant, incident.run_id)
    return _channel(wb, channel).compose(_recovered(wb, incident, run))


def recovery(wb: Workbench, who: Principal, incident_id: str, channel: str, *, again: bool = False) -> Delivery:
    """Tells the people who were alerted that the incident is resolved; answers what became of the message.

    Raises: Conflict when it is not resolved, when nobody was alerted, or when they were told before and ``again`` is
    not set; ConfigError when the channel is off; Forbidden.
    """
    require(who, "incidents:write")
    return send_composed(wb, who, recovery_preview(wb, who, incident_id, channel), "recovery_queued", again=again)


def _recovered(wb: Workbench, incident: Incident, run: Run) -> Message:
    if incident.status not in (IncidentStatus.RESOLVED, IncidentStatus.CLOSED) or incident.resolved_at is None:
        raise Conflict(f"{incident.incident_id} is {incident.status}; there is no recovery to tell.", field="status")
    if not incident.alerted:
        raise Conflict(f"Nobody was alerted of {incident.incident_id}, so nobody needs to hear that it is resolved.")
    at = incident.resolved_at
    opened = incident.created_at
    return Message(
        light=Light.GREEN,
        subject=f"[Telltale RESOLVED] {incident.incident_id} {_day(run)}",
        title=f"Resolved: {incident.title}",
        summary=f"{incident.incident_id} was resolved by {incident.resolved_by} on {at:%Y-%m-%d %H:%M} UTC. "
        f"It had been open since {opened:%Y-%m-%d %H:%M} UTC.",
        drivers=(),
        actions=(),
        confidence=float(str(_first(run, "decisions")["confidence"])),
        link=f"{wb.ctx.settings.telltale_public_url.rstrip('/')}/incidents?incident={incident.incident_id}",
        playbook=incident.playbook,
        as_of=_day(run),
        dedup_key=f"{RECOVERED}:{incident.incident_id}:{at.isoformat()}",
        run_id=incident.run_id,
        incident_id=incident.incident_id,
    )


def test_message(wb: Workbench, who: Principal, channel: str) -> Delivery:
    """Sends a labelled test message. Raises: ConfigError when the channel is off; Forbidden."""
    require(who, "tools:manage")
    now = wb.ctx.clock.now()
    note = Message(
        light=Light.GREEN,
        subject="[Telltale TEST] channel check",
        title="This is a test message",
        summary="Somebody pressed the test button on the Alerts page. Nothing happened to your data.",
        drivers=(),
        actions=(),
        confidence=1.0,
        link=wb.ctx.settings.telltale_public_url,
        playbook="test",
        as_of=now.strftime("%Y-%m-%d %H:%M:%S"),
        dedup_key=f"test:{now.isoformat()}",
        run_id=f"test-{now.timestamp():.0f}",
    )
    return send_composed(wb, who, _channel(wb, channel).compose(note), "test_message", again=True)


def deliver(wb: Workbench, owner: str, limit: int = 10, now: datetime | None = None) -> int:
    """Sends what is due (by ``now``); answers how many were tried. Each channel fails for itself."""
    now = now or wb.ctx.clock.now()
    with wb.store.begin() as books:
        leased = books.outbox.lease_due(now, owner, LEASE_S, limit)
    for item in leased:
        _attempt(wb, owner, item)
    return len(leased)


def _attempt(wb: Workbench, owner: str, item: Leased) -> None:
    name = item.notification.channel
    try:
        reference = _channel(wb, name).send(item.notification, item.delivery, wb.ctx)
    except WorkbenchError as exc:
        telemetry.adapter_failed(name)
        _failed(wb, owner, item, exc)
        return
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.outbox.mark_sent(item.delivery.id, reference, now)
        _audit(books, item, "message_sent", {"reference": reference}, now)
    if name in SLACK:
        telemetry.slack_notified()
    _tell_incident(wb, item, reference, now)


def _failed(wb: Workbench, owner: str, item: Leased, error: WorkbenchError) -> None:
    now = wb.ctx.clock.now()
    again = next_attempt(item.delivery.id, item.delivery.attempts, error, now)
    with wb.store.begin() as books:
        if again is None:
            books.outbox.mark_failed(item.delivery.id, owner, str(error))
        else:
            books.outbox.mark_retry(item.delivery.id, owner, again, str(error))
        _audit(books, item, "message_failed", {"error": str(error), "final": again is None}, now)


def _tell_incident(wb: Workbench, item: Leased, reference: str, now: datetime) -> None:
    """The incident's timeline has the message. Apart from marking it sent: undone, that would send it twice."""
    for _ in range(2):
        try:
            with wb.store.begin() as books:
                _note_alert(books, item, reference, now)
        except Conflict:  # somebody changed the incident at the same moment; look again
            continue
        return


def _note_alert(books: Books, item: Leased, reference: str, now: datetime) -> None:
    """The incident knows that people were told; a recovery message may follow only then."""
    if item.notification.incident_id is None:
        return
    channel, about = item.notification.channel, item.notification.dedup_key.partition(":")[2].partition(":")[0]
    what = {RECOVERED: "recovery message", "approval": "question", "moved": "change"}.get(about, "alert")
    entry = TimelineEntry(now, f"{what} sent by {channel}", item.delivery.created_by)
    for incident_id in told(item.notification.dedup_key, item.notification.incident_id):
        incident = books.incidents.get(item.tenant, incident_id)
        after = max(now, incident.updated_at + timedelta(microseconds=1))
        known = replace(incident, updated_at=after, timeline=(*incident.timeline, entry))
        if channel == "jira":
            known = replace(known, body={**known.body, "ticket_key": reference})
        elif what == "alert":
            known = replace(known, alerted=True)
        books.incidents.save(known, expected=incident.updated_at)


def _audit(books: Books, item: Leased, action: str, more: dict[str, Json], now: datetime) -> None:
    books.audit.append(
        item.tenant,
        "act",
        action,
        {
            "delivery": item.delivery.id,
            "channel": item.notification.channel,
            "attempt": item.delivery.attempts,
            "actor": item.delivery.created_by,
            **more,
        },
        now,
        incident_id=item.notification.incident_id,
        correlation_id=correlation_of(books, item.tenant, item.notification.incident_id, item.notification.run_id),
    )


def channel_states(wb: Workbench) -> tuple[ChannelState, ...]:
    """Every channel there is, on or off, with what would switch it on."""
    return tuple(
        ChannelState(cls.name, cls.title, on is not None, "" if on else NEEDS[cls.name], on.recipient if on else "")
        for cls in channels
        for on in (wb.channels.get(cls.name),)
    )


def _first(run: Run, key: str) -> dict[str, Json]:
    rows = run.report[key]
    assert isinstance(rows, list)
    row = rows[0]
    assert isinstance(row, dict)
    return row


def _rows(value: Json) -> list[dict[str, Json]]:
    return [row for row in _list(value) if isinstance(row, dict)]


def _list(value: Json) -> list[Json]:
    assert isinstance(value, list)
    return value
