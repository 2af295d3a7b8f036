"""Writing a runbook: front matter as fields, the text as Markdown beside how it will read."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from core.errors import WorkbenchError
from core.service import runbooks
from core.service.runbooks import Draft, Runbook
from ui import auth, cards, data, runbook_state

DRAFT = "runbooks_draft"  # the id that is edited; empty for a new one
TEMPLATE = """# What is wrong

One sentence about the symptom.

## Is it this?
- What to look at, and what it shows when it is this.

## Fix
1. The first step.
2. What to watch afterwards.
"""
FIELDS = ("id", "title", "service", "type", "tags", "signals", "url", "content")


def begin(runbook: Runbook | None = None) -> None:
    """Opens the form, filled from the runbook."""
    d = runbook.draft if runbook else Draft("", TEMPLATE)
    start = (
        runbook.id if runbook else "", d.title, d.service, d.incident_type, ", ".join(d.tags), ", ".join(d.signals),
        d.url, d.content,
    )  # fmt: skip
    for name, value in zip(FIELDS, start, strict=True):
        st.session_state[f"runbooks_f_{name}"] = value
    st.session_state[DRAFT] = runbook.id if runbook else ""


def editor(library: Sequence[Runbook]) -> None:
    """The form on the left, the reading on the right; saved only when it can be read back."""
    editing = str(st.session_state[DRAFT])
    st.title("Edit runbook" if editing else "New runbook")
    runbook_state.outcome()
    left, right = st.columns(2, gap="medium")
    with left:
        _fields(editing, library)
    draft = _draft()
    with right, st.container(border=True):
        st.caption("How it will read")
        st.header(cards.safe(draft.title) or "Without a title yet")
        runbook_state.text(draft)
        with st.expander("As a file", icon=":material/description:", key="runbooks_file", on_change="rerun") as box:
            if box.open:
                st.code(draft.markdown(), language="markdown", wrap_lines=True)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Save", type="primary", icon=":material/save:", key="runbooks_save", on_click=_save,
            disabled=not runbook_state.may(),
        )  # fmt: skip
        st.button("Cancel", key="runbooks_cancel", on_click=_close)


def _fields(editing: str, library: Sequence[Runbook]) -> None:
    title = st.text_input("Title", key="runbooks_f_title", placeholder="Database connection pool exhausted")
    st.text_input(
        "Id", key="runbooks_f_id", disabled=bool(editing), placeholder=slug(title or "") or "from the title",
        help="The file's name. Proposals and links point to it, so it stays when the title changes.",
    )  # fmt: skip
    st.text_input(
        "Signals", key="runbooks_f_signals", placeholder="DatabaseConnectionTimeout",
        help="Exact names of errors or causes, separated with commas. Known: "
        + ", ".join(runbooks.signals_of(library)),
    )  # fmt: skip
    st.text_input("Tags", key="runbooks_f_tags", placeholder="database, pool", help="Separated with commas.")
    with st.container(horizontal=True, gap="small"):
        st.text_input("Service", key="runbooks_f_service", placeholder="any")
        st.text_input("Incident type", key="runbooks_f_type", placeholder="error_rate")
    st.text_input("Address", key="runbooks_f_url", placeholder="https://wiki.example/…")
    st.text_area("Text (Markdown)", key="runbooks_f_content", height=420)


def slug(title: str) -> str:
    """An id made from a title."""
    return re.sub(r"[^a-z0-9]+", "-", title.casefold()).strip("-")[:64].strip("-")


def _value(name: str) -> str:
    return str(st.session_state.get(f"runbooks_f_{name}") or "").strip()


def _several(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.strip() for p in _value(name).split(",") if p.strip()))


def _draft() -> Draft:
    return Draft(
        title=_value("title"),
        content=_value("content"),
        service=_value("service"),
        incident_type=_value("type"),
        tags=_several("tags"),
        signals=_several("signals"),
        url=_value("url"),
    )


def _save() -> None:
    editing = str(st.session_state[DRAFT])
    runbook_id = editing or _value("id") or slug(_value("title"))
    try:
        runbooks.save(data.bench(), auth.current(), runbook_id, _draft(), isnew=not editing)
    except WorkbenchError as problem:
        st.session_state[runbook_state.PROBLEM] = problem
        return
    _close()
    st.session_state[runbook_state.DONE] = "Saved. Incidents are matched with it from the next check on."
    runbook_state.go(runbook_id)


def _close() -> None:
    for name in (DRAFT, *(f"runbooks_f_{f}" for f in FIELDS)):
        st.session_state.pop(name, None)
