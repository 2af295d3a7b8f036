"""Evidence first: what Explain may look at, and the providers that turn it into numbered facts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.errors import WorkbenchError
from core.model import (
    CheckReport,
    Dataset,
    Delta,
    Evidence,
    EvidenceStatus,
    Finding,
    Light,
    Panel,
)
from core.plugins import Plugin, Registry
from core.ports import Engine

_LENGTHS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "D": timedelta(days=1), "W": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class MetricSource:
    """Where a metric's figures come from: ``agg(column)`` of ``table``, divided by ``over`` for a ratio."""

    name: str
    table: str
    column: str | None
    agg: str
    over: str | None
    time: str


@dataclass(frozen=True, slots=True)
class Question:
    """All that Explain may look at. ``light`` and ``rule`` are what the decision table proposes."""

    playbook: str
    title: str
    as_of: datetime
    freq: str
    deltas: tuple[Delta, ...]
    findings: tuple[Finding, ...]
    quiet: tuple[str, ...]
    checks: CheckReport
    panel: Panel
    point: int
    dataset: Dataset
    engine: Engine
    light: Light
    rule: str = ""
    metrics: tuple[MetricSource, ...] = ()
    dimensions: tuple[str, ...] = ()
    missing_points: int = 0
    failed_checks: int = 0
    confidence_base: float = 0.90
    per_missing_point: float = 0.05
    per_failed_check: float = 0.10
    actions: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"

    @property
    def live(self) -> tuple[Finding, ...]:
        """Findings that nothing suppresses, one per series, the largest move against the baseline first."""
        series: dict[tuple[object, ...], Finding] = {}
        for finding in self.findings:
            key = (finding.metric, tuple(sorted(finding.labels.items())))
            if not finding.suppressed_by and (key not in series or finding.score > series[key].score):
                series[key] = finding
        return tuple(sorted(series.values(), key=self._size))

    def _size(self, finding: Finding) -> tuple[bool, float, str]:
        """Null percentages last; equal ones in the order of their names."""
        move = self.move(finding)
        return move is None, -abs(move or 0.0), finding.metric

    def move(self, finding: Finding) -> float | None:
        """The finding's change against its baseline, in percent."""
        delta = self.delta(finding)
        return delta.vs_baseline_pct if delta else finding.change_pct

    def delta(self, finding: Finding) -> Delta | None:
        """The delta of the finding's own series at the judged point, against the baseline that the finding used."""
        same = (d for d in self.deltas if d.metric.name == finding.metric and dict(d.labels) == dict(finding.labels))
        delta = next(same, None)
        if delta is None or delta.method == finding.baseline:
            return delta
        return replace(
            delta,
            method=finding.baseline,
            baseline=finding.expected,
            vs_baseline_abs=finding.change_abs,
            vs_baseline_pct=finding.change_pct,
            lower=finding.lower,
            upper=finding.upper,
            trained_on=(),
        )

    @property
    def until(self) -> datetime:
        """End of the judged period, exclusive."""
        if self.freq == "MS":
            return (self.as_of.replace(day=1) + timedelta(days=32)).replace(day=1)
        if self.freq == "YS":
            return self.as_of.replace(year=self.as_of.year + 1)
        return self.as_of + _LENGTHS.get(self.freq, timedelta(days=1))


class EvidenceProvider(Plugin):
    """Looks for one kind of fact. Read-only."""

    @abstractmethod
    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """Facts, still without ids; where there are none, one ``no_data`` that says what was searched."""
        raise NotImplementedError


evidence_providers: Registry[EvidenceProvider] = Registry("evidence provider")


def gather(question: Question) -> tuple[Evidence, ...]:
    """The facts of every provider, numbered E1, E2, ...; a provider that fails leaves an ``error`` in its place."""
    found = (fact for cls in evidence_providers for fact in _guarded(cls(), question))
    return tuple(replace(fact, id=f"E{i}") for i, fact in enumerate(found, start=1))


def _guarded(provider: EvidenceProvider, question: Question) -> Iterator[Evidence]:
    try:
        yield from provider.gather(question)
    except (WorkbenchError, ValueError, ArithmeticError, LookupError, OSError) as exc:
        yield Evidence(
            id="",
            kind="note",
            source=provider.name,
            statement=f"{provider.title} could not be looked up: {exc}",
            status=EvidenceStatus.ERROR,
        )


def nothing(kind: str, source: str, statement: str) -> tuple[Evidence, ...]:
    """The answer of a provider that found nothing."""
    return (Evidence(id="", kind=kind, source=source, statement=statement, status=EvidenceStatus.NO_DATA),)
