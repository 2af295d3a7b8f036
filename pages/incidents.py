"""Incidents: what is open, who has it, what is known, and every move with one click."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, data, incident_drawer, incident_queue, state

auth.require("incidents:read")
st.title("Incidents")
name = state.source()
try:
    slot = st.container()
    total = incident_queue.counts()
    found = incident_queue.filtered(name, data.names()[name])
    with slot:
        incident_queue.outcome()
    if found:
        st.header(f"Queue ({len(found)})")
        incident_queue.rows(found)
    else:
        incident_queue.empty(total)
    incident_drawer.from_address()
except WorkbenchError as error:
    cards.problem(error)
