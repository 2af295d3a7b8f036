"""Who is in several segments: a heatmap of counts, and one pair in full."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import segment_charts
from core.errors import WorkbenchError
from core.service.audience import MOST_OVERLAPPING, Overlap
from ui import cards, figures, segment_data, segment_list, words
from ui.segment_data import Board

SHOWN = 12  # segments on the map; a phone can show no more


def show(board: Board) -> None:
    """The overlap of the segments chosen, drifting ones first."""
    ranked = [s for s in board.ranked() if s.is_active][:MOST_OVERLAPPING]
    names = {s.id: s.name for s in ranked}
    ids = list(names)[:SHOWN]
    if len(ranked) > SHOWN:
        key = "segments_overlap_of"
        ids = st.pills(
            f"Segments (at most {SHOWN} at once)",
            list(names),
            selection_mode="multi",
            format_func=lambda i: cards.safe(names[i]),
            default=None if key in st.session_state else ids,
            key=key,
        )[:SHOWN]
    if len(ids) < 2:
        st.info("Two segments are needed to overlap.", icon=":material/join_inner:")
        return
    try:
        found = segment_data.overlap(tuple(ids))
    except WorkbenchError as problem:
        cards.problem(problem)
        return
    left = [names[i] for i in ids if i not in {s.id for s in found.segments}]
    if left:
        st.warning(f"Not counted, their rules do not fit the people table: {cards.safe(', '.join(left))}.")
    if len(found.segments) > 1:
        _map(found)


def _map(found: Overlap) -> None:
    frame = frame_of(found)
    _pair_in_address(frame)
    a, b = _chosen(frame)
    map_, pair = st.columns([3, 2], gap="medium")
    with map_, st.container(border=True):
        most = frame[frame["row"] != frame["column"]].sort_values("share", ascending=False).iloc[0]
        st.header(cards.safe(f"{most['share']:.0%} of {most['row']} is also in {most['column']}"))
        figures.show(
            segment_charts.overlap, frame, key="segments_overlap", on_select=_picked, selection_mode=["pick"],
            palette=words.palette(),
            alt=f"Heatmap of the people that {len(found.segments)} segments share, two by two.",
        )  # fmt: skip
        st.caption(
            "People who are in both, now. Stronger: a larger part of the row's segment. Click a cell for the pair."
        )
    with pair, st.container(border=True):
        _pair(found, a, b)


def frame_of(found: Overlap) -> pd.DataFrame:
    """Shape: columns row, column, people and share (of the row's segment), a row for every ordered pair."""
    rows = [
        (a.name, b.name, int(found.shared[i, j]), int(found.shared[i, j]) / max(1, int(found.shared[i, i])))
        for i, a in enumerate(found.segments)
        for j, b in enumerate(found.segments)
    ]
    return pd.DataFrame(rows, columns=["row", "column", "people", "share"])


def _picked() -> None:
    pick = st.session_state["segments_overlap"]["selection"].get("pick")
    if pick and pick[0]["row"] != pick[0]["column"]:
        st.session_state["segments_pair_a"] = pick[0]["row"]
        st.session_state["segments_pair_b"] = pick[0]["column"]


def _pair_in_address(frame: pd.DataFrame) -> None:
    """Chosen names that are on the map no more are forgotten."""
    names = set(frame["row"])
    for key in ("segments_pair_a", "segments_pair_b"):
        if st.session_state.get(key) not in names:
            st.session_state.pop(key, None)


def _chosen(frame: pd.DataFrame) -> tuple[str, str]:
    """The pair: clicked, chosen, or the one that overlaps most."""
    apart = frame[frame["row"] != frame["column"]].sort_values("share", ascending=False).iloc[0]
    st.session_state.setdefault("segments_pair_a", apart["row"])
    st.session_state.setdefault("segments_pair_b", apart["column"])
    return st.session_state["segments_pair_a"], st.session_state["segments_pair_b"]


def _pair(found: Overlap, a: str, b: str) -> None:
    st.header("One pair")
    names = [s.name for s in found.segments]
    with st.container(horizontal=True, gap="small"):
        st.selectbox("Segment", names, key="segments_pair_a")
        st.selectbox("and", names, key="segments_pair_b")
    i, j = names.index(a), names.index(b)
    both, one, other = (int(found.shared[x, y]) for x, y in ((i, j), (i, i), (j, j)))
    if i == j:
        st.caption("Choose two different segments.")
        return
    union = one + other - both
    st.table(
        {
            "people": ["in both", f"only in {cards.safe(a)}", f"only in {cards.safe(b)}", "in either"],
            "count": [f"{n:,}" for n in (both, one - both, other - both, union)],
        },
        border="horizontal", hide_index=True, alt=f"Overlap of {a} and {b}",
    )  # fmt: skip
    st.caption(
        f"{both / max(1, one):.1%} of {cards.safe(a)}, {both / max(1, other):.1%} of {cards.safe(b)}, "
        f"{both / max(1, union):.1%} of either (Jaccard)."
    )
    with st.container(horizontal=True, gap="small"):
        for segment in (found.segments[i], found.segments[j]):
            st.button(
                f"Open {cards.safe(segment.name)}", key=f"segments_pair_{segment.id}", type="tertiary",
                icon=":material/arrow_forward:", icon_position="right",
                on_click=segment_list.open_segment, args=(segment.id,),
            )  # fmt: skip
