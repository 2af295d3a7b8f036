"""What the list and the form of runbooks share: who may write, the address, how one reads, what the last change did."""

from __future__ import annotations

import streamlit as st

from core.service import runbooks
from core.service.runbooks import Draft
from ui import auth, cards, data

PROBLEM, DONE = "runbooks_problem", "runbooks_done"


def may() -> bool:
    """Whether this person writes runbooks."""
    return auth.current().can("tools:manage")


def go(runbook_id: str | None) -> None:
    """Puts the runbook into the address, which shows it; None goes back to all."""
    if runbook_id is None:
        st.query_params.pop("runbook", None)
    else:
        st.query_params["runbook"] = runbook_id


def outcome() -> None:
    """What the last change did, once."""
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if done := st.session_state.pop(DONE, None):
        st.success(cards.safe(done), icon=":material/check:")
    for note in runbooks.notes(data.bench(), auth.current()):
        st.warning(f"Left out: {cards.safe(note)}", icon=":material/report:")


def text(draft: Draft) -> None:
    """The runbook as it reads below its title. A picture in it becomes a link: nothing is loaded from elsewhere."""
    body = draft.content.replace("![", "[").removeprefix(f"# {draft.title}\n").strip()
    fenced, lines = False, []
    for line in body.splitlines():
        fenced ^= line.lstrip().startswith("```")
        lines.append(f"#{line}" if line.startswith("#") and not fenced else line)  # the page's title is the only h1
    st.markdown("\n".join(lines))
