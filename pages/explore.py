"""One metric against its baseline: zoom, drill down, brush a range."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Explore")
st.caption("One metric against its baseline: zoom, drill down, brush a range.")
