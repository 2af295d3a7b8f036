"""Residuals of a baseline and running statistics on them; nothing here looks ahead."""

from __future__ import annotations

import numpy as np

from core.model import Baseline, Floats

BAND_SDS = 3.0  # a band half-width counts as this many standard deviations
TAIL = 0.98  # the running quantile that calibrates a test
TAIL_NORMAL = 2.33  # the same quantile of a normal |z|


def residuals(values: Floats, baseline: Baseline) -> Floats:
    """Standard residuals, on the scale the baseline works on: the asymmetry of its band tells which.

    Shape: as ``values``. Units: standard deviations, a band half-width being three.
    A symmetric band means a linear scale; a lopsided one comes from ``asinh(x / s)``, and
    ``cosh(d) = (upper + lower) / (2 expected)`` gives back its half-width ``d`` and its ``s``.
    """
    expected, lower, upper = baseline.expected, baseline.lower, baseline.upper
    with np.errstate(all="ignore"):
        linear = (values - expected) / ((upper - lower) / 2)
        d = np.arccosh(np.maximum((upper + lower) / (2 * expected), 1.0))
        s = np.sqrt(np.maximum(((upper - lower) / (2 * np.sinh(d))) ** 2 - expected**2, 0.0))
        bent = (np.arcsinh(values / s) - np.arcsinh(expected / s)) / d
    lopsided = (d > 1e-4) & np.isfinite(bent)
    return np.asarray(BAND_SDS * np.where(lopsided, bent, linear))


def innovations(z: Floats, *, gain: float = 0.015, clip: float = 2.0, most: float = 0.8) -> Floats:
    """Residuals less what the residual before foretells: AR(1), its coefficient learned as it goes.

    Shape: as ``z``.
    """
    n, points = z.shape
    product, square, before = np.zeros(n), np.ones(n), np.zeros(n)
    out = np.empty((n, points))
    for t in range(points):
        phi = np.clip(product / square, 0.0, most)
        out[:, t] = (z[:, t] - phi * before) / np.sqrt(1 - phi**2)
        seen = np.isfinite(z[:, t])
        held = np.where(seen, np.clip(z[:, t], -clip, clip), 0.0)
        product += np.where(seen, gain * (held * before - product), 0.0)
        square += np.where(seen, gain * (held**2 - square), 0.0)
        before = held
    return out


def window_sums(z: Floats, window: int, clip: float = 3.0) -> Floats:
    """Sum of the last ``window`` clipped residuals over the root of ``window``; missing ones count as 0.

    Shape: as ``z``.
    """
    total = np.cumsum(np.nan_to_num(np.clip(z, -clip, clip)), axis=1)
    total = np.concatenate([np.zeros((len(z), 1)), total], axis=1)
    points = z.shape[1]
    since = np.maximum(np.arange(1, points + 1) - window, 0)
    return np.asarray((total[:, 1:] - total[:, since]) / np.sqrt(window))


def on_own_scale(statistic: Floats, typical: float = TAIL_NORMAL, gain: float = 0.05) -> Floats:
    """A statistic in units of its running 98 % quantile, stretched so that a normal one stays as it is.

    Shape: as ``statistic``. The quantile starts at ``typical`` and stays between 0.6 and 4 times that, so
    one global cut serves quiet and restless series.
    Source: Robbins and Monro (1951), A stochastic approximation method.
    """
    size = np.abs(statistic)
    seen = np.isfinite(size)
    log_size = np.log(np.where(seen, size, 1.0) + 1e-12)
    least, most = np.log(0.6 * typical), np.log(4.0 * typical)
    log_tail = np.full(len(statistic), np.log(typical))
    out = np.empty(statistic.shape)
    for t in range(statistic.shape[1]):
        out[:, t] = log_tail
        step = gain * np.where(log_size[:, t] > log_tail, TAIL, TAIL - 1)
        log_tail = np.where(seen[:, t], np.clip(log_tail + step, least, most), log_tail)
    return np.asarray(statistic / np.exp(out) * TAIL_NORMAL)
