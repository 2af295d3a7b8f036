"""Users and tokens: who may sign in and with which role, and the keys of machines."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, people, tokens

auth.require("tools:manage")
st.title("Users and tokens")
try:
    people.local_note()
    people.listing()
    tokens.listing()
except WorkbenchError as error:
    cards.problem(error)
