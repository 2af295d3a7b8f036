"""Altair charts of orders: how much of a promise is used, where exceptions come from, one order against its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from core.charts import Palette
from core.order_views import StageLine, Step

if TYPE_CHECKING:
    import altair as alt

    Drawn = alt.LayerChart | alt.FacetChart

BAR = 26  # pixels of a row


def promise_frame(steps: Sequence[Step]) -> pd.DataFrame:
    """One row a step that has a promise: step, half and most (shares of the promise), and whether most broke it."""
    rows = [
        {"step": s.name, "half": s.used[0], "most": s.used[1], "over": s.used[1] > 1}
        for s in steps
        if s.used is not None
    ]
    return pd.DataFrame(rows, columns=["step", "half", "most", "over"])


def promise_used(frame: pd.DataFrame, *, palette: Palette) -> Drawn:
    """How much of the promise orders use: a bar to what 9 in 10 need, a tick at the middle one, the promise dashed."""
    import altair as alt

    _unchecked()
    top = max(1.05, float(frame["most"].max()) * 1.1 if len(frame) else 1.05)
    x = alt.X("most:Q", title=None, axis=alt.Axis(format="%", tickCount=5), scale=alt.Scale(domain=[0, top]))
    y = alt.Y("step:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False))
    tip = [
        alt.Tooltip("step:N", title="Step"),
        alt.Tooltip("half:Q", title="Half of the orders within", format=".0%"),
        alt.Tooltip("most:Q", title="9 in 10 within", format=".0%"),
    ]
    base = alt.Chart(frame).encode(y=y, tooltip=tip)
    bar = base.mark_bar(cornerRadius=2, height=14, opacity=0.55).encode(
        x=x, color=alt.condition("datum.over", alt.value(palette.bad), alt.value(palette.line))
    )
    half = base.mark_tick(thickness=3, height=20, color=palette.line).encode(x="half:Q")
    promise = alt.Chart(pd.DataFrame({"at": [1.0]})).mark_rule(strokeDash=[6, 4], strokeWidth=1.4, color=palette.bad)
    drawn: Drawn = alt.layer(bar, half, promise.encode(x="at:Q")).properties(height=alt.Step(BAR + 8))
    return drawn


def ranked(frame: pd.DataFrame, *, palette: Palette, label: str, value: str, form: str) -> Drawn:
    """One bar a row with its value beside it, in the frame's order."""
    import altair as alt

    _unchecked()
    top = float(frame[value].max()) * 1.2 if len(frame) and frame[value].max() else 1.0
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{label}:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
        x=alt.X(f"{value}:Q", title=None, axis=None, scale=alt.Scale(domain=[0, top])),
        tooltip=[alt.Tooltip(f"{c}:{'N' if c == label else 'Q'}", format="" if c == label else "~g") for c in frame],
    )
    bar = base.mark_bar(cornerRadius=2, height=16, color=palette.line)
    text = base.mark_text(align="left", dx=5, color=palette.muted).encode(text=alt.Text(f"{value}:Q", format=form))
    drawn: Drawn = alt.layer(bar, text).properties(height=alt.Step(BAR))
    return drawn


def per_hour(frame: pd.DataFrame, *, palette: Palette, height: int = 190) -> Drawn:
    """Exceptions in each clock hour as bars, the orders paid in it as a line on the same scale of shares.

    Shape: ``frame`` has hour, exceptions, orders and more. Both counts are drawn as shares of their own sum, so that
    the hours where exceptions outgrow orders (``more``) stand out; those are red.
    """
    import altair as alt

    _unchecked()
    rows = frame.assign(
        broke=frame["exceptions"] / max(1, int(frame["exceptions"].sum())),
        paid=frame["orders"] / max(1, int(frame["orders"].sum())),
    )
    tip = [
        alt.Tooltip("hour:O", title="Hour"),
        alt.Tooltip("exceptions:Q", title="Exceptions", format=","),
        alt.Tooltip("orders:Q", title="Orders paid", format=","),
    ]
    base = alt.Chart(rows).encode(
        x=alt.X("hour:O", title=None, axis=alt.Axis(labelAngle=0, ticks=False, labelOverlap=True)), tooltip=tip
    )
    y = alt.Y("broke:Q", title=None, axis=alt.Axis(format="%", tickCount=4))
    bar = base.mark_bar(cornerRadius=2).encode(
        y=y, color=alt.condition("datum.more", alt.value(palette.bad), alt.value(palette.line))
    )
    line = base.mark_line(color=palette.muted, strokeDash=[4, 3], strokeWidth=1.6).encode(y="paid:Q")
    drawn: Drawn = alt.layer(bar, line, height=height)
    return drawn


def stages_frame(lines: Sequence[StageLine], now: pd.Timestamp) -> pd.DataFrame:
    """One row a stage that began: stage, start, end (now while it is open), due and over."""
    rows = [
        {
            "stage": line.name,
            "start": _plain(pd.Timestamp(line.start)),
            "end": _plain(pd.Timestamp(line.end) if line.end else now),
            "due": _plain(pd.Timestamp(line.start) + pd.Timedelta(minutes=line.limit)),
            "over": line.over,
        }
        for line in lines
        if line.start is not None and line.limit is not None and line.actual is not None
    ]
    return pd.DataFrame(rows, columns=["stage", "start", "end", "due", "over"])


def stages(frame: pd.DataFrame, *, palette: Palette) -> Drawn:
    """Each stage of an order as a bar in time, with a tick where its promise ends; broken ones red."""
    import altair as alt

    _unchecked()
    tip = [
        alt.Tooltip("stage:N", title="Stage"),
        alt.Tooltip("start:T", title="From (UTC)", format="%d %b %H:%M"),
        alt.Tooltip("end:T", title="To (UTC)", format="%d %b %H:%M"),
        alt.Tooltip("due:T", title="Promised (UTC)", format="%d %b %H:%M"),
    ]
    last = frame[["end", "due"]].max(axis=1)
    shown = frame.assign(mark=frame["due"].where(frame["due"] <= frame["end"].max() + _room(frame), pd.NaT))
    base = alt.Chart(shown).encode(
        y=alt.Y("stage:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False)), tooltip=tip
    )
    domain = [frame["start"].min().isoformat(), min(last.max(), frame["end"].max() + _room(frame)).isoformat()]
    x = alt.X(
        "start:T",
        title=None,
        axis=alt.Axis(labelOverlap=True, grid=False, format="%d %b %H:%M", tickCount=6),
        scale=alt.Scale(domain=domain),
    )
    bar = base.mark_bar(cornerRadius=2, height=14).encode(
        x=x, x2="end:T", color=alt.condition("datum.over", alt.value(palette.bad), alt.value(palette.line))
    )
    due = base.transform_filter("isValid(datum.mark)").mark_tick(thickness=3, height=22, color=palette.mark)
    drawn: Drawn = alt.layer(bar, due.encode(x="mark:T")).properties(height=alt.Step(BAR + 6))
    return drawn


def _room(frame: pd.DataFrame) -> pd.Timedelta:
    """How far past the last event a promise may lie and still be drawn: else short stages would shrink to dots."""
    spread: pd.Timedelta = frame["end"].max() - frame["start"].min()
    return max(pd.Timedelta(hours=1), 0.35 * spread)


def _plain(at: pd.Timestamp) -> pd.Timestamp:
    return at.tz_convert("UTC").tz_localize(None)


def _unchecked() -> None:
    """Switches Altair's schema checks off: they take most of the time of drawing, and tests draw with them on."""
    from altair.utils import schemapi

    schemapi.disable_debug_mode()
