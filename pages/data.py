"""Data: upload files, see how they were read, correct it, save a source; every saved source."""

from __future__ import annotations

import streamlit as st

from ui import auth, cards, data, links, own_files, reading, saved_sources, source_form, state, upload, warehouse

auth.require("incidents:read")
links.follow()
st.title("Data")
st.caption("Bring your own file. What was understood of it is shown, every guess can be corrected, nothing is lost.")
upload.chooser()
warehouse.asker()

draft = upload.draft()
round_ = st.session_state.get("data_round", 0)
if draft is not None:
    with st.container(border=True):
        if draft.uploads:
            upload.glance(draft.uploads[0])
        if draft.problem is not None:
            cards.problem(draft.problem)
        if draft.definition is not None:
            source_form.form(draft, draft.definition, round_)
    if draft.uploads:
        st.header("How it was read")
    for one in draft.uploads:
        with st.container(border=True):
            reading.card(draft, one, round_)
saved_sources.listing()

name = state.source()
book = data.bench().playbooks.get(name)
if book is not None:
    st.header("Demo data")
    own_files.replacement(name, book)
