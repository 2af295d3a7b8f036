"""Shifts of level: sums of residuals over several windows."""

from __future__ import annotations

import numpy as np

from core.detect.residuals import TAIL_NORMAL, on_own_scale, window_sums
from core.model import Floats

WINDOWS = (7, 14, 28)
INFLATION = 1.3  # sums of residuals that follow each other vary more than independent ones


def shift_statistic(z: Floats, windows: tuple[int, ...] = WINDOWS) -> Floats:
    """The strongest signed sum of recent residuals, each window on its own running scale.

    Shape: as ``z``. Units: as a normal z.
    """
    best = np.zeros(z.shape)
    for window in windows:
        one = on_own_scale(window_sums(z, window), TAIL_NORMAL * INFLATION)
        best = np.where(np.abs(one) > np.abs(best), one, best)
    return best
