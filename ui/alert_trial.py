"""The test box: a payload is pasted, understood and judged as if it came in now, without any effect."""

from __future__ import annotations

import streamlit as st

from core.alert import alert_doc
from core.errors import WorkbenchError
from core.model import Case, Json
from core.service.alert_inbox import Trial
from ui import alert_data, alert_evidence, alert_story, cards
from ui.alert_data import mapping

TEXT, ASKED = "inbox_text", "inbox_asked"
FIELDS = (
    "alert_id", "title", "severity", "source", "timestamp", "kind", "entity", "description", "metric",
    "related_context", "business_context", "correlated_alerts", "resolved", "raw_data",
)  # fmt: skip


def box() -> None:
    """A place for a payload, examples to begin with, and what would come of it."""
    st.header("Test box")
    st.caption(
        "Judged with the context of now, by the rules and without a model. Nothing is kept, sent, proposed or counted."
    )
    examples = alert_data.examples()
    if examples:
        st.pills(
            "Begin with an example", list(examples), key="inbox_example", on_change=_example,
        )  # fmt: skip
    st.text_area(
        "Payload (JSON of any known tool)", key=TEXT, height=260,
        placeholder='{"id": "ALERT-1", "title": "…", "severity": "high", "metric": {"table": "…"}}',
    )  # fmt: skip
    st.button(
        "Run without effects", type="primary", icon=":material/science:", key="inbox_run", on_click=_ask,
    )  # fmt: skip
    asked = st.session_state.get(ASKED)
    if asked is None:
        return
    try:
        with st.spinner("Asking warehouse, orchestrator, dbt and business…"):
            found = alert_data.trial(str(asked))
    except WorkbenchError as error:
        cards.problem(error)
        return
    result(found)


def _example() -> None:
    chosen = st.session_state.get("inbox_example")
    if chosen:
        st.session_state[TEXT] = alert_data.examples()[chosen]


def _ask() -> None:
    st.session_state[ASKED] = st.session_state.get(TEXT) or ""


def result(of: Trial) -> None:
    """The alerts as they were understood beside the decisions they would lead to."""
    judged = alert_data.judged(of)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        for alert in of.alerts[:5]:
            with st.container(border=True):
                st.header("As it was understood")
                mapped(alert_doc(alert))
        if len(of.alerts) > 5:
            st.caption(f"{len(of.alerts) - 5} more alerts are in the payload.")
    with right:
        for (incident, decided), case in zip(judged[:5], of.look.cases, strict=False):
            with st.container(border=True):
                alert_story.decision(incident, decided, f"Would be: {cards.safe(case.title)}")
                alert_story.receipt(incident, decided)
                _fixes(case)
            with st.container(border=True):
                alert_evidence.contexts(incident)
        if not judged:
            resolved = any(a.resolved for a in of.alerts)
            told = "It says that something is resolved: no incident, and the open one of the same thing would end."
            st.info(told if resolved else "No case came of it.", icon=":material/task_alt:")


def _fixes(case: Case) -> None:
    for p in case.proposals:
        st.markdown(f":material/build: Would be proposed: **{cards.safe(p.title)}**")
        st.caption(f"by {cards.safe(p.adapter)} · about {p.eta_minutes} min · risk {p.risk_score:.2f} · after approval")
        st.json(dict(p.params), expanded=1)


def mapped(doc: Json) -> None:
    """Each field with the value it got, what was assumed, and what was removed before anything was judged."""
    row = mapping(doc)
    shown = [(f, row.get(f)) for f in FIELDS if row.get(f) not in (None, "", {}, [], False)]
    st.table(
        {"field": [f for f, _ in shown], "value": [cards.safe(_text(v)) for _, v in shown]},
        border="horizontal", hide_index=True, alt="Fields of the alert with the values that were read",
    )  # fmt: skip
    removed, notes = (alert_data.listed(row.get(k)) for k in ("removed", "notes"))
    if removed:
        told = ", ".join(cards.safe(str(r)) for r in removed)
        st.warning(
            f"{told}. They would give the answer away: neither rules nor model see them.",
            title=f"Removed keys ({len(removed)})", icon=":material/backspace:",
        )  # fmt: skip
    else:
        st.caption("No key was removed.")
    for note in notes:
        st.caption(f":material/info: {cards.safe(str(note))}")


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value if len(value) <= 300 else f"{value[:300]}…"
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}…"
