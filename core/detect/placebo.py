"""A drift test for any sample size: each value's shift beside the shifts of the segment's own earlier windows.

The statistic is the log odds of a value in a window less its recent level. The same statistic over earlier windows,
the placebos, tells how much it moves when nothing happens; counting noise and a floor keep a quiet past from making
every ripple an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.model import Bools, Floats

LEARNING = 3  # windows before the first placebo: a level needs something to be made of
SIMILAR = 0.7  # values of one attribute whose shifts are at least this part of the largest may be its mirror


@dataclass(frozen=True, slots=True)
class PlaceboRules:
    """The few numbers of the test; the defaults lie on a plateau, not on a peak, of the labelled cases."""

    gain: float = 0.4  # weight of the newest window in the level
    prior: float = 5.0  # windows that counting noise and floor are worth beside the placebos
    floor: float = 0.03  # standard deviation of log odds that no audience is quieter than
    least: float = 30.0  # people a value needs, expected or seen


@dataclass(frozen=True, slots=True)
class Shift:
    """The value of an attribute that moved furthest. ``z`` is signed, in standard deviations of the placebos.

    ``placebo_p`` is the share of windows, the judged one included, with as large a largest shift.
    """

    attribute: str
    value: str
    z: float
    before: float  # expected share
    after: float
    placebo_p: float
    windows: int  # earlier windows it was compared with


@dataclass(frozen=True, slots=True)
class Audience:
    """Counts of one attribute over windows. Shape: ``counts`` is ``[n_windows, n_values]``, the judged one last."""

    attribute: str
    values: tuple[str, ...]
    counts: Floats


def largest_shift(
    audiences: Sequence[Audience],
    rules: PlaceboRules | None = None,
    *,
    levels: Mapping[str, Mapping[str, float]] | None = None,
) -> Shift | None:
    """The largest shift over all attributes and values in the last window.

    ``levels`` are expected shares that stand in for the recent level: the base of an open incident.
    Abstains: None with fewer than ``LEARNING`` + 1 earlier windows, or nobody in a value.
    """
    rules = rules or PlaceboRules()
    shifts = [s for a in audiences if (s := _shift(a, rules, (levels or {}).get(a.attribute))) is not None]
    best = max(shifts, key=lambda s: abs(s[0].z), default=None)
    if best is None:
        return None
    found = best[0]
    placebos = np.max([np.abs(z) for _, z in shifts], axis=0) if shifts else np.zeros(0)
    larger = int((placebos >= abs(found.z)).sum())
    p = (1 + larger) / (1 + len(placebos))
    return Shift(found.attribute, found.value, found.z, found.before, found.after, p, found.windows)


def _shift(audience: Audience, rules: PlaceboRules, level: Mapping[str, float] | None) -> tuple[Shift, Floats] | None:
    """The attribute's largest shift, and the largest of each placebo window."""
    counts = audience.counts
    totals = counts.sum(axis=1, keepdims=True)
    windows = len(counts) - 1
    if windows <= LEARNING or counts.shape[1] < 2 or (totals <= 0).any():
        return None
    odds = np.log((counts + 0.5) / (totals - counts + 0.5))
    usual = _levels(odds, rules.gain)
    if level is not None:
        share = np.array([level.get(v, 0.0) for v in audience.values])
        usual[-1] = np.log((share * totals[-1] + 0.5) / ((1 - share) * totals[-1] + 0.5))
    moves = odds - usual
    noise = _counting_noise(counts, totals, rules)
    past = moves[LEARNING:windows]
    spread = ((past**2).sum(axis=0) + rules.prior * noise) / (len(past) + rules.prior)
    spread = np.sqrt(np.maximum(spread, noise))
    expected = totals[-1] / (1 + np.exp(-usual[-1]))
    enough = (expected >= rules.least) | (counts[-1] >= rules.least)
    if not enough.any():
        return None
    z = np.where(enough, moves[-1] / spread, 0.0)
    at = _culprit(z, counts, rules.gain, enough)
    shift = Shift(
        attribute=audience.attribute,
        value=audience.values[at],
        z=float(np.sign(z[at]) * np.abs(z).max()),
        before=float(expected[at] / totals[-1, 0]),
        after=float(counts[-1, at] / totals[-1, 0]),
        placebo_p=1.0,
        windows=windows,
    )
    return shift, np.abs(np.where(enough, past / spread, 0.0)).max(axis=1)


def _levels(series: Floats, gain: float) -> Floats:
    """Before each window, the weighted mean of the windows before it, the newest weighing most. Shape: as given."""
    out, total, weight = series.copy(), np.zeros(series.shape[1]), 0.0
    for t in range(1, len(series)):
        total, weight = total * (1 - gain) + series[t - 1], weight * (1 - gain) + 1
        out[t] = total / weight
    return out


def _counting_noise(counts: Floats, totals: Floats, rules: PlaceboRules) -> Floats:
    """Variance of a move that sampling alone makes, with the floor. Shape: ``[n_values]``."""
    share = counts[:-1].sum(axis=0) / totals[:-1].sum()
    now = totals[-1, 0]
    sampling = 1 / (now * share + 0.5) + 1 / (now * (1 - share) + 0.5)
    # The level is a mean of windows with noise of their own, which adds gain / (2 - gain) of it.
    return np.asarray(sampling * (1 + rules.gain / (2 - rules.gain)) + rules.floor**2)


def _culprit(z: Floats, counts: Floats, gain: float, enough: Bools) -> int:
    """The value to name: where one falls others rise, so among similar shifts the one whose own count moved most."""
    sizes = np.log(counts + 0.5)
    moved = np.abs(sizes[-1] - _levels(sizes, gain)[-1])
    weight = moved if enough.sum() == 2 else moved * np.abs(z)
    similar = enough & (np.abs(z) >= SIMILAR * np.abs(z).max())
    return int(np.argmax(np.where(similar, weight, -1.0)))
