"""The queue of data incidents: what was decided about each, filters that live in the address, and the way in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.model import Incident, Severity
from core.store.incidents import OPEN_STATES
from ui import alert_data, alert_story, cards, links, words
from ui.alert_story import ACTION, open_case

PER_PAGE = 12
STATES = ("Open", "Over", "All")


def queue(found: Sequence[Incident]) -> None:
    """The data incidents that the filters leave, open ones first, worst first."""
    if not found:
        st.info(
            "No alert has come in yet. Send one to the webhook, try one in the inbox, or run the demo alerts.",
            icon=":material/notifications_off:",
        )
        st.page_link(links.page("alert_inbox"), label="Open the alert inbox", icon=":material/inbox:")
        return
    kept = _filtered(found)
    if not kept:
        st.info("No data incident matches these filters. Clear one to see more.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(kept) // PER_PAGE)
    slot = st.container(border=True, gap="xsmall")
    page = st.pagination(pages, key=f"di_page_{pages}") if pages > 1 else 1
    with slot:
        for incident in kept[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _row(incident)


def _filtered(found: Sequence[Incident]) -> list[Incident]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        state = st.segmented_control(
            "State", STATES, default=STATES[0], required=True, key="di_state", bind="query-params",
            help="Over: resolved, closed or dismissed.",
        )  # fmt: skip
        there = {alert_data.action(i) for i in found}
        chosen = st.pills(
            "Decision", [a for a in ACTION if a in there], selection_mode="multi", key="di_action", bind="query-params",
            format_func=lambda a: ACTION[a][2].capitalize() if a in ACTION else a,
        )  # fmt: skip
        severities = st.pills(
            "Severity", [s.name for s in reversed(Severity)], selection_mode="multi", key="di_severity",
            bind="query-params", format_func=str.capitalize,
        )  # fmt: skip
        text = st.text_input(
            "Search", key="di_text", placeholder="Title, table, DAG, id", icon=":material/search:", width=240,
            bind="query-params",
        )  # fmt: skip
    wanted = (text or "").casefold().strip()
    return [
        i
        for i in found
        if (state == STATES[2] or (i.status in OPEN_STATES) is (state == STATES[0]))
        and (not chosen or alert_data.action(i) in chosen)
        and (not severities or i.severity.name in severities)
        and wanted in f"{i.incident_id}\n{i.title}\n{i.subject}\n{i.dedup_key}".casefold()
    ]


def _row(i: Incident) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small")
    text, action = row.container(gap="xxsmall"), row.container(width="content")
    with text:
        st.markdown(f"**{cards.safe(i.title)}**")
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            alert_story.badges(i)
            sure = alert_data.mapping(i.body.get("decision")).get("confidence")
            told = f"{alert_story.about(i)} · confidence {alert_story.two(sure)} · {words.moment(i.detected_at)} UTC"
            st.caption(told, width="content")
    action.button(
        "Open", key=f"di_open_{i.incident_id}", on_click=open_case, args=(i.incident_id,), type="tertiary",
        icon=":material/arrow_forward:", icon_position="right", help=f"Open {i.incident_id}",
    )  # fmt: skip
