"""Data quality: run a source's checks, see what failed and what that blocks, edit the suite."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from ui import auth, cards, checks, data, state, suite

auth.require("incidents:read")
name = state.source()
st.title("Data quality")
try:
    book = data.playbook(name)
    history = data.check_history(name)
except WorkbenchError as error:
    cards.problem(error)
    st.stop()
specs = suite.current(name, book)
tried = suite.is_tried(name)

with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    st.markdown(f"**{cards.safe(book.title)}** · {len(specs)} checks on {len(book.tables)} tables")
    if tried:
        st.badge("not saved", icon=":material/edit:", color="blue", help="This session's own suite is used here.")
one = checks.chosen(history)
with st.container(horizontal=True, vertical_alignment="center"):
    go = checks.run_button(specs)
    if one is not None:
        checks.report_button(one, f"{book.title} {one.ran_at:%Y-%m-%d %H:%M}")
progress = st.container()
if go:
    with progress:
        checks.run(name, specs if tried else None)

if one is None:
    st.info(
        "These checks have not run here yet. Run them to see which rows fail and what that blocks."
        if specs
        else "This source has no checks yet. Open the suite below and add the suggested ones.",
        icon=":material/fact_check:",
    )
else:
    st.header("Results")
    checks.outcome(one, book)
st.header("Suite")
panel = st.expander("Edit the suite", icon=":material/edit:", key="quality_edit", on_change="rerun")
if panel.open:
    with panel:
        suite.editor(name, book)
if history:
    st.header("History")
    checks.timeline(history)
