"""The funnel from paid to delivered: how many orders got how far, how long it took, against what was promised."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from core import order_charts
from core.order_views import Step, duration
from core.service.order_desk import OrderDesk
from ui import figures, order_data, words

SPANS = {"24 h": timedelta(hours=24), "7 days": timedelta(days=7), "All": None}


def show(of: OrderDesk) -> None:
    """One card a step, and how much of each promise is used."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("From paid to delivered", width="content")
            span = st.segmented_control(
                "Paid in", list(SPANS), default="7 days", required=True, key="orders_span", bind="query-params",
                label_visibility="collapsed",
            )  # fmt: skip
        back = SPANS[str(span)]
        steps = order_data.funnel(of, None if back is None else of.at - back)
        if not steps[0].reached:
            st.info("No order was paid in this time. Choose a longer one.", icon=":material/shopping_cart_off:")
            return
        with st.grid(columns="auto", min_column_width=150, gap="small"):
            for step in steps:
                _card(step, steps[0].reached)
        _promises(steps)


def _card(s: Step, paid: int) -> None:
    if s.name == "Paid":
        st.metric(s.name, f"{s.reached:,}", delta="orders", delta_color="gray", delta_arrow="off", border=True)
        return
    late = f"{s.late:,} of {s.judged:,} late" if s.judged else "none judged"
    st.metric(
        f"{s.name}, {s.reached / paid:.0%}", f"{s.reached:,}", delta=late, delta_color="red" if s.late else "gray",
        delta_arrow="off", border=True,
        help=f"{s.open:,} on the way, {s.overdue:,} of them over their promise. Promise: {s.limit_text}.",
    )  # fmt: skip


def _promises(steps: tuple[Step, ...]) -> None:
    frame = order_charts.promise_frame(steps)
    if frame.empty:
        return
    step, _, most, _ = max(frame.itertuples(index=False, name=None), key=lambda row: row[2])
    title = f"{step} uses the most of its promise: 9 in 10 orders within {most:.0%} of it"
    st.markdown(f"**{title}**")
    left, right = st.columns(2, gap="medium")
    with left:
        figures.show(
            order_charts.promise_used, frame, key="orders_promises", palette=words.palette(),
            alt=f"{title}. Bars: what 9 in 10 orders need; ticks: half of them; dashed: the promise.",
        )  # fmt: skip
    with right:
        st.table(
            {
                "step": [s.name for s in steps if s.used],
                "half within": [duration(s.median or 0) for s in steps if s.used],
                "9 in 10 within": [duration(s.p90 or 0) for s in steps if s.used],
                "promise": [s.limit_text.removesuffix(" before factors") for s in steps if s.used],
            },
            border="horizontal", hide_index=True, alt="Time each step took, against its promise",
        )  # fmt: skip
    st.caption(
        "Each order against its own promise: the base times weekend or holiday, volume, and item factors. "
        "Bars reach to what 9 in 10 orders need, the tick marks half of them, the dashed line is the promise."
    )
