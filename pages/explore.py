"""One metric against its baseline: zoom, drill down, brush a range."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, data, drawer, explore, explore_tables, state

auth.require("incidents:read")
st.title("Explore")
name = state.source()
edits = state.edits(name)
try:
    view = explore.choose(name, data.playbook(name), edits)
    found = view.deltas(view.panel, view.baseline)
    title = explore.message(view, found[view.i])
    with st.container(border=True):
        explore.chart(view, title)
        explore_tables.figures(view, found[view.i])
    explore_tables.range_moves(view)
    explore_tables.all_metrics(view, found)
    explore_tables.drill(view, found[view.i])
    explore_tables.receipt(view, found[view.i])
    explore_tables.past_findings(view)
    explore.open_finding(view)
    if st.query_params.get("finding"):
        with st.spinner("Judging that period…"):
            trace = data.trace(name, edits, state.as_of(st.session_state["explore_at"]))
        drawer.finding(trace, name)
except WorkbenchError as error:
    cards.problem(error)
