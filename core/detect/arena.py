"""Detectors side by side on one panel: how often each would have fired, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.model import Baseline, Bools, Panel, Scores

YEAR = pd.Timedelta(days=365.25)


@dataclass(frozen=True, slots=True)
class ArenaRow:
    """One detector over the history. ``agreement`` is the share of its alarm points another one also flags."""

    detector: str
    baseline: str
    judged_points: int
    alarms: int  # runs of neighbouring alarm points
    alarm_points: int
    series_with_alarms: int
    alarms_per_series_year: float | None
    agreement: float | None
    largest_score: float | None
    note: str


def arena(panel: Panel, pairs: Sequence[tuple[Baseline, Scores]]) -> tuple[ArenaRow, ...]:
    """One row per pair, in their order. A detector that could not judge a single point says what it lacks."""
    return tuple(
        _row(panel, baseline, scores, [s.alarm for k, (_, s) in enumerate(pairs) if k != number])
        for number, (baseline, scores) in enumerate(pairs)
    )


def _row(panel: Panel, baseline: Baseline, scores: Scores, others: Sequence[Bools]) -> ArenaRow:
    alarm, judged = scores.alarm, np.isfinite(scores.score)
    starts = alarm & ~np.concatenate([np.zeros((len(alarm), 1), dtype=bool), alarm[:, :-1]], axis=1)
    runs, points = int(starts.sum()), int(alarm.sum())
    years = _years(panel) * panel.shape[0]
    shared = np.any(others, axis=0) & alarm if others else None
    return ArenaRow(
        detector=scores.detector,
        baseline=baseline.method,
        judged_points=int(judged.sum()),
        alarms=runs,
        alarm_points=points,
        series_with_alarms=int(alarm.any(axis=1).sum()),
        alarms_per_series_year=runs / years if years else None,
        agreement=float(shared.sum()) / points if shared is not None and points else None,
        largest_score=float(np.nanmax(scores.score)) if judged.any() else None,
        note=_note(baseline, scores, bool(judged.any())),
    )


def _years(panel: Panel) -> float:
    points = panel.shape[1]
    return 0.0 if points < 2 else (panel.index[-1] - panel.index[0]) / YEAR * points / (points - 1)


def _note(baseline: Baseline, scores: Scores, judged: bool) -> str:
    if judged:
        return ""
    reasons = [a.reason for a in (*baseline.abstentions, *scores.abstentions)]
    return f"cannot fire on this history: {reasons[0]}" if reasons else "cannot fire on this history"
