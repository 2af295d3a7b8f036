"""How a drift detector judges segments: one measure of the newest snapshot against three references.

Source: acceptance PU-07 .. PU-16; every number of its table is a field here with that default.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import ClassVar, Literal, cast

from pydantic import Field

from core.baseline.references import (
    WORDS,
    Reference,
    ReferenceRules,
    earlier,
    reference_doc,
    reference_of,
    references,
)
from core.detect.events import EventDetector, Scene
from core.detect.find import finding_id
from core.detect.watched import Remarks, Watched, watched
from core.model import (
    ChangeType,
    Direction,
    Finding,
    Json,
    JsonObject,
    Segment,
    Severity,
    Sighting,
    Snapshot,
)

NOISE = 1e-9  # exactly on a threshold fires, whatever floating point made of it
FINEST = 1e-4  # a threshold of 0 counts as this: every change fires, with a ratio that is still a number
MOST_MOVERS = 3
PLAYBOOK = "segment_drift"


@dataclass(frozen=True, slots=True)
class Change:
    """What one comparison says. ``amount`` is held against the threshold; None where the base is zero."""

    amount: float | None
    observed: float
    expected: float
    pct: float | None = None
    told: JsonObject = field(default_factory=dict)  # what else the finding's details say of it

    @property
    def from_zero(self) -> bool:
        """Something where nothing was: no percentage, no ratio."""
        return self.amount is None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A comparison with what it means: the ratio to the threshold, and the severity if it fires."""

    reference: Reference
    change: Change
    ratio: float
    severity: Severity | None
    small: bool


class DriftDetector(EventDetector):
    """Judges one measure of every segment's newest snapshot; the comparison with the largest ratio speaks.

    With an open incident only the base that it was judged against counts. Abstains, with a note: segments not
    monitored, switched off, without history, with withheld data, or where the measure is not tracked.
    """

    medium: float = Field(1.5, gt=0, description="MEDIUM from this multiple of the threshold")
    high: float = Field(2.0, gt=0, description="HIGH from this multiple")
    critical: float = Field(3.0, gt=0, description="CRITICAL from this multiple")
    from_zero: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"] = Field(
        "HIGH", description="Severity of something where nothing was"
    )
    small_sample: int = Field(30, ge=0, description="Both sizes below it: suppressed")
    reference_snapshots: int = Field(7, ge=1, description="Most snapshots in the median before")
    window: int = Field(14, ge=2, description="Snapshots of the window, the judged one included")
    window_start: int = Field(3, ge=1, description="Oldest snapshots of the window that make its start")
    window_needs: int = Field(8, ge=2, description="Fewest snapshots for a window")

    type: ClassVar[str]
    noun: ClassVar[str]
    override: ClassVar[str]  # field of SegmentWatch
    nothing_to_compare: ClassVar[str] = "has nothing to be compared with"

    @property
    @abstractmethod
    def limit(self) -> float:
        """The playbook's threshold."""

    @abstractmethod
    def change(self, item: Watched, snapshot: Snapshot, reference: Reference) -> Change | None:
        """What the measure of ``snapshot`` is against the reference; None where it is not tracked on both sides."""

    def detect(self, scene: Scene) -> Sighting:
        """One finding per segment that moved too far; (segment, type) of those in order."""
        remarks, findings, healthy = Remarks(), list[Finding](), set[tuple[str, str]]()
        for item in watched(scene, remarks):
            try:
                seen = self._judge(item, scene, remarks)
            except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as exc:
                remarks.add(f"{self.noun} could not be judged: {type(exc).__name__} {exc}", item.segment.name)
                continue
            findings += seen.findings
            healthy |= seen.healthy
        return Sighting(tuple(findings), frozenset(healthy), (*remarks.sentences(), *_loading(scene)))

    def _judge(self, item: Watched, scene: Scene, remarks: Remarks) -> Sighting:
        name = item.segment.name
        if self.is_off(item.segment):
            remarks.add(f"{self.noun} is switched off", name)
            return Sighting()
        if why := self.untracked(item.judged):
            remarks.add(why, name)
            return Sighting()
        kept = kept_base(scene.open.get((item.segment.id, self.type)))
        before = self.before(item, scene)
        if not before and kept is None:
            remarks.add("Not enough history (fewer than 2 snapshots)", name)
            return Sighting()
        item = replace(item, history=(*before, item.judged))
        faults = self.faults(item, before)
        told = (self.verdict(item, item.judged, reference) for reference in self.against(item, before))
        compared = [verdict for verdict in told if verdict is not None]
        decides = compared if kept is None else [self.verdict(item, item.judged, kept, True)]
        deciding = [verdict for verdict in decides if verdict is not None]
        if not deciding:
            remarks.add(f"{self.noun} {self.nothing_to_compare}", name)
            return Sighting(faults)
        worst = max(deciding, key=lambda v: (v.severity is not None and not v.small, round(v.ratio, 9)))
        severity = self.graded(item, worst)
        if severity is None:
            return Sighting(faults, frozenset() if faults else frozenset({(item.segment.id, self.type)}))
        finding = self._finding(item, worst, severity, compared, kept is not None)
        return Sighting((finding, *faults))

    def threshold_of(self, segment: Segment) -> float:
        """The segment's own threshold, else the playbook's; 1.0 switches the detector off."""
        own = cast("float | None", getattr(segment.watch, self.override))
        return self.limit if own is None else own

    def is_off(self, segment: Segment) -> bool:
        """Whether the segment switched this detector off."""
        return self.threshold_of(segment) >= 1

    def against(self, item: Watched, before: Sequence[Snapshot]) -> tuple[Reference, ...]:
        """What the judged snapshot is compared with."""
        rules = ReferenceRules(self.reference_snapshots, self.window, self.window_start, self.window_needs)
        return references(before, rules, existing=item.columns)

    def untracked(self, _snapshot: Snapshot) -> str:
        """Why the snapshot has no such measure; empty when it has one."""
        return ""

    def faults(self, _item: Watched, _before: tuple[Snapshot, ...]) -> tuple[Finding, ...]:
        """Data findings that keep part of the measure from being judged."""
        return ()

    def graded(self, _item: Watched, verdict: Verdict) -> Severity | None:
        """The severity of a finding; None when all is in order."""
        return verdict.severity

    def before(self, item: Watched, scene: Scene) -> tuple[Snapshot, ...]:
        """The earlier snapshots that may be compared with: since the new normal, without a past incident's drift."""
        since = item.segment.normal_since.get(self.type)
        drifted = self._drifted(item, scene, since)
        return earlier(item.history, item.judged.ts, since=since, without=drifted)

    def _drifted(self, item: Watched, scene: Scene, since: datetime | None) -> Collection[datetime]:
        """Snapshots that belong to the resolved incident: those that drifted from the base it was judged against."""
        past = scene.past.get((item.segment.id, self.type))
        if past is None:
            return ()
        start, end = (datetime.fromisoformat(str(past.get(k) or scene.now)) for k in ("detected_at", "resolved_at"))
        if since is not None and since.date() >= start.date():
            return ()
        until = [s for s in item.history if s.ts <= end]
        base = kept_base(past)
        if base is None:
            return {s.ts for s in until if s.ts.date() >= start.date()}
        inside = {s.ts for s in until if s.ts.date() > start.date() and self._fires(item, s, base)}
        return inside | set(self._run([s for s in until if s.ts.date() <= start.date()], item, base))

    def _run(self, until: Iterable[Snapshot], item: Watched, base: Reference) -> list[datetime]:
        """The last snapshots in a row that drift from ``base``, newest first."""
        run: list[datetime] = []
        for snapshot in reversed(tuple(until)):
            if not self._fires(item, snapshot, base):
                break
            run.append(snapshot.ts)
        return run

    def _fires(self, item: Watched, snapshot: Snapshot, base: Reference) -> bool:
        verdict = self.verdict(item, snapshot, base, True)
        return verdict is not None and verdict.severity is not None

    def verdict(self, item: Watched, snapshot: Snapshot, reference: Reference, _kept: bool = False) -> Verdict | None:
        """How far the snapshot is from the reference, kept from before or not; None where that cannot be said."""
        change = self.change(item, snapshot, reference)
        if change is None:
            return None
        ratio = self._ratio(change, item.segment)
        few = snapshot.size < self.small_sample
        small = few and (reference.size < self.small_sample or (change.from_zero and self.type != "size_jump"))
        return Verdict(reference, change, ratio, self.severity(ratio, change), small)

    def _ratio(self, change: Change, segment: Segment) -> float:
        """Change over threshold; from zero it is the step of its severity."""
        if change.amount is None:
            steps = {"LOW": 1.0, "MEDIUM": self.medium, "HIGH": self.high, "CRITICAL": self.critical}
            return steps[self.from_zero]
        return change.amount / max(self.threshold_of(segment), FINEST)

    def severity(self, ratio: float, change: Change) -> Severity | None:
        """The severity of so many thresholds; None below one."""
        if change.from_zero:
            return Severity[self.from_zero]
        steps = ((self.critical, Severity.CRITICAL), (self.high, Severity.HIGH), (self.medium, Severity.MEDIUM))
        grades = (*steps, (1.0, Severity.LOW))
        return next((severity for least, severity in grades if ratio >= least - NOISE), None)

    def _finding(
        self,
        item: Watched,
        worst: Verdict,
        severity: Severity,
        compared: list[Verdict],
        kept: bool,
    ) -> Finding:
        change, limit = worst.change, self.threshold_of(item.segment)
        move = change.observed - change.expected
        limits = (None, None) if change.from_zero else self.band(change.expected, limit)
        day = item.judged.ts.replace(hour=0, minute=0, second=0, microsecond=0)
        run = self._run(item.history, item, worst.reference)
        details: dict[str, Json] = {
            "type": self.type,
            "ts": item.judged.ts.isoformat(),
            "size": item.judged.size,
            "threshold": limit,
            "ratio": worst.ratio,
            "from_zero": change.from_zero,
            "judged_against": "kept base" if kept else worst.reference.name,
            "base": reference_doc(worst.reference),
            "comparisons": [_comparison(v) for v in compared],
            "since": (run[-1] if run else item.judged.ts).isoformat(),
            **change.told,
            **self.told(item),
        }
        return Finding(
            id=finding_id(PLAYBOOK, self.name, self.type, {"segment": item.segment.id}, item.judged.ts),
            kind="drift",
            detector=self.name,
            metric=self.type,
            label=item.segment.name,
            system=item.segment.id,
            labels={},
            start=day,
            end=day + timedelta(days=1),
            observed=change.observed,
            expected=change.expected,
            lower=limits[0],
            upper=limits[1],
            unit="",
            score=worst.ratio,
            severity=severity,
            direction=Direction.UP if move > 0 else Direction.DOWN if move < 0 else Direction.NONE,
            bad=True,
            change=_kind(worst, move),
            baseline=worst.reference.name,
            change_abs=move,
            change_pct=change.pct,
            summary=self.sentence(item, worst, kept),
            suppressed_by=f"small sample: fewer than {self.small_sample} people" if worst.small else None,
            type=self.type,
            subject=item.segment.id,
            details=details,
        )

    def band(self, base: float, limit: float) -> tuple[float | None, float | None]:
        """Between which values the measure would be in order."""
        return base * (1 - limit), base * (1 + limit)

    def told(self, _item: Watched) -> dict[str, Json]:
        """What this detector's findings tell of the segment beside the comparisons."""
        return {}

    def sentence(self, item: Watched, worst: Verdict, kept: bool) -> str:
        """The finding in one sentence with its figures."""
        change = worst.change
        against = "the base of the open incident" if kept else WORDS.get(worst.reference.name, worst.reference.name)
        pct = "from zero" if change.pct is None else f"{change.pct:+.2f}%"
        now, was = self.written(change.observed), self.written(change.expected)
        return f"{self.noun} of {item.segment.name} {now} against {was}, {against} ({pct})"

    def written(self, value: float) -> str:
        """A value of the measure as people read it."""
        return f"{value * 100:.2f}%"


def _loading(scene: Scene) -> tuple[str, ...]:
    """What could not be counted when the snapshots were taken."""
    told = scene.dataset.documents.get("remarks")
    return tuple(map(str, told)) if isinstance(told, list | tuple) else ()


def kept_base(body: JsonObject | None) -> Reference | None:
    """The base an incident was judged against, from its body."""
    receipt = (body or {}).get("baseline_receipt")
    return reference_of(receipt.get("base")) if isinstance(receipt, Mapping) else None


def _kind(worst: Verdict, move: float) -> ChangeType:
    if worst.reference.name == "window_start":
        return ChangeType.TREND
    return ChangeType.STEP_DOWN if move < 0 else ChangeType.STEP_UP


def _comparison(verdict: Verdict) -> JsonObject:
    change = verdict.change
    return {
        "name": verdict.reference.name,
        "dates": [at.isoformat() for at in verdict.reference.dates],
        "base": change.expected,
        "observed": change.observed,
        "change_pct": change.pct,
        "ratio": None if change.from_zero else verdict.ratio,
        "fires": verdict.severity is not None,
        **({"attribute": change.told["attribute"]} if "attribute" in change.told else {}),
    }
