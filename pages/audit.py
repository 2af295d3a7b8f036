"""Audit and cost: who did what and when, every run, and what the model has cost."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, data, model_cost, run_history, state, trail

auth.require("incidents:read")
st.title("Audit and cost")
name = state.source()
try:
    trail.chain()
    audit, runs, cost = st.tabs(
        ["Audit", "Runs", "Model cost"], key="audit_tab", on_change="rerun", bind="query-params"
    )
    if audit.open:
        with audit:
            st.header("Audit")
            trail.lines()
    if runs.open:
        with runs:
            st.header("Runs")
            run_history.listing(name, data.names()[name])
    if cost.open:
        with cost:
            st.header("Model cost")
            model_cost.panel()
except WorkbenchError as error:
    cards.problem(error)
