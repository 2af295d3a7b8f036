"""Percentage change against the baseline."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.detect.detector import SeriesDetector, Side, detectors, oriented, packed, spike_or_dip, unanswered
from core.model import Baseline, Bools, Floats, MetricKind, Panel, Scores


@detectors.register("change", "Percentage change")
class Change(SeriesDetector):
    """A move of at least ``pct`` percent from the baseline.

    From a baseline of 0 the absolute move decides. Small counts also need an absolute move, so that one more
    failure is no alarm. Metrics without a good direction never fire while ``side`` is ``bad``.
    """

    side: Side = "bad"
    pct: float = Field(15.0, gt=0, description="Percent away from the baseline")
    zero_baseline_abs: float = Field(1.0, gt=0, description="Absolute move needed when the baseline is 0")
    small_count_below: float = Field(10.0, ge=0, description="A count whose baseline is below this is small")
    small_count_abs: float = Field(2.0, gt=0, description="Absolute move a small count needs as well")
    small_count_metrics: tuple[str, ...] | None = Field(
        None, description="Metrics under the small-count rule; empty list = none, not set = all whole-number sums"
    )

    def score(self, panel: Panel, baseline: Baseline) -> Scores:
        """The move in multiples of what is needed. Abstains: without a value or a baseline."""
        move = panel.values - baseline.expected
        size = np.abs(baseline.expected)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = move / size * 100 / self.pct
        small = self._small(panel) & (size > 0) & (size < self.small_count_below)
        weaker = np.sign(move) * np.minimum(np.abs(ratio), np.abs(move) / self.small_count_abs)
        ratio = np.where(small, weaker, ratio)
        ratio = np.where(size == 0, move / self.zero_baseline_abs, ratio)
        score = np.where(np.isnan(move), np.nan, np.maximum(oriented(panel, ratio, self.side), 0.0))
        return packed(self.name, score, spike_or_dip(move), unanswered(panel, baseline, score))

    def _small(self, panel: Panel) -> Bools:
        """Where the small-count rule may apply."""
        names = panel.series["metric"].to_numpy(dtype=object)
        if self.small_count_metrics is not None:
            return np.isin(names, self.small_count_metrics).reshape(-1, 1)
        sums = np.array([panel.metrics[str(n)].kind is MetricKind.SUM for n in names], dtype=bool).reshape(-1, 1)
        values: Floats = panel.values
        return np.asarray(sums & (values == np.floor(values)))
