"""What pages and routes read: small frames and records made from traces, panels and the store. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from core.charts import Mark
from core.model import Baseline, Bools, Delta, Direction, Finding, Json, JsonObject, Metric, Panel, Run


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


def activity(metrics: Mapping[str, Metric]) -> frozenset[str]:
    """Systems whose metrics say what was done, such as deploys: one has no good direction while others have one."""
    if all(m.good is Direction.NONE for m in metrics.values()):
        return frozenset()
    return frozenset(m.system for m in metrics.values() if m.good is Direction.NONE)


def activity_marks(panel: Panel, baseline: Baseline, alarm: Bools) -> tuple[Mark, ...]:
    """Periods with unusually much activity (above its band), or in which a metric of such a system alarmed.

    Shape: ``alarm`` is ``[n_series, n_points]``.
    """
    systems = activity(panel.metrics)
    found: dict[int, list[str]] = {}
    for i in range(panel.shape[0]):
        metric = panel.metric(i)
        if metric.system not in systems:
            continue
        high = panel.values[i] > baseline.upper[i] if metric.good is Direction.NONE else alarm[i]
        for t in np.flatnonzero(high):
            usual = f" (usually {baseline.expected[i, t]:,.3g})" if np.isfinite(baseline.expected[i, t]) else ""
            found.setdefault(int(t), []).append(f"{metric.label} {panel.values[i, t]:,.4g}{usual}")
    kind = ", ".join(sorted(systems))
    return tuple(Mark(panel.index[t].to_pydatetime(), "; ".join(said), kind) for t, said in sorted(found.items()))


def check_marks(results: Json, times: Mapping[str, str]) -> tuple[Mark, ...]:
    """Periods named by failing rows of kept check results; ``times`` gives the time column of each table."""
    marks: dict[datetime, str] = {}
    for row in results if isinstance(results, Sequence) and not isinstance(results, str) else ():
        if not isinstance(row, Mapping) or row.get("status") == "passed":
            continue
        sample = row.get("sample")
        for cell in sample if isinstance(sample, Sequence) and not isinstance(sample, str) else ():
            at = cell.get(times.get(str(row.get("table")), "")) if isinstance(cell, Mapping) else None
            moment = pd.to_datetime(str(at), errors="coerce", utc=True) if at else pd.NaT
            if not pd.isna(moment):
                marks.setdefault(moment.to_pydatetime(), str(row.get("message") or row.get("check")))
    return tuple(Mark(at, said, "check") for at, said in sorted(marks.items()))


def holiday_marks(index: pd.DatetimeIndex, country: str | None) -> tuple[Mark, ...]:
    """Public holidays of ``country`` inside the time axis; none when it is empty or unknown."""
    if not country or not len(index):
        return ()
    import holidays

    years = range(index[0].year, index[-1].year + 1)
    try:
        days = holidays.country_holidays(country.upper(), years=years, language="en_US")
    except NotImplementedError:
        return ()
    first, last = index[0].normalize(), index[-1]
    moments = ((pd.Timestamp(d, tz="UTC"), name) for d, name in sorted(days.items()))
    return tuple(Mark(at.to_pydatetime(), name, "holiday") for at, name in moments if first <= at <= last)


def moves(panels: Mapping[str, Panel], start: pd.Timestamp, end: pd.Timestamp, top: int = 12) -> pd.DataFrame:
    """The strongest movers of several panels together, by the dimension each is split by (empty: in total).

    Shape: as ``movers``, with ``dimension``.
    """
    found = [movers(p, start, end, top).assign(dimension=d) for d, p in panels.items()]
    frame = pd.concat([f for f in found if len(f)] or found[:1])
    order = np.argsort(-frame["strength"].abs().to_numpy(dtype=float), kind="stable")
    return frame.iloc[order].head(top).reset_index(drop=True)
