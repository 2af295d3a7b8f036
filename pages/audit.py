"""Who did what and when, and what the model has cost today."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Audit and cost")
st.caption("Who did what and when, and what the model has cost today.")
