"""Orders: how far they got, which break their promise, where exceptions come from, and the data behind them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from ui import (
    auth,
    cards,
    incident_drawer,
    order_actions,
    order_data,
    order_files,
    order_flows,
    order_funnel,
    order_queue,
    order_reasons,
    order_story,
)

auth.require("incidents:read")
asked = st.query_params.get("order")
try:
    orders = order_data.look()
    if asked:
        found = order_story.head(asked, orders)
        order_actions.outcome()
        if found:
            order_actions.context(orders)
            order_story.body(asked, orders)
            order_actions.refreshing(orders)
    else:
        with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
            st.title("Orders", width="content")
            order_actions.check()
        order_actions.outcome()
        order_actions.context(orders)
        order_actions.figures(orders)

        def now() -> None:
            order_queue.show(orders)
            order_funnel.show(orders)

        sections: dict[str, Callable[[], None]] = {
            "Now": now,
            "Exceptions": lambda: order_reasons.show(orders),
            "Flows": order_flows.show,
            "Data": lambda: order_files.show(orders),
            "Schedule": order_actions.clock,
        }
        tabs = st.tabs(list(sections), key="orders_tab", on_change="rerun", bind="query-params")
        for tab, show in zip(tabs, sections.values(), strict=True):
            if tab.open:
                with tab:
                    show()
        if tabs[0].open:
            order_actions.refreshing(orders)
except WorkbenchError as error:
    st.title("Orders")
    cards.problem(error)
    order_files.show(None)  # where other data can be put in the place of what cannot be read
incident_drawer.from_address()
