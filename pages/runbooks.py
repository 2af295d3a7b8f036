"""Runbooks: find one by signal or words, read it, write and edit them, and go back to an earlier version."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, runbook_form, runbook_library, runbook_state, service_data

auth.require("incidents:read")
asked = st.query_params.get("runbook")
try:
    library = service_data.library()
    if "runbooks_draft" in st.session_state:
        runbook_form.editor(library)
    elif asked:
        runbook_library.one(asked, library)
    else:
        runbook_library.top()
        runbook_state.outcome()
        runbook_library.results(library)
except WorkbenchError as error:
    cards.problem(error)
