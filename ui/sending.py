"""Run, preview, send: the one-click path from a page to the people who need to know."""

from __future__ import annotations

import streamlit as st

from core.errors import Conflict, WorkbenchError
from core.model import Delivery, DeliveryState, Notification, Run
from core.service import runs, sending
from ui import auth, cards, data, messages, state, words

Edits = dict[str, bytes]


def save_run(name: str, edits: Edits, period: str | None) -> Run | None:
    """Runs and keeps; the outcome is told on the page."""
    try:
        run = runs.run(data.bench(), auth.current(), name, files=dict(edits), as_of=state.as_of(period))
    except WorkbenchError as error:
        st.session_state["run_problem"] = error
        return None
    st.toast(f"Kept as {run.id}", icon=":material/check:")
    return run


def run_clicked(name: str, edits: Edits, period: str | None) -> None:
    """The button "Run and save"."""
    save_run(name, edits, period)


def outcome() -> None:
    """A run that was refused says why, once."""
    error = st.session_state.pop("run_problem", None)
    if error is not None:
        cards.problem(error)


def open_dialog(name: str, edits: Edits, period: str | None) -> None:
    """Keeps the run first if it is not yet kept, then opens the preview."""
    trace = data.trace(name, edits, state.as_of(period))
    run = data.latest_run(name, trace) or save_run(name, edits, period)
    if run is not None:
        st.session_state["sending"] = run.id


def _close() -> None:
    st.session_state.pop("sending", None)
    st.session_state.pop("sent", None)


def dialog() -> None:
    """The preview, while it is open."""
    if st.session_state.get("sending"):
        _dialog(st.session_state["sending"])


@st.dialog("Tell who needs to know", width="large", icon=":material/send:", on_dismiss=_close)
def _dialog(run_id: str) -> None:
    wb, who = data.bench(), auth.current()
    with wb.store.read() as books:
        run = books.runs.get(who.tenant, run_id)
    states = sending.channel_states(wb)
    names = {s.name: s.title if s.on else f"{s.title} (off)" for s in states}
    channel = st.segmented_control(
        "Channel",
        list(names),
        format_func=lambda n: names[n],
        default=next((s.name for s in states if s.on), states[0].name),
        required=True,
        key="send_channel",
    )
    chosen = next(s for s in states if s.name == channel)
    if not chosen.on:
        st.info(f"{chosen.title} is off. Set {chosen.needs} in .env and start again.", icon=":material/power_off:")
        return
    if run.light == "green":
        st.caption("A green day is only logged; sending it is your choice.")
    try:
        notification = sending.preview(wb, run, chosen.name)
    except WorkbenchError as error:
        cards.problem(error)
        return
    _preview(notification)
    before, again = None, False
    if not st.session_state.get("sent"):
        same = sending.already_sent(wb, who, notification)
        before = same or sending.told_before(wb, who, run, chosen.name)
        again = messages.confirmed(before, "send_again", same=same is not None)
    st.button(
        "Send now",
        type="primary",
        icon=":material/send:",
        key="send_now",
        disabled=before is not None and not again,
        on_click=_send,
        args=(run_id, chosen.name, again),
    )
    if (sent := st.session_state.get("sent")) is not None:
        delivery(sent)


def _preview(notification: Notification) -> None:
    """The message exactly as it will be sent."""
    st.caption(f"To {notification.recipient}")
    st.markdown(f"**{cards.safe(notification.subject)}**")
    shown, exact = st.tabs(["Message", "Exact payload"])
    with shown:
        st.code(notification.text, language=None, wrap_lines=True)
    with exact:
        st.json(dict(notification.payload), expanded=1)


def _send(run_id: str, channel: str, again: bool) -> None:
    try:
        st.session_state["sent"] = sending.send(data.bench(), auth.current(), run_id, channel, again=again)
    except Conflict as error:
        st.session_state["sent"] = error


def delivery(result: Delivery | WorkbenchError) -> None:
    """What became of a message, in a sentence."""
    if isinstance(result, WorkbenchError):
        cards.problem(result)
    elif result.state is DeliveryState.SENT:
        st.success(f"Sent to {result.recipient} at {words.moment(result.sent_at)} UTC.", icon=":material/check:")
    elif result.state is DeliveryState.FAILED:
        st.error(f"Not sent: {result.error}", icon=":material/error:")
    else:
        again = words.moment(result.next_attempt_at)
        st.warning(f"Not sent yet: {result.error} Next attempt {again} UTC.", icon=":material/schedule:")
