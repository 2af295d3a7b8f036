"""Expectations on the loaded tables: results, failing rows, history."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Data quality")
st.caption("Expectations on the loaded tables: results, failing rows, history.")
