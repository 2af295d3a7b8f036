"""Scores to Findings: what fired, how bad it is, and one plain sentence with its figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from core.model import Baseline, ChangeType, Direction, Finding, Metric, Panel, Scores, Severity

CONCERNS = frozenset({"change", "change_abs"})
QUALITY = frozenset({ChangeType.MISSING, ChangeType.STUCK})
BAD_MOVE = {Direction.UP: Direction.DOWN, Direction.DOWN: Direction.UP}
GRADES = ((3.0, Severity.CRITICAL), (1.5, Severity.HIGH))


def find(
    panel: Panel, baseline: Baseline, scores: Scores, *, window: range | int, playbook: str
) -> tuple[Finding, ...]:
    """One Finding per point that fired inside ``window`` (point numbers, or the one judged point)."""
    points = range(window, window + 1) if isinstance(window, int) else window
    spots = np.argwhere(scores.alarm[:, points.start : points.stop])
    return tuple(_finding(panel, baseline, scores, int(i), points.start + int(t), playbook) for i, t in spots)


def group_runs(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings of one series and detector that touch in time become one, from the first start to the last end.

    The strongest point gives the figures and the first one the id, so a run keeps its id while it grows.
    """
    runs: list[list[Finding]] = []
    for f in sorted(findings, key=lambda f: (f.detector, f.metric, sorted(f.labels.items()), f.start)):
        if runs and _touch(runs[-1][-1], f):
            runs[-1].append(f)
        else:
            runs.append([f])
    return tuple(_joined(run) for run in runs)


def _touch(a: Finding, b: Finding) -> bool:
    same = (a.detector, a.metric, a.labels) == (b.detector, b.metric, b.labels)
    return same and a.end >= b.start


def _joined(run: Sequence[Finding]) -> Finding:
    peak = max(run, key=lambda f: f.score)
    return replace(peak, id=run[0].id, start=run[0].start, end=run[-1].end, severity=max(f.severity for f in run))


def _finding(panel: Panel, baseline: Baseline, scores: Scores, i: int, t: int, playbook: str) -> Finding:
    metric, labels = panel.metric(i), panel.labels(i)
    start = panel.index[t].to_pydatetime()
    change: ChangeType = scores.change[i, t] or ChangeType.SPIKE
    observed, expected = _number(panel.values[i, t]), _number(baseline.expected[i, t])
    move = None if observed is None or expected is None else observed - expected
    direction = _direction(change, move)
    bad = change in QUALITY or direction is BAD_MOVE.get(metric.good, direction)
    score = float(scores.score[i, t])
    pct = None if move is None or not expected else move / abs(expected) * 100
    return Finding(
        id=finding_id(playbook, scores.detector, metric.name, labels, start),
        kind="quality" if change in QUALITY else "concern" if scores.detector in CONCERNS else "anomaly",
        detector=scores.detector,
        metric=metric.name,
        label=metric.label,
        system=metric.system,
        labels=labels,
        start=start,
        end=period_end(panel.index[t], panel.freq),
        observed=observed,
        expected=expected,
        lower=_number(baseline.lower[i, t]),
        upper=_number(baseline.upper[i, t]),
        unit=metric.unit,
        score=score,
        severity=severity(score) if bad else Severity.LOW,
        direction=direction,
        bad=bad,
        change=change,
        baseline=baseline.method,
        change_abs=move,
        change_pct=pct,
        summary=_sentence(metric, labels, change, observed, expected, pct),
    )


def finding_id(playbook: str, detector: str, metric: str, labels: dict[str, str], start: datetime) -> str:
    """Twelve hex digits that are the same for the same thing found again."""
    text = json.dumps([playbook, detector, metric, sorted(labels.items()), start.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def severity(score: float) -> Severity:
    """MEDIUM from the threshold on, HIGH from 1.5 times, CRITICAL from 3 times."""
    return next((grade for least, grade in GRADES if score >= least), Severity.MEDIUM)


def period_end(start: pd.Timestamp, freq: str) -> datetime:
    """The first moment after the period that begins at ``start``."""
    end = start + (pd.Timedelta(days=7) if freq == "W" else to_offset(freq))
    moment: datetime = end.to_pydatetime()
    return moment


def _direction(change: ChangeType, move: float | None) -> Direction:
    if change is ChangeType.STEP_UP:
        return Direction.UP
    if change is ChangeType.STEP_DOWN:
        return Direction.DOWN
    if not move or change in QUALITY:
        return Direction.NONE
    return Direction.UP if move > 0 else Direction.DOWN


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def figure(value: float) -> str:
    """A number as people read it: thousands separated, at least three significant digits."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
    return text.rstrip("0").rstrip(".") if "e" not in text else text


WORDS = {
    ChangeType.STEP_UP: "shifted up",
    ChangeType.STEP_DOWN: "shifted down",
    ChangeType.TREND: "drifted",
    ChangeType.VARIANCE: "unusually restless",
}


def _sentence(
    metric: Metric,
    labels: dict[str, str],
    change: ChangeType,
    observed: float | None,
    expected: float | None,
    pct: float | None,
) -> str:
    name = metric.label + (f" ({', '.join(labels.values())})" if labels else "")
    unit = f" {metric.unit}" if metric.unit else ""
    if observed is None:
        return f"{name} missing" + (f", {figure(expected)}{unit} expected" if expected is not None else "")
    if change is ChangeType.STUCK:
        return f"{name} stuck at {figure(observed)}{unit}"
    if expected is None:
        return f"{name} {figure(observed)}{unit}"
    share = "n/a, baseline 0" if pct is None else f"{pct:+.2f}%"
    text = f"{name} {figure(observed)}{unit} vs {figure(expected)}{unit} expected ({share})"
    return f"{text}, {WORDS[change]}" if change in WORDS else text
