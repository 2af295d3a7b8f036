"""How every service stands at a moment: what the sentinel says of it, and what is known of one service in depth."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import DateTime, func, select

from core.access import Principal, require
from core.detect.events import Scene, event_detectors
from core.detect.sentinel import STALE, THIN, Limits, Sentinel
from core.detect.vitals import Vitals, by_minute, vitals
from core.events import EventFiles, load_events, sight
from core.explain.cases import case_explainers
from core.explain.service_facts import Facts, Investigator
from core.explain.services import ServiceExplainer
from core.model import CheckReport, Dataset, Finding, Json, JsonObject, Provenance, Severity
from core.playbook import EventPlaybook
from core.service import casework, inputs
from core.service.workbench import Workbench

PLAYBOOK = "service_incidents"


class State(enum.StrEnum):
    """How a service stands. Only ``ok`` is healthy: too little traffic and stale data say nothing about it."""

    OVER = "over its limit"
    STALE = "stale data"
    THIN = "too little traffic"
    OK = "in order"


@dataclass(frozen=True, slots=True)
class Standing:
    """One service at the judged moment, beside its limits. ``severity`` is None for what is in order."""

    vitals: Vitals
    state: State
    error_limit: float
    p99_limit: float
    severity: Severity | None = None
    summary: str = ""
    about: JsonObject = field(default_factory=dict)  # its row of services.csv

    @property
    def service(self) -> str:
        """Its name."""
        return self.vitals.service

    @property
    def rate_over(self) -> bool:
        """Whether the error rate is over its limit, judged only where there is enough to judge."""
        return self.state is State.OVER and (self.vitals.error_rate or 0.0) > self.error_limit

    @property
    def p99_over(self) -> bool:
        """Whether p99 is over its limit, judged only where there is enough to judge."""
        return self.state is State.OVER and (self.vitals.p99_ms or 0.0) > self.p99_limit


@dataclass(frozen=True, slots=True)
class Health:
    """All services at ``at``, worst first, with the data they were judged on."""

    at: datetime
    dataset: Dataset
    sentinel: Sentinel
    services: tuple[Standing, ...]
    own: bool  # the tenant's own tables, not the demo's

    def named(self, service: str) -> Standing | None:
        """The service of that name."""
        return next((s for s in self.services if s.service == service), None)

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where each table came from."""
        return self.dataset.provenance

    @property
    def rejects(self) -> Mapping[str, tuple[JsonObject, ...]]:
        """The first rejected rows of each table, with line and reason."""
        found = self.dataset.documents.get("rejects")
        named = found if isinstance(found, Mapping) else {}
        return {table: tuple(_objects(rows)) for table, rows in named.items()}

    @property
    def runbook_notes(self) -> tuple[str, ...]:
        """Runbooks that could not be read, and why."""
        notes = self.dataset.documents.get("runbook_notes")
        return tuple(str(n) for n in notes) if isinstance(notes, list) else ()


_ORDER = (State.OVER, State.STALE, State.THIN, State.OK)


def look(wb: Workbench, who: Principal, at: datetime | None = None) -> Health:
    """How all services stand now, or at ``at``; nothing is kept and no check is run.

    Raises: InputError when the tables cannot be read; ProviderError, ConfigError for a query.
    """
    require(who, "incidents:read")
    playbook, now = wb.events[PLAYBOOK], at or wb.ctx.clock.now()
    dataset = load_events(playbook, inputs.files(wb, playbook, who.tenant, demo=True), {}, wb.ctx, now)
    known = casework.known_cases(wb, playbook, who.tenant)
    scene = Scene(dataset, CheckReport(), now, wb.ctx.engine, known.open, known.past)
    findings = {f.subject: f for f in sight(playbook, scene).findings}
    sentinel = _sentinel(playbook)
    seen = vitals(wb.ctx.engine, dataset.tables["metrics"], now, sentinel.window_minutes)
    listed = _listed(wb, dataset)
    own = any(s.file in playbook.inputs for s in inputs.listing(wb, who.tenant, PLAYBOOK))
    rows = [_standing(s, seen, findings.get(s), listed.get(s, {}), sentinel, now) for s in {*seen, *listed}]
    rows.sort(key=lambda r: (_ORDER.index(r.state), -(r.severity or 0), r.service))
    return Health(now, dataset, sentinel, tuple(rows), own)


def trial(wb: Workbench, who: Principal, files: EventFiles) -> Dataset:
    """What the tables would be with these files in the place of the tenant's own; nothing is kept.

    Raises: InputError naming the file and what is wrong with it, or that metrics.csv is missing.
    """
    require(who, "incidents:read")
    playbook = wb.events[PLAYBOOK]
    given = {**inputs.files(wb, playbook, who.tenant, demo=False), **files}
    return load_events(playbook, given, {}, wb.ctx, wb.ctx.clock.now())


def newest(wb: Workbench, dataset: Dataset) -> datetime | None:
    """The newest row of the metrics; None without one."""
    rows = wb.ctx.engine.relation(dataset.tables["metrics"])
    (row,) = wb.ctx.engine.fetch(select(func.max(rows.c.ts, type_=DateTime(timezone=True)).label("ts"))).to_pylist()
    at: datetime | None = row["ts"]
    return at


def minutes(wb: Workbench, health: Health, services: Sequence[str], last: int) -> Mapping[str, list[JsonObject]]:
    """Requests, errors, error rate and p99 of these services in each of the last minutes that has a row."""
    start = health.at - timedelta(minutes=last)
    return by_minute(wb.ctx.engine, health.dataset.tables["metrics"], services, start, health.at)


def facts(wb: Workbench, health: Health, standing: Standing) -> Facts:
    """Errors, log templates, deployments and traffic of one service, as the analyst looks at them."""
    playbook = wb.events[PLAYBOOK]
    explainer = case_explainers.build(playbook.explainer, dict(playbook.explain_params))
    assert isinstance(explainer, ServiceExplainer)
    tables = health.dataset.tables
    asked = Investigator(wb.ctx.engine, tables, standing.service, health.at, explainer.spans())
    return asked.facts(standing.error_limit, standing.p99_limit)


def _sentinel(playbook: EventPlaybook) -> Sentinel:
    use = next(u for u in playbook.events if u.detector == "sentinel")
    sentinel = event_detectors.build(use.detector, dict(use.params))
    assert isinstance(sentinel, Sentinel)
    return sentinel


def _standing(
    service: str,
    seen: Mapping[str, Vitals],
    finding: Finding | None,
    about: JsonObject,
    sentinel: Sentinel,
    now: datetime,
) -> Standing:
    own = sentinel.overrides.get(service, Limits())
    nothing = Vitals(service, now - timedelta(minutes=sentinel.window_minutes), now, 0, 0, 0, None, None)
    states = {STALE: State.STALE, THIN: State.THIN}
    return Standing(
        vitals=seen.get(service, nothing),
        state=State.OK if finding is None else states.get(finding.type, State.OVER),
        error_limit=own.error_rate or sentinel.error_rate_limit,
        p99_limit=own.p99_ms or sentinel.p99_limit_ms,
        severity=None if finding is None else finding.severity,
        summary="" if finding is None else finding.suppressed_by or finding.summary,
        about=about,
    )


def _listed(wb: Workbench, dataset: Dataset) -> dict[str, JsonObject]:
    table = dataset.tables["services"]
    rows = wb.ctx.engine.fetch(select(wb.ctx.engine.relation(table))).to_pylist()
    return {str(r["service"]): r for r in rows}


def _objects(rows: Json) -> list[JsonObject]:
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list | tuple) else []
