"""The health grid: one card a service with both measures beside their limits; only what was judged looks healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import streamlit as st

from core import service_charts
from core.model import Json
from core.service.health import Health, Standing, State
from core.service_charts import Measure
from ui import cards, service_data, service_facts, words

PER_PAGE, SPARK = 12, 60
FEW = 6  # so many need no search
WIDE, NARROW = 400, 310  # of a card, in pixels: two a row for up to four services, else three
STATE: Mapping[State, tuple[words.Color, str]] = {
    State.OVER: ("red", ":material/error:"),
    State.STALE: ("orange", ":material/cloud_off:"),
    State.THIN: ("gray", ":material/help:"),
    State.OK: ("green", ":material/check_circle:"),
}


def open_service(service: str | None) -> None:
    """Puts the service into the address, which shows it; None goes back to all."""
    if service is None:
        st.query_params.pop("service", None)
    else:
        st.query_params["service"] = service


def grid(of: Health) -> None:
    """The services that the filters leave, worst first, one page of them."""
    found = _filtered(of) if len(of.services) > FEW else of.services
    if not of.services:
        st.info("The metrics hold no service yet. Upload them under Data.", icon=":material/upload_file:")
        return
    if not found:
        st.info("No service matches. Clear the search to see all.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(found) // PER_PAGE)
    slot = st.container()
    page = st.pagination(pages, key=f"services_page_{pages}") if pages > 1 else 1
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    minutes = service_data.minutes(of, tuple(s.service for s in shown), SPARK)
    with slot, st.grid(columns="auto", min_column_width=WIDE if len(shown) <= 4 else NARROW, gap="small"):
        for standing in shown:
            _card(standing, of, minutes.get(standing.service, []))


def _filtered(of: Health) -> Sequence[Standing]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = st.text_input(
            "Search", key="services_text", placeholder="Service or team", icon=":material/search:", width=280,
            bind="query-params",
        )  # fmt: skip
        states = st.pills(
            "State", [str(s) for s in State if any(r.state is s for r in of.services)], selection_mode="multi",
            format_func=str.capitalize, key="services_state", bind="query-params",
        )  # fmt: skip
    wanted = (text or "").casefold()
    return [
        s
        for s in of.services
        if wanted in f"{s.service}\n{s.about.get('team') or ''}".casefold() and (not states or s.state in states)
    ]


def state_badge(s: Standing) -> None:
    """The service's state; the severity comes with what is over a limit."""
    color, icon = STATE[s.state]
    if s.severity is not None and s.state is State.OVER:
        color = words.SEVERITY[s.severity]
    st.badge(s.state.capitalize(), icon=icon, color=color, help=s.summary or None)


def about(s: Standing) -> str:
    """Whose service it is, in a line."""
    team, criticality = s.about.get("team"), s.about.get("criticality")
    parts = [str(team)] if team else []
    parts.append(f"{criticality} criticality" if criticality else "not in services.csv")
    return cards.safe(" · ".join(parts))


def _card(s: Standing, of: Health, rows: Sequence[Mapping[str, Json]]) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{cards.safe(s.service)}**", width="content")
            state_badge(s)
        st.caption(about(s))
        _measure(s, "error_rate", s.vitals.error_rate, s.error_limit, s.rate_over, rows, of)
        _measure(s, "p99_ms", s.vitals.p99_ms, s.p99_limit, s.p99_over, rows, of)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(_basis(s, of), width="stretch")
            st.button(
                "Open", key=f"services_open_{s.service}", on_click=open_service, args=(s.service,), type="tertiary",
                icon=":material/arrow_forward:", icon_position="right", help=f"Open {s.service}",
            )  # fmt: skip


def _basis(s: Standing, of: Health) -> str:
    """What the card rests on, and where that is not enough to judge."""
    v = s.vitals
    if s.state is State.STALE:
        return f"No row since {words.short_moment(v.newest, 'min')} UTC" if v.newest else "No row at all"
    if s.state is State.THIN:
        return f"{v.requests:,} of {of.sentinel.min_requests:,} requests needed"
    return f"{v.requests:,} requests in {of.sentinel.window_minutes} min"


def _measure(
    s: Standing,
    measure: Measure,
    value: float | None,
    limit: float,
    over: bool,
    rows: Sequence[Mapping[str, Json]],
    of: Health,
) -> None:
    known = s.state is not State.STALE
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        with st.container(width=128):
            st.metric(
                service_facts.TITLES[measure],
                service_facts.quantity(measure, value) if known else "unknown",
                delta="not judged"
                if s.state is State.THIN
                else f"limit {service_facts.quantity(measure, limit)}".replace(".00 %", " %"),
                delta_color="red" if over else "gray",
                delta_arrow="off",
            )
        with st.container(width="stretch"):
            values = _values(rows, measure, of)
            drawn = service_charts.sparkline(values, limit=limit, palette=words.palette(), over=over)
            if drawn:
                told = f"{service_facts.TITLES[measure]} of {s.service} over the last {SPARK} minutes, its limit dashed"
                st.image(drawn, width="stretch", alt=told)


def _values(rows: Sequence[Mapping[str, Json]], measure: Measure, of: Health) -> list[float | None]:
    frame = service_charts.minutes_frame(rows, measure, None, (of.at - timedelta(minutes=SPARK), of.at))
    return [None if v != v else float(v) for v in frame["value"]]
