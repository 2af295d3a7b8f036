"""The queue of orders: overdue first, then what breaks its promise next; and the exceptions that are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from core.model import Incident
from core.order_views import Waiting
from core.orders import Reason
from core.service.order_desk import OrderDesk
from core.store.incidents import OPEN_STATES
from ui import cards, order_data, words
from ui.incident_queue import word

T = TypeVar("T")
PER_PAGE = 10
STAGES = ("pick", "pack", "ship", "delivery")


def open_order(order_id: str | None) -> None:
    """Puts the order into the address, which shows it; None goes back to all."""
    if order_id is None:
        st.query_params.pop("order", None)
    else:
        st.query_params["order"] = order_id


def show(of: OrderDesk) -> None:
    """One of three lists, its filters in the address."""
    shown: Mapping[str, Callable[[], None]] = {
        "At risk": lambda: _waiting(of, at_risk(of), "risk"),
        "All open": lambda: _waiting(of, order_data.queue(of), "open"),
        "Exceptions": _exceptions,
    }
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Queue", width="content")
            chosen = st.segmented_control(
                "List", list(shown), default="At risk", required=True, key="orders_list", bind="query-params",
                label_visibility="collapsed",
            )  # fmt: skip
        shown[str(chosen)]()


def at_risk(of: OrderDesk) -> list[Waiting]:
    """What is overdue, and what will be within the policy's horizon."""
    horizon = float(of.board.policy.sla.predictive_horizon_minutes)
    return [w for w in order_data.queue(of) if w.left <= horizon]


def _waiting(of: OrderDesk, found: Sequence[Waiting], name: str) -> None:
    minutes = of.board.policy.sla.predictive_horizon_minutes
    if not found:
        risk = f"No open order is over its promise or within {minutes.normalize():f} min of it."
        st.info(risk if name == "risk" else "No order is open.", icon=":material/check_circle:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = _search("Order or carrier")
        here = [s for s in STAGES if any(w.stage == s for w in found)]
        stages = st.pills(
            "Stage", here, selection_mode="multi", format_func=str.capitalize, key="orders_stage", bind="query-params"
        )
    kept = [w for w in found if text in f"{w.order_id}\n{w.carrier}".casefold() and (not stages or w.stage in stages)]
    _paged(kept, name, lambda w: _row(w, float(minutes)))


def _row(w: Waiting, horizon: float) -> None:
    color: words.Color = "red" if w.left < 0 else "orange" if w.left <= horizon else "gray"
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.markdown(f"**{cards.safe(w.order_id)}**", width="content")
                st.badge(w.told, color=color, icon=":material/timer_off:" if w.left < 0 else ":material/timer:")
                st.badge(w.stage, color="gray")
                for flag in w.flags:
                    st.badge(flag, color="violet")
            carrier = f" · {cards.safe(w.carrier)}" if w.carrier else ""
            st.caption(f"{cards.safe(w.text)} · promised {words.moment(w.due)} UTC{carrier}")
        _open(w.order_id, w.stage)


def _open(order_id: str, what: str) -> None:
    st.button(
        "Open", key=f"orders_open_{order_id}_{what}", type="tertiary", width="content", on_click=open_order,
        args=(order_id,), help=f"Open {order_id}",
    )  # fmt: skip


def _exceptions() -> None:
    everything = order_data.incidents()
    if not everything:
        st.info("No exception is kept yet. Choose Check now to open what is out of order.", icon=":material/info:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = _search("Order or id")
        here = [str(r) for r in Reason if any(i.type == r for i in everything)]
        reasons = st.pills(
            "Reason", here, selection_mode="multi", format_func=reason_word, key="orders_reason", bind="query-params"
        )
        over = st.toggle("Also those that are over", key="orders_over", bind="query-params")
    kept = [
        i
        for i in everything
        if (over or i.status in OPEN_STATES)
        and (not reasons or i.type in reasons)
        and text in f"{i.subject}\n{i.incident_id}".casefold()
    ]
    _paged(kept, "exceptions", _incident)


def reason_word(reason: str) -> str:
    """A reason as people read it: ``Pick delay``."""
    return reason.replace("_", " ").capitalize()


def _incident(i: Incident) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.markdown(f"**{cards.safe(i.subject)}**", width="content")
                st.badge(reason_word(i.type).lower(), color=words.SEVERITY[i.severity])
                st.badge(word(i.status).lower(), color=words.STATUS[i.status])
            st.caption(f"{cards.safe(i.title)} · {words.moment(i.detected_at)} UTC · {i.incident_id}")
        _open(i.subject, i.incident_id)


def _search(placeholder: str) -> str:
    text = st.text_input(
        "Search", key="orders_text", placeholder=placeholder, icon=":material/search:", width=240, bind="query-params"
    )
    return (text or "").casefold().strip()


def _paged(found: Sequence[T], name: str, draw: Callable[[T], None]) -> None:
    if not found:
        st.info("Nothing matches. Clear a filter to see more.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(found) // PER_PAGE)
    slot = st.container(gap="small")
    page = 1
    if pages > 1:
        page = st.pagination(pages, key=f"orders_page_{name}_{pages}")
        st.caption(f"{len(found):,} in all")
    with slot:
        for item in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            draw(item)
