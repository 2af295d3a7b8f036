"""Evidence from the deltas and the checks: what moved, what moved with it, and whether the data can be trusted."""

from __future__ import annotations

from pydantic import Field

from core.explain import words
from core.explain.evidence import EvidenceProvider, Question, evidence_providers, nothing
from core.model import CheckResult, CheckStatus, Delta, Direction, Evidence, EvidenceStatus, Finding, JsonObject

_FIGURES = (
    "value",
    "baseline",
    "previous",
    "vs_baseline_abs",
    "vs_baseline_pct",
    "dod_abs",
    "dod_pct",
    "lower",
    "upper",
)


@evidence_providers.register("findings", "Moves of the metrics found")
class FindingMoves(EvidenceProvider):
    """The figures of every finding: value, baseline, previous value and both changes."""

    limit: int = Field(25, ge=1, description="Findings listed, largest first")

    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """One metric fact per finding, in the order of the drivers."""
        live = question.live
        if not live:
            return nothing("metric", "detect", f"No finding. Looked at {len(question.deltas)} series.")
        return tuple(_finding(question, f) for f in live[: self.limit])


def _finding(question: Question, finding: Finding) -> Evidence:
    delta = question.delta(finding)
    if delta:
        return delta_fact(question, delta)
    named = {"value": finding.observed, "baseline": finding.expected, "vs_baseline_abs": finding.change_abs}
    named["vs_baseline_pct"] = finding.change_pct
    return Evidence(
        id="",
        kind="metric",
        source=f"{finding.system}.{finding.metric}",
        statement=finding.summary,
        numbers={k: v for k, v in named.items() if v is not None},
        start=finding.start,
        end=finding.end,
        data=(_about(finding.metric, finding.label, finding.system, finding.unit, dict(finding.labels)),),
    )


def delta_fact(question: Question, delta: Delta, kind: str = "metric") -> Evidence:
    """One metric's figures at the judged point as evidence."""
    figures = {name: getattr(delta, name) for name in _FIGURES}
    numbers = {name: float(v) for name, v in figures.items() if v is not None}
    numbers["baseline_points"] = float(len(delta.trained_on))
    metric = delta.metric
    when = words.period(delta.at, question.freq)
    return Evidence(
        id="",
        kind=kind,
        source=f"{metric.system}.{metric.name}",
        statement=f"{words.subject(metric.label, delta.labels)} on {when}: {figures_in_words(delta, question.freq)}.",
        numbers=numbers,
        start=delta.at,
        end=question.until,
        query=f"baseline {delta.method} over {words.counted(len(delta.trained_on), 'earlier point')}",
        data=({**_about(metric.name, metric.label, metric.system, metric.unit, dict(delta.labels)), **_dates(delta)},),
    )


def _dates(delta: Delta) -> dict[str, str]:
    """Which points the figures are measured against."""
    dates = {"previous_at": delta.previous_at, "baseline_from": min(delta.trained_on, default=None)}
    dates["baseline_to"] = max(delta.trained_on, default=None)
    return {name: f"{at:%Y-%m-%dT%H:%M}" for name, at in dates.items() if at}


def _about(metric: str, label: str, system: str, unit: str, labels: dict[str, str]) -> JsonObject:
    return {"metric": metric, "label": label, "system": system, "unit": unit, "labels": labels}


def figures_in_words(delta: Delta, freq: str) -> str:
    """Value, baseline and previous value with both changes, as one clause."""
    unit = delta.metric.unit
    if delta.value is None:
        return "no value"
    text = words.number(delta.value, unit)
    if delta.baseline is None:
        text += ", no baseline"
    else:
        change = words.number(delta.vs_baseline_abs, unit, signed=True)
        pct = words.percent(delta.vs_baseline_pct)
        both = f" ({change}), {pct}" if delta.vs_baseline_pct is None else f" ({change}, {pct})"
        text += f" against {words.reference(delta, freq)}{both}"
    if delta.previous is not None and delta.method != "previous":
        before = f"; previous {words.number(delta.previous, unit)}"
        text += before if delta.dod_pct is None else f"{before} ({words.percent(delta.dod_pct)})"
    return text


@evidence_providers.register("related", "Other metrics that moved at the same time")
class RelatedMoves(EvidenceProvider):
    """Metrics without a finding that moved in the same period; those with no bad direction count as changes made."""

    moved_pct: float = Field(10.0, ge=0, description="Move against the baseline that is worth naming, in percent")
    limit: int = Field(8, ge=1, description="Metrics named, largest move first")

    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """One fact per metric that moved: kind ``change`` for context metrics, else ``metric``."""
        found = {(f.metric, tuple(sorted(f.labels.items()))) for f in question.live}
        others = [d for d in question.deltas if (d.metric.name, tuple(sorted(d.labels.items()))) not in found]
        moved = [d for d in others if abs(d.vs_baseline_pct or 0.0) >= self.moved_pct]
        near = closest(question)
        if near and near not in moved and not found:
            moved.append(near)
        if not moved:
            names = words.listed([d.metric.label for d in others[:12]]) if others else "no other metric"
            return nothing(
                "metric", "baseline", f"Nothing else moved by {self.moved_pct:g}% or more. Looked at: {names}."
            )
        moved.sort(key=lambda d: -abs(d.vs_baseline_pct or 0.0))
        context = context_metrics(question)
        return tuple(
            delta_fact(question, d, "change" if d.metric.name in context else "metric") for d in moved[: self.limit]
        )


def closest(question: Question) -> Delta | None:
    """The quiet series that moved furthest in its bad direction."""
    moved = [d for d in question.deltas if d.metric.name in question.quiet and d.vs_baseline_pct and _is_bad(d)]
    return max(moved, key=lambda d: abs(d.vs_baseline_pct or 0.0), default=None)


def _is_bad(delta: Delta) -> bool:
    good = delta.metric.good
    went = Direction.UP if (delta.vs_baseline_pct or 0) > 0 else Direction.DOWN
    return good is not Direction.NONE and went is not good


def context_metrics(question: Question) -> frozenset[str]:
    """Metrics that only describe what was done, such as deploys: no good direction, while others have one."""
    metrics = [d.metric for d in question.deltas]
    if all(m.good is Direction.NONE for m in metrics):
        return frozenset()
    return frozenset(m.name for m in metrics if m.good is Direction.NONE)


@evidence_providers.register("checks", "Data checks")
class CheckOutcomes(EvidenceProvider):
    """Checks that failed or could not run; when all passed, one fact that says so."""

    limit: int = Field(10, ge=1, description="Failed checks listed")

    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """One fact per failed check, or one for all that passed."""
        results = question.checks.results
        if not results:
            return nothing("check", "check", "No data check was run on these tables.")
        failed = question.checks.failed
        if failed:
            return tuple(_check(r) for r in failed[: self.limit])
        passed = len(results)
        return (
            Evidence(
                id="",
                kind="check",
                source="check",
                statement=f"All {words.counted(passed, 'data check')} passed.",
                numbers={"data_checks": float(passed)},
            ),
        )


def _check(result: CheckResult) -> Evidence:
    broken = result.status is CheckStatus.ERROR
    return Evidence(
        id="",
        kind="check",
        source=f"{result.table}.{result.column}" if result.column else result.table,
        statement=f"Check {result.check} {'could not run' if broken else 'failed'}: {result.message}",
        status=EvidenceStatus.ERROR if broken else EvidenceStatus.OK,
        numbers={"unexpected_count": float(result.unexpected_count), "unexpected_pct": result.unexpected_pct},
        query=result.check,
        data=result.sample,
    )


@evidence_providers.register("scope", "What was judged")
class Scope(EvidenceProvider):
    """How much was looked at: judged metrics, those that moved the wrong way, and their systems."""

    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """One note with the counts."""
        bad = [f for f in question.live if f.bad]
        judged = {*question.quiet, *(f.metric for f in question.findings)}
        counts = {
            "judged_metrics": len(judged),
            "concerned_metrics": len({f.metric for f in bad}),
            "concerned_systems": len({f.system for f in bad}),
            "missing_points": question.missing_points,
            "failed_checks": question.failed_checks,
        }
        statement = (
            f"{words.counted(counts['judged_metrics'], 'metric')} judged on "
            f"{words.period(question.as_of, question.freq)}; {counts['concerned_metrics']} moved the wrong way."
        )
        return (
            Evidence(
                id="",
                kind="note",
                source="detect",
                statement=statement,
                numbers={k: float(v) for k, v in counts.items()},
                start=question.as_of,
                end=question.until,
            ),
        )
