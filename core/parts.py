"""What each part of a total added to its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from core.baseline.measure import MetricSpec
from core.model import Delta, Floats

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


def rate_and_mix(names: Sequence[str], rates: tuple[Floats, Floats], weights: tuple[Floats, Floats]) -> pd.DataFrame:
    """What each part of a ratio added to its change: by its own rate, and by the size of its share.

    A part's rate effect is its new share times the change of its rate; its mix effect the change of its share times
    how far its old rate lay from the total's. A part that is new had, as far as anyone knows, the total's rate.
    Shape: ``rates`` and ``weights`` (divisors) are ``[n]`` before and after, NaN where a part was not there; rows have
    part, before, after, share_before_pct, share_pct, rate_effect, mix_effect, change; the largest change first. All
    changes together are the total's.
    """
    w0, w1 = (np.nan_to_num(w) / np.nansum(w) if np.nansum(w) else np.zeros(len(w)) for w in weights)
    total = float(np.nansum(w0 * np.nan_to_num(rates[0])))
    r0 = np.where(np.isfinite(rates[0]) & (w0 > 0), rates[0], total)
    r1 = np.where(np.isfinite(rates[1]) & (w1 > 0), rates[1], r0)
    rate, mix = w1 * (r1 - r0), (w1 - w0) * (r0 - total)
    frame = pd.DataFrame(
        {
            "part": list(names), "before": rates[0], "after": rates[1], "share_before_pct": 100 * w0,
            "share_pct": 100 * w1, "rate_effect": rate, "mix_effect": mix, "change": rate + mix,
        }
    )  # fmt: skip
    return frame.loc[frame["change"].abs().sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
