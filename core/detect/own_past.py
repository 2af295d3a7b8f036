"""The make-up of a segment against its own past: the placebo test as a drift detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from core.baseline.references import REFERENCE, Reference
from core.detect.drift import Verdict
from core.detect.events import event_detectors
from core.detect.makeup import DistributionShift, critical, movers, total_variation
from core.detect.placebo import Audience, PlaceboRules, Shift, largest_shift
from core.detect.watched import Watched
from core.model import Segment, Snapshot


@event_detectors.register("drift_placebo", "Make-up against its own past")
class DriftPlacebo(DistributionShift):
    """The make-up moved further than it ever does by itself, whatever the size of the segment.

    The threshold is in standard deviations of the segment's own earlier shifts; a segment's own distance threshold
    only switches it off. Abstains, with a note: fewer than 5 snapshots, or too few people in every value.
    Source: shared method of placebo tests; the numbers are measured in bench/README.md.
    """

    threshold: float = Field(3.5, gt=0, description="Standard deviations of the segment's own earlier shifts")
    gain: float = Field(0.4, gt=0, lt=1, description="Weight of the newest snapshot in the usual level")
    prior: float = Field(5.0, gt=0, description="Snapshots that counting noise is worth beside the earlier shifts")
    floor: float = Field(0.03, ge=0, description="Least standard deviation of a value's log odds")
    least: float = Field(30.0, ge=0, description="People a value needs")

    nothing_to_compare = "against its own past needs 4 earlier snapshots and enough people in some value"

    def is_off(self, segment: Segment) -> bool:
        """Whether the segment switched its make-up off."""
        return segment.watch.distribution_shift is not None and segment.watch.distribution_shift >= 1

    def threshold_of(self, _segment: Segment) -> float:
        """The same for all segments: each is measured by its own past."""
        return self.threshold

    def band(self, _base: float, _limit: float) -> tuple[float | None, float | None]:
        """No distance is a limit here."""
        return None, None

    def against(self, item: Watched, before: Sequence[Snapshot]) -> tuple[Reference, ...]:
        """The median of the snapshots before, which names the movers; the test itself looks at all of them."""
        return tuple(r for r in super().against(item, before) if r.name == REFERENCE)

    def verdict(self, item: Watched, snapshot: Snapshot, reference: Reference, kept: bool = False) -> Verdict | None:
        """The largest shift over its threshold."""
        found, change = self._shift(item, snapshot, reference, kept=kept), self.change(item, snapshot, reference)
        if found is None or change is None:
            return None
        now, was = snapshot.shares.get(found.attribute, {}), reference.shares.get(found.attribute, {})
        distance = total_variation(now, was)
        told = {
            **change.told,
            "attribute": found.attribute,
            "movers": movers(now, was),
            "value": found.value,
            "z": found.z,
            "placebo_p": found.placebo_p,
            "windows": found.windows,
        }
        change = replace(change, amount=distance, observed=distance, told=told)
        ratio = abs(found.z) / self.threshold
        return Verdict(reference, change, ratio, self.severity(ratio, change), small=False)

    def _shift(self, item: Watched, snapshot: Snapshot, reference: Reference, *, kept: bool) -> Shift | None:
        """The test of the snapshot against those before it; against a kept base, against those that base knew."""
        last = max(reference.dates, default=snapshot.ts) if kept else snapshot.ts
        past = [s for s in item.history if s.ts < snapshot.ts and s.ts <= last and s.size]
        rules = PlaceboRules(self.gain, self.prior, self.floor, self.least)
        names = critical(item, *(s.shares for s in (*past, snapshot)))
        audiences = [a for name in names if (a := _audience(name, [*past, snapshot])) is not None]
        return largest_shift(audiences, rules, levels=reference.shares if kept else None)


def _audience(attribute: str, snapshots: Sequence[Snapshot]) -> Audience | None:
    """The attribute's counts over the snapshots that know it; None where the last one does not."""
    known = [s for s in snapshots if s.shares.get(attribute)]
    if not known or known[-1] is not snapshots[-1]:
        return None
    values = tuple(dict.fromkeys(v for s in known for v in s.shares[attribute]))
    counts = [[s.size * s.shares[attribute].get(v, 0.0) for v in values] for s in known]
    return Audience(attribute, values, np.array(counts))
