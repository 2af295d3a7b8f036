"""Where exceptions come from: over time against what was expected, by reason, carrier and hour, and what drifted."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import charts, order_charts, order_trends
from core.order_views import duration
from core.service.order_desk import OrderDesk
from ui import cards, figures, order_data, words
from ui.order_queue import reason_word

RECENT = {"h": 24, "D": 7}  # periods that are compared with as many before


def show(of: OrderDesk) -> None:
    """Four charts and what changed, all counted from when a promise broke or trouble was reported."""
    frame = order_data.exceptions(of)
    if frame.empty:
        st.info("No order is or was an exception in these events.", icon=":material/check_circle:")
        return
    with st.container(border=True):
        _over_time(of)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _reasons(of, frame)
    with right, st.container(border=True):
        _carriers(of, frame)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _hours(of, frame)
    with right, st.container(border=True):
        _drift(of)


def _over_time(of: OrderDesk) -> None:
    panel, baseline, scores = order_data.trend(of)
    one = words.period_word(panel.freq)
    st.header("Exceptions over time")
    if panel.shape[1] < order_trends.ENOUGH:
        st.caption(f"{panel.shape[1]} complete {one}s of events; a baseline needs at least {order_trends.ENOUGH}.")
        return
    rows = charts.series_frame(panel, 0, baseline, scores.alarm)
    out, known = int(scores.alarm.sum()), int(rows["expected"].notna().sum())
    total = int(panel.values.sum())
    title = (
        f"{out} {one}{'s' if out != 1 else ''} out of the band among {known} that have a baseline" if known else
        f"{total:,} exceptions; the baseline needs more {one}s to say what is usual"
    )  # fmt: skip
    st.markdown(f"**{title}**")
    figures.show(
        charts.series_chart, rows, key="orders_trend", title="", unit="", palette=words.palette(), brush=False,
        height=230, value_format="~g",
        alt=f"{title}. Exceptions per {one}, {panel.shape[1]} {one}s, with the expected band.",
    )  # fmt: skip
    st.caption(
        f"Per {one}, UTC, complete {one}s only. Each one's baseline knows earlier {one}s only "
        f"({baseline.method.replace('_', ' ')})."
    )


def _reasons(of: OrderDesk, frame: pd.DataFrame) -> None:
    found = order_trends.by_reason(frame, of.board)
    shown = found.assign(reason=found["reason"].map(reason_word)).sort_values("exceptions", ascending=False)
    st.header("By reason")
    first = shown.iloc[0]
    title = f"{first['reason']} leads with {first['exceptions']:,} of {len(frame):,}"
    st.markdown(f"**{title}**")
    figures.show(
        order_charts.ranked, shown[["reason", "exceptions"]].reset_index(drop=True), key="orders_reasons",
        palette=words.palette(), label="reason", value="exceptions", form=",", alt=f"{title}. Bars, one a reason.",
    )  # fmt: skip
    delays = [
        f"{reason_word(str(r))} {duration(float(d))}"
        for r, d in zip(found["reason"], found["delay"], strict=True)
        if d > 0
    ]
    if delays:
        st.caption("Median time over the limit: " + ", ".join(delays))


def _carriers(of: OrderDesk, frame: pd.DataFrame) -> None:
    found = order_trends.by_carrier(frame, of.board)
    st.header("By carrier")
    named = found[found["carrier"] != order_trends.NO_CARRIER]
    if named.empty:
        st.caption("No order has a carrier yet.")
        return
    worst = named.iloc[0]
    title = f"{cards.safe(str(worst['carrier']))}: {worst['share']:.1%} of its orders became an exception"
    st.markdown(f"**{title}**")
    figures.show(
        order_charts.ranked, found.head(12), key="orders_carriers", palette=words.palette(), label="carrier",
        value="share", form=".1%", alt=f"{title}. Bars, one a carrier, share of its orders with an exception.",
    )  # fmt: skip
    st.caption(" · ".join(f"{cards.safe(str(c))} {n:,}" for c, n in zip(found["carrier"], found["orders"], strict=True))
               + " orders")  # fmt: skip


def _hours(of: OrderDesk, frame: pd.DataFrame) -> None:
    found = order_trends.by_hour(frame, of.board)
    out = [f"{h:02d}:00" for h in found.loc[found["more"], "hour"]]
    st.header("By hour of the day")
    title = f"More promises break than orders explain at {', '.join(out)}" if out else "No hour of the day stands out"
    st.markdown(f"**{title}**")
    figures.show(
        order_charts.per_hour, found, key="orders_hours", palette=words.palette(),
        alt=f"{title}. Bars: share of exceptions in each hour; dashed: share of the orders paid in it.",
    )  # fmt: skip
    st.caption(
        f"Hours of {cards.safe(of.board.zone)}. Bars: share of all exceptions; dashed: share of the orders paid "
        "in that hour. Red: over three standard deviations more than the orders explain."
    )


def _drift(of: OrderDesk) -> None:
    panel, _, _ = order_data.trend(of)
    one, periods = words.period_word(panel.freq), min(RECENT.get(panel.freq, 7), panel.shape[1] // 2)
    st.header("What changed")
    if periods < 2:
        st.caption("Too few periods to compare with earlier ones.")
        return
    moved = order_data.drift(of, periods)
    st.markdown(f"**The last {periods} {one}s against the {periods} before**")
    if moved.empty:
        st.caption("Nothing to compare.")
        return
    st.table(
        {
            "what": [
                cards.safe(reason_word(str(n)) if d == "reason" else str(n))
                for n, d in zip(moved["series"], moved["dimension"], strict=True)
            ],
            "by": list(moved["dimension"]),
            "before": [_each(v, periods) for v in moved["before"]],
            "now": [_each(v, periods) for v in moved["during"]],
            "strength": [f"{v:+.1f}".replace("-", words.MINUS) for v in moved["strength"]],
        },
        border="horizontal", hide_index=True, alt="Reasons and carriers that changed most",
    )  # fmt: skip
    st.caption("Exceptions in each stretch. Strength: the change in standard deviations of the earlier periods.")


def _each(mean: float, periods: int) -> str:
    return f"{mean * periods:,.0f}"
