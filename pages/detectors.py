"""Detectors: run them with your own parameters, compare what they find, keep what works."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import arena, auth, cards, data, state

auth.require("incidents:read")
st.title("Detectors")
name = state.source()
edits = state.edits(name)
try:
    uses = arena.configure(name, data.playbook(name))
    ran = arena.run_button(name, uses)
    if ran:
        arena.results(name, edits, ran)
        arena.would_have_fired(name, edits, ran)
        arena.keep(name, ran)
    else:
        st.info(
            "Choose one detector or several, set their parameters and run them over the whole history. "
            "Nothing is changed by running.",
            icon=":material/sensors:",
        )
except WorkbenchError as error:
    cards.problem(error)
