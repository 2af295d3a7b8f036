"""What the language model was used for: today's budget, thirty days of calls, tokens and cost, failures, breaker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pandas as pd
import streamlit as st

from core import charts
from core.store.records import DayUsage
from ui import data, words

DAYS = 30
BREAKER = {"closed": ("green", "answering"), "half_open": ("orange", "on trial"), "open": ("red", "left alone")}
MEASURES = {"Calls": "calls", "Tokens": "tokens", "USD": "usd"}


def panel() -> None:
    """Budget, chart and failures; without a model, what would switch one on."""
    used = data.model_use(DAYS)
    model = data.bench().ctx.model
    if model is None:
        st.info(
            "No model is configured: explanations are worded by rules only. Set OPENAI_API_KEY in .env to add one.",
            icon=":material/rule:",
        )
    else:
        state = str(getattr(model, "state", "closed"))
        color, said = BREAKER.get(state, ("gray", state))
        with st.container(horizontal=True, gap="small"):
            st.badge(model.name, icon=":material/auto_awesome:", color="violet")
            st.badge(f"breaker {state.replace('_', ' ')}: {said}", color=color)  # type: ignore[arg-type]
    if model is None and not used:
        return
    today = data.bench().ctx.clock.now().date()
    _budget(next((u for u in used if u.day == today), None))
    if used:
        _chart(used, today)
        _failures(used)


def _budget(today: DayUsage | None) -> None:
    settings = data.bench().ctx.settings
    tokens, usd = (today.tokens, today.usd) if today else (0, 0.0)
    most_tokens, most_usd = settings.telltale_budget_tokens, settings.telltale_budget_usd
    left, right = st.columns(2, gap="medium")
    left.progress(_share(tokens, most_tokens), f"Today: {tokens:,} of {most_tokens:,} tokens")
    right.progress(_share(usd, most_usd), f"Today: {usd:,.4f} of {most_usd:,.2f} USD")
    if today and today.unpriced:
        st.caption(f"{today.unpriced} calls have no configured price and are missing from the USD.")
    st.caption("The budget renews at 00:00 UTC and is shared by all sessions; past it the rules take over.")


def _share(used: float, most: float) -> float:
    return min(1.0, used / most) if most else 1.0


def _chart(used: Sequence[DayUsage], today: date) -> None:
    label = st.segmented_control("Show", list(MEASURES), default="Calls", required=True, key="audit_measure")
    by_day = {u.day: float(getattr(u, MEASURES[label])) for u in used}
    days = [today - timedelta(days=n) for n in reversed(range(DAYS))]
    frame = pd.DataFrame({"day": pd.to_datetime(days), "value": [by_day.get(d, 0.0) for d in days]})
    total = frame["value"].sum()
    shown = f"{total:,.4f} USD" if label == "USD" else f"{total:,.0f} {label.lower()}"
    st.altair_chart(
        charts.day_bars(frame, title=f"{shown} in {DAYS} days", palette=words.palette()),
        alt=f"{label} of the model per day over the last {DAYS} days",
    )


def _failures(used: Sequence[DayUsage]) -> None:
    calls, hits = sum(u.calls for u in used), sum(u.cache_hits for u in used)
    found: dict[str, int] = {}
    for day in used:
        for kind, count in day.failures.items():
            found[kind] = found.get(kind, 0) + count
    with st.container(horizontal=True, gap="small"):
        st.badge(f"{calls:,} calls", color="gray")
        st.badge(f"{hits:,} answered from the cache", color="gray")
        for kind, count in sorted(found.items(), key=lambda item: -item[1]):
            st.badge(f"{count} {kind.replace('_', ' ')}", color="orange", help="Failed calls; the rules took over.")
        if not found:
            st.badge("no failures", color="green")
