"""Missing and stuck data."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.detect.detector import SeriesDetector, detectors, every, packed
from core.detect.gaps import ENOUGH, missing_score, stuck_score
from core.model import Abstention, Baseline, ChangeType, Panel, Scores


@detectors.register("missing", "Missing or stuck data")
class Missing(SeriesDetector):
    """A gap, or a run of equal values, that earlier points of the series make unusual."""

    stuck: bool = Field(True, description="Also look for values that do not move")

    def score(self, panel: Panel, baseline: Baseline) -> Scores:  # noqa: ARG002  (needs no expectation)
        """Surprise in multiples of what is worth a look. Abstains: before ten earlier points."""
        gap = missing_score(panel.values, panel.index)
        run = stuck_score(panel.values) if self.stuck else np.zeros_like(gap)
        before = np.cumsum(np.isfinite(panel.values), axis=1) - np.isfinite(panel.values)
        score = np.where(before >= ENOUGH, np.maximum(gap, run), np.nan)
        change = every(score.shape, ChangeType.MISSING)
        change[run > gap] = ChangeType.STUCK
        last = before[:, -1] if panel.shape[1] else np.zeros(panel.shape[0])
        short = tuple(
            Abstention(int(i), f"needs {ENOUGH} earlier points, has {int(last[i])}")
            for i in np.flatnonzero(last < ENOUGH)
        )
        return packed(self.name, score, change, short)
