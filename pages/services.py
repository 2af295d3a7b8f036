"""Services: the health grid, one service in depth with cause and remedy, and the data and clock behind them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, incident_drawer, service_actions, service_data, service_files, service_grid, service_story

auth.require("incidents:read")
asked = st.query_params.get("service")
try:
    health = service_actions.judged()
    if asked:
        standing = service_story.head(asked, health)
        service_actions.outcome()
        if standing is not None:
            service_actions.context(health)
            service_story.body(standing, health)
            service_actions.refreshing(health)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            st.title("Services", width="content")
            service_actions.check(health)
        service_actions.outcome()
        service_actions.context(health)
        service_actions.figures(health, service_data.desk())
        sections: dict[str, Callable[[], None]] = {
            "Health": lambda: service_grid.grid(health),
            "Last check": service_actions.last_check,
            "Data": lambda: service_files.show(health),
            "Schedule": service_actions.clock,
        }
        tabs = st.tabs(list(sections), key="services_tab", on_change="rerun", bind="query-params")
        for tab, show in zip(tabs, sections.values(), strict=True):
            if tab.open:
                with tab:
                    show()
        if tabs[0].open:
            service_actions.refreshing(health)
except WorkbenchError as error:
    st.title("Services")
    cards.problem(error)
    service_files.show(None)  # where other data can be put in the place of what cannot be read
incident_drawer.from_address()
