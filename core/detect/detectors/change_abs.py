"""Absolute change against the baseline."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.detect.detector import SeriesDetector, Side, detectors, oriented, packed, spike_or_dip, unanswered
from core.model import Baseline, Panel, Scores


@detectors.register("change_abs", "Absolute change")
class ChangeAbs(SeriesDetector):
    """A move of at least ``amount`` from the baseline, in the metric's own unit."""

    side: Side = "bad"
    amount: float = Field(1.0, gt=0, description="Move away from the baseline, in the metric's unit")

    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """The move in multiples of ``amount``. Abstains: without a value or a baseline."""
        move = panel.values - baseline.expected
        score = np.where(np.isnan(move), np.nan, np.maximum(oriented(panel, move / self.amount, self.side), 0.0))
        return packed(self.name, score, spike_or_dip(move), unanswered(panel, baseline, score))
