"""What a page is about: the source in the address bar, the judged period, and this session's edits."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core.pipeline import parse_as_of
from ui import data

DEFAULT = "daily_kpis"


def source() -> str:
    """The chosen playbook or saved source; picked in the sidebar, kept in the address as ``?source=``.

    The address is written by hand: a bound widget would write the title, and no link could set it.
    """
    names = data.names()
    asked = st.query_params.get("source")
    if asked in names and asked != st.session_state.get("source_in_address"):
        st.session_state["source"] = asked
    if st.session_state.get("source") not in names:
        st.session_state["source"] = DEFAULT
    chosen = st.sidebar.selectbox(
        "Source",
        list(names),
        format_func=lambda n: names.get(n, n),
        key="source",
        help="A playbook, or a file that you saved as a source on the Data page.",
    )
    st.query_params["source"] = st.session_state["source_in_address"] = chosen
    if edits(chosen):
        st.sidebar.caption(":material/edit: Uses your edited data")
    return str(chosen)


def edits(name: str) -> dict[str, bytes]:
    """Files that replace a source's own in this session only, by table."""
    kept: dict[str, dict[str, bytes]] = st.session_state.setdefault("edits", {})
    return kept.get(name, {})


def edit(name: str, table: str, content: bytes) -> None:
    """Replaces one table's file for this session."""
    kept: dict[str, dict[str, bytes]] = st.session_state.setdefault("edits", {})
    kept[name] = {**kept.get(name, {}), table: content}


def restore(name: str) -> None:
    """Back to the source's own files."""
    st.session_state.setdefault("edits", {}).pop(name, None)
    st.session_state["edit_round"] = st.session_state.get("edit_round", 0) + 1


def as_of(text: str | None) -> datetime | None:
    """A chosen period as a time; empty means the latest."""
    return parse_as_of(text) if text else None
