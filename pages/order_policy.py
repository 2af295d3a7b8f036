"""The order policy: edited as text, checked by line, tried on the last days, saved as a version, rolled back."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, policy_editor, policy_history, policy_trial

auth.require("incidents:read")
st.title("Order policy")
try:
    holds = policy_editor.in_force()
    policy_editor.head(holds)
    edit, past = st.tabs(["Edit", "History"], key="policy_tab", on_change="rerun", bind="query-params")
    if edit.open:
        with edit:
            left, right = st.columns([3, 2], gap="medium")
            with left:
                text = policy_editor.draft(holds)
            with right:
                valid = policy_editor.checked(text)
                policy_trial.show(text, valid=valid)
                policy_editor.save(text, holds, valid=valid)
    if past.open:
        with past:
            policy_history.show(holds)
except WorkbenchError as error:
    cards.problem(error)
