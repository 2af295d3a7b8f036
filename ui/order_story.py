"""One order: each stage with its receipt, what is wrong and what to do, every event, and what it costs."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from core import order_charts
from core.model import Finding, Incident
from core.order_views import StageLine, Told, duration
from core.service.order_desk import OrderDesk
from core.store.incidents import OPEN_STATES
from ui import cards, figures, invoices, order_actions, order_data, order_queue, resolver, words
from ui.incident_queue import open_incident, word

STATE: dict[str, tuple[words.Color, str]] = {
    "done": ("green", ":material/check:"),
    "late": ("red", ":material/timer_off:"),
    "open": ("blue", ":material/timer:"),
    "overdue": ("red", ":material/timer_off:"),
    "waiting": ("gray", ":material/hourglass_empty:"),
    "not judged": ("gray", ":material/help:"),
}
EVENTS = 200


def head(order_id: str, of: OrderDesk) -> bool:
    """Title, what the order is, and the check; answers whether there is such an order."""
    st.button(
        "All orders", icon=":material/arrow_back:", key="orders_back", type="tertiary",
        on_click=order_queue.open_order, args=(None,),
    )  # fmt: skip
    place = of.board.place.get(order_id)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            st.title(cards.safe(order_id), width="content")
            if place is not None:
                _badges(of, place)
        if place is not None:
            order_actions.check()
    if place is None:
        st.warning("No order of that id is in the events.", icon=":material/search_off:")
    return place is not None


def _badges(of: OrderDesk, place: int) -> None:
    board = of.board
    if board.cancelled[place]:
        st.badge("cancelled", icon=":material/block:", color="gray")
    for flag, on in board.orders.flags.items():
        if on[place]:
            st.badge(flag, color="violet")
    if carrier := str(board.orders.carrier[place]):
        st.badge(cards.safe(carrier), icon=":material/local_shipping:", color="gray")


def body(order_id: str, of: OrderDesk) -> None:
    """Everything below the head."""
    lines = order_data.stages(of, order_id)
    with st.grid(columns="auto", min_column_width=200, gap="small"):
        for line in lines:
            _stage(line)
    _chart(lines, of)
    kept = order_data.incidents(order_id)
    opened = [i for i in kept if i.status in OPEN_STATES]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _exceptions(order_id, of, opened)
        _past([i for i in kept if i.status not in OPEN_STATES])
    with right:
        _events(order_id, of)
        _bill(order_id, of)


def _stage(line: StageLine) -> None:
    color, icon = STATE[line.state]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{line.name.capitalize()}**", width="content")
            st.badge(line.state, color=color, icon=icon)
        if line.actual is None:
            st.caption("It has not begun." if line.state == "waiting" else "Its events contradict each other.")
            return
        told = f"{_exact(line.actual)} of {_exact(line.limit)}" if line.name != "delivery" else duration(line.actual)
        st.markdown(f"### {told}")
        left = (line.limit or 0.0) - line.actual
        stands = (
            f"{duration(-left)} over" if left < 0 else f"{duration(left)} {'left' if line.end is None else 'spare'}"
        )
        st.markdown(f":{'red' if left < 0 else 'gray'}[{stands}]")
        st.caption(cards.safe(line.text))


def _exact(minutes: float | None) -> str:
    return "n/a" if minutes is None else f"{minutes:,.1f}".removesuffix(".0") + " min"


def _chart(lines: tuple[StageLine, ...], of: OrderDesk) -> None:
    frame = order_charts.stages_frame(lines, pd.Timestamp(of.at))
    if frame.empty:
        return
    late = [line.name for line in lines if line.over]
    title = f"{', '.join(late).capitalize()} over its promise" if late else "Every stage within its promise"
    with st.container(border=True):
        st.markdown(f"**{title}**")
        figures.show(
            order_charts.stages, frame, key="orders_stages", palette=words.palette(),
            alt=f"{title}. One bar a stage from its start to its end or now; the tick is where the promise ends.",
        )  # fmt: skip


def _exceptions(order_id: str, of: OrderDesk, opened: list[Incident]) -> None:
    with st.container(border=True):
        st.header(f"Open exceptions ({len(opened)})")
        for incident in opened:
            _incident(incident)
        told = {i.type for i in opened}
        fresh = [f for f in of.of(order_id) if not f.suppressed_by and f.type not in told]
        if fresh:
            st.markdown("**Seen now, not opened yet**")
        for finding in fresh:
            _finding(finding)
        for doubt in (f for f in of.of(order_id) if f.suppressed_by):
            st.warning(cards.safe(doubt.summary), icon=":material/help:")
        if not opened and not fresh:
            st.caption("Nothing is wrong with this order.")
        elif fresh:
            st.caption("Choose Check now to open it with its explanation and proposals.")


def _finding(f: Finding) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(order_queue.reason_word(f.type).lower(), color=words.SEVERITY[f.severity])
        st.markdown(cards.safe(f.summary.removeprefix(f"{f.subject}: ")), width="content")
    st.caption(cards.safe(str(f.details.get("text") or "")))


def _incident(i: Incident) -> None:
    note = order_data.notes(i)
    with st.container(border=True, gap="small", key=f"orders_exception_{i.incident_id}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
                st.badge(order_queue.reason_word(i.type).lower(), color=words.SEVERITY[i.severity])
                st.badge(i.severity.name.lower(), color=words.SEVERITY[i.severity])
                st.badge(word(i.status).lower(), color=words.STATUS[i.status])
            st.button(
                "Handle", key=f"orders_handle_{i.incident_id}", icon=":material/crisis_alert:", type="tertiary",
                on_click=open_incident, args=(i.incident_id,), help="State, confidence, alert, messages and timeline.",
            )  # fmt: skip
        st.markdown(f"**{cards.safe(i.title)}**")
        _notes(i, note)
        resolver.panel(i, "orders_do")


def _notes(i: Incident, note: object) -> None:
    """Why, what operations read, and what a client would."""
    found = note if isinstance(note, dict) else {}
    ops, client = str(found.get("ops_note") or ""), str(found.get("client_note") or "")
    if not ops:
        told = i.body.get("explanation")
        ops = str(told.get("text") or "") if isinstance(told, dict) else ""
    if cause := found.get("root_cause_analysis"):
        st.markdown(cards.safe(str(cause)))
    visible = bool(_metric(i, "client_visible"))
    st.markdown(f":material/warehouse: **For operations**  \n{cards.safe(ops)}")
    if client:
        seen = "**For the client**" if visible else "**For the client** :gray[(not told: the policy hides this reason)]"
        st.markdown(f":material/person: {seen}  \n{cards.safe(client)}")
    steps = found.get("recommendations")
    if isinstance(steps, list) and steps:
        st.markdown("**What to do**\n" + "\n".join(f"1. {cards.safe(str(s))}" for s in steps))
    factors, reason = found.get("priority_factors"), str(found.get("reasoning") or "")
    why = [", ".join(map(str, factors))] if isinstance(factors, list) and factors else []
    st.caption(cards.safe(" · ".join([*why, *([reason] if reason else [])])))


def _metric(i: Incident, name: str) -> object:
    found = i.body.get("metrics")
    return found.get(name) if isinstance(found, dict) else None


def _past(over: list[Incident]) -> None:
    if not over:
        return
    with st.expander(f"Past exceptions ({len(over)})", icon=":material/history:", key="orders_past"):
        for i in over[:20]:
            with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
                st.markdown(f"**{cards.safe(i.title)}**  \n:gray[{word(i.status)} · {words.moment(i.detected_at)} UTC]")
                st.button(
                    "Details", key=f"orders_past_{i.incident_id}", type="tertiary", on_click=open_incident,
                    args=(i.incident_id,), width="content", help=f"Open {i.incident_id}",
                )  # fmt: skip


def _events(order_id: str, of: OrderDesk) -> None:
    found = order_data.events(of, order_id)
    with st.container(border=True):
        st.header("Timeline")
        st.table(
            {
                "when (UTC)": [f"{e.at:%d %b %H:%M}" for e in found[-EVENTS:]],
                "event": [cards.safe(e.event_type.replace("_", " ")) for e in found[-EVENTS:]],
                "after": ["" if e.since is None else duration(e.since) for e in found[-EVENTS:]],
                "from": [cards.safe(_sender(e)) for e in found[-EVENTS:]],
            },
            border="horizontal", hide_index=True, alt=f"Events of {order_id}, oldest first",
        )  # fmt: skip
        if len(found) > EVENTS:
            st.caption(f"The last {EVENTS} of {len(found):,} events.")
        told = [e for e in found if e.payload]
        if told:
            with st.expander("What the events say", icon=":material/data_object:", key="orders_payloads"):
                for e in told[:20]:
                    st.caption(f"{cards.safe(e.event_type)} · {cards.safe(e.event_id)}")
                    st.code(json.dumps(e.payload, indent=1, ensure_ascii=False), language="json", wrap_lines=True)


def _bill(order_id: str, of: OrderDesk) -> None:
    """What the order costs, one receipt for each invoice of it."""
    found = order_data.bills_of(of, order_id)
    if not found:
        return
    with st.container(border=True):
        st.header("What it costs")
        for row in found:
            if row.get("invoice_id"):
                st.markdown(f"**{cards.safe(str(row['invoice_id']))}**")
            invoices.receipt(row)


def _sender(e: Told) -> str:
    return e.carrier if e.source == "carrier" and e.carrier else e.source
