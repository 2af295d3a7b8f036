"""What pages and routes read: small frames and records made from traces, panels and the store. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.model import Delta, Finding, Json, JsonObject, Panel, Run


def delta_frame(deltas: Sequence[Delta]) -> pd.DataFrame:
    """One row per series: metric, system, dimension values, value, previous, baseline, band and both deltas.

    Units: ``*_pct`` in percent, NaN where the base is 0 or missing.
    """
    rows = [
        {
            "metric": d.metric.label,
            "system": d.metric.system,
            **d.labels,
            "value": d.value,
            "previous": d.previous,
            "baseline": d.baseline,
            "lower": d.lower,
            "upper": d.upper,
            "vs_previous": d.dod_abs,
            "vs_previous_pct": d.dod_pct,
            "vs_baseline": d.vs_baseline_abs,
            "vs_baseline_pct": d.vs_baseline_pct,
            "history": [v for v in d.history if v is not None],
        }
        for d in deltas
    ]
    return pd.DataFrame(rows)


def finding_of(delta: Delta, findings: Sequence[Finding]) -> Finding | None:
    """The finding on the delta's own series, if there is one."""
    return next((f for f in findings if f.metric == delta.metric.name and f.labels == dict(delta.labels)), None)


def movers(panel: Panel, start: pd.Timestamp, end: pd.Timestamp, top: int = 12) -> pd.DataFrame:
    """Series ranked by how much their mean in ``[start, end]`` differs from the equally long stretch before it.

    The change is divided by the earlier stretch's own spread (at least 1 % of its level), so metrics of
    different size can be ranked together. Shape: at most ``top`` rows with metric, series, before, during,
    change, change_pct, strength.
    """
    inside = np.asarray((panel.index >= start) & (panel.index <= end))
    count = int(inside.sum())
    first = int(np.argmax(inside)) if count else 0
    before = np.zeros_like(inside)
    before[max(0, first - count) : first] = True
    columns = ["metric", "series", "before", "during", "change", "change_pct", "strength"]
    if not count or not before.any():
        return pd.DataFrame(columns=columns)
    rows = [row for i in range(panel.shape[0]) if (row := _mover(panel, i, before, inside, first)) is not None]
    frame = pd.DataFrame(rows, columns=columns)
    order = frame["strength"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].head(top).reset_index(drop=True)


def _mover(panel: Panel, i: int, before: np.ndarray, inside: np.ndarray, first: int) -> list[object] | None:
    values = panel.values[i]
    old, new = values[before & np.isfinite(values)], values[inside & np.isfinite(values)]
    if not len(old) or not len(new):
        return None
    history = values[:first][np.isfinite(values[:first])]
    level, change = float(old.mean()), float(new.mean() - old.mean())
    spread = max(float(history.std()), abs(level) * 0.01, 1e-12)
    labels = ", ".join(panel.labels(i).values())
    pct = change / abs(level) * 100 if level else np.nan
    return [panel.metric(i).label, labels, level, float(new.mean()), change, pct, change / spread]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """What differs between two runs of one playbook."""

    light: tuple[str, str]
    appeared: tuple[str, ...]  # findings that are new
    gone: tuple[str, ...]
    values: pd.DataFrame  # metric, before, after, change


def compare(old: Run, new: Run) -> RunDiff:
    """What changed in the result from ``old`` to ``new``: light, findings and metric values."""
    before, after = _findings(old.report), _findings(new.report)
    a, b = _values(old.report), _values(new.report)
    rows = [
        {"metric": name, "before": a.get(name), "after": b.get(name)}
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]
    return RunDiff(
        light=(str(old.light or old.status), str(new.light or new.status)),
        appeared=tuple(text for key, text in after.items() if key not in before),
        gone=tuple(text for key, text in before.items() if key not in after),
        values=pd.DataFrame(rows, columns=["metric", "before", "after"]),
    )


def _findings(report: JsonObject) -> dict[str, str]:
    found = report.get("findings")
    rows = (
        [f for f in found if isinstance(f, Mapping)]
        if isinstance(found, Sequence) and not isinstance(found, str)
        else []
    )
    return {f"{f['metric']} {f['labels']}": str(f["summary"]) for f in rows}


def _values(report: JsonObject) -> dict[str, Json]:
    day = report.get("report")
    systems = day.get("metrics") if isinstance(day, Mapping) else None
    if not isinstance(systems, Mapping):
        return {}
    return {
        str(metric): figures.get("value")
        for metrics in systems.values()
        if isinstance(metrics, Mapping)
        for metric, figures in metrics.items()
        if isinstance(figures, Mapping)
    }
