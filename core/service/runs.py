"""Running a playbook: look at the data, then keep the run, its incident and its audit in one transaction."""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import partial

from sqlalchemy import select

from core import telemetry
from core.access import Principal, require
from core.audit.report import day_report, incident_json, run_report, stamp, to_json
from core.decide import lifecycle
from core.errors import InputError
from core.model import (
    Dataset,
    Incident,
    IncidentStatus,
    Json,
    JsonObject,
    Light,
    Run,
    Source,
    TimelineEntry,
    Trace,
    Trigger,
)
from core.pipeline import Files, load, look
from core.playbook import Playbook
from core.service import warehouse
from core.service.refusals import keep_refused
from core.service.sources import get as get_source
from core.service.sources import resolve
from core.service.workbench import Workbench
from core.store.books import Books


def dataset(
    wb: Workbench, name: str, files: Files | None = None, *, tenant: str | None = None
) -> tuple[Playbook, Dataset]:
    """A playbook or the tenant's saved source with its data; ``files`` replaces single tables for this call only.

    Without a tenant it is that of a workbench without login.
    """
    playbook, stored = resolve(wb, name, files or {}, tenant=tenant or wb.tenant)
    return (playbook, stored) if isinstance(stored, Dataset) else (playbook, load(playbook, stored, wb.ctx))


def preview(
    wb: Workbench,
    name: str,
    *,
    files: Files | None = None,
    as_of: datetime | None = None,
    tenant: str | None = None,
    wait: bool = True,
) -> Trace:
    """What a run would find now, worded by the rules; nothing is kept. ``tenant`` as in :func:`dataset`.

    Without ``wait`` checks that have never run over this content are ``pending``.
    """
    playbook, data = dataset(wb, name, files, tenant=tenant)
    trigger = Trigger(kind="manual", actor="preview", tenant=tenant or wb.tenant, as_of=as_of)
    return look(playbook, data, trigger, wb.ctx, run_id="preview", checker=partial(wb.check, wait=wait))


def run(
    wb: Workbench,
    who: Principal,
    name: str,
    *,
    files: Files | None = None,
    as_of: datetime | None = None,
    kind: str = "manual",
    key: str | None = None,
    ask_model: bool = True,
) -> Run:
    """One run of a playbook, kept with its report, incident and audit. Sends nothing.

    Raises: InputError after keeping the run as ``failed_check`` when the data is refused.
    """
    require(who, "incidents:write")
    if key is not None and (done := _already(wb, who, key)) is not None:
        return done
    trigger = Trigger(kind=kind, actor=who.user, tenant=who.tenant, as_of=as_of, idempotency_key=key)
    started, run_id = wb.ctx.clock.now(), "run-" + secrets.token_hex(6)
    try:
        with telemetry.agent_run(name):
            if name not in wb.playbooks and not files:
                warehouse.refreshed(wb, who, get_source(wb, who.tenant, name))
            playbook, data = dataset(wb, name, files, tenant=who.tenant)
            trace = look(playbook, data, trigger, wb.ctx, run_id=run_id, checker=wb.check, ask_model=ask_model)
    except InputError as exc:
        keep_refused(wb, trigger, name, run_id, started, exc)
        raise
    return _keep(wb, playbook, trace, who)


def _already(wb: Workbench, who: Principal, key: str) -> Run | None:
    with wb.store.read() as books:
        return books.runs.by_key(who.tenant, key)


def _keep(wb: Workbench, playbook: Playbook, trace: Trace, who: Principal) -> Run:
    now = wb.ctx.clock.now()
    headline = headline_of(trace, playbook)
    day = day_report(trace, raw_rows(wb, playbook, trace), playbook.freq)
    with wb.store.begin() as books:
        incident = _incident(books, playbook, trace, headline, who, now)
        report = run_report(trace, headline, day, incident, ())
        done = Run(
            id=trace.run_id,
            playbook=playbook.name,
            tenant=who.tenant,
            as_of=trace.as_of,
            started_at=trace.started_at,
            ended_at=now,
            status="completed",
            light=trace.decision.light,
            headline=headline,
            source=trace.explanation.source,
            actor=who.user,
            trigger=trace.trigger.kind,
            report=report,
        )
        books.runs.save(done, idempotency_key=trace.trigger.idempotency_key)
        _audit(books, trace, incident, who, now)
    _count(trace)
    return done


def _audit(books: Books, trace: Trace, incident: Incident | None, who: Principal, now: datetime) -> None:
    """One entry each for what was detected, explained and decided."""
    explanation, decision = trace.explanation, trace.decision
    entries: tuple[tuple[str, str, dict[str, Json]], ...] = (
        (
            "detect",
            "findings",
            {
                "findings": len(trace.findings),
                "metrics": [f.metric for f in trace.findings],
                "checks_failed": len(trace.checks.failed),
            },
        ),
        (
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
        ),
        ("decide", "decision", {"light": str(decision.light), "receipt": to_json(decision.receipt)}),
    )
    for agent, action, body in entries:
        books.audit.append(
            who.tenant,
            agent,
            action,
            {"run_id": trace.run_id, "actor": who.user, **body},
            now,
            incident_id=incident.incident_id if incident else None,
            correlation_id=trace.run_id,
        )


def _incident(
    books: Books, playbook: Playbook, trace: Trace, headline: str, who: Principal, now: datetime
) -> Incident | None:
    """Opens, repeats or reopens the one incident of a yellow or red run; green has none.

    A dismissed incident stays dismissed unless the same thing came back worse.
    """
    if trace.decision.light is Light.GREEN:
        return None
    fresh = candidate(playbook, trace, headline, now)
    current = books.incidents.find_open(who.tenant, fresh.dedup_key)
    current = current or books.incidents.find_latest(who.tenant, fresh.dedup_key)
    if current is not None and current.status is IncidentStatus.DISMISSED and fresh.severity <= current.severity:
        return current
    if current is None or lifecycle.on_repeat(current, now) is lifecycle.Repeat.NEW:
        books.incidents.add(fresh)
        telemetry.incident_created(fresh.severity.name, playbook.name)
        return fresh
    updated, _rose = lifecycle.repeat(current, fresh, now)
    books.incidents.save(updated, expected=current.updated_at)
    return updated


def candidate(playbook: Playbook, trace: Trace, headline: str, now: datetime) -> Incident:
    """The incident this run calls for."""
    explanation = trace.explanation
    body: JsonObject = {
        "metrics": {d.metric.name: to_json(d.value) for d in trace.deltas},
        "evidence": [
            {"type": e.kind, "ref": e.id, "text": e.statement, "snippet": e.statement[:200]}
            for e in explanation.evidence
        ],
        "explanation": {
            "text": explanation.summary,
            "root_cause": explanation.hypotheses[0].cause if explanation.hypotheses else None,
            "hypotheses": to_json(explanation.hypotheses),
            "confidence": trace.decision.confidence,
            "ai_confidence": explanation.ai_confidence,
            "source": str(explanation.source),
        },
        "recommendations": list(explanation.recommended_actions),
        "actions": [],
        "findings": [f.id for f in trace.findings],
        "check_results": to_json(trace.checks.failed),
        "baseline_receipt": {d.metric.name: [stamp(t, playbook.freq) for t in d.trained_on] for d in trace.deltas},
        "correlation_id": trace.run_id,
        "ticket_key": None,
    }
    return Incident(
        incident_id="INC-" + secrets.token_hex(4).upper(),
        tenant=trace.trigger.tenant,
        playbook=playbook.name,
        dedup_key=fill(playbook.notify.dedup_key, playbook, trace),
        type="kpi" if playbook.name == "daily_kpis" else "series",
        severity=trace.decision.severity,
        status=IncidentStatus.OPEN,
        title=headline,
        subject=", ".join(dict.fromkeys(f.system for f in trace.findings)) or playbook.title,
        detected_at=now,
        created_at=now,
        updated_at=now,
        run_id=trace.run_id,
        body=body,
        timeline=(
            TimelineEntry(now, f"detected {trace.decision.light} by row {trace.decision.receipt.row}", "system"),
        ),
    )


def fill(template: str, playbook: Playbook, trace: Trace) -> str:
    """A template of the playbook with the run's date, light and name filled in."""
    light = str(trace.decision.light)
    return (
        template.replace("{date}", stamp(trace.as_of, playbook.freq))
        .replace("{LIGHT}", light.upper())
        .replace("{light}", light)
        .replace("{name}", playbook.name)
    )


def headline_of(trace: Trace, playbook: Playbook) -> str:
    """The run in one line: what changed most, or that nothing did."""
    bad = [f for f in trace.findings if f.bad and not f.suppressed_by]
    quality = [f for f in trace.findings if f.suppressed_by or f.kind == "quality"]
    day = stamp(trace.as_of, playbook.freq)
    if bad:
        systems = len({f.system for f in bad})
        top = ", ".join(f"{f.label} {f.change_pct:+.2f}%" if f.change_pct is not None else f.label for f in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        place = f" across {systems} systems" if systems > 1 else ""
        return f"{len(bad)} {'metric' if len(bad) == 1 else 'metrics'} moved the wrong way{place}: {top}{more}"
    if quality:
        return f"A data problem, not a business change: {quality[0].label} on {day}"
    if trace.decision.light is not Light.GREEN:
        return f"Nothing moved past its limit on {day}, but {trace.decision.receipt.because}"
    return f"All quiet on {day}: {len(trace.quiet)} metrics inside what was expected"


def raw_rows(wb: Workbench, playbook: Playbook, trace: Trace) -> dict[str, JsonObject]:
    """The judged period's first row of every table, as loaded."""
    rows: dict[str, JsonObject] = {}
    for name, table in trace.dataset.tables.items():
        relation = wb.ctx.engine.relation(table)
        column = relation.c[playbook.tables[name].time]
        start = trace.as_of.replace(tzinfo=None)
        statement = select(*relation.c).where(column >= start).order_by(column).limit(1)
        found = wb.ctx.engine.fetch(statement).to_pylist()
        rows[name] = {str(k): to_json(_plain(v)) for k, v in found[0].items()} if found else {}
    return rows


def _plain(value: object) -> object:
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date()
    return value


def _count(trace: Trace) -> None:
    e = trace.explanation
    asked = e.source is Source.AI or bool(e.fallback_reason)
    telemetry.explained(e.confidence.value, e.ai_confidence, asked=asked, fell_back=asked and e.source is Source.RULES)


__all__ = ["candidate", "dataset", "fill", "headline_of", "incident_json", "preview", "raw_rows", "run"]
