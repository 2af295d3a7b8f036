"""Size, conversion and churn of segments as drift detectors.

Source: acceptance PU-09, PU-11, PU-12, PU-14; every number of its table is a field with that default.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from core.baseline.references import Reference, churn
from core.detect.drift import Change, DriftDetector, Verdict
from core.detect.events import event_detectors
from core.detect.find import figure
from core.detect.watched import Watched
from core.model import Json, Severity, Snapshot


def relative(observed: float, expected: float) -> Change:
    """The relative change, signed; from zero without one."""
    if expected == 0:
        return Change(None if observed > 0 else 0.0, observed, expected)
    share = (observed - expected) / expected
    return Change(share, observed, expected, pct=share * 100)


def _either_way(change: Change) -> Change:
    return change if change.amount is None else replace(change, amount=abs(change.amount))


@event_detectors.register("size_jump", "Size")
class SizeJump(DriftDetector):
    """The size moved by the threshold or more, either way, or left the range that its owner expects."""

    threshold: float = Field(0.15, ge=0, le=1, description="Share of the compared size; 1 switches it off")

    type = "size_jump"
    noun = "Size"
    override = "size_change"

    @property
    def limit(self) -> float:
        """The playbook's threshold."""
        return self.threshold

    def change(self, _item: Watched, snapshot: Snapshot, reference: Reference) -> Change | None:
        """Relative change of the size, either way."""
        return _either_way(relative(float(snapshot.size), reference.size))

    def graded(self, item: Watched, verdict: Verdict) -> Severity | None:
        """A size outside the expected range is MEDIUM at least."""
        if not self._outside(item):
            return verdict.severity
        return max(Severity.MEDIUM, verdict.severity or Severity.MEDIUM)

    def _outside(self, item: Watched) -> bool:
        least, most, size = item.segment.watch.expected_min, item.segment.watch.expected_max, item.judged.size
        return (least is not None and size < least) or (most is not None and size > most)

    def told(self, item: Watched) -> dict[str, Json]:
        """The expected range, when the size is outside of it."""
        if not self._outside(item):
            return {}
        return {"expected_size": {"min": item.segment.watch.expected_min, "max": item.segment.watch.expected_max}}

    def sentence(self, item: Watched, worst: Verdict, kept: bool) -> str:
        """The finding in one sentence, with the expected range where that is broken."""
        text = super().sentence(item, worst, kept)
        if not self._outside(item):
            return text
        least, most = item.segment.watch.expected_min, item.segment.watch.expected_max
        limits = [f"at least {least:,}"] * (least is not None) + [f"at most {most:,}"] * (most is not None)
        return f"{text}; expected {' and '.join(limits)}"

    def written(self, value: float) -> str:
        """People."""
        return figure(value)


@event_detectors.register("conversion_anomaly", "Conversion")
class ConversionAnomaly(DriftDetector):
    """The conversion rate moved by the threshold or more, either way."""

    threshold: float = Field(0.25, ge=0, le=1, description="Relative change; 1 switches it off")

    type = "conversion_anomaly"
    noun = "Conversion"
    override = "conversion_anomaly"

    @property
    def limit(self) -> float:
        """The playbook's threshold."""
        return self.threshold

    def untracked(self, snapshot: Snapshot) -> str:
        """Conversion may not be tracked."""
        return "Conversion is not tracked" if snapshot.conv_rate is None else ""

    def change(self, _item: Watched, snapshot: Snapshot, reference: Reference) -> Change | None:
        """Relative change of the rate, either way."""
        if snapshot.conv_rate is None or reference.conv_rate is None:
            return None
        return _either_way(relative(snapshot.conv_rate, reference.conv_rate))


@event_detectors.register("inactivity_creep", "Churn")
class InactivityCreep(DriftDetector):
    """The share of people who left rose by the threshold or more; falls never fire."""

    threshold: float = Field(0.30, ge=0, le=1, description="Relative rise; 1 switches it off")

    type = "inactivity_creep"
    noun = "Churn"
    override = "inactivity_creep"

    @property
    def limit(self) -> float:
        """The playbook's threshold."""
        return self.threshold

    def untracked(self, snapshot: Snapshot) -> str:
        """People who left may not be tracked, and nobody can leave an empty segment."""
        return "Churn is not tracked" if churn(snapshot) is None else ""

    def band(self, base: float, limit: float) -> tuple[float | None, float | None]:
        """A fall is always in order."""
        return None, base * (1 + limit)

    def change(self, _item: Watched, snapshot: Snapshot, reference: Reference) -> Change | None:
        """Relative rise of the churn; a fall is below any threshold."""
        left = churn(snapshot)
        return None if left is None or reference.churn is None else relative(left, reference.churn)
