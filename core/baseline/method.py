"""What every baseline method is, and what they share."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from core.model import Abstention, Baseline, Floats, Ints, Panel
from core.plugins import Plugin, Registry


class BaselineMethod(Plugin):
    """Says what was to be expected at each point, from earlier points only."""

    @abstractmethod
    def fit(self, panel: Panel) -> Baseline:
        """Expectation and band at every point; the judged point never trains its own.

        Shape: ``[n_series, n_points]``. Abstains: NaN, with the reason in words.
        """


baselines: Registry[BaselineMethod] = Registry("baseline")


def rounding_floor(values: Floats) -> Floats:
    """Smallest half-width worth drawing: a millionth of the typical size, so rounding never alarms.

    Shape: ``[n_series, n_points]``; each entry looks at earlier points only.
    """
    size = np.fmax.accumulate(np.abs(np.where(np.isfinite(values), values, 0.0)), axis=1)
    earlier = np.concatenate([np.zeros((len(size), 1)), size[:, :-1]], axis=1)
    return np.asarray(1e-6 * earlier + 1e-12)


def observed_before(values: Floats, series: int, point: int, count: int | None = None) -> Ints:
    """Numbers of the (last ``count``) observed points of a series before ``point``."""
    seen = np.flatnonzero(np.isfinite(values[series, :point]))
    return np.asarray(seen if count is None else seen[-count:], dtype=np.int64)


def short_history(panel: Panel, needed: int, what: str = "earlier points") -> tuple[Abstention, ...]:
    """Abstentions of series with fewer observed points before the last than a method needs."""
    counts = np.isfinite(panel.values[:, :-1]).sum(axis=1)
    return tuple(
        Abstention(int(i), f"needs {needed} {what}, has {int(counts[i])}") for i in np.flatnonzero(counts < needed)
    )
