"""Baseline from the same weekday (or the same hour of the week) of earlier weeks."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.baseline.method import BaselineMethod, baselines, rounding_floor
from core.baseline.slots import slot_of_week
from core.model import Abstention, Baseline, Floats, Ints, Panel


@baselines.register("weekday_median", "Same weekday, median of weeks")
class WeekdayMedian(BaselineMethod):
    """Median of the same weekday (same hour of the week for finer points) over the last ``weeks`` observed ones."""

    weeks: int = Field(8, ge=2, description="Earlier observed points of the same slot")
    min_weeks: int = Field(3, ge=1, description="How many of them are needed to answer at all")
    width: float = Field(3.5, gt=0, description="Band half-width, in standard deviations by the median deviation")

    def fit(self, panel: Panel) -> Baseline:
        """Median and median absolute deviation. Abstains: with fewer than ``min_weeks`` earlier points of a slot."""
        values, slots = panel.values, slot_of_week(panel.index, panel.freq)
        expected, spread = np.full(panel.shape, np.nan), np.full(panel.shape, np.nan)
        for t in range(panel.shape[1]):
            middle, deviation = self._before(values, slots, t)
            expected[:, t], spread[:, t] = middle, deviation
        half = np.fmax(self.width * 1.4826 * spread, rounding_floor(values))
        half = np.where(np.isnan(expected), np.nan, half)
        return Baseline(
            method=self.name,
            expected=expected,
            lower=expected - half,
            upper=expected + half,
            trained_on=lambda series, point: _seen(values, slots, series, point)[-self.weeks :],
            abstentions=self._short(panel, slots),
            params={"weeks": self.weeks, "min_weeks": self.min_weeks, "width": self.width},
        )

    def _before(self, values: Floats, slots: Ints, t: int) -> tuple[Floats, Floats]:
        """Median and its deviation over the last observed points of the slot of ``t``."""
        n = len(values)
        earlier = values[:, np.flatnonzero(slots[:t] == slots[t])]
        seen = np.isfinite(earlier)
        recent = np.where(np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] <= self.weeks, earlier, np.nan)
        enough = np.flatnonzero(np.isfinite(recent).sum(axis=1) >= self.min_weeks)
        middle, deviation = np.full(n, np.nan), np.full(n, np.nan)
        if len(enough):
            held = recent[enough]
            middle[enough] = np.nanmedian(held, axis=1)
            deviation[enough] = np.nanmedian(np.abs(held - middle[enough, None]), axis=1)
        return middle, deviation

    def _short(self, panel: Panel, slots: Ints) -> tuple[Abstention, ...]:
        last = panel.shape[1] - 1
        counts = [len(_seen(panel.values, slots, i, last)) if last >= 0 else 0 for i in range(panel.shape[0])]
        what = "earlier points of the same weekday and hour"
        return tuple(
            Abstention(i, f"needs {self.min_weeks} {what}, has {c}") for i, c in enumerate(counts) if c < self.min_weeks
        )


def _seen(values: Floats, slots: Ints, series: int, point: int) -> Ints:
    """Observed points of the same slot before ``point``."""
    held = (slots[:point] == slots[point]) & np.isfinite(values[series, :point])
    return np.asarray(np.flatnonzero(held), dtype=np.int64)
