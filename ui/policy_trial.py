"""A policy tried on the last days before it is saved: exceptions that appear or vanish, bills that change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import streamlit as st

from core.errors import WorkbenchError
from core.order_views import money
from core.service import order_policies
from core.service.order_policies import Changed, DryRun
from ui import auth, cards, data, words
from ui.order_queue import reason_word

DAYS = {1: "1 day", 7: "7 days", 30: "30 days"}
RESULT, PROBLEM, ASKED = (f"policy_trial_{name}" for name in ("result", "problem", "asked"))
SHOWN = 100


def show(text: str, *, valid: bool) -> None:
    """The button, and the result while it is that of this very text."""
    with st.container(border=True):
        st.header("Dry run")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            days = st.segmented_control(
                "Orders of the last", list(DAYS), format_func=lambda d: DAYS.get(d, str(d)), default=7, required=True,
                key="policy_days",
            )  # fmt: skip
            st.button(
                "Dry run", icon=":material/science:", key="policy_try", on_click=_ask, disabled=not valid,
                help="Judges and bills the same orders by both policies. Nothing is kept.",
            )  # fmt: skip
        _run(text, int(days or 7))
        if (problem := st.session_state.pop(PROBLEM, None)) is not None:
            cards.problem(problem)
        found: tuple[str, DryRun] | None = st.session_state.get(RESULT)
        if found is None:
            st.caption("See which exceptions and invoices would change before you save.")
        elif found[0] != _mark(text):
            st.caption("The text changed since the last dry run. Run it again.")
        else:
            _told(found[1])


def _ask() -> None:
    st.session_state[ASKED] = True


def _run(text: str, days: int) -> None:
    if not st.session_state.pop(ASKED, False):
        return
    try:
        with st.spinner("Judging the orders by both policies…"):
            done = order_policies.dry_run(data.bench(), auth.current(), text, days)
        st.session_state[RESULT] = (_mark(text), done)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def headline(d: DryRun) -> str:
    """What the other policy would change, in one sentence."""
    if not (d.appear or d.vanish or d.invoices_changed or d.predictions[0] != d.predictions[1]):
        return f"Nothing changes for the {d.orders:,} orders."
    parts = [f"{_count(d.appear)} exceptions appear, {_count(d.vanish)} vanish"]
    if d.invoices_changed:
        way = f"{signed(d.bills_delta_cents)} in total"
        parts.append(f"{d.invoices_changed:,} bill{'s' if d.invoices_changed != 1 else ''} change, {way}")
    else:
        parts.append("no bill changes")
    return "; ".join(parts) + "."


def _count(found: Sequence[Changed]) -> str:
    """How many; a dry run lists no more than so many."""
    return f"at least {len(found):,}" if len(found) >= order_policies.MOST_SHOWN else f"{len(found):,}"


def signed(cents: int) -> str:
    """A difference in money with its sign."""
    return f"+{money(cents)}" if cents > 0 else money(cents)


def _told(d: DryRun) -> None:
    st.markdown(f"**{headline(d)}**")
    before, after = d.predictions
    st.caption(
        f"{d.orders:,} orders; exceptions of the last {DAYS.get(d.days, f'{d.days} days')}. "
        f"About to break a promise: {before:,} now, {after:,} then."
    )
    _exceptions("Appear", d.appear)
    _exceptions("Vanish", d.vanish)
    _bills(d)
    if any(a != b for _, a, b in d.months):
        st.table(
            {
                "month": [m for m, _, _ in d.months],
                "now": [money(a) for _, a, _ in d.months],
                "then": [money(b) for _, _, b in d.months],
                "change": [signed(b - a) for _, a, b in d.months],
            },
            border="horizontal", hide_index=True, alt="Month totals by both policies",
        )  # fmt: skip


def _bills(d: DryRun) -> None:
    if not d.examples:
        return
    shown = d.examples[:SHOWN]
    title = f"Bills that change ({d.invoices_changed:,})"
    box = st.expander(title, icon=":material/receipt_long:", key="policy_trial_open_bills", on_change="rerun")
    if box.open:
        box.dataframe(
            {
                "order": [o for o, _, _ in shown],
                "now": [money(a) for _, a, _ in shown],
                "then": [money(b) for _, _, b in shown],
                "change": [signed(b - a) for _, a, b in shown],
            },
            hide_index=True, key="policy_trial_bills", alt="Bills that change, the largest change first",
        )  # fmt: skip


def _exceptions(title: str, found: Sequence[Changed]) -> None:
    if not found:
        return
    colors: dict[str, words.Color] = {"Appear": "red", "Vanish": "green"}
    reasons = {r: sum(c.reason == r for c in found) for r in dict.fromkeys(c.reason for c in found)}
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.markdown(f"**{title}**", width="content")
        for reason, count in reasons.items():
            st.badge(f"{count:,} {reason_word(reason).lower()}", color=colors[title])
    key = f"policy_trial_open_{title.lower()}"
    box = st.expander(f"{title} ({len(found):,})", icon=":material/list:", key=key, on_change="rerun")
    if box.open:
        box.dataframe(
            [{"order": c.order_id, "reason": reason_word(c.reason), "what": c.summary} for c in found[:SHOWN]],
            hide_index=True, key=f"policy_trial_{title.lower()}", alt=f"Exceptions that {title.lower()}",
            column_config={"what": st.column_config.TextColumn(width="large")},
        )  # fmt: skip
