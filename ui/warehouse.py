"""Asking the warehouse: a SELECT becomes a draft like an uploaded file."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.service import uploads, warehouse
from ui import auth, cards, data, upload


def asker() -> None:
    """A collapsed form for one SELECT; only shown where a warehouse is configured."""
    if not warehouse.configured(data.bench()):
        return
    with st.expander("From the warehouse", icon=":material/database:"), st.form("data_query", border=False):
        table = st.text_input("Name", key="data_query_name", placeholder="orders", required=True)
        query = st.text_area(
            "SELECT",
            key="data_query_sql",
            placeholder="SELECT day, region, revenue FROM sales WHERE day >= '2026-01-01'",
            help="One statement that only reads. It is asked again at every run of the source.",
        )
        asked = st.form_submit_button("Ask", icon=":material/play_arrow:")
    if not asked:
        return
    try:
        with st.spinner("Asking the warehouse"):
            answer = warehouse.ask(data.bench(), auth.current(), table or "query", query or "")
    except WorkbenchError as problem:
        cards.problem(problem)
        return
    upload.keep(uploads.draft(data.bench(), answer.name.replace("_", " ").capitalize(), [answer]))
    st.rerun()
