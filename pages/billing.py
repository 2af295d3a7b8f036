"""Billing: invoices beside what their orders cost, adjustments that wait for a decision, and month totals."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from ui import adjustments, auth, cards, invoices, order_actions, order_data

auth.require("incidents:read")
try:
    orders = order_data.look()
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Billing", width="content")
        order_actions.check()
    order_actions.outcome()
    order_actions.context(orders)
    invoices.figures(orders)
    sections: dict[str, Callable[[], None]] = {
        "Invoices": lambda: invoices.show(orders),
        "Adjustments": adjustments.show,
        "Months": lambda: invoices.months(orders),
    }
    tabs = st.tabs(list(sections), key="billing_tab", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, sections.values(), strict=True):
        if tab.open:
            with tab:
                show()
except WorkbenchError as error:
    st.title("Billing")
    cards.problem(error)
