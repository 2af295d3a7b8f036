"""Upload files, see how they were read, correct it, save a source."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Data")
st.caption("Upload files, see how they were read, correct it, save a source.")
