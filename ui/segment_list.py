"""The list of segments: figures of the whole, one row a segment, and what to do when there is none yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import streamlit as st

from core import charts
from core.detect.coverage import Coverage, coverage
from core.model import Incident, Json, JsonObject, Segment
from core.segment_views import Comparison
from ui import cards, links, segment_data, words
from ui.segment_data import Board

PER_PAGE = 10
SPARK = 30  # snapshots in a row's picture
TYPES = {
    "size_jump": "size",
    "distribution_shift": "make-up",
    "conversion_anomaly": "conversion",
    "inactivity_creep": "churn",
}
AGAINST = {
    "incident": "incident's base",
    "previous": "previous",
    "reference": "7 before",
    "window_start": "window start",
}


def open_segment(segment_id: str | None) -> None:
    """Puts the segment into the address, which shows it; None goes back to the list."""
    if segment_id is None:
        st.query_params.pop("segment", None)
    else:
        st.query_params["segment"] = segment_id


def figures(board: Board) -> None:
    """Share monitored, open incidents by type, detection lead time, and the newest snapshots."""
    told = coverage(board.segments, board.incidents)
    left = told.segments - told.monitored
    with st.grid(columns="auto", min_column_width=210, gap="small"):
        _figure(
            "Monitored", f"{told.monitored} of {told.segments}",
            f"{told.share_monitored or 0:.0%} of all segments" + (f", {left} not monitored" if left else ""),
            "Active segments whose monitoring is on.",
        )  # fmt: skip
        kinds = ", ".join(f"{n} {TYPES.get(kind, kind)}" for kind, n in told.open_by_type.items())
        count = sum(told.open_by_type.values())
        _figure("Open incidents", str(count), kinds or "nothing is drifting", "By type.")
        _lead(told)
        _newest(board)


def _figure(label: str, value: str, told: str, about: str | None = None) -> None:
    with st.container(border=True, gap="xxsmall", height="stretch"):
        st.metric(label, value, help=about)
        st.caption(told)


def _lead(told: Coverage) -> None:
    about = "From the first drifting snapshot to the check that found it. At most 24 hours when a check runs every day."
    if told.median_lead is None or told.worst_lead is None:
        _figure("Detection lead time", "n/a", "no incident yet", about)
        return
    worst = f"at most {_hours(told.worst_lead)}"
    late = f"{told.late} found after more than 24 h" if told.late else f"all within 24 h, {worst}"
    _figure("Detection lead time", _hours(told.median_lead), late, about)


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):,.1f} h"


def _newest(board: Board) -> None:
    newest = max((s.ts for s in board.latest.values()), default=None)
    if newest is None:
        _figure("Newest snapshot", "none", "take one to begin")
        return
    count = sum(1 for s in board.latest.values() if s.ts.date() == newest.date())
    told = f"{count} of {len(board.segments)} segments"
    _figure("Newest snapshot", words.short_moment(newest, "D"), told, f"{words.moment(newest)} UTC")


def rows(board: Board) -> None:
    """The segments that match the search, drifting ones first, one page of them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = st.text_input(
            "Search", key="segments_text", placeholder="Name, owner or id", icon=":material/search:", width=280,
            bind="query-params",
        )  # fmt: skip
        only = st.toggle("Only with open incidents", key="segments_only", bind="query-params")
    found = [s for s in board.ranked() if _matches(s, text or "") and (not only or board.incidents_of(s.id))]
    if not found:
        st.info("No segment matches. Clear the search to see all.", icon=":material/filter_alt_off:")
        return
    pages = -(-len(found) // PER_PAGE)
    slot = st.container(gap="small")
    page = st.pagination(pages, key=f"segments_page_{pages}") if pages > 1 else 1
    with slot:
        for segment in found[(page - 1) * PER_PAGE : page * PER_PAGE]:
            _row(board, segment)


def _matches(segment: Segment, text: str) -> bool:
    return text.casefold() in f"{segment.name}\n{segment.owner}\n{segment.id}".casefold()


def _row(board: Board, segment: Segment) -> None:
    history, opened = board.recent.get(segment.id, ()), board.incidents_of(segment.id)
    row = st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium")
    with row.container(width=250, gap="xxsmall"):
        st.markdown(f"**{cards.safe(segment.name)}**")
        st.text(segment.owner or "no owner")
        with st.container(horizontal=True, gap="xsmall"):
            for incident in opened:
                st.badge(TYPES.get(incident.type, incident.type), color=words.SEVERITY[incident.severity])
            if not segment.is_active:
                st.badge("inactive", color="gray")
            elif not segment.watch.monitoring:
                st.badge("not monitored", color="gray")
    with row.container(width=170):
        _spark([float(s.size) for s in history[-SPARK:]], segment.name, drifting=bool(opened))
    with row.container(width="stretch", gap="xxsmall"):
        st.markdown(f"**{words.figure(float(history[-1].size))}** people" if history else "no snapshot yet")
        sizes = [c for c in segment_data.lines(board, segment.id) if c.type == "size_jump"] if history else []
        changes(sizes)
    row.button(
        "Open", key=f"segments_open_{segment.id}", on_click=open_segment, args=(segment.id,), type="tertiary",
        icon=":material/arrow_forward:", icon_position="right", help=f"Open {cards.safe(segment.name)}",
    )  # fmt: skip


def changes(lines: Sequence[Comparison]) -> None:
    """The change against each reference, coloured only where it is too far."""
    with st.container(horizontal=True, gap="xsmall"):
        for line in lines:
            if not line.reference:
                st.caption(line.note)
                continue
            pct = "from zero" if line.share is None else words.percent(line.share * 100)
            st.badge(
                f"{pct} vs {AGAINST.get(line.reference, line.reference)}",
                color=words.SEVERITY[line.severity] if line.severity else "gray",
                help=f"{words.figure(line.base)} then, {words.figure(line.observed)} now",
            )


def _spark(values: Sequence[float], name: str, *, drifting: bool) -> None:
    palette = words.palette()
    dot = palette.bad if drifting else palette.muted
    drawn = charts.sparkline(values, reference=None, line=palette.muted, dot=dot)
    if drawn:
        st.image(drawn, width="stretch", alt=f"Size of {name} over the last {len(values)} snapshots")


def incident_rows(found: Sequence[Incident]) -> None:
    """Open incidents as rows; each opens the drawer on this page."""
    for incident in found:
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
            with st.container(width=76):
                st.badge(incident.severity.name.lower(), color=words.SEVERITY[incident.severity])
            with st.container(gap="xxsmall"):
                told = f" · {incident.occurrences} times" if incident.occurrences > 1 else ""
                st.markdown(f"**{cards.safe(incident.title)}**")
                st.caption(f"{incident.incident_id}{told} · since {words.moment(incident.detected_at)} UTC")
            st.button(
                "Details", key=f"segments_incident_{incident.incident_id}", type="tertiary", on_click=_open_incident,
                args=(incident.incident_id,), width="content", help=f"Open {incident.incident_id}",
            )  # fmt: skip


def _open_incident(incident_id: str) -> None:
    st.query_params["incident"] = incident_id


def builder_link(label: str, segment_id: str | None = None, icon: str = ":material/add:") -> None:
    """A link to the builder, for a new segment or for this one."""
    query = {"segment": segment_id} if segment_id else {}
    st.page_link(links.page("segment_builder"), label=label, icon=icon, query_params=query)


def phrase(definition: JsonObject) -> str:
    """The rules in words: ``ltv > 1000 and last_active_days <= 7``."""
    joint = " or " if definition.get("logicalOperator") == "OR" else " and "
    rules = definition.get("rules")
    return joint.join(_said(r) for r in rules if isinstance(r, Mapping)) if isinstance(rules, list | tuple) else ""


def _said(rule: Mapping[str, Json]) -> str:
    if "rules" in rule:
        return f"({phrase(rule)})"
    value, operator = rule.get("value"), str(rule.get("operator"))
    listed = (
        ", ".join(str(v) for v in value) if isinstance(value, list | tuple) else "" if value is None else str(value)
    )
    plain = {"==": "=", "in": "one of", "not_in": "none of", "is_null": "is empty", "not_null": "is not empty"}
    return " ".join(p for p in (str(rule.get("field")), plain.get(operator, operator), listed) if p)
