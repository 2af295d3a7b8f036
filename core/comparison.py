"""Detectors of one source side by side: how they are called, what they say now, what they could say at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import yaml

from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.model import Abstention, Baseline, Bools, Floats, Panel, Scores
from core.pipeline import score
from core.playbook import BaselineUse, DetectorUse, Playbook

EXTREME = 1000.0  # times the largest value so far: further out than any real value


def paired(playbook: Playbook, use: DetectorUse) -> BaselineUse:
    """The baseline a detector is judged against: its use's, else the one it is made for, else the playbook's."""
    own = getattr(detectors.get(use.detector), "baseline", "")
    return use.baseline or (BaselineUse(method=own) if own else playbook.baseline)


def name_of(use: DetectorUse) -> str:
    """A detector with what was changed of it: ``Percentage change, pct 20, on Trailing mean``."""
    changed = [f"{k.replace('_', ' ')} {v}" for k, v in use.params.items()]
    on = [f"on {baselines.get(use.baseline.method).title}"] if use.baseline else []
    return ", ".join([detectors.get(use.detector).title, *changed, *on])


def as_yaml(uses: Sequence[DetectorUse]) -> str:
    """The ``detectors`` key of a playbook file."""
    rows = [u.model_dump(mode="json", exclude_defaults=True) for u in uses]
    return str(yaml.safe_dump({"detectors": rows}, sort_keys=False, allow_unicode=True))


def only(panel: Panel, baseline: Baseline, scores: Scores, i: int) -> tuple[Panel, Baseline, Scores]:
    """One series of a scored panel, as a panel of its own."""

    def kept(found: Sequence[Abstention]) -> tuple[Abstention, ...]:
        return tuple(replace(a, series=0) for a in found if a.series == i)

    return (
        replace(panel, values=panel.values[[i]], series=panel.series.iloc[[i]].reset_index(drop=True)),
        replace(
            baseline,
            expected=baseline.expected[[i]],
            lower=baseline.lower[[i]],
            upper=baseline.upper[[i]],
            trained_on=lambda _, point: baseline.trained_on(i, point),
            abstentions=kept(baseline.abstentions),
        ),
        replace(
            scores,
            score=scores.score[[i]],
            alarm=scores.alarm[[i]],
            change=scores.change[[i]],
            abstentions=kept(scores.abstentions),
        ),
    )


def latest(scores: Scores, i: int) -> str:
    """What a detector says of the last point of series ``i``: alarm, quiet, or why it abstains."""
    last = float(scores.score[i, -1]) if scores.score.shape[1] else np.nan
    if np.isnan(last):
        reason = next((a.reason for a in scores.abstentions if a.series == i), "no score at this point")
        return f"abstains: {reason}"
    return f"{'alarm' if scores.alarm[i, -1] else 'quiet'}, {last:.2f} x its limit"


def ceiling(playbook: Playbook, use: DetectorUse, panel: Panel, i: int) -> float:
    """The largest score that any value of the latest point of series ``i`` could have, a missing one included.

    Units: multiples of the detector's threshold; below 1 it cannot fire now, whatever happens. NaN while it abstains.
    """
    if not panel.shape[1]:
        return float("nan")
    values = panel.values[[i]]
    size = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    alone = replace(panel, series=panel.series.iloc[[i]].reset_index(drop=True))
    tries = (EXTREME * (size or 1.0), -EXTREME * (size or 1.0), float("nan"))
    reached = [_last_score(playbook, use, alone, values, value) for value in tries]
    return float(np.fmax.reduce(reached))


def _last_score(playbook: Playbook, use: DetectorUse, panel: Panel, values: Floats, value: float) -> float:
    tried = values.copy()
    tried[0, -1] = value
    _, scores = score(playbook, use, replace(panel, values=tried))
    return float(scores.score[0, -1])


def overlap(alarms: Sequence[Bools]) -> Floats:
    """Share of alarmed points that two detectors have in common, for every pair, one period of slack included.

    Shape: ``[n, n]``; NaN where neither fired.
    """
    out = np.full((len(alarms), len(alarms)), np.nan)
    for j, a in enumerate(alarms):
        for k, b in enumerate(alarms):
            every = int(a.sum()) + int(b.sum())
            common = int((a & _widened(b)).sum()) + int((b & _widened(a)).sum())
            out[j, k] = common / every if every else np.nan
    return out


def _widened(alarm: Bools) -> Bools:
    wide = alarm.copy()
    wide[1:] |= alarm[:-1]
    wide[:-1] |= alarm[1:]
    return wide
