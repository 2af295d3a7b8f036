"""Approvals: what waits for a decision, what is being carried out, what was decided, and the time that saved."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import approval_lists, auth, cards, incident_drawer

auth.require("incidents:read")
st.title("Approvals")
try:
    approval_lists.figures()
    approval_lists.lists()
except WorkbenchError as error:
    cards.problem(error)
incident_drawer.from_address()
