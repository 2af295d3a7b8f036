"""Each metric beside its references: the point before, and the baseline, in its unit and in percent."""

from __future__ import annotations

import numpy as np

from core.model import Baseline, Delta, Floats, Panel


def deltas(panel: Panel, baseline: Baseline, point: int, history: int = 30) -> tuple[Delta, ...]:
    """One Delta per series at ``point``; the previous point is the preceding one of the panel.

    Units: percentages in percent, None where the reference is 0 or missing.
    """
    return tuple(_delta(panel, baseline, i, point, history) for i in range(panel.shape[0]))


def _delta(panel: Panel, baseline: Baseline, i: int, point: int, history: int) -> Delta:
    value = _number(panel.values[i, point])
    previous = _number(panel.values[i, point - 1]) if point else None
    expected = _number(baseline.expected[i, point])
    moments = [t.to_pydatetime() for t in panel.index[max(0, point - 1) : point + 1]]
    trained = baseline.trained_on(i, point) if expected is not None else np.empty(0, dtype=np.int64)
    recent: Floats = panel.values[i, max(0, point + 1 - history) : point + 1]
    return Delta(
        metric=panel.metric(i),
        labels=panel.labels(i),
        at=moments[-1],
        value=value,
        previous=previous,
        baseline=expected,
        dod_abs=_difference(value, previous),
        dod_pct=_percent(value, previous),
        vs_baseline_abs=_difference(value, expected),
        vs_baseline_pct=_percent(value, expected),
        lower=_number(baseline.lower[i, point]),
        upper=_number(baseline.upper[i, point]),
        method=baseline.method,
        previous_at=moments[0] if point else None,
        trained_on=tuple(t.to_pydatetime() for t in panel.index[trained]),
        history=tuple(_number(v) for v in recent),
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _difference(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def _percent(value: float | None, reference: float | None) -> float | None:
    """Percent of the size of ``reference``, so that a rise is positive even from a negative base."""
    return None if value is None or not reference else (value - reference) / abs(reference) * 100
