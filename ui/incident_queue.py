"""The incident queue: counts, filters that live in the address, rows with real buttons, and moves for several."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.decide.lifecycle import ALLOWED
from core.errors import WorkbenchError
from core.model import Incident, IncidentStatus, Severity
from core.service import incidents
from core.store.incidents import OPEN_STATES
from ui import auth, cards, data, links, words

PER_PAGE = 12
VERB = {
    IncidentStatus.OPEN: "Reopen",
    IncidentStatus.ACKNOWLEDGED: "Acknowledge",
    IncidentStatus.IN_PROGRESS: "Start work",
    IncidentStatus.MITIGATED: "Mark mitigated",
    IncidentStatus.RESOLVED: "Resolve",
    IncidentStatus.CLOSED: "Close",
    IncidentStatus.DISMISSED: "Dismiss",
}
ICON = {
    IncidentStatus.OPEN: ":material/undo:",
    IncidentStatus.ACKNOWLEDGED: ":material/visibility:",
    IncidentStatus.IN_PROGRESS: ":material/build:",
    IncidentStatus.MITIGATED: ":material/healing:",
    IncidentStatus.RESOLVED: ":material/check_circle:",
    IncidentStatus.CLOSED: ":material/lock:",
    IncidentStatus.DISMISSED: ":material/do_not_disturb_on:",
}
BULK = (IncidentStatus.ACKNOWLEDGED, IncidentStatus.RESOLVED, IncidentStatus.DISMISSED)


def word(status: IncidentStatus) -> str:
    """A state as people read it: ``In progress``."""
    return status.replace("_", " ").capitalize()


def counts() -> int:
    """How many incidents are in each state; answers how many there are at all."""
    found = data.incident_counts()
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for status, count in found.items():
            if count or status is IncidentStatus.OPEN:
                st.badge(f"{count} {word(status).lower()}", color=words.STATUS[status] if count else "gray")
    return sum(found.values())


def filtered(source: str, title: str) -> tuple[Incident, ...]:
    """The incidents that the filters leave, newest first. The filters are part of the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        statuses = st.pills(
            "Status",
            list(IncidentStatus),
            selection_mode="multi",
            default=[s for s in IncidentStatus if s in OPEN_STATES],
            format_func=word,
            key="incidents_status",
            bind="query-params",
            help="None chosen: every state.",
        )
        severities = st.pills(
            "Severity",
            [s.name for s in reversed(Severity)],
            selection_mode="multi",
            format_func=str.capitalize,
            key="incidents_severity",
            bind="query-params",
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = st.text_input(
            "Search",
            key="incidents_text",
            placeholder="Id, title, subject or key",
            icon=":material/search:",
            bind="query-params",
            width=320,
        )
        only = st.toggle(f"Only {title}", key="incidents_only", bind="query-params", help="The source in the sidebar.")
    return data.incidents(statuses, [Severity[s] for s in severities], source if only else None, text or "")


def open_incident(incident_id: str) -> None:
    """Puts the incident into the address, which opens its drawer."""
    st.query_params["incident"] = incident_id


def rows(found: Sequence[Incident]) -> None:
    """One page of the queue: choose, read, open."""
    pages = -(-len(found) // PER_PAGE)
    slot = st.container(border=True, gap="xsmall")
    page = st.pagination(pages, key=f"incidents_page_{pages}") if pages > 1 else 1
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    with slot:
        for incident in shown:
            _row(incident)
    chosen = [i for i in shown if st.session_state.get(f"incidents_pick_{i.incident_id}")]
    if chosen:
        _bulk(chosen)


def _row(i: Incident) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small")
    row.checkbox(
        f"Choose {i.incident_id}", key=f"incidents_pick_{i.incident_id}", label_visibility="collapsed", width="content"
    )
    text, action = row.container(gap="xxsmall"), row.container(width="content")
    with text:
        st.markdown(f"**{cards.safe(i.title)}**")
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.badge(i.severity.name.lower(), color=words.SEVERITY[i.severity])
            st.badge(word(i.status).lower(), color=words.STATUS[i.status])
            if i.occurrences > 1:
                st.badge(f"{i.occurrences} times", color="gray")
            if i.alerted:
                st.badge("alerted", icon=":material/send:", color="gray")
            st.caption(f"{i.incident_id} · {cards.safe(i.subject)} · {words.moment(i.created_at)} UTC", width="content")
    action.button(
        "Details",
        key=f"incidents_open_{i.incident_id}",
        on_click=open_incident,
        args=(i.incident_id,),
        type="tertiary",
        help=f"Open {i.incident_id}",
    )


def _bulk(chosen: Sequence[Incident]) -> None:
    """Moves for the chosen incidents, in a bar that stays in sight."""
    with st.bottom, st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{len(chosen)} chosen**", width="content")
        st.text_input(
            "Note", key="incidents_note", placeholder="Note; a dismissal needs one", label_visibility="collapsed",
            width=260,
        )  # fmt: skip
        for to in BULK:
            st.button(
                VERB[to],
                key=f"incidents_bulk_{to.lower()}",
                icon=ICON[to],
                on_click=_move_all,
                args=(chosen, to),
                disabled=not any(to in ALLOWED[i.status] for i in chosen),
            )
        st.button("Clear", key="incidents_clear", type="tertiary", on_click=_clear, args=(chosen,))


def _move_all(chosen: Sequence[Incident], to: IncidentStatus) -> None:
    seen = {i.incident_id: i.updated_at for i in chosen}
    note = st.session_state.get("incidents_note", "")
    try:
        moved = incidents.move_all(data.bench(), auth.current(), seen, to, note)
    except WorkbenchError as error:
        st.session_state["incidents_problem"] = error
        return
    st.session_state["incidents_moved"] = (to, moved)
    for done in moved.done:
        st.session_state[f"incidents_pick_{done.incident_id}"] = False
    if moved.done:
        st.session_state["incidents_note"] = ""


def _clear(chosen: Sequence[Incident]) -> None:
    for incident in chosen:
        st.session_state[f"incidents_pick_{incident.incident_id}"] = False


def outcome() -> None:
    """What the last move of several did, once."""
    error = st.session_state.pop("incidents_problem", None)
    if error is not None:
        cards.problem(error)
    to, moved = st.session_state.pop("incidents_moved", (None, None))
    if to is None or moved is None:
        return
    if moved.done:
        ids = ", ".join(i.incident_id for i in moved.done)
        undo = " Each can be reopened from its drawer." if to is not IncidentStatus.ACKNOWLEDGED else ""
        st.success(f"{word(to)}: {ids}.{undo}", icon=ICON[to])
    if moved.refused:
        told = "\n".join(f"- {cards.safe(line)}" for line in moved.refused)
        st.warning(told, title="Left as they were", icon=":material/report:")


def empty(any_at_all: int) -> None:
    """What to do when the queue shows nothing."""
    if any_at_all:
        st.info("No incident matches these filters. Clear one to see more.", icon=":material/filter_alt_off:")
        return
    st.info(
        "No incidents yet. A yellow or red run opens one: run a source on Today, or switch on its schedule on Alerts.",
        icon=":material/check_circle:",
    )
    st.page_link(links.page("today"), label="Go to Today", icon=":material/today:")
