"""What a person says an incident was: real, a false positive, or expected. It counts, and closes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import WorkbenchError
from core.model import Incident
from core.service import incident_history
from ui import alert_evidence, auth, cards, data, words
from ui.alert_data import mapping

PROBLEM, NOTE = "di_verdict_problem", "di_verdict_note"
CHOICE: Mapping[str, tuple[str, str, words.Color, str]] = {
    "real": ("Real", ":material/warning:", "red", "Something was wrong, and people had to know."),
    "false_positive": ("False positive", ":material/do_not_disturb_on:", "gray", "Nothing was wrong."),
    "expected": ("Expected", ":material/event_available:", "blue", "It was planned or known work."),
}


def panel(i: Incident) -> None:
    """The verdict so far, and the three that can be given; the newest one counts."""
    st.header("Was it real?")
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    given = mapping(i.body.get("verdict"))
    now = incident_history.verdict_of(i)
    if now is not None and now in CHOICE:
        label, icon, color, _ = CHOICE[now]
        st.badge(label.lower(), icon=icon, color=color)
        note = f": {cards.safe(str(given['note']))}" if given.get("note") else ""
        st.caption(
            f"said {cards.safe(str(given.get('by')))} at {alert_evidence.clock(given.get('at'), day=True)} UTC{note}"
        )
    else:
        st.caption("Nobody has judged it yet. Verdicts make the false-positive rate and prove what recurs.")
    may = auth.current().can("incidents:write")
    st.text_input(
        "Note on the verdict", key=NOTE, placeholder="Why, if it helps others", label_visibility="collapsed",
        disabled=not may,
    )  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        for verdict, (label, icon, _, told) in CHOICE.items():
            st.button(
                label, icon=icon, key=f"di_verdict_{verdict}", on_click=_judge, args=(i.incident_id, verdict),
                disabled=not may or verdict == now, help=told,
            )  # fmt: skip
    st.caption("A CRITICAL alert is never silenced by verdicts.")


def _judge(incident_id: str, verdict: str) -> None:
    note = str(st.session_state.get(NOTE) or "")
    try:
        incident_history.judge(data.bench(), auth.current(), incident_id, verdict, note)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    else:
        st.session_state[NOTE] = ""
