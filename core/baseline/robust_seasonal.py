"""Robust seasonal baseline: level, weekday and time-of-day pattern, and special days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
from pydantic import Field

from core.baseline.calendar_days import day_numbers
from core.baseline.method import BaselineMethod, baselines, observed_before, rounding_floor, short_history
from core.baseline.seasonal_filter import Gains, seasonal_filter
from core.baseline.slots import is_coarse, is_fine, slot_of_day, slot_of_week
from core.model import Baseline, Floats, Ints, Panel

DAILY = Gains(level=0.14, slot=0.1, scale=0.01, clip=2.5, warmup=14, unit=0.3)
COARSE = Gains(level=0.25, slot=0.2, scale=0.05, clip=2.5, warmup=8, unit=0.3)
FINE = Gains(level=0.3, slot=0.1, scale=0.0, clip=4.0, warmup=48, unit=3.0, swing=0.1)


@baselines.register("robust_seasonal", "Robust seasonal")
class RobustSeasonal(BaselineMethod):
    """Level plus weekday (or time-of-day) pattern, learned so that outliers hardly move it.

    Special days (public holidays of ``country``, own ``events``) get a wider band the first time and last
    year's effect after.
    """

    country: str | None = Field("US", description="Country whose public holidays are known; empty for none")
    events: Mapping[date, str] = Field(
        default_factory=dict, description="Own special days by date; same name, same effect"
    )
    width: float = Field(3.0, gt=0, description="Band half-width, in standard deviations")

    def fit(self, panel: Panel) -> Baseline:
        """One-step-ahead expectation. Abstains: during the first points of a series."""
        gains = gains_for(panel.freq)
        unit = _unit(panel.values, gains)
        y = np.arcsinh(panel.values / unit)
        special = day_numbers(panel.index, self.country, self.events)
        out = seasonal_filter(y, _cycles(panel), special, gains)
        expected, half = np.sinh(out.prediction) * unit, self.width * out.scale
        floor = rounding_floor(panel.values)
        values = panel.values
        return Baseline(
            method=self.name,
            expected=expected,
            lower=np.minimum(np.sinh(out.prediction - half) * unit, expected - floor),
            upper=np.maximum(np.sinh(out.prediction + half) * unit, expected + floor),
            trained_on=lambda series, point: observed_before(values, series, point),
            abstentions=short_history(panel, gains.warmup),
            params={"country": self.country, "width": self.width, "warmup": gains.warmup},
        )


def gains_for(freq: str) -> Gains:
    """Learning rates for a sampling frequency."""
    return FINE if is_fine(freq) else COARSE if is_coarse(freq) else DAILY


def _cycles(panel: Panel) -> tuple[Ints, ...]:
    """Slot numbers of each seasonal cycle: the week, and for finer points the day before it."""
    week = slot_of_week(panel.index, panel.freq)
    if is_coarse(panel.freq):
        return ()
    return (slot_of_day(panel.index, panel.freq), week) if is_fine(panel.freq) else (week,)


def _unit(values: Floats, gains: Gains) -> Floats:
    """Scale of the asinh transform per series, from its warm-up points only: linear below, logarithmic above.

    Shape: ``[n_series, 1]``.
    """
    seen = np.isfinite(values)
    early = np.where(seen & (np.cumsum(seen, axis=1) <= gains.warmup), np.abs(values), np.nan)
    with np.errstate(all="ignore"):
        middle = np.array([np.median(r[np.isfinite(r)]) if np.isfinite(r).any() else 1.0 for r in early])
    return np.asarray(np.where(middle > 0, gains.unit * middle, 1.0).reshape(-1, 1))
