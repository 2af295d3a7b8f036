"""What each part of a total added to its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from core.baseline.measure import MetricSpec
from core.model import Delta

Reference = Literal["baseline", "previous"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one metric by one dimension, largest change first.

    Shape: ``rows`` has part, value, reference, change, change_pct, share_pct, fired; changes in the metric's unit.
    ``residual`` is the total's change less the sum of its parts' changes: 0 for a sum against the previous period,
    and what a baseline that is not a plain mean leaves over otherwise. None when the parts of the metric do not add.
    """

    rows: pd.DataFrame
    change: float | None
    added: float | None
    residual: float | None


def parts(spec: MetricSpec, total: Delta, deltas: Sequence[Delta], fired: Sequence[bool], against: Reference) -> Parts:
    """The deltas of the parts beside the total's own; ``fired`` tells which part is itself anomalous."""
    whole = _change(total, against)
    rows = [
        {
            "part": ", ".join(d.labels.values()),
            "value": d.value,
            "reference": d.baseline if against == "baseline" else d.previous,
            "change": _change(d, against),
            "change_pct": d.vs_baseline_pct if against == "baseline" else d.dod_pct,
            "fired": hit,
        }
        for d, hit in zip(deltas, fired, strict=True)
    ]
    columns = ["part", "value", "reference", "change", "change_pct", "fired"]
    frame = pd.DataFrame(rows, columns=columns).astype({c: float for c in columns[1:5]})
    frame["share_pct"] = frame["change"] / whole * 100 if whole and adds_up(spec) else np.nan
    order = frame["change"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    frame = frame.loc[order].reset_index(drop=True)
    if not adds_up(spec) or whole is None:
        return Parts(frame, whole, None, None)
    added = float(np.nansum(frame["change"]))
    return Parts(frame, whole, added, whole - added)


def adds_up(spec: MetricSpec) -> bool:
    """Whether the values of the parts add up to the total's: sums and counts do, averages and ratios do not."""
    return spec.agg in ("sum", "count") and spec.over is None


def _change(delta: Delta, against: Reference) -> float | None:
    return delta.vs_baseline_abs if against == "baseline" else delta.dod_abs
