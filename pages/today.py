"""What changed in the latest period, why, and a message ready to send."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Today")
st.caption("What changed in the latest period, why, and a message ready to send.")
