"""Missing and stuck data, judged by how unusual they are for the series so far."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.model import Floats, Ints

RARE = 0.05  # a gap that earlier points make less likely than this is worth a look
STUCK_SURPRISE = 14.0  # surprise, in nats, of a run of equal values that is worth a look
ENOUGH = 10  # earlier points before anything is judged


def missing_score(values: Floats, index: pd.DatetimeIndex) -> Floats:
    """How surprising each missing value is: 1 when a gap in such a slot had a chance of 5 %, 0 for a value.

    Shape: as ``values``. Slots are weekdays (and hours, for finer points), so a shop closed on Sundays is not
    missing on Sundays. Abstains: 0 during the first points, and before a slot was seen twice.
    """
    slots = _slots(index)
    n, points = values.shape
    width = int(slots.max(initial=0)) + 1
    gaps, visits = np.zeros((n, width)), np.zeros((n, width))
    seen = np.isfinite(values)
    started = np.cumsum(seen, axis=1)
    out = np.zeros((n, points))
    for t in range(points):
        k = slots[t]
        chance = (gaps[:, k] + 0.2) / (visits[:, k] + 1)
        known = (started[:, t] >= ENOUGH) & (visits[:, k] >= 2)
        out[:, t] = np.where(~seen[:, t] & known, np.maximum(np.log(chance) / np.log(RARE), 0.0), 0.0)
        counted = started[:, t] > 0
        gaps[:, k] += ~seen[:, t] & counted
        visits[:, k] += counted
    return out


def stuck_score(values: Floats) -> Floats:
    """How surprising each run of equal values is: 1 at fourteen nats, from how often neighbours were equal before.

    Shape: as ``values``. Abstains: 0 during the first points. Only the first repeats of a run teach, so a long
    one does not make itself usual.
    """
    n, points = values.shape
    out = np.zeros((n, points))
    run, equal, pairs = np.zeros(n), np.full(n, 0.5), np.full(n, 10.0)
    for t in range(1, points):
        same = values[:, t] == values[:, t - 1]
        both = np.isfinite(values[:, t]) & np.isfinite(values[:, t - 1])
        run = np.where(same, run + 1, 0.0)
        known = pairs >= 10.0 + ENOUGH
        out[:, t] = np.where(known, run * -np.log(np.minimum(equal / pairs, 1.0)) / STUCK_SURPRISE, 0.0)
        teaches = same & (run <= 3)
        equal += teaches
        pairs += both & (~same | teaches)
    return out


def _slots(index: pd.DatetimeIndex) -> Ints:
    weekday = index.day_of_week.to_numpy().astype(np.int64)
    if len(index) < 2 or (index[1] - index[0]) >= pd.Timedelta(hours=20):
        monthly = len(index) > 1 and (index[-1] - index[0]) / (len(index) - 1) >= pd.Timedelta(days=6)
        return np.zeros_like(weekday) if monthly else weekday
    return np.asarray(weekday * 24 + index.hour.to_numpy())
