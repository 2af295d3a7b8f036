"""The Streamlit script: page settings, logo, navigation and the way in. ``app.py`` serves it.

It lies in ``ui/`` because a fresh Streamlit process would run a deep-linked file of a ``pages/``
folder next to the main script without running the main script first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import telemetry
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
    "Data": (("data", "Data", "upload_file", "Upload files, see how they were read, correct it, save a source."),),
    "Govern": (
        ("alerts", "Alerts", "send", "Channels, exact previews, and every message that was sent or is waiting."),
        ("audit", "Audit and cost", "receipt_long", "Who did what and when, and what the model has cost today."),
    ),
}

st.set_page_config(
    page_title="Telltale",
    page_icon=str(STATIC / "mark.svg"),  # before the menu: an icon's name would make the browser call a font host
    layout="wide",
    menu_items={"About": "**Telltale**: see what changed, learn why, tell who needs to know."},
)

page = st.navigation(
    {
        section: [
            st.Page(
                ROOT / "pages" / f"{name}.py",
                title=title,
                icon=f":material/{icon}:",
                help=note,
                default=name == "today",
            )
            for name, title, icon, note in entries
        ]
        for section, entries in MENU.items()
    },
    expanded=True,
)
st.set_page_config(page_title=f"{page.title} · Telltale")
st.logo(str(STATIC / f"logo-{st.context.theme.type or 'light'}.svg"), icon_image=str(STATIC / "mark.svg"), size="large")
auth.gate()
with telemetry.page_run(page.url_path or "today"):
    page.run()
