"""Detectors side by side over one history: when each fired, how often they agree, what they could say at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.detect.find import period_end
from core.model import Baseline, Bools, Panel, Scores
from core.pipeline import score
from core.playbook import BaselineUse, DetectorUse, Playbook

YEAR = pd.Timedelta(days=365.25)
EXTREME = 1000.0  # times the largest value so far: as far out as any real value would be


def paired(playbook: Playbook, use: DetectorUse) -> BaselineUse:
    """The baseline a detector is judged against: its use's, else the one it is made for, else the playbook's."""
    own = getattr(detectors.get(use.detector), "baseline", "")
    return use.baseline or (BaselineUse(method=own) if own else playbook.baseline)


def name_of(use: DetectorUse) -> str:
    """A detector with what was changed of it: ``Percentage change (pct 20) on Trailing mean``."""
    changed = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in use.params.items())
    title = detectors.get(use.detector).title + (f" ({changed})" if changed else "")
    return title + (f" on {baselines.get(use.baseline.method).title}" if use.baseline else "")


@dataclass(frozen=True, slots=True)
class Lane:
    """One detector over one series.

    Units: ``per_year`` counts alarms over the judged time; ``ceiling`` is the largest score any value of the latest
    point could have, in multiples of the threshold (NaN while the detector abstains).
    """

    title: str
    baseline: Baseline
    scores: Scores
    alarm: Bools  # [n_points]
    alarms: int  # alarms that touch count as one
    per_year: float | None
    latest: str
    abstention: str | None
    ceiling: float


def lane(playbook: Playbook, use: DetectorUse, panel: Panel, i: int, baseline: Baseline, scores: Scores) -> Lane:
    """How one detector did on series ``i`` of a panel that it has scored."""
    alarm = scores.alarm[i]
    starts = alarm & ~np.concatenate([[False], alarm[:-1]])
    judged = int(np.isfinite(scores.score[i]).sum())
    reason = next((a.reason for a in scores.abstentions if a.series == i), None)
    return Lane(
        title=name_of(use),
        baseline=baseline,
        scores=scores,
        alarm=alarm,
        alarms=int(starts.sum()),
        per_year=int(starts.sum()) / (judged * _period(panel) / YEAR) if judged else None,
        latest=_latest(scores, i, reason),
        abstention=reason,
        ceiling=ceiling(playbook, use, panel, i),
    )


def _period(panel: Panel) -> pd.Timedelta:
    return pd.Timedelta(period_end(panel.index[-1], panel.freq) - panel.index[-1].to_pydatetime())


def _latest(scores: Scores, i: int, reason: str | None) -> str:
    last = float(scores.score[i, -1]) if scores.score.shape[1] else np.nan
    if np.isnan(last):
        return f"abstains: {reason or 'no score at this point'}"
    state = "alarm" if scores.alarm[i, -1] else "quiet"
    return f"{state}, {last:.2f} x its limit"


def ceiling(playbook: Playbook, use: DetectorUse, panel: Panel, i: int) -> float:
    """The largest score that any value of the latest point of series ``i`` could have, a missing one included.

    Below 1 the history is too short, or too restless, for the detector to fire at all. NaN while it abstains.
    """
    if not panel.shape[1]:
        return float("nan")
    series = panel.series.iloc[[i]].reset_index(drop=True)
    values = panel.values[[i]]
    size = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    best = float("nan")
    for extreme in (EXTREME * (size or 1.0), -EXTREME * (size or 1.0), np.nan):
        tried = values.copy()
        tried[0, -1] = extreme
        _, scores = score(playbook, use, replace(panel, values=tried, series=series))
        best = float(np.fmax(best, scores.score[0, -1]))
    return best


def agreement(alarms: Sequence[Bools]) -> list[int | None]:
    """For each detector, how many of its alarmed points another one also alarmed, one period early or late included.

    None for a detector that is alone.
    """
    if len(alarms) < 2:
        return [None] * len(alarms)
    wide = [_widened(a) for a in alarms]
    return [int((a & np.any([w for j, w in enumerate(wide) if j != k], axis=0)).sum()) for k, a in enumerate(alarms)]


def overlap(alarms: Sequence[Bools]) -> np.ndarray:
    """Share of alarmed points that two detectors have in common, for every pair (Jaccard, one period of slack).

    Shape: ``[n, n]``; NaN where neither fired.
    """
    out = np.full((len(alarms), len(alarms)), np.nan)
    for j, a in enumerate(alarms):
        for k, b in enumerate(alarms):
            common = int((a & _widened(b)).sum()) + int((b & _widened(a)).sum())
            every = int(a.sum()) + int(b.sum())
            out[j, k] = common / every if every else np.nan
    return out


def _widened(alarm: Bools) -> Bools:
    wide = alarm.copy()
    wide[1:] |= alarm[:-1]
    wide[:-1] |= alarm[1:]
    return wide
