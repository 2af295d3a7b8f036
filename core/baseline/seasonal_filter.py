"""A robust seasonal one-step filter: level, weekday and time-of-day slots, scale, special days.

One loop over time, every state a vector over series; nothing looks ahead.
Source: Gelper, Fried and Croux (2010), Robust forecasting with exponential and Holt-Winters smoothing,
Journal of Forecasting 29:285; the special-day effects are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.model import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Gains:
    """How fast each state learns, per point, and how far special days may stray."""

    level: float
    slot: float
    scale: float  # 0: over all history, so that only what is large for this series counts
    clip: float  # residuals beyond this many scales teach no more than this many
    warmup: int  # observed points that make the first states
    unit: float  # the transform is linear below this many medians and logarithmic above
    swing: float = 0.0  # share of the series' own standard deviation that is always inside the scale
    widen: float = 3.0  # a special day's first scale: this many usual ones ...
    surprise: float = 0.2  # ... and this much beside, in units of y
    again: float = 1.5  # the same once it was seen
    doubt: float = 0.3  # and this share of its known effect beside
    recall: float = 0.7  # share of the last effect that is expected again
    patience: int = 8  # residuals beyond the clip in a row, on one side, that make a new level


@dataclass(frozen=True, slots=True)
class Filtered:
    """One-step predictions and scales. Shape: ``[n_series, n_points]``, NaN during warm-up."""

    prediction: Floats
    scale: Floats


def seasonal_filter(y: Floats, slots: tuple[Ints, ...], special: Ints, gains: Gains) -> Filtered:
    """Predictions of each point from earlier points only.

    ``slots`` gives per seasonal cycle the slot number of each point; ``special`` the special-day number or 0.
    """
    n, points = y.shape
    prediction, scale = np.full((n, points), np.nan), np.full((n, points), np.nan)
    state = _State(n, tuple(int(s.max(initial=0)) + 1 for s in slots), int(special.max(initial=0)) + 1, gains)
    seen = np.isfinite(y)
    starts = np.cumsum(seen, axis=1) == gains.warmup
    for t in range(points):
        at, day = tuple(int(s[t]) for s in slots), int(special[t])
        if state.ready.any():
            season = state.season(at)
            p, s = state.predict(season, day)
            prediction[state.ready, t], scale[state.ready, t] = p[state.ready], s[state.ready]
            state.learn(y[:, t], state.ready & seen[:, t], season, at, day)
        for i in np.flatnonzero(starts[:, t] & seen[:, t]):
            known = np.flatnonzero(seen[i, : t + 1])
            state.begin(int(i), y[i, known], tuple(s[known] for s in slots), special[known] == 0)
    return Filtered(prediction, scale)


class _State:
    """Level, slots, scale and special-day effects of every series."""

    def __init__(self, n: int, sizes: tuple[int, ...], specials: int, gains: Gains) -> None:
        self.gains = gains
        self.ready = np.zeros(n, dtype=bool)
        self.level = np.zeros(n)
        self.slots = [np.zeros((n, k)) for k in sizes]
        self.visits = [np.zeros((n, k)) for k in sizes]
        self.variance = np.ones(n)
        self.floor = np.zeros(n)
        self.learned = np.zeros(n)
        self.mean, self.power = np.zeros(n), np.zeros(n)
        self.effect = np.full((n, specials), np.nan)
        self.streak = np.zeros(n)

    def begin(self, i: int, y: Floats, at: tuple[Ints, ...], usual: Bools) -> None:
        """First states of one series from its warm-up points."""
        level = float(np.median(y[usual] if usual.any() else y))
        rest, spent = y - level, 1
        for slots, visits, where in zip(self.slots, self.visits, at, strict=True):
            for k in np.unique(where):
                held = rest[where == k]
                if len(held) > 1:  # one visit says nothing about a slot
                    visits[i, k], slots[i, k] = len(held), np.median(held)
                    spent += 1
            rest = rest - slots[i, where]
        spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        spread = max(spread, 0.5 * float(np.sqrt(np.mean(rest**2))))
        self.floor[i] = 1e-9 + 1e-6 * float(np.max(np.abs(y)))
        # what the slots were fitted to looks calmer than what comes next
        spread = max(spread * float(np.sqrt((len(y) + spent) / max(len(y) - spent, 1))), self.floor[i])
        self.level[i], self.variance[i], self.learned[i] = level, spread**2, len(y)
        self.mean[i], self.power[i] = float(np.mean(y)), float(np.mean(y**2))
        self.ready[i] = True

    def season(self, at: tuple[int, ...]) -> Floats:
        """Effect of these slots on each series."""
        return np.asarray(sum((s[:, k] for s, k in zip(self.slots, at, strict=True)), np.zeros(len(self.level))))

    def predict(self, season: Floats, day: int) -> tuple[Floats, Floats]:
        """Prediction and scale of a point."""
        g, p = self.gains, self.level + season
        scale = np.sqrt(self.variance + g.swing**2 * np.maximum(self.power - self.mean**2, 0.0))
        if not day:
            return p, scale
        known = self.effect[:, day]
        first = np.hypot(g.widen * scale, g.surprise)
        again = np.hypot(g.again * scale, g.doubt * np.abs(np.nan_to_num(known)))
        return p + g.recall * np.nan_to_num(known), np.where(np.isnan(known), first, again)

    def learn(self, y: Floats, seen: Bools, season: Floats, at: tuple[int, ...], day: int) -> None:
        """Takes in one point of the series that were ``seen``."""
        g = self.gains
        residual = np.where(seen, y - self.level - season, 0.0)
        if day:
            self.effect[seen, day] = residual[seen]
            return
        sigma = np.sqrt(self.variance)
        clipped = np.clip(residual, -g.clip * sigma, g.clip * sigma)
        side = np.where(np.abs(residual) > g.clip * sigma, np.sign(residual), 0.0)
        self.streak = np.where(seen, np.where(side * self.streak > 0, self.streak + side, side), self.streak)
        settled = np.abs(self.streak) >= g.patience
        self.level += np.where(settled, 0.5 * residual, g.level * clipped)
        clipped = np.where(settled, 0.0, clipped)
        for slots, visits, k in zip(self.slots, self.visits, at, strict=True):
            slots[:, k] += np.maximum(g.slot, 1 / (visits[:, k] + 2)) * clipped
            visits[:, k] += seen
        self._spread(y, seen, residual if g.scale == 0 else 1.05 * clipped)

    def _spread(self, y: Floats, seen: Bools, residual: Floats) -> None:
        """Scale and moments after one point. A series that was flat takes the size of its first move at once."""
        self.learned += seen
        rate = np.where(seen, np.maximum(self.gains.scale, 1 / (self.learned + 1)), 0.0)
        flat = self.variance <= 4 * self.floor**2
        taught = np.where(flat, 1.0, rate) * (residual**2 - self.variance)
        self.variance = np.maximum(self.variance + np.where(seen, taught, 0.0), self.floor**2)
        value = np.where(seen, y, 0.0)
        self.mean += rate * (value - self.mean)
        self.power += rate * (value**2 - self.power)
