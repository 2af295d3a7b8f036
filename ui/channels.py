"""Channels: which are on, who gets the message, what would switch one on, a test; and sending the latest run."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.service import sending
from core.service.sending import ChannelState
from ui import auth, cards, data, links, messages, words
from ui.sending import delivery

ICON = {
    "email": ":material/mail:",
    "slack": ":material/forum:",
    "slack_bot": ":material/smart_toy:",
    "teams": ":material/groups:",
    "webhook": ":material/webhook:",
    "pagerduty": ":material/notifications_active:",
    "jira": ":material/confirmation_number:",
}


def listing() -> None:
    """One card a channel."""
    st.header("Channels")
    with st.grid(columns="auto", min_column_width=280, gap="small") as grid:
        for channel in sending.channel_states(data.bench()):
            with grid.cell(), st.container(border=True, height="stretch"):
                _card(channel)


def _card(channel: ChannelState) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{ICON.get(channel.name, '')} **{channel.title}**", width="content")
        st.badge("on" if channel.on else "off", color="green" if channel.on else "gray")
    if not channel.on:
        st.caption(f"Set {channel.needs} in .env and start again to switch it on.")
        return
    st.caption(f"To {cards.safe(channel.recipient)}")
    st.button(
        "Send a test message", key=f"alerts_test_{channel.name}", icon=":material/network_check:", on_click=_test,
        args=(channel.name,), disabled=not auth.current().can("tools:manage"),
    )  # fmt: skip
    result = st.session_state.get(f"alerts_tested_{channel.name}")
    if result is not None:
        delivery(result)


def _test(name: str) -> None:
    key = f"alerts_tested_{name}"
    try:
        st.session_state[key] = sending.test_message(data.bench(), auth.current(), name)
    except WorkbenchError as error:
        st.session_state[key] = error


def latest(name: str, title: str) -> None:
    """The message for the newest run of the source, exactly as it will be sent, and Send now."""
    st.header(f"Latest run of {cards.safe(title)}")
    run = data.newest_run(name)
    if run is None:
        st.info("No run is kept yet. Run and save on Today, then the message stands here.", icon=":material/today:")
        st.page_link(links.page("today"), label="Go to Today", icon=":material/today:")
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            cards.light_badge(run.light)
            st.markdown(f"**{cards.safe(run.headline)}**", width="content")
            st.caption(f"{words.moment(run.ended_at)} UTC · {run.id}", width="content")
        states = sending.channel_states(data.bench())
        titles = {s.name: s.title if s.on else f"{s.title} (off)" for s in states}
        first = next((s.name for s in states if s.on), states[0].name)
        channel = st.segmented_control(
            "Channel", list(titles), format_func=lambda n: titles[n], default=first, required=True, key="alerts_channel"
        )
        chosen = next(s for s in states if s.name == channel)
        if chosen.on:
            _message(run.id, chosen.name)
        else:
            st.info(f"{chosen.title} is off. Set {chosen.needs} in .env and start again.", icon=":material/power_off:")


def _message(run_id: str, channel: str) -> None:
    try:
        notification = sending.preview(data.bench(), data.run_report(run_id), channel)
    except WorkbenchError as error:
        cards.problem(error)
        return
    messages.preview(notification, "alerts_latest")
    sent = st.session_state.get("alerts_sent")
    result = sent[1] if sent and sent[0] == (run_id, channel) else None
    before = messages.before(notification) if result is None else None
    again = messages.confirmed(before, "alerts_again")
    st.button(
        "Send now", type="primary", icon=":material/send:", key="alerts_send", on_click=_send,
        args=(run_id, channel, again),
        disabled=result is not None or (before is not None and not again),
    )  # fmt: skip
    if result is not None:
        delivery(result)


def _send(run_id: str, channel: str, again: bool) -> None:
    try:
        result = sending.send(data.bench(), auth.current(), run_id, channel, again=again)
    except WorkbenchError as error:
        st.session_state["alerts_sent"] = ((run_id, channel), error)
    else:
        st.session_state["alerts_sent"] = ((run_id, channel), result)
