"""Data incidents: alerts of every tool judged, the decision with its receipt, cause, remedy, and how good that is."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.service import incidents
from ui import alert_data, alert_queue, alert_story, auth, cards, data, incident_drawer

auth.require("incidents:read")
asked = st.query_params.get("case")
try:
    if asked:
        found = incidents.get(data.bench(), auth.current(), asked)
        alert_story.head(found)
        alert_story.body(found)
    else:
        st.title("Data incidents")
        alert_queue.queue(alert_data.cases())
except WorkbenchError as error:
    st.title("Data incidents")
    cards.problem(error)
incident_drawer.from_address()
