"""The audit: whether the chain is intact, its lines with filters, the decision of one line, and exports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import pandas as pd
import streamlit as st

from core.audit.export import csv_text, jsonl
from core.model import AuditEntry
from ui import auth, cards, data, words

SHOWN, EXPORTED = 200, 1_000_000
AGENTS = ("person", "load", "detect", "explain", "decide", "act")


def chain() -> None:
    """How many lines there are, and whether every one still is as it was written."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        found = data.chain(auth.current().tenant, st.session_state.get("audit_round", 0))
        if found.ok:
            st.badge(f"{found.entries:,} lines, intact", icon=":material/verified:", color="green")
        else:
            st.badge(f"broken at line {found.bad_seq}", icon=":material/gpp_bad:", color="red")
            st.markdown(cards.safe(found.why), width="content")
        newer = data.trail_length() - found.entries
        more = f" {newer} written since." if found.ok and newer > 0 else ""
        st.caption(f"Each line's hash covers it and the line before.{more}", width="content")
        st.button("Check now", key="audit_verify", icon=":material/replay:", on_click=_again)


def _again() -> None:
    st.session_state["audit_round"] = st.session_state.get("audit_round", 0) + 1


def lines() -> None:
    """The newest lines that match the filters, and the decision of the chosen one."""
    asked = _filters()
    found = data.trail(*asked, SHOWN)
    if not found:
        st.info("No line matches. Clear a filter, or run a source on Today.", icon=":material/filter_alt_off:")
        return
    event = st.dataframe(
        pd.DataFrame([_row(e) for e in found]), hide_index=True, key="audit_table", on_select="rerun",
        selection_mode="single-row", alt="Audit lines, newest first",
        height="content" if len(found) <= 9 else 360,
    )  # fmt: skip
    full = f" The newest {SHOWN} are shown; the exports hold every match." if len(found) == SHOWN else ""
    st.caption("Choose a line for its decision." + full)
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(found):
        _decision(found[rows[0]])
    _exports(asked)


Asked = tuple[str | None, str | None, str | None, str | None, datetime | None]


def _filters() -> Asked:
    agent = st.pills("Agent", AGENTS, key="audit_agent", bind="query-params")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        action = st.text_input("Action", key="audit_action", placeholder="message_sent", bind="query-params", width=180)
        incident = st.text_input("Incident", key="audit_incident", placeholder="INC-…", bind="query-params", width=180)
        correlation = st.text_input("Correlation", key="audit_run", placeholder="run-…", bind="query-params", width=180)
        since = st.date_input("Since (UTC)", None, key="audit_since", format="YYYY-MM-DD", width=160)
    at = datetime.combine(since, time(), UTC) if isinstance(since, date) else None
    texts = [(text or "").strip() or None for text in (action, incident, correlation)]
    return agent, texts[0], texts[1], texts[2], at


def _row(e: AuditEntry) -> dict[str, object]:
    return {
        "line": e.seq,
        "time (UTC)": e.timestamp.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "agent": e.agent,
        "action": e.action,
        "by": e.approved_by or str(e.decision.get("actor") or ""),
        "incident": e.incident_id or "",
        "correlation": e.correlation_id,
        "hash": e.hash[:12],
    }


def _decision(e: AuditEntry) -> None:
    with st.container(border=True):
        st.markdown(f"**Line {e.seq}: {cards.safe(e.agent)} · {cards.safe(e.action)}**")
        st.json(dict(e.decision), expanded=2)
        st.caption(f"hash {e.hash} · follows {e.prev_hash} · {words.moment(e.timestamp)} UTC")


def _exports(asked: Asked) -> None:
    """Made only when somebody clicks: every match, oldest first."""

    def every() -> Sequence[AuditEntry]:
        return data.trail(*asked, EXPORTED)[::-1]

    with st.container(horizontal=True):
        st.download_button(
            "JSON Lines", lambda: jsonl(every()), file_name="audit.jsonl", mime="application/x-ndjson",
            icon=":material/download:", key="audit_jsonl", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "CSV", lambda: csv_text(every()), file_name="audit.csv", mime="text/csv",
            icon=":material/download:", key="audit_csv", on_click="ignore",
        )  # fmt: skip
