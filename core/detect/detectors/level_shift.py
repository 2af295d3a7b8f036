"""Shifts of level and trends."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from core.detect.detector import SeriesDetector, detectors, every, oriented, packed, unanswered
from core.detect.residuals import residuals
from core.detect.shifts import shift_statistic
from core.model import Baseline, ChangeType, Panel, Scores


@detectors.register("level_shift", "Level shift")
class LevelShift(SeriesDetector):
    """Small residuals on one side that add up over ``windows`` points: a step, or a trend that has begun."""

    baseline: ClassVar[str] = "robust_seasonal"

    windows: tuple[int, ...] = Field((3, 7, 14, 28), min_length=1, description="Points to sum over, each tested")
    threshold: float = Field(3.0, gt=0, description="Cut in running standard deviations")

    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """The strongest sum in multiples of ``threshold``. Abstains: where the baseline does."""
        z = residuals(panel.values, baseline)
        shift = shift_statistic(z, self.windows) / self.threshold
        score = np.where(np.isnan(z), np.nan, np.maximum(oriented(panel, shift, self.side), 0.0))
        change = every(z.shape, ChangeType.STEP_UP)
        change[shift < 0] = ChangeType.STEP_DOWN
        return packed(self.name, score, change, unanswered(panel, baseline, score))
