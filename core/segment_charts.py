"""Altair charts of segments: make-up over time, what moved, who came and went, and what segments share. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from core.charts import Palette

if TYPE_CHECKING:
    import altair as alt

PERCENT = ".1~%"
DAY = "%d %b"


def composition(frame: pd.DataFrame, *, palette: Palette, height: int = 280) -> alt.Chart:
    """Stacked shares of one attribute's values, a bar a snapshot; the first value lies at the bottom.

    Shape: ``frame`` has columns ts (no zone), value (text), share in [0, 1] and rank (of the value, from 0).
    """
    import altair as alt

    _unchecked()
    values = list(frame.sort_values("rank")["value"].unique())
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(stroke=palette.edge, strokeWidth=1)
        .encode(
            x=_day(),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]), stack="zero"),
            color=alt.Color("value:N", sort=values, legend=alt.Legend(title=None, orient="top", symbolType="circle")),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("ts:T", title="Day", format="%d %b %Y"),
                alt.Tooltip("value:N", title="Value"),
                alt.Tooltip("share:Q", title="Share", format=PERCENT),
            ],
        )
        .properties(height=height)
    )
    return drawn


def movers(frame: pd.DataFrame, *, palette: Palette) -> alt.LayerChart | alt.FacetChart:
    """Each value's share before (ring) and after (dot), joined by a line; rows stay in their order.

    Shape: ``frame`` has columns label, before, after and change, shares in [0, 1].
    """
    import altair as alt

    _unchecked()
    tip = [
        alt.Tooltip("label:N", title="Value"),
        alt.Tooltip("before:Q", title="Before", format=PERCENT),
        alt.Tooltip("after:Q", title="After", format=PERCENT),
        alt.Tooltip("change:Q", title="Change", format="+.1%"),
    ]
    color = alt.condition("datum.change < 0", alt.value(palette.bad), alt.value(palette.line))
    base = alt.Chart(frame).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=180, ticks=False, domain=False)),
        tooltip=tip,
    )
    share = alt.X("before:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domainMin=0, nice=True))
    path = base.mark_rule(strokeWidth=3, opacity=0.55).encode(x=share, x2="after:Q", color=color)
    ring = base.mark_point(size=70, strokeWidth=2, filled=False, opacity=1).encode(
        x="before:Q", color=alt.value(palette.muted)
    )
    dot = base.mark_circle(size=110, opacity=1).encode(x="after:Q", color=color)
    return alt.layer(path, ring, dot).properties(height=alt.Step(26))


def flow(frame: pd.DataFrame, *, palette: Palette, height: int = 200) -> alt.LayerChart | alt.FacetChart:
    """People who entered (up) and left (down) since the snapshot before, a bar a snapshot.

    Shape: ``frame`` has columns ts (no zone), way (Entered or Left) and people, negative for Left.
    """
    import altair as alt

    _unchecked()
    bar = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=_day(),
            y=alt.Y("people:Q", title=None, axis=alt.Axis(format="~s")),
            color=alt.Color(
                "way:N",
                scale=alt.Scale(domain=["Entered", "Left"], range=[palette.line, palette.mark]),
                legend=alt.Legend(title=None, orient="top", symbolType="circle"),
            ),
            tooltip=[
                alt.Tooltip("ts:T", title="Day", format="%d %b %Y"),
                "way:N",
                alt.Tooltip("count:Q", title="People", format=","),
            ],
        )
        .transform_calculate(count="abs(datum.people)")
    )
    zero = alt.Chart(pd.DataFrame({"y": [0]})).mark_rule(color=palette.muted).encode(y="y:Q")
    return alt.layer(bar, zero).properties(height=height)


def overlap(frame: pd.DataFrame, *, palette: Palette) -> alt.LayerChart | alt.FacetChart:
    """How many people each two segments share: stronger is a larger part of the row's segment. A click picks the pair.

    Shape: ``frame`` has columns row, column, people and share (of the row's segment, in [0, 1]).
    """
    import altair as alt

    _unchecked()
    names = list(dict.fromkeys(frame["row"]))
    axis = alt.Axis(labelLimit=120, ticks=False, domain=False)
    base = alt.Chart(frame).encode(
        x=alt.X("column:N", sort=names, title=None, axis=alt.Axis(labelLimit=120, labelAngle=-35, orient="top")),
        y=alt.Y("row:N", sort=names, title=None, axis=axis),
        tooltip=[
            alt.Tooltip("row:N", title="Segment"),
            alt.Tooltip("column:N", title="also in"),
            alt.Tooltip("people:Q", title="People", format=","),
            alt.Tooltip("share:Q", title="Share of the first", format=PERCENT),
        ],
    )
    pick = alt.selection_point("pick", fields=["row", "column"], on="click", empty=False)
    cell = base.mark_rect(cornerRadius=3, stroke=palette.edge, strokeWidth=2, cursor="pointer").encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(domain=[0, 1], range=[_mixed(palette, 0.10), _mixed(palette, 0.62)]),
            legend=None,
        )
    )
    ink = "#FFFFFF" if int(palette.edge[1:3], 16) < 128 else "#0F1117"
    text = base.mark_text(fontSize=12, color=ink).encode(text=alt.Text("people:Q", format=".3~s"))
    return alt.layer(cell.add_params(pick), text).properties(height=alt.Step(40))


def _mixed(palette: Palette, part: float) -> str:
    """The chart's background with a part of its line colour: pale enough for numbers to be read on it."""
    pairs = ((int(palette.edge[i : i + 2], 16), int(palette.line[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round((1 - part) * edge + part * line):02x}" for edge, line in pairs)


def _day() -> alt.X:
    import altair as alt

    axis = alt.Axis(labelOverlap=True, grid=False, format=DAY, tickCount="day")
    return alt.X("ts:T", timeUnit="yearmonthdate", title=None, axis=axis)


def _unchecked() -> None:
    """Switches Altair's schema checks off: they take most of the time of drawing, and tests draw with them on."""
    from altair.utils import schemapi

    schemapi.disable_debug_mode()
