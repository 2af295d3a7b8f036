"""Invoice adjustments: what waits for a decision, and what was booked or decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.errors import WorkbenchError
from core.service import order_billing, order_flows
from core.store.order_policies import WAITING, StoredAdjustment
from ui import auth, cards, data, invoices, links, order_data, words

PER_PAGE = 10
PROBLEM, FOUND, ASKED = (f"billing_{name}" for name in ("problem", "found", "asked"))
STATE: Mapping[str, tuple[words.Color, str]] = {
    "WAITING": ("orange", "needs approval"),
    "MANUAL_REVIEW": ("red", "manual review"),
    "BOOKED": ("blue", "booked"),
    "APPROVED": ("green", "approved"),
    "REJECTED": ("gray", "rejected"),
}


def show() -> None:
    """Corrections that wait, each with its decision in place; then those that are over."""
    _find()
    everything = order_data.adjustments()
    waiting = sorted((a for a in everything if a.state in WAITING), key=lambda a: -abs(a.delta_cents))
    over = [a for a in everything if a.state not in WAITING]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header(f"Waiting for a decision ({len(waiting)})", width="content")
            st.button(
                "Find corrections", icon=":material/fact_check:", key="billing_find", on_click=_ask,
                disabled=not auth.current().can("incidents:write"),
                help="Recomputes the invoices of orders with an event in the last 24 h; a correction is kept once.",
            )  # fmt: skip
        if not waiting:
            st.caption("Nothing waits." if everything else "No correction is kept yet. Choose Find corrections.")
        else:
            total = sum(a.delta_cents for a in waiting)
            st.caption(f"{invoices.signed(total) or '0.00'} in sum. Small credits are booked without a person.")
            _paged(waiting, "waiting")
    if over:
        with st.container(border=True):
            st.header(f"Booked and decided ({len(over)})")
            _paged(over, "over")


def _ask() -> None:
    st.session_state[ASKED] = True


def _find() -> None:
    if st.session_state.pop(ASKED, False):
        try:
            with st.spinner("Recomputing the invoices…"):
                run = order_flows.run(data.bench(), auth.current(), "billing")
            st.session_state[FOUND] = run.headline
        except WorkbenchError as error:
            st.session_state[PROBLEM] = error
        st.rerun()
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if found := st.session_state.pop(FOUND, None):
        st.success(cards.safe(found), icon=":material/fact_check:")


def _paged(found: Sequence[StoredAdjustment], name: str) -> None:
    pages = -(-len(found) // PER_PAGE)
    slot = st.container(gap="small")
    page = st.pagination(pages, key=f"billing_{name}_{pages}") if pages > 1 else 1
    with slot:
        for a in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _card(a)


def _card(a: StoredAdjustment) -> None:
    color, told = STATE.get(a.state, ("gray", a.state.lower()))
    with st.container(border=True, gap="small", key=f"billing_card_{a.id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
                st.markdown(f"**{invoices.signed(a.delta_cents)}**", width="content")
                st.badge("credit" if a.delta_cents < 0 else "extra charge", color="gray")
                st.badge(told, color=color)
            st.page_link(
                links.page("orders"), label="Order", icon=":material/local_shipping:", width="content",
                query_params={"order": a.order_id}, help=f"Open {a.order_id}",
            )  # fmt: skip
        st.markdown(
            f"{cards.safe(a.invoice_id)}: invoiced **{invoices.cents(a.invoiced_cents)}**, recomputed "
            f"**{invoices.cents(a.recomputed_cents)}**"
        )
        st.caption(f"{cards.safe(invoices.rationale(a.rationale))} {words.moment(a.created_at)} UTC · {a.id}")
        if a.state in WAITING:
            _decision(a)
        elif a.decided_by:
            reason = f": {cards.safe(a.reason)}" if a.reason else ""
            st.caption(f"{told.capitalize()} by {cards.safe(a.decided_by)} {words.moment(a.decided_at)} UTC{reason}")


def _decision(a: StoredAdjustment) -> None:
    if (problem := st.session_state.pop(f"billing_problem_{a.id}", None)) is not None:
        cards.problem(problem)
    who = auth.current()
    if not who.can("actions:approve"):
        st.caption(f":material/lock: The role {who.role} reads; a responder or administrator decides.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.text_input(
            f"Reason about {a.id}", key=f"billing_reason_{a.id}", label_visibility="collapsed", width="stretch",
            placeholder="Reason; a rejection needs one",
        )  # fmt: skip
        st.button(
            "Approve", type="primary", icon=":material/check:", key=f"billing_approve_{a.id}", on_click=_decide,
            args=(a.id, True),
        )  # fmt: skip
        st.button("Reject", icon=":material/close:", key=f"billing_reject_{a.id}", on_click=_decide, args=(a.id, False))


def _decide(adjustment_id: str, yes: bool) -> None:
    """The role is read anew: it can have changed since the page was drawn."""
    reason = str(st.session_state.get(f"billing_reason_{adjustment_id}") or "")
    try:
        order_billing.decide(data.bench(), auth.current(), adjustment_id, approve=yes, reason=reason)
    except WorkbenchError as error:
        st.session_state[f"billing_problem_{adjustment_id}"] = error
