"""One look at the data: Load -> Check -> Baseline -> Detect -> Explain -> Decide. Changes nothing outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from core.audit.report import is_intraday, stamp
from core.baseline.deltas import deltas
from core.baseline.measure import Measured, measure
from core.baseline.methods import baselines
from core.context import Context
from core.decide.decision import decide
from core.decide.policy import Facts
from core.detect.detectors import detectors
from core.detect.find import find
from core.errors import ConfigError, InputError
from core.explain.evidence import MetricSource, Question
from core.explain.wording import explain
from core.load.strict import load_strict
from core.model import (
    Baseline,
    ChangeType,
    CheckReport,
    CheckStatus,
    ColumnType,
    Dataset,
    Delta,
    Direction,
    Finding,
    Json,
    Metric,
    Panel,
    Scores,
    Severity,
    Trace,
    Trigger,
)
from core.playbook import BaselineUse, DetectorUse, Playbook

Files = Mapping[str, "Path | bytes | None"]  # None: the file is missing
Checker = Callable[[Playbook, Dataset], CheckReport]


def load(playbook: Playbook, files: Files, ctx: Context) -> Dataset:
    """The playbook's tables, typed and complete.

    Raises: InputError naming file, row and column when something is missing or malformed.
    """
    tables = {}
    for name, spec in playbook.tables.items():
        source = files.get(name)
        if source is None:
            raise InputError(f"{spec.file}: file is missing.", hint=f"Expected columns: {', '.join(spec.columns)}.")
        loaded = load_strict(
            source,
            name=spec.file,
            table=name,
            columns={
                spec.time: ColumnType.TIMESTAMP if is_intraday(playbook.freq) else ColumnType.DATE,
                **spec.columns,
            },
            time=spec.time,
            folder=ctx.engine.folder(),
            now=ctx.clock.now(),
        )
        tables[name] = loaded.table
    return Dataset(tables)


def folder_files(playbook: Playbook, folder: Path) -> dict[str, Path | bytes | None]:
    """Each table's file in ``folder``; files that are not there are left out."""
    paths = {name: folder / spec.file for name, spec in playbook.tables.items()}
    return {name: path for name, path in paths.items() if path.exists()}


def gauge(playbook: Playbook, dataset: Dataset, ctx: Context, dimensions: tuple[str, ...] = ()) -> Measured:
    """The playbook's metrics as a panel, in total or per value of ``dimensions``."""
    return measure(
        ctx.engine,
        dataset,
        playbook.metrics,
        time=playbook.time,
        freq=playbook.freq,
        dimensions=dimensions,
        align=playbook.align,
        timezone=ctx.settings.telltale_timezone,
    )


def fit(playbook: Playbook, use: BaselineUse, panel: Panel) -> Baseline:
    """A baseline over the panel, knowing the playbook's public holidays (and no others) where the method can."""
    params = dict(use.params)
    if "country" in baselines.get(use.method).model_fields:
        params.setdefault("country", playbook.country or "")
    return baselines.build(use.method, params).fit(panel)


def score(playbook: Playbook, use: DetectorUse, panel: Panel) -> tuple[Baseline, Scores]:
    """One detector over the panel with the baseline it is paired with."""
    cls = detectors.get(use.detector)
    own = getattr(cls, "baseline", "")
    paired = use.baseline or (BaselineUse(method=own) if own else playbook.baseline)
    baseline = fit(playbook, paired, panel)
    return baseline, detectors.build(use.detector, dict(use.params)).score(panel, baseline)


def target(panel: Panel, as_of: datetime | None, playbook: Playbook) -> int:
    """The judged point: the latest one, or the period that holds ``as_of``.

    Raises: InputError naming the date and the valid range, or the count of aligned periods when there are too few.
    """
    n = panel.shape[1]
    unit = "aligned days" if playbook.freq == "D" and playbook.align == "inner" else "periods"
    if n < playbook.min_points:
        raise InputError(
            f"{playbook.title}: {n} {unit} found, at least {playbook.min_points} are needed.", field="target_date"
        )
    if as_of is None:
        return n - 1
    at = pd.Timestamp(as_of.astimezone(UTC))
    if playbook.freq == "D":
        at = at.normalize()
    spot = panel.index.get_indexer(pd.DatetimeIndex([at]))[0]
    first, last = (stamp(panel.index[i].to_pydatetime(), playbook.freq) for i in (1, n - 1))
    asked = stamp(at.to_pydatetime(), playbook.freq)
    if spot < 0:
        raise InputError(f"target_date {asked}: no data for it. Valid: {first} to {last}.", field="target_date")
    if spot == 0:
        raise InputError(
            f"target_date {asked}: no earlier day to compare with. Valid: {first} to {last}.", field="target_date"
        )
    return int(spot)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the detectors say of one point."""

    baselines: Mapping[str, Baseline]
    findings: tuple[Finding, ...]
    quiet: tuple[str, ...]
    notes: tuple[str, ...]


def judge(playbook: Playbook, panel: Panel, point: int, checks: CheckReport) -> Judged:
    """Findings at ``point`` from every detector; a finding on a blocked metric becomes a data problem."""
    fitted: dict[str, Baseline] = {}
    found: list[Finding] = []
    notes: list[str] = []
    for use in playbook.detectors:
        baseline, scores = score(playbook, use, panel)
        fitted[baseline.method] = baseline
        found += find(panel, baseline, scores, window=range(point, point + 1), playbook=playbook.name)
        notes += _abstentions(panel, scores, point)
    findings = tuple(_gate(f, checks) for f in _strongest(found))
    concerned = {f.metric for f in findings}
    quiet = tuple(name for name, m in panel.metrics.items() if name not in concerned and _is_judged(m, playbook))
    return Judged(fitted, findings, quiet, tuple(dict.fromkeys(notes)))


def _is_judged(metric: Metric, playbook: Playbook) -> bool:
    """Whether some detector can fire on the metric; one that watches the bad side needs to know which side that is."""
    if metric.good is not Direction.NONE:
        return True
    return any(detectors.build(use.detector, dict(use.params)).side != "bad" for use in playbook.detectors)


def _abstentions(panel: Panel, scores: Scores, point: int) -> list[str]:
    """What a detector declined to say about this point."""
    return [
        f"{scores.detector} abstains on {panel.metric(a.series).label}: {a.reason}"
        for a in scores.abstentions
        if a.point in (None, point)
    ]


def _strongest(found: list[Finding]) -> list[Finding]:
    """One finding per series and period, the strongest; ordered worst first."""
    best: dict[tuple[object, ...], Finding] = {}
    for f in found:
        key = (f.metric, tuple(sorted(f.labels.items())), f.start)
        if key not in best or f.score > best[key].score:
            best[key] = f
    return sorted(best.values(), key=lambda f: (not f.bad, -f.severity, -f.score, f.metric))


def _gate(finding: Finding, checks: CheckReport) -> Finding:
    """A finding on a blocked metric is a data problem, not a business change."""
    if finding.metric not in checks.blocked_metrics and finding.system not in checks.blocked_tables:
        return finding
    from dataclasses import replace

    names = [r.check for r in checks.failed if r.table == finding.system or r.column == finding.metric]
    return replace(finding, kind="quality", suppressed_by=f"failed check {names[0] if names else 'on its table'}")


def facts_of(
    found: tuple[Delta, ...], findings: tuple[Finding, ...], checks: CheckReport, missing: int
) -> dict[str, Json]:
    """Named numbers that the decision table may ask for."""
    facts: dict[str, Json] = {}
    for d in found:
        if d.labels:
            continue
        facts[f"{d.metric.name}.value"] = d.value
        facts[f"{d.metric.name}.dod_pct"] = d.dod_pct
        facts[f"{d.metric.name}.dod_abs"] = d.dod_abs
        facts[f"{d.metric.name}.vs_baseline_pct"] = d.vs_baseline_pct
        facts[f"{d.metric.name}.vs_baseline_abs"] = d.vs_baseline_abs
    live = [f for f in findings if not f.suppressed_by]
    bad = [f for f in live if f.bad]
    facts["findings.bad"] = len(bad)
    facts["findings.critical"] = sum(f.severity is Severity.CRITICAL for f in bad)
    facts["findings.quality"] = sum(f.kind == "quality" for f in findings) + sum(
        f.change in (ChangeType.MISSING, ChangeType.STUCK) for f in live
    )
    facts["concerned_systems"] = len({f.system for f in bad})
    facts["checks.failed"] = len(checks.failed)
    facts["baseline.missing"] = missing
    return facts


def look(
    playbook: Playbook,
    dataset: Dataset,
    trigger: Trigger,
    ctx: Context,
    *,
    run_id: str,
    checker: Checker,
    ask_model: bool = False,
) -> Trace:
    """Everything one look at the data finds. A model is asked only when ``ask_model`` is set and one is configured.

    Raises: InputError for too little data, an unknown date, or a failed critical check.
    """
    started = ctx.clock.now()
    checks = checker(playbook, dataset)
    if checks.critical:
        raise InputError("Critical checks failed: " + " ".join(r.message for r in checks.critical))
    measured = gauge(playbook, dataset, ctx)
    point = target(measured.panel, trigger.as_of, playbook)
    panel = measured.panel.until(point)
    judged = judge(playbook, panel, point, checks)
    baseline = fit(playbook, playbook.baseline, panel)
    found = deltas(panel, baseline, point)
    missing = max(0, playbook.confidence.full_baseline - max((len(d.trained_on) for d in found), default=0))
    facts = facts_of(found, judged.findings, checks, missing)
    row = playbook.policy.fired(facts)
    question = Question(
        playbook=playbook.name,
        title=playbook.title,
        as_of=panel.index[point].to_pydatetime(),
        freq=playbook.freq,
        deltas=found,
        findings=judged.findings,
        quiet=judged.quiet,
        checks=checks,
        panel=panel,
        point=point,
        dataset=dataset,
        engine=ctx.engine,
        metrics=_sources(playbook),
        dimensions=playbook.dimensions,
        light=row.light,
        rule=f"{row.name}: {row.because}",
        missing_points=missing,
        failed_checks=len(checks.failed),
        confidence_base=playbook.confidence.base,
        per_missing_point=playbook.confidence.per_missing_baseline_point,
        per_failed_check=playbook.confidence.per_failed_check,
        actions=playbook.actions,
        timezone=ctx.settings.telltale_timezone,
    )
    explanation = (
        explain(question, ctx, template=playbook.prompt, min_ai=playbook.policy.gates.min_ai)
        if ask_model
        else explain(question)
    )
    return Trace(
        run_id=run_id,
        playbook=playbook.name,
        trigger=trigger,
        started_at=started,
        ended_at=ctx.clock.now(),
        as_of=question.as_of,
        dataset=dataset,
        checks=checks,
        panel=panel,
        point=point,
        baselines={baseline.method: baseline, **judged.baselines},
        deltas=found,
        findings=judged.findings,
        quiet=judged.quiet,
        facts=facts,
        explanation=explanation,
        decision=decide(playbook.policy, facts, explanation),
        notes=_notes(measured, judged, checks, explanation.fallback_reason, playbook),
    )


def _sources(playbook: Playbook) -> tuple[MetricSource, ...]:
    return tuple(
        MetricSource(
            name=m.name, table=m.table, column=m.column, agg=m.agg, over=m.over, time=playbook.tables[m.table].time
        )
        for m in playbook.metrics
    )


def _notes(
    measured: Measured, judged: Judged, checks: CheckReport, fallback: str, playbook: Playbook
) -> tuple[str, ...]:
    """Everything withheld, abstained or missing, as sentences."""
    notes = list(measured.notes)
    for table, dates in measured.dropped.items():
        if dates:
            listed = ", ".join(str(d) for d in dates[:10]) + (f" and {len(dates) - 10} more" if len(dates) > 10 else "")
            notes.append(f"{playbook.tables[table].file}: not in every table, left out: {listed}")
    notes += judged.notes
    notes += [f"check {r.check} could not run: {r.message}" for r in checks.results if r.status is CheckStatus.ERROR]
    notes += [f"check failed: {r.message}" for r in checks.results if r.status is CheckStatus.FAILED]
    if fallback:
        notes.append(f"rules text used: {fallback}")
    return tuple(notes)


def parse_as_of(text: str | None) -> datetime | None:
    """``YYYY-MM-DD`` or ISO 8601 as a UTC time; empty is None.

    Raises: InputError naming the value and the expected form.
    """
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"target_date '{text}': expected YYYY-MM-DD or an ISO 8601 time.", field="target_date"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


__all__ = [
    "Checker",
    "ConfigError",
    "Facts",
    "Files",
    "facts_of",
    "fit",
    "folder_files",
    "gauge",
    "judge",
    "load",
    "look",
    "parse_as_of",
    "score",
    "target",
]
