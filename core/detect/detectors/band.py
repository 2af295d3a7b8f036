"""Points outside the band of their baseline."""

from __future__ import annotations

import numpy as np

from core.detect.detector import SeriesDetector, detectors, oriented, packed, spike_or_dip, unanswered
from core.model import Baseline, Panel, Scores


@detectors.register("band", "Outside the band")
class Band(SeriesDetector):
    """A point outside its baseline's band."""

    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """Distance from the expectation in half-widths of the band on that side. Abstains: without a band."""
        move = panel.values - baseline.expected
        half = np.where(move >= 0, baseline.upper - baseline.expected, baseline.expected - baseline.lower)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(move == 0, np.where(np.isnan(half), np.nan, 0.0), move / half)
        score = np.where(np.isnan(distance), np.nan, np.maximum(oriented(panel, distance, self.side), 0.0))
        return packed(self.name, score, spike_or_dip(move), unanswered(panel, baseline, score))
