"""Today: the light, what moved, why, and a message ready to send."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.service.reports import artifact_name
from core.service.runs import headline_of
from ui import auth, cards, data, drawer, editor, sending, state

auth.require("incidents:read")
name = state.source()
book = data.playbook(name)
edits = state.edits(name)

head = st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute")
body = st.container()
with head:
    st.title(book.title)
try:
    with head, st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        periods = data.dates(name, edits)
        chosen = st.selectbox("Period", periods, key="today_date", bind="query-params", width=180)
        run_slot = st.container(width="content")
        send_slot = st.container(width="content")
    trace = data.trace(name, edits, state.as_of(chosen))
except WorkbenchError as error:
    with body:
        cards.problem(error)
    editor.what_if(name, book, edits)
    st.stop()

run = data.latest_run(name, trace)
explanation, decision = data.explanation_of(run, trace), data.decision_of(run, trace)
run_slot.button(
    "Run and save",
    icon=":material/play_arrow:",
    key="today_run",
    on_click=sending.run_clicked,
    args=(name, edits, chosen),
    help="Looks again with the model if one is configured, keeps the report, and opens or updates the incident.",
)
send_slot.button(
    "Send…",
    type="primary",
    icon=":material/send:",
    key="today_send",
    on_click=sending.open_dialog,
    args=(name, edits, chosen),
    help="Shows the exact message first.",
)
with body:
    sending.outcome()
    cards.verdict(trace, decision, headline_of(trace, book), explanation, run, book.freq)
    waiting = st.container()  # always there: what comes and goes above others would leave stale twins
    if trace.checks.pending:
        with waiting:
            cards.checks_running()
    cards.metrics(trace)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.header(f"Findings ({len(trace.findings)})")
        cards.findings(trace)
    with right:
        st.header("Why")
        with st.container(border=True):
            cards.why(explanation)
    editor.what_if(name, book, edits)
    cards.fine_print(trace, run, artifact_name(data.bench(), name))
drawer.finding(trace, name)
sending.dialog()
