"""The queue: filter, acknowledge, resolve, follow the timeline."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Incidents")
st.caption("The queue: filter, acknowledge, resolve, follow the timeline.")
