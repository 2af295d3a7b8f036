"""The four flows of orders: each step with its status, run on demand or by the clock."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import WorkbenchError
from core.model import Run
from core.service import order_flows
from ui import auth, cards, data, order_data, resolver, words

ASKED, PROBLEM = "orders_flow_asked", "orders_flow_problem"
TOLD: Mapping[str, tuple[str, str]] = {
    "order_processing": ("Order processing", "Judges every order and opens or updates its exceptions."),
    "exception_management": (
        "Exception management",
        "Escalates, tells clients what is due, carries approved work out.",
    ),
    "billing": ("Billing", "Recomputes invoices and keeps a correction for each wrong one."),
    "orchestrator": ("Orchestrator", "All three in order; a step that fails does not stop the later ones."),
}


def show() -> None:
    """One card a flow with what its newest run did, step by step."""
    _run()
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    latest = order_data.flows()
    with st.grid(columns="auto", min_column_width=380, gap="small"):
        for flow in order_flows.FLOWS:
            _flow(flow, latest.get(flow))


def _flow(flow: str, run: Run | None) -> None:
    title, what = TOLD[flow]
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header(title, width="content")
            st.button(
                "Run", icon=":material/play_arrow:", key=f"orders_flow_{flow}", on_click=_ask, args=(flow,),
                disabled=not auth.current().can("incidents:write"), help=f"{what} It alerts like a run by the clock.",
            )  # fmt: skip
        st.caption(what)
        if run is None:
            st.markdown(":gray[It has not run yet.]")
            return
        ago = resolver.ago(data.bench().ctx.clock.now() - run.ended_at)
        for step in order_data.rows(run.report.get("steps")):
            good = step.get("status") == "ok"
            with st.container(horizontal=True, gap="small", vertical_alignment="top", wrap=False):
                st.badge(
                    "ok" if good else "failed", icon=":material/check:" if good else ":material/close:",
                    color="green" if good else "red",
                )  # fmt: skip
                name = str(step.get("name")).rpartition(".")[2].replace("_", " ").capitalize()
                st.markdown(f"**{cards.safe(name)}**  \n{cards.safe(str(step.get('text')))}")
        st.caption(f"{ago} by {cards.safe(run.actor)} · {words.moment(run.ended_at)} UTC · {run.id}")


def _ask(flow: str) -> None:
    st.session_state[ASKED] = flow


def _run() -> None:
    flow = st.session_state.pop(ASKED, None)
    if flow is None:
        return
    try:
        with st.spinner(f"{TOLD[flow][0]} is running…"):
            order_flows.run(data.bench(), auth.current(), flow)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.rerun()
