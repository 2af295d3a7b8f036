"""Where a page's file is: links name it by its whole path, because the main script lies in ``ui/``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

PAGES = Path(__file__).parent.parent / "pages"


def page(name: str) -> str:
    """The file of a page, as ``st.page_link`` and ``st.switch_page`` take it."""
    return str(PAGES / f"{name}.py")


def ask(name: str, source: str) -> None:
    """A callback: the next run goes to a page about this source.

    The source is set in the session because its address parameter belongs to the sidebar's widget.
    """
    st.session_state["source"] = source
    st.session_state["links_go"] = name


def follow() -> None:
    """Goes where :func:`ask` has asked to go, if it has."""
    name = st.session_state.pop("links_go", None)
    if name is not None:
        st.switch_page(page(name))
