"""Channels, exact previews, and every message that was sent or is waiting."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Alerts")
st.caption("Channels, exact previews, and every message that was sent or is waiting.")
