"""The make-up of a segment: shares of attribute values against those of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import cast

from pydantic import Field

from core.baseline.references import WORDS, Reference
from core.detect.drift import MOST_MOVERS, PLAYBOOK, Change, DriftDetector, Verdict
from core.detect.events import event_detectors
from core.detect.find import finding_id
from core.detect.watched import Watched
from core.model import ChangeType, Direction, Finding, Json, JsonObject, Severity, Snapshot

Shares = Mapping[str, float]


@event_detectors.register("distribution_shift", "Make-up")
class DistributionShift(DriftDetector):
    """The shares of some critical attribute are the threshold or more away, in total variation distance.

    Source: acceptance PU-06 (absent attributes), PU-10.
    """

    threshold: float = Field(0.20, ge=0, le=1, description="Total variation distance; 1 switches it off")

    type = "distribution_shift"
    noun = "Make-up"
    override = "distribution_shift"

    @property
    def limit(self) -> float:
        """The playbook's threshold."""
        return self.threshold

    def untracked(self, snapshot: Snapshot) -> str:
        """Nobody has no make-up."""
        return "" if snapshot.size else "Make-up is not judged: there is nobody in it"

    def change(self, item: Watched, snapshot: Snapshot, reference: Reference) -> Change | None:
        """The critical attribute furthest away, with its largest movers; None when none can be compared."""
        if not reference.size:
            return None
        distances: dict[str, float] = {}
        for name in critical(item, snapshot.shares, reference.shares):
            now, was = snapshot.shares.get(name), reference.shares.get(name)
            if (now is not None and was is not None) or self._both_known(item, name):
                distances[name] = total_variation(now or {}, was or {})
        if not distances:
            return None
        worst = max(distances, key=lambda name: round(distances[name], 12))
        return Change(
            amount=distances[worst],
            observed=distances[worst],
            expected=0.0,
            told={
                "attribute": worst,
                "movers": movers(snapshot.shares.get(worst, {}), reference.shares.get(worst, {})),
                "attributes": [{"attribute": name, "distance": d} for name, d in distances.items()],
            },
        )

    @staticmethod
    def _both_known(item: Watched, attribute: str) -> bool:
        """Whether an absent attribute means shares of 0: the source has the column, and earlier snapshots knew it."""
        return attribute in item.columns and any(attribute in s.shares for s in item.history[:-1])

    def faults(self, item: Watched, before: tuple[Snapshot, ...]) -> tuple[Finding, ...]:
        """One data finding per critical attribute that is gone from the snapshot and not known to the source."""
        latest = before[-1].shares if before else {}
        gone = [
            name
            for name in critical(item, item.judged.shares, latest)
            if name in latest and name not in item.judged.shares and name not in item.columns
        ]
        return tuple(self._fault(item, name) for name in gone)

    def _fault(self, item: Watched, attribute: str) -> Finding:
        day = item.judged.ts.replace(hour=0, minute=0, second=0, microsecond=0)
        labels = {"segment": item.segment.id, "attribute": attribute}
        return Finding(
            id=finding_id(PLAYBOOK, self.name, "attribute_missing", labels, item.judged.ts),
            kind="quality",
            detector=self.name,
            metric=self.type,
            label=item.segment.name,
            system=item.segment.id,
            labels={},
            start=day,
            end=day + timedelta(days=1),
            observed=None,
            expected=None,
            lower=None,
            upper=None,
            unit="",
            score=1.0,
            severity=Severity.MEDIUM,
            direction=Direction.NONE,
            bad=True,
            change=ChangeType.MISSING,
            baseline="previous",
            change_abs=None,
            change_pct=None,
            summary=f"Attribute {attribute} is missing from the snapshot of {item.segment.name}",
            suppressed_by=f"bad data: {attribute} is in no column of the source, which is a data problem and no drift",
            type=self.type,
            subject=item.segment.id,
            details={"attribute": attribute, "ts": item.judged.ts.isoformat()},
        )

    def band(self, _base: float, limit: float) -> tuple[float | None, float | None]:
        """Any distance below the threshold."""
        return None, limit

    def sentence(self, item: Watched, worst: Verdict, kept: bool) -> str:
        """The worst attribute, its distance and its largest movers."""
        told = worst.change.told
        against = "the base of the open incident" if kept else WORDS.get(worst.reference.name, worst.reference.name)
        moved = ", ".join(
            f"{m['value']} {_share(m['before'])} to {_share(m['after'])}"
            for m in cast("Sequence[JsonObject]", told["movers"])
            if m["change"]
        )
        name = f"Make-up of {item.segment.name} by {told['attribute']}"
        return f"{name} is {worst.change.observed:.2f} away from {against} ({moved})"


def critical(item: Watched, *sides: Mapping[str, Shares]) -> tuple[str, ...]:
    """The attributes to judge: the segment's critical ones, or all that either side knows."""
    named = item.segment.watch.critical_attributes
    return named or tuple(dict.fromkeys(name for side in sides for name in side))


def total_variation(now: Shares, was: Shares) -> float:
    """Half the sum of the absolute differences over the union of the values."""
    return sum(abs(now.get(v, 0.0) - was.get(v, 0.0)) for v in {**now, **was}) / 2


def movers(now: Shares, was: Shares, most: int = MOST_MOVERS) -> tuple[JsonObject, ...]:
    """The values whose shares moved furthest, with both shares."""
    moved = sorted({**was, **now}, key=lambda v: (-round(abs(now.get(v, 0.0) - was.get(v, 0.0)), 12), v))
    return tuple(
        {"value": v, "before": was.get(v, 0.0), "after": now.get(v, 0.0), "change": now.get(v, 0.0) - was.get(v, 0.0)}
        for v in moved[:most]
    )


def _share(value: Json) -> str:
    return f"{float(value) * 100:.2f}%" if isinstance(value, int | float) else "n/a"
