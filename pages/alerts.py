"""Alerts: channels, the exact message of the latest run, every message sent or waiting, and the schedule."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, channels, data, outbox, schedule, state

auth.require("incidents:read")
st.title("Alerts")
st.caption("Nothing is sent by itself: a person sees the exact message first.")
name = state.source()
try:
    title = data.names()[name]
    channels.listing()
    channels.latest(name, title)
    outbox.listing()
    schedule.editor(name, title)
except WorkbenchError as error:
    cards.problem(error)
