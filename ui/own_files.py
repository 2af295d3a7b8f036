"""A playbook's own files replaced for this session only: nothing is saved, and its data stays as it is."""

from __future__ import annotations

import streamlit as st

from core.errors import InputError, WorkbenchError
from core.playbook import Playbook
from core.service import runs
from ui import auth, cards, data, links, state


def replacement(name: str, book: Playbook) -> None:
    """Upload one or more of the playbook's files; they count until they are restored or the session ends."""
    edits = state.edits(name)
    expected = ", ".join(spec.file for spec in book.tables.values())
    with st.container(border=True):
        st.markdown(f"**{cards.safe(book.title)}: use other files for this session**")
        st.caption(f"Expected: {expected}. Files that you leave out stay.")
        round_ = st.session_state.get("data_files_round", 0)
        chosen = st.file_uploader(
            f"Files of {book.title}", accept_multiple_files=True, key=f"data_own_{name}_{round_}", max_upload_size=50
        )
        if problem := st.session_state.pop("data_own_problem", None):
            cards.problem(problem)
        if chosen:
            _use(name, book, {file.name: file.getvalue() for file in chosen})
        with st.container(horizontal=True, vertical_alignment="center"):
            if edits:
                replaced = ", ".join(book.tables[t].file for t in edits)
                st.badge(f"Replaced: {replaced}", icon=":material/edit:", color="blue")
                st.button(
                    "See the result", icon=":material/today:", key="data_own_today",
                    on_click=links.ask, args=("today", name),
                )  # fmt: skip
            st.button(
                "Restore demo data", icon=":material/undo:", key="data_own_restore", disabled=not edits,
                on_click=state.restore, args=(name,),
            )  # fmt: skip


def _use(name: str, book: Playbook, files: dict[str, bytes]) -> None:
    """Takes the files over when the playbook can read them all; otherwise says what is wrong and changes nothing."""
    tables = {spec.file.lower(): table for table, spec in book.tables.items()}
    known = {tables[n.lower()]: content for n, content in files.items() if n.lower() in tables}
    unknown = sorted(n for n in files if n.lower() not in tables)
    st.session_state["data_files_round"] = st.session_state.get("data_files_round", 0) + 1
    try:
        if unknown:
            expected = ", ".join(spec.file for spec in book.tables.values())
            raise InputError(f"{', '.join(unknown)}: not a file of {book.title}.", hint=f"Expected {expected}.")
        runs.dataset(data.bench(), name, {**state.edits(name), **known}, tenant=auth.current().tenant)
        for table, content in known.items():
            state.edit(name, table, content)
    except WorkbenchError as problem:
        st.session_state["data_own_problem"] = problem
    st.rerun()
