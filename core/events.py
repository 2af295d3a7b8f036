"""One look at events: Load -> Check -> Detect -> Explain -> Decide, a case for each subject that is out of order.

The sister of ``core.pipeline`` for playbooks of many subjects; from a finding on, both go the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from core.alert import items
from core.check.dataset import dataset_checks
from core.context import Context
from core.decide.assessment import assessments
from core.decide.decision import decide_case
from core.detect.events import Scene, event_detectors
from core.explain.cases import CaseQuestion, case_explainers
from core.load.loaders import loaders
from core.model import (
    Case,
    CheckReport,
    CheckStatus,
    Dataset,
    Finding,
    Json,
    JsonObject,
    Look,
    Sighting,
    Source,
    Trigger,
)
from core.playbook import EventPlaybook
from core.steps import Steps, told

EventFiles = Mapping[str, "Path | bytes"]
Checker = Callable[[EventPlaybook, Dataset], CheckReport]
Bodies = Mapping[tuple[str, str], JsonObject]  # by (subject, type)


@dataclass(frozen=True, slots=True)
class Known:
    """What the workbench already knows of a playbook's subjects: the bodies of open and of resolved incidents."""

    open: Bodies = field(default_factory=dict)
    past: Bodies = field(default_factory=dict)


def moment(playbook: EventPlaybook, as_of: datetime | None, now: datetime) -> datetime:
    """The moment that is judged: now, or ``as_of``; a bare date of a daily playbook means the end of that day."""
    if as_of is None:
        return now
    if playbook.freq == "D" and (as_of.hour, as_of.minute, as_of.second) == (0, 0, 0):
        return as_of + timedelta(days=1) - timedelta(microseconds=1)
    return as_of


def load_events(
    playbook: EventPlaybook, files: EventFiles, documents: Mapping[str, Json], ctx: Context, at: datetime
) -> Dataset:
    """The playbook's tables and documents. Raises: InputError naming file, row and column."""
    loader = loaders.build(playbook.loader, dict(playbook.loader_params))
    dataset = loader.load(files, documents, ctx, at)
    return replace(dataset, documents={"read_at": ctx.clock.now().isoformat(), **dataset.documents})


def verified(playbook: EventPlaybook, dataset: Dataset, checker: Checker, at: datetime) -> CheckReport:
    """Great Expectations' report with the playbook's own checks of single rows and documents."""
    report = checker(playbook, dataset)
    own = tuple(r for name in playbook.verify for r in dataset_checks.build(name).check(dataset, at))
    return replace(report, results=(*report.results, *own))


def sight(playbook: EventPlaybook, scene: Scene) -> Sighting:
    """What every detector of the playbook says, worst first."""
    seen = [event_detectors.build(use.detector, dict(use.params)).detect(scene) for use in playbook.events]
    findings = sorted((f for s in seen for f in s.findings), key=_rank)
    out = {(f.subject, f.type) for f in findings if not f.suppressed_by}
    return Sighting(
        tuple(findings),
        frozenset(key for s in seen for key in s.healthy) - out,
        tuple(dict.fromkeys(note for s in seen for note in s.notes)),
        {name: document for s in seen for name, document in s.extra.items()},
    )


def _rank(finding: Finding) -> tuple[int, int, float, str, str]:
    """By the playbook's own priority, if it has one; then worst first."""
    return finding.priority, -finding.severity, -finding.score, finding.subject, finding.type


def look_events(
    playbook: EventPlaybook,
    dataset: Dataset,
    trigger: Trigger,
    ctx: Context,
    *,
    run_id: str,
    checker: Checker,
    known: Known | None = None,
    ask_model: bool = False,
) -> Look:
    """Everything one look finds, a case for each (subject, type). A model words a case only when ``ask_model``.

    Raises: InputError when a critical check fails.
    """
    started, known = ctx.clock.now(), known or Known()
    at = moment(playbook, trigger.as_of, started)
    steps = Steps(ctx.clock)
    with steps.time("enrich") as step:
        checks = verified(playbook, dataset, checker, at)
        seen = sight(playbook, Scene(dataset, checks, at, ctx.engine, known.open, known.past))
        step.made = f"{len(seen.findings)} findings"
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in seen.findings:
        if not finding.suppressed_by:
            groups.setdefault((finding.subject, finding.type), []).append(finding)
    memo: dict[str, object] = {}
    cases = tuple(
        _case(
            playbook,
            dataset,
            checks,
            at,
            tuple(group),
            seen.findings,
            ctx,
            trigger.tenant,
            memo,
            steps,
            ask_model=ask_model,
        )
        for group in groups.values()
    )
    found = {**dataset.documents, **seen.extra, **_assessed(playbook, dataset, ctx, at)}
    if playbook.budgets:
        found["steps"] = told(items(dataset.documents.get("steps")), steps, cases)
    return Look(
        run_id=run_id,
        playbook=playbook.name,
        trigger=trigger,
        started_at=started,
        ended_at=ctx.clock.now(),
        as_of=at,
        dataset=dataset,
        checks=checks,
        findings=seen.findings,
        cases=cases,
        healthy=frozenset(
            key_of(playbook, *key, _labels(known.open.get(key, {})), trigger.tenant) for key in seen.healthy
        ),
        notes=_notes(seen, checks, cases),
        extra={key: found.get(name, []) for key, name in playbook.report.items()},
    )


def _case(
    playbook: EventPlaybook,
    dataset: Dataset,
    checks: CheckReport,
    at: datetime,
    findings: tuple[Finding, ...],
    everything: tuple[Finding, ...],
    ctx: Context,
    tenant: str,
    memo: dict[str, object],
    steps: Steps,
    *,
    ask_model: bool,
) -> Case:
    worst, mine = findings[0], {id(f) for f in findings}
    question = CaseQuestion(
        playbook=playbook.name,
        title=playbook.title,
        type=worst.type,
        subject=worst.subject,
        now=at,
        findings=findings,
        others=tuple(f for f in everything if id(f) not in mine),
        checks=checks,
        dataset=dataset,
        engine=ctx.engine,
        memo=memo,
    )
    explainer = case_explainers.build(playbook.explainer, dict(playbook.explain_params))
    with steps.time("analyse"):
        explained = explainer.explain(question)
        if ask_model and ctx.model is not None:
            gates = playbook.policy.gates
            explained = explainer.word(question, explained, ctx, min_ai=gates.min_ai, template=playbook.prompt)
    explanation = explained.explanation
    severity = max([f.severity for f in findings] + ([explained.raised] if explained.raised else []))
    facts: dict[str, Json] = {
        **explained.metrics,
        **explained.facts,
        "severity": int(severity),
        "findings": len(findings),
    }
    with steps.time("decide"):
        decision = decide_case(playbook.policy, facts, severity, explanation)
    return Case(
        dedup_key=key_of(playbook, worst.subject, worst.type, worst.labels, tenant),
        type=worst.type,
        subject=worst.subject,
        title=explained.title,
        severity=severity,
        findings=findings,
        explanation=explanation,
        decision=decision,
        metrics=explained.metrics,
        receipt=explained.receipt,
        proposals=explained.proposals,
        answer=explained.answer,
    )


def _labels(body: JsonObject) -> dict[str, str]:
    """The texts of an open incident's metrics: what its dedup key may name, such as the source."""
    metrics = body.get("metrics")
    found = metrics.items() if isinstance(metrics, Mapping) else ()
    return {name: text for name, text in found if isinstance(text, str)}


def _assessed(playbook: EventPlaybook, dataset: Dataset, ctx: Context, at: datetime) -> dict[str, Json]:
    """What the playbook computes of the dataset as a whole, beside its findings."""
    done = (assessments.build(name).assess(dataset, ctx.engine, at) for name in playbook.assess)
    return {name: document for found in done for name, document in found.items()}


def key_of(
    playbook: EventPlaybook, subject: str, kind: str, labels: Mapping[str, str] | None = None, tenant: str = ""
) -> str:
    """The dedup key of a case; the template may also name labels of its finding, such as ``{source}``."""
    key = playbook.notify.dedup_key
    known = {**(labels or {}), "name": playbook.name, "tenant": tenant, "subject": subject, "type": kind}
    for name, text in known.items():
        key = key.replace(f"{{{name}}}", text)
    return key


def _notes(seen: Sighting, checks: CheckReport, cases: tuple[Case, ...]) -> tuple[str, ...]:
    """Everything withheld, abstained or missing, as sentences."""
    notes = [*seen.notes]
    notes += [f"suppressed: {f.summary} ({f.suppressed_by})" for f in seen.findings if f.suppressed_by]
    notes += [f"check {r.check} could not run: {r.message}" for r in checks.results if r.status is CheckStatus.ERROR]
    notes += [f"check failed: {r.message}" for r in checks.results if r.status is CheckStatus.FAILED]
    by_model = sum(c.explanation.source is Source.AI for c in cases)
    if by_model:
        notes.append(f"{by_model} of {len(cases)} cases worded by a model, {len(cases) - by_model} by the rules")
    notes += [
        f"rules text used for {c.title}: {c.explanation.fallback_reason}"
        for c in cases
        if c.explanation.fallback_reason
    ]
    return tuple(notes)
