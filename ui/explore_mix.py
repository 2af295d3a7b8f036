"""A ratio by dimension: how much of its change is each part's own rate, and how much a shift between the parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import charts
from core.model import Floats, MetricKind, Panel
from core.parts import Reference, rate_and_mix
from ui import data, figures, words
from ui.explore import View

PARTS_SHOWN = 15


def bars(view: View, dimension: str) -> None:
    """What each part added to the change against the previous period, by both effects together."""
    rows = _split(view, dimension)
    top = rows.iloc[0]
    kind = "its own rate" if abs(top["rate_effect"]) >= abs(top["mix_effect"]) else "a shift of weight"
    title = f"{top['part']} moved it most: {_points(view, top['change'])}, mainly by {kind}"
    figures.show(
        charts.bars,
        rows[["part", "change"]].head(PARTS_SHOWN),
        label="part",
        value="change",
        title=title,
        palette=words.palette(),
        alt=f"{title}. Bars: what each {dimension} added to the change since the period before",
    )
    rate, mix = float(rows["rate_effect"].sum()), float(rows["mix_effect"].sum())
    st.caption(
        f"Rates {_points(view, rate)} + mix {_points(view, mix)} = change {_points(view, rate + mix)} since the "
        f"{words.period_word(view.panel.freq)} before."
    )


def effects(view: View, dimension: str, against: Reference) -> None:
    """Both effects of every part, where there are any."""
    spec = next(m for m in view.book.metrics if m.name == view.metric.name)
    if spec.over is None or against != "previous" or view.point == 0:
        return
    rows = _split(view, dimension).head(PARTS_SHOWN)
    shown = pd.DataFrame(
        {
            dimension: rows["part"],
            "share before": rows["share_before_pct"],
            "share": rows["share_pct"],
            "rate effect": [_points(view, v) for v in rows["rate_effect"]],
            "mix effect": [_points(view, v) for v in rows["mix_effect"]],
            "together": [_points(view, v) for v in rows["change"]],
        }
    )
    percent = st.column_config.NumberColumn(format="%.1f %%")
    right = st.column_config.TextColumn(alignment="right")
    st.dataframe(
        shown, hide_index=True, alt=f"Rate and mix effect of each {dimension}",
        column_config={
            "share before": percent, "share": percent,
            **{c: right for c in ("rate effect", "mix effect", "together")},
        },
    )  # fmt: skip
    st.caption(f"Rate effect: the part's own ratio changed. Mix effect: its share of {spec.over} changed.")


def _split(view: View, dimension: str) -> pd.DataFrame:
    panel = data.panel(view.name, view.edits, dimension)
    weights = data.divisors(view.name, view.edits, view.metric.name, dimension)
    own = np.flatnonzero((panel.series["metric"] == view.metric.name).to_numpy())
    at = {weights.labels(k)[dimension]: k for k in range(weights.shape[0])}
    names = [panel.labels(int(k))[dimension] for k in own]
    order = np.array([at[n] for n in names])
    return rate_and_mix(names, _two(view, panel, own), _two(view, weights, order))


def _two(view: View, panel: Panel, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> tuple[Floats, Floats]:
    """The period before the judged one, and the judged one."""
    return panel.values[rows, view.point - 1], panel.values[rows, view.point]


def _points(view: View, value: float) -> str:
    """A change of a ratio: in percentage points where it is a share."""
    if view.metric.kind is MetricKind.RATIO:
        return f"{value * 100:+.2f} pp".replace("-", words.MINUS)
    return f"{value:+,.4g}".replace("-", words.MINUS)
