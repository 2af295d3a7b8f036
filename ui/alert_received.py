"""What came in: every alert and refused body with its state, raw payload, mapping, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import WorkbenchError
from core.service import alert_inbox
from core.service.alert_inbox import Volume
from core.store.received import AGAIN, CLAIMED, DONE, PENDING, REJECTED, Inboxed
from ui import alert_data, alert_story, alert_trial, auth, cards, data, links, words
from ui.alert_data import mapping

PER_PAGE = 15
QUICK_S, SLOW_S = 2.0, 10.0  # how often the page looks again
STATE: Mapping[str, tuple[words.Color, str, str]] = {
    PENDING: ("blue", ":material/hourglass_top:", "waits"),
    CLAIMED: ("blue", ":material/sync:", "being decided"),
    AGAIN: ("green", ":material/repeat:", "decided, sent again"),
    DONE: ("green", ":material/check:", "decided"),
    REJECTED: ("red", ":material/block:", "refused"),
}
ALERT = "alert"


def volume() -> Volume:
    """What came in so far."""
    return alert_inbox.volume(data.bench(), auth.current())


def figures(of: Volume) -> None:
    """Alerts, deliveries, what waits, what was refused."""
    with st.grid(columns="auto", min_column_width=160, gap="small"):
        more = of.deliveries - of.alerts
        _figure("Alerts", f"{of.alerts:,}", f"{more:,} repeat{'s' if more > 1 else ''}" if more else "each sent once")
        _figure("Wait for a decision", f"{of.waiting:,}", "nothing waits" if not of.waiting else "seconds, usually",
                "orange" if of.waiting else "gray")  # fmt: skip
        most = max(of.by_source.values(), default=0)
        _figure("Sources", str(len(of.by_source)), f"{most:,} from the busiest" if most else "none yet")
        _figure("Refused bodies", f"{of.refused:,}", "kept with the reason" if of.refused else "none",
                "red" if of.refused else "gray")  # fmt: skip


def _figure(label: str, value: str, told: str, color: words.Color = "gray") -> None:
    st.metric(label, value, delta=told, delta_color=color, delta_arrow="off", border=True)


def listing(of: Volume) -> None:
    """One page of what came in, newest first."""
    if not of.alerts and not of.refused:
        st.info("Nothing has come in yet. Send an alert to the address, or try one in the test box.",
                icon=":material/inbox:")  # fmt: skip
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        states = st.pills(
            "State", list(STATE), selection_mode="multi", key="inbox_state", bind="query-params",
            format_func=lambda s: STATE[s][2].capitalize() if s in STATE else s,
        )  # fmt: skip
        source = st.pills(
            "Source", sorted(of.by_source), key="inbox_source", bind="query-params", format_func=cards.safe
        )
    place = f"inbox_page_{'-'.join(sorted(states))}_{source or ''}"  # other filters begin at the newest
    number = int(st.session_state.get(place, 0))
    found = alert_inbox.listing(
        data.bench(), auth.current(), states=states, source=source, limit=PER_PAGE + 1, offset=PER_PAGE * number
    )
    if not found:
        st.info("Nothing matches these filters. Clear one to see more.", icon=":material/filter_alt_off:")
    else:
        with st.container(border=True, gap="xsmall"):
            for row in found[:PER_PAGE]:
                _row(row)
    if number or len(found) > PER_PAGE:
        _turn(place, number, more=len(found) > PER_PAGE)


def _turn(place: str, number: int, *, more: bool) -> None:
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Newer", key="inbox_newer", icon=":material/chevron_left:", disabled=not number, on_click=_go,
            args=(place, number - 1),
        )  # fmt: skip
        st.button(
            "Older", key="inbox_older", icon=":material/chevron_right:", disabled=not more, on_click=_go,
            args=(place, number + 1),
        )  # fmt: skip


def _go(place: str, number: int) -> None:
    st.session_state[place] = number


def state_badge(row: Inboxed) -> None:
    """Where the alert stands."""
    color, icon, told = STATE[row.state]
    st.badge(told, icon=icon, color=color)


def _row(row: Inboxed) -> None:
    line = st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small")
    text, action = line.container(gap="xxsmall"), line.container(width="content")
    with text:
        st.markdown(f"**{cards.safe(row.title or row.note or row.alert_id)}**")
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            _badges(row)
            told = [row.source, row.alert_id, f"{words.moment(row.received_at)} UTC", f"by {row.received_by}"]
            st.caption(cards.safe(" · ".join(t for t in told if t)), width="content")
    action.button(
        "Details", key=f"inbox_open_{row.id}", type="tertiary", on_click=_open, args=(row.id,),
        help=f"Raw payload and mapping of {cards.safe(row.alert_id or 'the refused body')}",
    )  # fmt: skip


def _badges(row: Inboxed) -> None:
    state_badge(row)
    if row.state != REJECTED:
        st.badge(row.severity.name.lower(), color=words.SEVERITY[row.severity])
    if row.action:
        alert_story.action_badge(row.action)
    if row.deliveries > 1:
        st.badge(f"sent {row.deliveries} times", color="gray")


def _open(ident: str) -> None:
    st.query_params[ALERT] = ident


def from_address() -> None:
    """Opens the alert named in the address, for as long as it is named there."""
    if asked := st.query_params.get(ALERT):
        _drawer(asked)


def _close() -> None:
    st.query_params.pop(ALERT, None)


@st.dialog("Received alert", position="right", width="medium", icon=":material/inbox:", on_dismiss=_close)
def _drawer(ident: str) -> None:
    try:
        row = alert_inbox.get(data.bench(), auth.current(), ident)
    except WorkbenchError as error:
        cards.problem(error)
        return
    if row.state in (PENDING, CLAIMED):
        st.fragment(_decided, run_every=QUICK_S)(row.id)
    with st.container(horizontal=True, gap="xsmall"):
        _badges(row)
    st.header(cards.safe(row.title or "Refused body"))
    done = f" · decided {words.moment(row.done_at)} UTC" if row.done_at and row.state != REJECTED else ""
    st.caption(f"received {words.moment(row.received_at)} UTC by {cards.safe(row.received_by)}{done}")
    if row.note:
        shown = st.error if row.state == REJECTED else st.info
        shown(cards.safe(row.note), icon=":material/info:")
    if row.incident_id:
        st.page_link(
            links.page("data_incidents"), label=f"Open {row.incident_id}", icon=":material/notification_important:",
            query_params={"case": row.incident_id},
        )  # fmt: skip
    if mapping(row.alert):
        st.subheader("Mapping")
        alert_trial.mapped(row.alert)
    st.subheader("Raw payload")
    st.caption("As it came in; secrets are taken out before anything is kept.")
    if isinstance(row.raw, str):
        st.code(row.raw, language=None, wrap_lines=True)
    else:
        st.json(alert_data.plain(row.raw), expanded=2)


def _decided(ident: str) -> None:
    """Shows what became of the alert as soon as it is decided."""
    if alert_inbox.get(data.bench(), auth.current(), ident).state not in (PENDING, CLAIMED):
        st.rerun()


def refreshing(of: Volume) -> None:
    """Brings in what arrives while nobody reads an alert."""
    if ALERT not in st.query_params:
        st.fragment(_refresh, run_every=QUICK_S if of.waiting else SLOW_S)(of)


def _refresh(shown: Volume) -> None:
    if volume() != shown:
        st.rerun()
