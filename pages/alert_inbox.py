"""The alert inbox: what came in and how it was understood, a box to try a payload, and where to send alerts."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from ui import alert_address, alert_received, alert_trial, auth, cards

auth.require("incidents:read")
st.title("Alert inbox")
try:
    came = alert_received.volume()
    alert_received.figures(came)
    sections: dict[str, Callable[[], None]] = {
        "Received": lambda: alert_received.listing(came),
        "Test box": alert_trial.box,
        "Address": alert_address.show,
    }
    tabs = st.tabs(list(sections), key="inbox_tab", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, sections.values(), strict=True):
        if tab.open:
            with tab:
                show()
    if tabs[0].open:
        alert_received.refreshing(came)
    alert_received.from_address()
except WorkbenchError as error:
    cards.problem(error)
