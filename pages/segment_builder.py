"""Segment builder: who belongs to a segment, seen live, and how closely it is watched."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.model import SegmentWatch
from ui import auth, cards, segment_data, segment_draft, segment_form, segment_preview, segment_rules
from ui.segment_rules import Edited

auth.require("incidents:read")
st.title("Segment builder")
try:
    saved = segment_draft.chosen()
except WorkbenchError as error:
    cards.problem(error)
    st.query_params.pop("segment", None)
    st.stop()
segment_draft.switch(saved)
segment_draft.outcome()
begun, key = segment_draft.started(saved), segment_draft.key()
columns = segment_data.fields()
parts = Edited({})
left, right = st.columns([2, 1], gap="medium")
with left:
    with st.container(border=True):
        document = segment_form.head(begun, key, parts)
    with st.container(border=True):
        st.header("Who belongs to it")
        edited = segment_rules.editor(columns, segment_data.hint)
        edited.slots |= parts.slots
with right, st.container(border=True):
    segment_preview.show(edited, saved)
with st.container(border=True):
    st.header("How closely it is watched")
    watch = begun.watch if begun else SegmentWatch()
    baseline = segment_form.watch(watch, segment_data.limits(), segment_data.attributes(saved), key, edited)
segment_draft.actions(saved, {**document, "definition": edited.doc, "baseline": baseline}, edited)
