"""Running a playbook of events: look, then keep the run, its incidents, its alerts and its audit in one transaction."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core import telemetry
from core.access import Principal, require
from core.audit.report import action_json, cases_report, to_json
from core.decide import lifecycle
from core.errors import InputError
from core.events import EventFiles, Known, load_events, look_events, moment
from core.load.correlation import correlation_id
from core.model import (
    ActionState,
    Case,
    Delivery,
    Incident,
    IncidentStatus,
    Json,
    JsonObject,
    Light,
    Look,
    Run,
    Source,
    TimelineEntry,
    Trigger,
)
from core.playbook import EventPlaybook
from core.service import actions, alerts, dismissals, inputs, run_steps
from core.service.desk import Desk, correlation
from core.service.refusals import keep_refused
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.incidents import OPEN_STATES

AUTO = frozenset({"schedule", "cli", "api", "webhook"})  # triggers that alert by themselves


def preview(
    wb: Workbench, who: Principal, name: str, *, files: EventFiles | None = None, as_of: datetime | None = None
) -> Look:
    """What a run would find now, worded by the rules; nothing is kept."""
    require(who, "incidents:read")
    trigger = Trigger(kind="manual", actor="preview", tenant=who.tenant, as_of=as_of)
    return _look(wb, wb.events[name], trigger, files, run_id="preview", ask_model=False)


def run(
    wb: Workbench,
    who: Principal,
    name: str,
    *,
    files: EventFiles | None = None,
    as_of: datetime | None = None,
    kind: str = "manual",
    key: str | None = None,
    ask_model: bool = True,
) -> Run:
    """One run, kept with its report, incidents and audit; one by the clock, the API or the shell also alerts.

    Raises: InputError after keeping the run as ``failed_check`` when the data is refused.
    """
    require(who, "incidents:write")
    if key is not None:
        with wb.store.read() as books:
            if (done := books.runs.by_key(who.tenant, key)) is not None:
                return done
    playbook = wb.events[name]
    trigger = Trigger(kind=kind, actor=who.user, tenant=who.tenant, as_of=as_of, idempotency_key=key)
    started, run_id = wb.ctx.clock.now(), "run-" + secrets.token_hex(6)
    try:
        with telemetry.agent_run(name):
            look = _look(wb, playbook, trigger, files, run_id=run_id, ask_model=ask_model)
    except InputError as exc:
        keep_refused(wb, trigger, name, run_id, started, exc)
        raise
    return _keep(wb, playbook, look, who)


def _look(
    wb: Workbench, playbook: EventPlaybook, trigger: Trigger, files: EventFiles | None, *, run_id: str, ask_model: bool
) -> Look:
    at = moment(playbook, trigger.as_of, wb.ctx.clock.now())
    documents, known = inputs.documents(wb, playbook.name, trigger.tenant), known_cases(wb, playbook, trigger.tenant)
    given = (
        files
        if files is not None
        else inputs.files(wb, playbook, trigger.tenant, demo=playbook.demo_beside or not documents, at=at)
    )
    dataset = load_events(playbook, given, documents, wb.ctx, at)
    return look_events(
        playbook, dataset, trigger, wb.ctx, run_id=run_id, checker=wb.check, known=known, ask_model=ask_model
    )


def known_cases(wb: Workbench, playbook: EventPlaybook, tenant: str) -> Known:
    """The bodies of this playbook's open incidents, and of the newest resolved one of each subject and type."""
    with wb.store.read() as books:
        opened = books.incidents.list(tenant, statuses=OPEN_STATES, playbook=playbook.name, limit=10_000)
        ended = books.incidents.list(
            tenant,
            statuses=(IncidentStatus.RESOLVED, IncidentStatus.CLOSED),
            playbook=playbook.name,
            limit=10_000,
        )
    return Known({(i.subject, i.type): i.body for i in opened}, {(i.subject, i.type): _ended(i) for i in ended[::-1]})


def _ended(incident: Incident) -> JsonObject:
    return {
        **incident.body,
        "detected_at": incident.detected_at.isoformat(),
        "resolved_at": incident.resolved_at.isoformat() if incident.resolved_at else None,
        "resolved_by": incident.resolved_by,
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """A case with its incident. ``news`` says that people should hear of it: it is new, or worse than before."""

    case: Case
    incident: Incident
    news: bool
    isnew: bool


def _keep(wb: Workbench, playbook: EventPlaybook, look: Look, who: Principal) -> Run:
    now, began = wb.ctx.clock.now(), time.perf_counter()
    at = now if look.trigger.as_of is None else min(look.as_of, now)  # a replayed day keeps its own time
    auto = playbook.notify.auto and look.trigger.kind in AUTO
    with wb.store.begin() as books:
        kept = tuple(_incident(books, playbook, look, case, at) for case in look.cases)
        desk = Desk(books, now)
        recovered = _recovered(desk, playbook, look, at)
        queued = alerts.queue(wb, books, playbook, look, kept, recovered, who, now) if auto else ()
        done = _run(playbook, look, kept, queued, now)
        books.runs.save(done, idempotency_key=look.trigger.idempotency_key)
        desk.close()
        _audit(books, look, kept, recovered, who, now)
    for k in kept:
        telemetry.explained(
            k.case.explanation.confidence.value,
            k.case.explanation.ai_confidence,
            asked=_asked(k.case),
            fell_back=_asked(k.case) and k.case.explanation.source is Source.RULES,
        )
        if k.isnew:
            telemetry.incident_created(k.incident.severity.name, k.incident.subject)
    done, asked = _respond(wb, done, kept, who, ask=auto)
    done = alerts.after(wb, done, (*queued, *asked), who)
    return run_steps.closed(wb, done, playbook.budgets, now, began) if playbook.budgets else done


def _respond(
    wb: Workbench, run: Run, kept: tuple[Kept, ...], who: Principal, *, ask: bool
) -> tuple[Run, tuple[Delivery, ...]]:
    """Every case's drafted actions become proposals of its incident; ``ask`` also asks people to approve new ones."""
    proposed = [(k.incident, actions.propose(wb, k.incident, k.case.proposals)) for k in kept if k.case.proposals]
    rows = [a for _, found in proposed for a in found]
    if not rows:
        return run, ()
    now, asked = wb.ctx.clock.now(), []
    if ask:
        with wb.store.begin() as books:
            for incident, found in proposed:
                for action in found:
                    if action.state is ActionState.PROPOSED and not action.proposal.is_reading:
                        asked.append(alerts.ask_approval(wb, books, incident, action, who.user, now))
    done = replace(run, report={**run.report, "actions": [action_json(a) for a in rows]})
    with wb.store.begin() as books:
        books.runs.save(done)
    return done, tuple(d for d in asked if d is not None)


def _asked(case: Case) -> bool:
    return case.explanation.source is Source.AI or bool(case.explanation.fallback_reason)


def _incident(books: Books, playbook: EventPlaybook, look: Look, case: Case, now: datetime) -> Kept:
    """Opens, repeats or reopens the case's incident; a dismissed one stays so unless the case came back worse."""
    fresh = candidate(playbook, look, case, now)
    current = books.incidents.find_latest(fresh.tenant, fresh.dedup_key)
    if current is not None and dismissals.stays(playbook, current, fresh, case):
        return Kept(case, dismissals.seen_again(books, current, case, now), news=False, isnew=False)
    if current is None or lifecycle.on_repeat(current, now) is lifecycle.Repeat.NEW:
        fresh = dismissals.as_decided(fresh, case, now)
        books.incidents.add(fresh)
        return Kept(case, fresh, news=fresh.status is IncidentStatus.OPEN, isnew=True)
    reopened = current.status is IncidentStatus.RESOLVED
    updated, rose = lifecycle.repeat(current, replace(fresh, body={**fresh.body, **_lasting(current)}), now)
    updated = _without_repeated_lines(updated)
    books.incidents.save(updated, expected=current.updated_at)
    return Kept(case, updated, news=rose or reopened or not updated.alerted, isnew=False)


def _lasting(incident: Incident) -> dict[str, Json]:
    """What an incident keeps over its occurrences."""
    return {
        k: incident.body[k]
        for k in ("ticket_key", "messages", "notes", "reports", "reported", "escalated_at", "client_due_at", "verdict")
        if k in incident.body
    }


def _without_repeated_lines(incident: Incident) -> Incident:
    """Of several occurrences in a row the timeline keeps the first and the last: one a minute would bury the rest."""
    *before, last = incident.timeline
    plain = [len(before) >= 2, *(_plain(e) for e in before[-2:]), _plain(last)]
    return replace(incident, timeline=(*before[:-1], last)) if all(plain) else incident


def _plain(entry: TimelineEntry) -> bool:
    return entry.event.startswith("occurrence ") and "severity" not in entry.event


def candidate(playbook: EventPlaybook, look: Look, case: Case, now: datetime) -> Incident:
    """The incident that a case calls for."""
    explanation = case.explanation
    body: JsonObject = {
        "metrics": case.metrics,
        "evidence": [
            {"type": e.kind, "ref": e.id, "text": e.statement, "snippet": e.statement[:200]}
            for e in explanation.evidence
        ],
        "explanation": {
            "text": explanation.summary,
            "root_cause": explanation.hypotheses[0].cause if explanation.hypotheses else None,
            "hypotheses": to_json(explanation.hypotheses),
            "confidence": case.decision.confidence,
            "ai_confidence": explanation.ai_confidence,
            "source": str(explanation.source),
            "parts": to_json(explanation.confidence.parts),
            "timeline": to_json(explanation.timeline),
            "verification": to_json(explanation.verification),
            "fallback_reason": explanation.fallback_reason,
        },
        "recommendations": to_json(explanation.recommendations) or list(explanation.recommended_actions),
        "actions": [],
        "findings": [f.id for f in case.findings],
        "check_results": to_json(look.checks.failed),
        "baseline_receipt": case.receipt,
        "label": case.findings[0].label,
        "correlation_id": correlation_id(look.trigger.tenant, case.subject) if playbook.traced else look.run_id,
        "ticket_key": None,
    }
    if case.answer:
        decided: JsonObject = {
            k: to_json(getattr(case.decision, k)) for k in ("severity", "recommended_action", "confidence")
        }
        body = {**body, "decision": {**case.answer, **decided}, "drafts": to_json(case.proposals)}
    return Incident(
        incident_id="INC-" + secrets.token_hex(4).upper(),
        tenant=look.trigger.tenant,
        playbook=playbook.name,
        dedup_key=case.dedup_key,
        type=case.type,
        severity=case.severity,
        status=IncidentStatus.OPEN,
        title=case.title,
        subject=case.subject,
        detected_at=now,
        created_at=now,
        updated_at=now,
        run_id=look.run_id,
        body=body,
        timeline=(TimelineEntry(now, f"detected {case.severity.name}: {case.findings[0].summary}", "system"),),
    )


def _recovered(desk: Desk, playbook: EventPlaybook, look: Look, now: datetime) -> tuple[Incident, ...]:
    """Counts the checks in a row that found an incident's subject in order; those that reached the limit come back.

    They are resolved by the system, which rejects their open proposals, unless an action of theirs is in flight.
    """
    done, books = [], desk.books
    for incident in books.incidents.list(
        look.trigger.tenant, statuses=OPEN_STATES, playbook=playbook.name, limit=10_000
    ):
        if incident.dedup_key not in look.healthy:
            continue
        seen = incident.body.get("healthy")
        count = (seen if isinstance(seen, int) else 0) + 1
        after = max(now, incident.updated_at + timedelta(microseconds=1))
        better = replace(incident, body={**incident.body, "healthy": count}, updated_at=after)
        if count == playbook.recovery.checks:
            event = f"in order for {count} checks in a row"
            better = replace(better, timeline=(*better.timeline, TimelineEntry(now, event, lifecycle.SYSTEM)))
        if count >= playbook.recovery.checks and not inputs.in_flight(books, incident):
            better = lifecycle.move(better, IncidentStatus.RESOLVED, lifecycle.SYSTEM, now, "recovered")
            desk.drop_open(better)
        books.incidents.save(better, expected=incident.updated_at)
        if count == playbook.recovery.checks or better.status is IncidentStatus.RESOLVED:
            done.append(better)
    return tuple(done)


def _run(
    playbook: EventPlaybook, look: Look, kept: tuple[Kept, ...], queued: tuple[Delivery, ...], now: datetime
) -> Run:
    light = worst(k.case.decision.light for k in kept)
    sources = {c.explanation.source for c in look.cases}
    headline = headline_of(look)
    source = Source.AI if Source.AI in sources else Source.RULES
    return Run(
        id=look.run_id,
        playbook=playbook.name,
        tenant=look.trigger.tenant,
        as_of=look.as_of,
        started_at=look.started_at,
        ended_at=now,
        status="completed",
        light=light,
        headline=headline,
        source=source,
        actor=look.trigger.actor,
        trigger=look.trigger.kind,
        report=cases_report(look, headline, light, source, tuple((k.case, k.incident) for k in kept), queued),
    )


def worst(lights: Iterable[Light]) -> Light:
    """The worst of some lights; green when there is none."""
    order = (Light.GREEN, Light.YELLOW, Light.RED)
    return max(lights, key=order.index, default=Light.GREEN)


def headline_of(look: Look) -> str:
    """The run in one line: the worst case, and how many more there are."""
    if not look.cases:
        hidden = sum(1 for f in look.findings if f.suppressed_by)
        more = f", {hidden} suppressed" if hidden else ""
        return f"All quiet: {len(look.healthy)} judged and in order{more}"
    subjects = len({c.subject for c in look.cases})
    if len(look.cases) == 1:
        return look.cases[0].title
    places = f" on {subjects} subjects" if subjects > 1 else ""
    return f"{len(look.cases)} incidents{places}, worst first: {look.cases[0].title}"


def _audit(
    books: Books, look: Look, kept: tuple[Kept, ...], recovered: tuple[Incident, ...], who: Principal, now: datetime
) -> None:
    """One entry for every finding kept or suppressed, explanation, decision and recovery."""

    def add(agent: str, action: str, body: Mapping[str, Json], incident: Incident | None) -> None:
        books.audit.append(
            look.trigger.tenant,
            agent,
            action,
            {"run_id": look.run_id, "actor": who.user, **body},
            now,
            incident_id=incident.incident_id if incident else None,
            correlation_id=correlation(incident) if incident else look.run_id,
        )

    for finding in look.findings:
        if finding.suppressed_by:
            add("detect", "suppressed", {"subject": finding.subject, "why": finding.suppressed_by}, None)
    for k in kept:
        ref, explanation = k.incident, k.case.explanation
        add("detect", "detected", {"type": k.case.type, "subject": k.case.subject, "new": k.isnew}, ref)
        add(
            "explain",
            "explanation",
            {
                "source": str(explanation.source),
                "model": explanation.model,
                "tokens": explanation.tokens,
                "cost_usd": explanation.cost_usd,
                "confidence": explanation.confidence.value,
                "ai_confidence": explanation.ai_confidence,
                "fallback_reason": explanation.fallback_reason,
            },
            ref,
        )
        decision = k.case.decision
        add("decide", "decision", {"light": str(decision.light), "receipt": to_json(decision.receipt)}, ref)
    for incident in recovered:
        add("decide", "recovered", {"status": str(incident.status)}, incident)
    add("detect", "findings", {"findings": len(look.findings), "cases": len(look.cases)}, None)
