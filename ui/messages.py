"""A message as it will be sent: text, HTML mail in a frame that can run nothing, and the exact payload."""

from __future__ import annotations

import base64

import streamlit as st

from core.model import Delivery, DeliveryState, Notification
from core.service import sending
from ui import auth, cards, data, words

# In an opaque origin, and with no source allowed but its own style attributes: nothing in it can run or call out.
_INERT = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<base target="_blank">'
)


def inert(html: str) -> str:
    """The page as a ``data:`` address that runs no script and loads nothing."""
    return "data:text/html;charset=utf-8;base64," + base64.b64encode((_INERT + html).encode()).decode()


def preview(notification: Notification, key: str) -> None:
    """The message exactly as it will be sent; only the open tab travels to the browser."""
    st.caption(f"To {cards.safe(notification.recipient)}")
    st.markdown(f"**{cards.safe(notification.subject)}**")
    html = notification.payload.get("html")
    names = ["Text", "HTML mail", "Exact payload"] if html else ["Text", "Exact payload"]
    tabs = dict(zip(names, st.tabs(names, key=f"{key}_{notification.channel}_tab", on_change="rerun"), strict=True))
    if tabs["Text"].open:
        tabs["Text"].code(notification.text, language=None, wrap_lines=True)
    if html and tabs["HTML mail"].open:
        tabs["HTML mail"].iframe(inert(str(html)), height=460, alt="The HTML part of the mail")
        tabs["HTML mail"].caption("Shown in a frame that runs no script and loads nothing.")
    if tabs["Exact payload"].open:
        tabs["Exact payload"].json(dict(notification.payload), expanded=1)


def confirmed(before: Delivery | None, key: str, *, same: bool = True) -> bool:
    """Whether a message may go out once more: a question only when one went out before or is on its way."""
    if before is None:
        return False
    what = "This message" if same else "A message about this with other words or figures"
    began = f"since {words.moment(before.created_at)} UTC, by {cards.safe(before.created_by)}"
    told = {
        DeliveryState.SENT: f"{what} went out before "
        f"({words.moment(before.sent_at)} UTC, by {cards.safe(before.created_by)}).",
        DeliveryState.SENDING: f"{what} is on its way ({began}): wait to see whether it arrives.",
    }.get(before.state, f"{what} waits in the outbox for its next attempt ({began}).")
    st.warning(told, icon=":material/content_copy:")
    return bool(st.checkbox("Send it again", key=key))


def before(notification: Notification) -> Delivery | None:
    """The delivery of an identical message that is queued or sent."""
    return sending.already_sent(data.bench(), auth.current(), notification)
