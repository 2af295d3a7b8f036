"""Telling those who were alerted that an incident is resolved: offered, previewed, never automatic."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.model import Incident, IncidentStatus
from core.service import sending
from ui import auth, cards, data, messages
from ui.sending import delivery

KEYS = ("recovery_open", "recovery_sent", "recovery_again")


def offer(incident: Incident) -> None:
    """A button after resolving an alerted incident; behind it the exact message, and then Send."""
    over = incident.status in (IncidentStatus.RESOLVED, IncidentStatus.CLOSED)
    if not (over and incident.alerted):
        return
    if not st.session_state.get("recovery_open"):
        st.button(
            "Tell them it is resolved", key="recovery_show", icon=":material/campaign:", on_click=_open,
            help="Shows the exact message first.",
        )  # fmt: skip
        return
    with st.container(border=True):
        st.markdown("**Tell them it is resolved**")
        _choose(incident)


def _open() -> None:
    st.session_state["recovery_open"] = True


def _choose(incident: Incident) -> None:
    wb, who = data.bench(), auth.current()
    on = {s.name: s.title for s in sending.channel_states(wb) if s.on}
    if not on:
        st.info("Every channel is off; see Alerts for what would switch one on.", icon=":material/power_off:")
        return
    channel = st.segmented_control(
        "Channel", list(on), format_func=lambda n: on[n], default=next(iter(on)), required=True, key="recovery_channel"
    )
    try:
        notification = sending.recovery_preview(wb, who, incident.incident_id, channel)
    except WorkbenchError as error:
        cards.problem(error)
        return
    messages.preview(notification, "recovery")
    result = st.session_state.get("recovery_sent")
    before = messages.before(notification) if result is None else None
    again = messages.confirmed(before, "recovery_again")
    st.button(
        "Send now", type="primary", icon=":material/send:", key="recovery_send", on_click=_send,
        args=(incident.incident_id, channel, again), disabled=result is not None or (before is not None and not again),
    )  # fmt: skip
    if result is not None:
        delivery(result)


def _send(incident_id: str, channel: str, again: bool) -> None:
    wb, who = data.bench(), auth.current()
    try:
        st.session_state["recovery_sent"] = sending.recovery(wb, who, incident_id, channel, again=again)
    except WorkbenchError as error:
        st.session_state["recovery_sent"] = error
