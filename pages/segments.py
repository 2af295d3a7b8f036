"""Segments: audiences under watch, what moved in them, and why."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import WorkbenchError
from ui import (
    auth,
    cards,
    incident_drawer,
    segment_actions,
    segment_data,
    segment_files,
    segment_list,
    segment_overlap,
    segment_receipt,
    segment_story,
)

auth.require("incidents:read")
asked = st.query_params.get("segment")
try:
    board = segment_data.board()
    if asked:
        story = segment_data.story(asked)
        segment_actions.head(story)
        segment_actions.outcome()
        segment_story.body(story)
    else:
        segment_actions.top(board)
        segment_actions.outcome()
        if not board.segments:
            segment_actions.empty()
        else:
            segment_list.figures(board)
            sections: dict[str, Callable[[], object]] = {
                "Segments": lambda: segment_list.rows(board),
                "Overlap": lambda: segment_overlap.show(board),
                "Last check": lambda: segment_receipt.last_check(segment_data.last_check()),
                "Data": lambda: segment_files.show(board),
                "Schedules": segment_actions.schedules,
            }
            tabs = st.tabs(list(sections), key="segments_tab", on_change="rerun", bind="query-params")
            for tab, show in zip(tabs, sections.values(), strict=True):
                if tab.open:
                    with tab:
                        show()
except WorkbenchError as error:
    cards.problem(error)
    if asked:
        st.button(
            "All segments",
            icon=":material/arrow_back:",
            key="segments_back",
            on_click=segment_list.open_segment,
            args=(None,),
        )
incident_drawer.from_address()
