"""Telling people of an incident by hand: the alert of an event, and that an alerted incident is resolved."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.model import Incident, IncidentStatus
from core.service import alerts, sending
from ui import auth, cards, data, messages
from ui.sending import delivery

KEYS = ("recovery_open", "recovery_sent", "recovery_again")


def offer(incident: Incident) -> None:
    """A button for an open incident of events, or after resolving an alerted one; behind it the exact message."""
    over = incident.status in (IncidentStatus.RESOLVED, IncidentStatus.CLOSED)
    event = incident.playbook in data.bench().events
    if not (incident.alerted if over else event and incident.status is not IncidentStatus.DISMISSED):
        return
    what = "Tell them it is resolved" if over else "Send the alert"
    if not st.session_state.get("recovery_open"):
        st.button(
            what, key="recovery_show", icon=":material/campaign:", on_click=_open, help="Shows the exact message first."
        )
        return
    with st.container(border=True):
        st.markdown(f"**{what}**")
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
        notification = _service(incident).preview(wb, who, incident.incident_id, channel)
    except WorkbenchError as error:
        cards.problem(error)
        return
    messages.preview(notification, "recovery")
    result = st.session_state.get("recovery_sent")
    before = messages.before(notification) if result is None else None
    again = messages.confirmed(before, "recovery_again")
    st.button(
        "Send now", type="primary", icon=":material/send:", key="recovery_send", on_click=_send,
        args=(incident, channel, again), disabled=result is not None or (before is not None and not again),
    )  # fmt: skip
    if result is not None:
        delivery(result)


class _Series:
    preview, send = staticmethod(sending.recovery_preview), staticmethod(sending.recovery)


class _Event:
    preview, send = staticmethod(alerts.preview), staticmethod(alerts.send)


def _service(incident: Incident) -> type[_Series] | type[_Event]:
    return _Event if incident.playbook in data.bench().events else _Series


def _send(incident: Incident, channel: str, again: bool) -> None:
    wb, who = data.bench(), auth.current()
    try:
        result = _service(incident).send(wb, who, incident.incident_id, channel, again=again)
    except WorkbenchError as error:
        st.session_state["recovery_sent"] = error
    else:
        st.session_state["recovery_sent"] = result
