"""Several tests on the residuals of one baseline, each on its own running scale."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from core.detect.detector import Changes, SeriesDetector, detectors, every, oriented, packed, unanswered
from core.detect.gaps import missing_score, stuck_score
from core.detect.residuals import innovations, on_own_scale, residuals
from core.detect.shifts import shift_statistic
from core.model import Baseline, ChangeType, Floats, Panel, Scores

POINT_CUT, SHIFT_CUT = 3.8, 3.5  # running scales; measured on labelled daily business metrics
HOURLY_CUT, MINUTE_CUT = 3.1, 5.5  # standard deviations; more points a day need a higher cut


@detectors.register("combined", "Combined (recommended)")
class Combined(SeriesDetector):
    """Point, shift, stuck and missing tests on one baseline; the strongest one speaks.

    Points finer than hours are judged one by one, on the scale of all their history.
    """

    baseline: ClassVar[str] = "robust_seasonal"

    sensitivity: float = Field(1.0, gt=0, description="Above 1 finds more and alarms more often; below 1 less")

    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """The strongest test in multiples of its cut. Abstains: where the baseline does."""
        if not panel.values.size:
            return packed(self.name, panel.values.copy(), every(panel.shape, None), ())
        fine = len(panel.index) > 1 and (panel.index[1] - panel.index[0]) < pd.Timedelta(hours=20)
        z = residuals(panel.values, baseline)
        tests = self._fine(panel, z) if fine else self._coarse(panel, z)
        missing = missing_score(panel.values, panel.index)
        tests.append((np.where(np.isnan(panel.values), missing, 0.0), every(z.shape, ChangeType.MISSING)))
        score, change = _strongest(tests)
        unknown = np.isnan(z) & ~((missing > 0) & np.isfinite(baseline.expected))
        score = np.where(unknown, np.nan, score * self.sensitivity)
        return packed(self.name, score, change, unanswered(panel, baseline, score))

    def _fine(self, panel: Panel, z: Floats) -> list[tuple[Floats, Changes]]:
        hourly = (panel.index[1] - panel.index[0]) >= pd.Timedelta(minutes=30)
        return [(oriented(panel, z, self.side) / (HOURLY_CUT if hourly else MINUTE_CUT), _moved(z))]

    def _coarse(self, panel: Panel, z: Floats) -> list[tuple[Floats, Changes]]:
        point, shift = on_own_scale(innovations(z)), shift_statistic(z)
        return [
            (oriented(panel, point, self.side) / POINT_CUT, _moved(point)),
            (oriented(panel, shift, self.side) / SHIFT_CUT, _moved(shift, ChangeType.STEP_UP, ChangeType.STEP_DOWN)),
            (stuck_score(panel.values), every(z.shape, ChangeType.STUCK)),
        ]


def _moved(z: Floats, up: ChangeType = ChangeType.SPIKE, down: ChangeType = ChangeType.DIP) -> Changes:
    change = every(z.shape, up)
    change[z < 0] = down
    return change


def _strongest(tests: list[tuple[Floats, Changes]]) -> tuple[Floats, Changes]:
    """The largest score at each point (at least 0), and the kind of its test."""
    score, change = np.zeros(tests[0][0].shape), tests[0][1].copy()
    for one, kind in tests:
        better = np.nan_to_num(one, nan=-1.0) > score
        score, change = np.where(better, one, score), np.where(better, kind, change)
    return score, change
