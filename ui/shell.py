"""The Streamlit script: page settings, logo, navigation and the way in. ``app.py`` serves it.

It lies in ``ui/`` because a fresh Streamlit process would run a deep-linked file of a ``pages/``
folder next to the main script without running the main script first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import streamlit as st

from core import telemetry
from core.access import Principal, Scope
from core.bootstrap import background
from ui import auth

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "ui" / "static"
MENU = {
    "Monitor": (
        ("today", "Today", "today", "What changed in the latest period, why, and a message ready to send."),
        ("incidents", "Incidents", "crisis_alert", "The queue: filter, acknowledge, resolve, follow the timeline."),
    ),
    "Analyse": (
        ("explore", "Explore", "query_stats", "One metric against its baseline: zoom, drill down, brush a range."),
        ("quality", "Data quality", "fact_check", "Expectations on the loaded tables: results, failing rows, history."),
        ("detectors", "Detectors", "sensors", "Run detectors with your own parameters and compare what they find."),
    ),
    "Segments": (
        ("segments", "Segments", "groups", "Audiences under watch: size, make-up, conversion, churn, and what moved."),
        ("segment_builder", "Segment builder", "filter_alt", "Write the rules of a segment and see live who matches."),
    ),
    "Services": (
        ("services", "Services", "monitor_heart", "Error rate and p99 of every service, why they climb, what to do."),
        (
            "approvals",
            "Approvals",
            "approval_delegation",
            "What waits for a decision, is in flight, or was decided.",
        ),
        ("runbooks", "Runbooks", "menu_book", "Search, read and edit the runbooks that incidents are matched with."),
    ),
    "Data incidents": (
        (
            "data_incidents",
            "Data incidents",
            "notification_important",
            "Alerts of every tool: judged, decided with a receipt, explained, and fixed after approval.",
        ),
        (
            "alert_inbox",
            "Alert inbox",
            "inbox",
            "Every alert that came in, how it was understood, and a box to try one without effects.",
        ),
    ),
    "Orders": (
        ("orders", "Orders", "local_shipping", "Which orders broke or will break their promise, why, and what to do."),
        (
            "billing",
            "Billing",
            "request_quote",
            "Invoices against what orders cost, and corrections to decide on.",
        ),
        ("order_policy", "Order policy", "policy", "Change promises and tariffs, see the effect, save and roll back."),
    ),
    "Data": (("data", "Data", "upload_file", "Upload files, see how they were read, correct it, save a source."),),
    "Govern": (
        ("alerts", "Alerts", "send", "Channels, exact previews, and every message that was sent or is waiting."),
        ("audit", "Audit and cost", "receipt_long", "Who did what and when, and what the model has cost today."),
        ("people", "Users and tokens", "group", "Who may sign in and with which role, and the keys of machines."),
    ),
}
SCOPE: dict[str, Scope] = {"people": "tools:manage"}  # all others are open to everybody who may read

st.set_page_config(
    page_title="Telltale",
    page_icon=str(STATIC / "mark.svg"),  # before the menu: an icon's name would make the browser call a font host
    layout="wide",
    menu_items={"About": "**Telltale**: see what changed, learn why, tell who needs to know."},
)

me = auth.standing()


def shown(scope: Scope) -> Literal["visible", "hidden"]:
    """A page that the role does not open is left out of the menu; its link says why."""
    return "visible" if isinstance(me, Principal) and me.can(scope) else "hidden"


page = st.navigation(
    {
        section: [
            st.Page(
                ROOT / "pages" / f"{name}.py",
                title=title,
                icon=f":material/{icon}:",
                help=note,
                default=name == "today",
                visibility=shown(SCOPE.get(name, "incidents:read")),
            )
            for name, title, icon, note in entries
        ]
        for section, entries in MENU.items()
    },
    # All pages are declared also for who is outside, so that the address of the one they want stays.
    position="sidebar" if isinstance(me, Principal) else "hidden",
    expanded=True,
)
st.set_page_config(page_title=f"{page.title} · Telltale")
st.logo(str(STATIC / f"logo-{st.context.theme.type or 'light'}.svg"), icon_image=str(STATIC / "mark.svg"), size="large")
auth.gate(me)
with telemetry.page_run(page.url_path or "today"):
    try:
        page.run()
    finally:
        background().seen()
