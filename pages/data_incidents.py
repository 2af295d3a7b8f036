"""Data incidents: alerts of every tool judged, the decision with its receipt, cause, remedy, and how good that is."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from core.service import incidents
from ui import (
    alert_dashboard,
    alert_data,
    alert_demo,
    alert_fixes,
    alert_queue,
    alert_story,
    auth,
    cards,
    data,
    incident_drawer,
)

auth.require("incidents:read")
asked = st.query_params.get("case")
try:
    if asked:
        chosen = incidents.get(data.bench(), auth.current(), asked)
        alert_story.head(chosen)
        alert_story.body(chosen)
    else:
        st.title("Data incidents")
        found = alert_data.cases()
        alert_dashboard.head(found)
        sections: dict[str, Callable[[], None]] = {
            "Queue": lambda: alert_queue.queue(found),
            "Figures": alert_dashboard.show,
            "Demo alerts": alert_demo.show,
            "Fixes": alert_fixes.show,
        }
        tabs = st.tabs(list(sections), key="di_tab", on_change="rerun", bind="query-params")
        for tab, show in zip(tabs, sections.values(), strict=True):
            if tab.open:
                with tab:
                    show()
except WorkbenchError as error:
    st.title("Data incidents")
    cards.problem(error)
incident_drawer.from_address()
