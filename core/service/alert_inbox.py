"""The inbox of alerts: kept before they are answered, decided in batches, each exactly once."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core import telemetry
from core.access import Principal, require
from core.alert import Alert, alert_doc, items, mapping
from core.errors import Conflict, InputError, NotFound, StoreError, WorkbenchError
from core.events import EventFiles
from core.load.alert_reading import normalise
from core.load.alerts import NORMAL, parse_json
from core.model import ActionState, Incident, Json, JsonObject, Look, Proposal, Run, TimelineEntry
from core.service import actions, alert_contexts, alerts, casework
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.received import REJECTED, Inboxed, NewAlert, Outcome

PLAYBOOK = "data_incidents"
BATCH = 1000
LEASE_S = 120.0
SPLIT_AFTER = 5  # attempts whose process died; then each alert is tried by itself
KEPT_REFUSED = 2000  # characters of a refused body
REPLAYED_WITHIN = timedelta(minutes=10)
ARRIVED = threading.Event()  # wakes this process's background
log = logging.getLogger("telltale")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one payload: the ids of its alerts, and how many of them were known already."""

    alert_ids: tuple[str, ...]
    new: int
    repeated: int
    notes: tuple[str, ...]


def receive(wb: Workbench, who: Principal, body: bytes, *, message: str = "") -> Receipt:
    """Keeps every alert of a payload, durably; what was told before is one more delivery of it.

    ``message`` is the id under which a sender repeats a delivery: the same one again is not counted.
    Raises: InputError naming the field, StoreError when nothing was kept; Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    try:
        payload = parse_json(body)
        found = normalise(payload, now)
    except InputError as error:
        text, why = body[:KEPT_REFUSED].decode("utf-8", "replace"), str(error)
        wb.store.add(lambda books: books.received.reject(who.tenant, text, why, who.user, now))
        raise
    raws = _pieces(payload, found)
    rows = [_row(who, alert, raw, now) for alert, raw in zip(found, raws, strict=True)]

    def work(books: Books) -> int:
        if message and not books.replays.first_use(f"alert:{who.tenant}:{message}", now, REPLAYED_WITHIN):
            return 0
        return len(books.received.add(rows))

    new = wb.store.add(work)
    telemetry.alerts_received(new, len(rows) - new)
    ARRIVED.set()
    notes = tuple(dict.fromkeys(note for alert in found for note in alert.notes))
    return Receipt(tuple(a.alert_id for a in found), new, len(rows) - new, notes)


def _pieces(payload: Json, found: Sequence[Alert]) -> Sequence[Json]:
    """The part of the payload that each alert came from: its own of a list, else all of it."""
    parts = items(mapping(payload).get("alerts"))
    return parts if len(parts) == len(found) > 1 else [payload] * len(found)


def _row(who: Principal, alert: Alert, raw: Json, now: datetime) -> NewAlert:
    return NewAlert(
        tenant=who.tenant,
        key=key_of(alert.source, alert.alert_id),
        source=alert.source,
        alert_id=alert.alert_id,
        title=alert.title,
        severity=alert.severity,
        alert=alert_doc(alert),
        raw=raw,
        received_at=now,
        received_by=who.user,
    )


def key_of(source: str, alert_id: str) -> str:
    """What makes two deliveries one alert. Source: DI-03."""
    return hashlib.sha256(f"{source}\n{alert_id}".encode("utf-8", "replace")).hexdigest()


# --- Deciding ---------------------------------------------------------------------------------------------------------


def tick(wb: Workbench, most: int = 100) -> int:
    """Decides what waits, over all tenants; answers how many alerts that was. Any number of processes may tick."""
    handled = 0
    for _ in range(most):
        with wb.store.begin() as books:
            batch = books.received.claim(wb.ctx.clock.now(), LEASE_S, BATCH)
        if not batch:
            break
        handled += _processed(wb, batch)
    return handled + _count_repeats(wb)


def _processed(wb: Workbench, batch: Sequence[Inboxed]) -> int:
    """Decides a batch. One that breaks is tried alert by alert, and the alert that broke it by its name alone."""
    who, key = Principal("inbox", batch[0].tenant, "responder"), f"alerts:{batch[0].batch}"
    if (kept := _kept(wb, who, key)) is not None:  # a process died after it had decided
        return _finished(wb, who, batch, kept)
    if len(batch) > 1 and batch[0].attempts > SPLIT_AFTER:
        return _split(wb, batch)
    try:
        run = casework.run(wb, who, PLAYBOOK, files=_files(wb, batch, bare=False), kind="webhook", key=key)
    except StoreError:
        raise  # the lease runs out, and the batch is tried again as it is
    except Exception:  # whatever one alert broke must not keep the others of its batch from being decided
        log.exception("%d alerts could not be decided together", len(batch))
        if (kept := _kept(wb, who, key)) is not None:
            return _finished(wb, who, batch, kept)
        if len(batch) > 1:
            return _split(wb, batch)
        run = casework.run(wb, who, PLAYBOOK, files=_files(wb, batch, bare=True), kind="webhook", key=key)
    return _finished(wb, who, batch, run)


def _kept(wb: Workbench, who: Principal, key: str) -> Run | None:
    with wb.store.read() as books:
        return books.runs.by_key(who.tenant, key)


def _split(wb: Workbench, batch: Sequence[Inboxed]) -> int:
    with wb.store.begin() as books:
        books.received.release([row.id for row in batch])
    return 0


def _finished(wb: Workbench, who: Principal, batch: Sequence[Inboxed], run: Run) -> int:
    if batch[0].attempts > 1:  # the process that began this may have died before it proposed anything
        _propose_again(wb, who, run)
    with wb.store.begin() as books:
        assert batch[0].batch is not None
        books.received.finish(batch[0].batch, run.id, outcomes(batch, run.report), wb.ctx.clock.now())
    return len(batch)


def _files(wb: Workbench, batch: Sequence[Inboxed], *, bare: bool) -> EventFiles:
    """The alerts of the batch with the context of now. A bare alert has no fields but its name."""
    docs = [_bare(row.alert) if bare else row.alert for row in batch]
    given = {f"{NORMAL}{n:05d}.json": json.dumps(doc).encode() for n, doc in enumerate(docs)}
    return {**alert_contexts.files(wb, batch[0].tenant), **given}


def _bare(alert: Json) -> JsonObject:
    kept = mapping(alert)
    empty: dict[str, Json] = {k: {} for k in ("metric", "related_context", "business_context", "raw_data")}
    note = "It could not be judged by its fields; people are told. See the raw alert in the inbox."
    return {**kept, **empty, "correlated_alerts": [], "kind": "other", "severity": _at_least_medium(kept),
            "notes": [note]}  # fmt: skip


def _at_least_medium(alert: JsonObject) -> str:
    return "MEDIUM" if alert.get("severity") == "LOW" else str(alert.get("severity"))


def outcomes(batch: Sequence[Inboxed], report: JsonObject) -> dict[str, Outcome]:
    """The incident and the action of every alert of a batch, by its id in the inbox. Source: DI-14."""
    decided = {str(mapping(d).get("incident_id")): mapping(d) for d in items(report.get("decisions"))}
    place = {(str(mapping(i).get("subject")), str(mapping(i).get("type"))): str(mapping(i).get("incident_id"))
             for i in items(report.get("incidents"))}  # fmt: skip
    incident_of: dict[tuple[str, str], str] = {}
    for finding in map(mapping, items(report.get("findings"))):
        incident = place.get((str(finding.get("subject")), str(finding.get("type"))))
        for name in items(mapping(finding.get("details")).get("alert_ids")):
            source, alert_id = (str(part) for part in items(name))
            if incident is not None:
                incident_of[source, alert_id] = incident
    return {row.id: _outcome(row, incident_of, decided) for row in batch}


def _outcome(row: Inboxed, incident_of: Mapping[tuple[str, str], str], decided: Mapping[str, JsonObject]) -> Outcome:
    if mapping(row.alert).get("resolved") is True:
        return Outcome(None, "log_only", "said that it is resolved")
    incident = incident_of.get((row.source, row.alert_id))
    action = str(decided.get(incident or "", {}).get("recommended_action") or "notify_team")
    return Outcome(incident, action)


def _propose_again(wb: Workbench, who: Principal, run: Run) -> None:
    """The proposals that the run's incidents call for: those there are already stay as they are."""
    for row in map(mapping, items(run.report.get("incidents"))):
        drafts = [_draft(mapping(d)) for d in items(row.get("drafts"))]
        if not drafts:
            continue
        with wb.store.read() as books:
            incident = books.incidents.get(who.tenant, str(row["incident_id"]))
        asked = [a for a in actions.propose(wb, incident, drafts) if a.state is ActionState.PROPOSED]
        with wb.store.begin() as books:
            for action in asked:
                if not action.proposal.is_reading:
                    alerts.ask_approval(wb, books, incident, action, who.user, wb.ctx.clock.now())


def _draft(row: JsonObject) -> Proposal:
    return Proposal(**row)  # type: ignore[arg-type]


def _count_repeats(wb: Workbench) -> int:
    """Every further delivery of a decided alert is an occurrence of its incident, without another message."""
    try:
        with wb.store.begin() as books:
            again = books.received.again()
            for row in again:
                if row.incident_id is not None:
                    _occurred(books, row, wb.ctx.clock.now())
                books.received.counted(row.id, row.deliveries)
    except Conflict:  # somebody changed an incident meanwhile: the next tick counts
        return 0
    return len(again)


def _occurred(books: Books, row: Inboxed, now: datetime) -> None:
    current = books.incidents.get(row.tenant, row.incident_id or "")
    more = row.deliveries - row.counted
    entry = TimelineEntry(now, f"{row.source} sent {row.alert_id} again ({more} more)", "inbox")
    after = max(now, current.updated_at + timedelta(microseconds=1))
    told = replace(
        current, occurrences=current.occurrences + more, updated_at=after, timeline=(*current.timeline, entry)
    )
    books.incidents.save(told, expected=current.updated_at)


# --- Reading ----------------------------------------------------------------------------------------------------------


def listing(
    wb: Workbench,
    who: Principal,
    *,
    states: Sequence[str] = (),
    source: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[Inboxed, ...]:
    """Received alerts and refused bodies of the person's tenant, newest first."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.received.list(who.tenant, states=states, source=source, limit=limit, offset=offset)


def get(wb: Workbench, who: Principal, ident: str) -> Inboxed:
    """One received alert with its raw body. Raises: NotFound, Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.received.get(who.tenant, ident)
    if found is None:
        raise NotFound(f"There is no received alert '{ident}'.", field="alert")
    return found


@dataclass(frozen=True, slots=True)
class Volume:
    """How many alerts and deliveries came in. ``by_action`` are decided ones; ``refused`` were no alerts."""

    alerts: int
    deliveries: int
    waiting: int
    refused: int
    by_action: Mapping[str, int]
    by_source: Mapping[str, int]


def volume(wb: Workbench, who: Principal, since: datetime | None = None) -> Volume:
    """What came in since then."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        rows = books.received.counts(who.tenant, since)
    kept = [r for r in rows if r[0] != REJECTED]
    actions_, sources = dict[str, int](), dict[str, int]()
    for _, action, source, n, _ in kept:
        sources[source] = sources.get(source, 0) + n
        if action:
            actions_[action] = actions_.get(action, 0) + n
    return Volume(
        alerts=sum(r[3] for r in kept),
        deliveries=sum(r[4] for r in kept),
        waiting=sum(r[3] for r in kept if not r[1]),
        refused=sum(r[3] for r in rows if r[0] == REJECTED),
        by_action=actions_,
        by_source=sources,
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """What a payload would come to: its alerts as they were understood, and the look, without any effect."""

    alerts: tuple[Alert, ...]
    look: Look


def trial(wb: Workbench, who: Principal, text: str) -> Trial:
    """A pasted payload judged as if it came in now; nothing is kept or sent. Raises: InputError, Forbidden."""
    require(who, "incidents:read")
    found = normalise(parse_json(text.encode()), wb.ctx.clock.now())
    given = {f"{NORMAL}{n:05d}.json": json.dumps(alert_doc(a)).encode() for n, a in enumerate(found)}
    files = {**alert_contexts.files(wb, who.tenant), **given}
    return Trial(found, casework.preview(wb, who, PLAYBOOK, files=files))


def of_incident(wb: Workbench, who: Principal, incident: Incident) -> tuple[Inboxed, ...]:
    """The received alerts of an incident, newest first."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.received.of_incident(who.tenant, incident.incident_id)


def background(wb: Workbench, stop: threading.Event, pause_s: float, gather_s: float = 0.2) -> None:
    """Ticks until it is told to stop: soon after an alert arrived here, else every ``pause_s``."""
    while not stop.is_set():
        ARRIVED.wait(pause_s)
        if stop.wait(gather_s):  # a storm comes in many requests; they are one batch
            return
        ARRIVED.clear()
        try:
            tick(wb)
        except WorkbenchError:
            log.exception("alerts could not be decided; their lease runs out and they are tried again")
        except Exception:  # the edge of the thread: if it ended, no alert would be decided until a restart
            log.exception("an alert broke its batch; it is tried again by itself")
