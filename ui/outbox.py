"""The outbox: every message with its state, attempts and error; its exact payload; another try for a failed one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import Conflict, WorkbenchError
from core.model import Delivery, DeliveryState
from core.service import sending
from ui import auth, cards, data, messages, words
from ui.sending import delivery


def listing() -> None:
    """The table, and the chosen message below it."""
    st.header("Outbox")
    state = st.pills(
        "State", list(DeliveryState), format_func=str.capitalize, key="alerts_state", bind="query-params",
        help="None chosen: every state.",
    )  # fmt: skip
    found = data.outbox(DeliveryState(state) if state else None)
    if not found:
        st.info(
            f"No {state} message." if state else "Nothing was sent yet. Send the latest run above, or test a channel.",
            icon=":material/outbox:",
        )
        return
    event = st.dataframe(
        pd.DataFrame([_row(d) for d in found]), hide_index=True, key=f"alerts_outbox_{state}", on_select="rerun",
        selection_mode="single-row", alt="Messages, newest first", height=min(36 * len(found) + 38, 360),
        column_config={
            "state": st.column_config.MultiselectColumn(
                "state", options=list(DeliveryState), color=[words.DELIVERY[s] for s in DeliveryState]
            ),
            "error": st.column_config.TextColumn(width="medium"),
        },
    )  # fmt: skip
    st.caption("Choose a row for its exact payload, or to try a failed one again.")
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(found):
        _detail(found[rows[0]])


def _row(d: Delivery) -> dict[str, object]:
    return {
        "state": [str(d.state)],
        "channel": d.channel,
        "subject": d.subject,
        "attempts": d.attempts,
        "queued (UTC)": words.moment(d.created_at),
        "sent (UTC)": words.moment(d.sent_at),
        "next attempt (UTC)": words.moment(d.next_attempt_at),
        "error": d.error,
        "who": d.created_by,
        "incident": d.incident_id or "",
        "run": d.run_id,
    }


def _detail(d: Delivery) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(d.state, color=words.DELIVERY[d.state])
            told = f"{d.channel} · {d.attempts} attempts · queued {words.moment(d.created_at)} UTC"
            st.caption(
                f"{told} by {cards.safe(d.created_by)}" + (f" · {cards.safe(d.reference)}" if d.reference else "")
            )
        if d.error:
            st.error(cards.safe(d.error), icon=":material/error:")
        if d.state is DeliveryState.FAILED:
            _retry(d)
        with data.bench().store.read() as books:
            notification = books.outbox.payload(auth.current().tenant, d.id)
        messages.preview(notification, "alerts_outbox")


def _retry(d: Delivery) -> None:
    tried = st.session_state.get("alerts_retried")
    result = tried[1] if tried and tried[0] == d.id else None
    again = isinstance(result, Conflict) and st.checkbox("Send it although the same went out", key="alerts_retry_again")
    st.button(
        "Try again", key="alerts_retry", icon=":material/replay:", on_click=_try, args=(d.id, again),
        disabled=isinstance(result, Delivery),
    )  # fmt: skip
    if result is not None:
        delivery(result)


def _try(delivery_id: str, again: bool) -> None:
    try:
        result: Delivery | WorkbenchError = sending.retry(data.bench(), auth.current(), delivery_id, again=again)
    except WorkbenchError as error:
        result = error
    st.session_state["alerts_retried"] = (delivery_id, result)
