"""Baselines from the last observed points: the previous one, and a trailing mean."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.baseline.method import BaselineMethod, baselines, observed_before, rounding_floor, short_history
from core.model import Baseline, Floats, Panel


@baselines.register("previous", "Previous point")
class Previous(BaselineMethod):
    """The last observed point before; its band is ``width`` times the usual size of a step."""

    width: float = Field(3.0, gt=0, description="Band half-width, in typical steps between points")
    window: int = Field(28, ge=2, description="Earlier steps that say what a typical step is")

    def fit(self, panel: Panel) -> Baseline:
        """The preceding observed value. Abstains: before the first observed point."""
        return _trailing(panel, self.name, keep=1, window=self.window, width=self.width, min_points=1)


@baselines.register("trailing_mean", "Trailing mean")
class TrailingMean(BaselineMethod):
    """Arithmetic mean of up to ``window`` earlier observed points, whatever gaps lie between them."""

    window: int = Field(7, ge=1, description="Earlier observed points to average")
    min_points: int = Field(1, ge=1, description="Earlier observed points needed to answer at all")
    width: float = Field(3.0, gt=0, description="Band half-width, in standard deviations of those points")
    history: int = Field(28, ge=2, description="Earlier points that say how much the series usually strays")

    def fit(self, panel: Panel) -> Baseline:
        """The mean of the last observed points. Abstains: with fewer than ``min_points`` of them."""
        return _trailing(
            panel, self.name, keep=self.window, window=self.history, width=self.width, min_points=self.min_points
        )


def _trailing(panel: Panel, name: str, *, keep: int, window: int, width: float, min_points: int) -> Baseline:
    """Mean of the last ``keep`` observed points; the band is the usual distance from such means."""
    values = panel.values
    expected = _mean_before(values, keep, min_points)
    squares = (values - expected) ** 2
    spread = width * np.sqrt(_mean_before(squares, window, 2))
    floor = rounding_floor(values)
    half = np.where(np.isnan(expected), np.nan, np.fmax(spread, floor))
    half[np.isnan(spread) & np.isfinite(expected)] = np.nan
    return Baseline(
        method=name,
        expected=expected,
        lower=expected - half,
        upper=expected + half,
        trained_on=lambda series, point: observed_before(values, series, point, keep),
        abstentions=short_history(panel, min_points),
        params={"window": keep, "min_points": min_points},
    )


def _mean_before(values: Floats, keep: int, min_points: int) -> Floats:
    """At each point the arithmetic mean of the last ``keep`` observed values before it.

    Shape: as ``values``; NaN with fewer than ``min_points``. The ring holds the observed values themselves,
    so a mean of equal values is exactly that value.
    """
    n, points = values.shape
    ring = np.full((n, keep), np.nan)
    filled = np.zeros(n, dtype=np.int64)
    out = np.full((n, points), np.nan)
    rows = np.arange(n)
    for t in range(points):
        ready = filled >= min_points
        if ready.any():
            out[ready, t] = np.nansum(ring[ready], axis=1) / np.minimum(filled[ready], keep)
        seen = np.isfinite(values[:, t])
        ring[rows[seen], filled[seen] % keep] = values[seen, t]
        filled[seen] += 1
    return out
