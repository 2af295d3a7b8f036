"""Run detectors with your own parameters and compare what they find."""

from __future__ import annotations

import streamlit as st

from ui import auth

auth.require("incidents:read")
st.title("Detectors")
st.caption("Run detectors with your own parameters and compare what they find.")
