"""The runbooks of a tenant: search with scores, the list, and one in full with its history."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import WorkbenchError
from core.explain.runbooks import Hit
from core.service import inputs, runbooks
from core.service.runbooks import Runbook
from ui import auth, cards, data, runbook_form, words
from ui.runbook_state import DONE, PROBLEM, go, may, outcome, text

ORIGIN: dict[str, tuple[words.Color, str]] = {
    "shipped": ("gray", "Comes with the playbook."),
    "edited": ("blue", "Your version of one that comes with the playbook."),
    "own": ("violet", "Yours."),
}


def top() -> None:
    """Title, and a new one."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Runbooks", width="content")
        st.button(
            "New runbook", type="primary", icon=":material/add:", key="runbooks_new", on_click=runbook_form.begin,
            disabled=not may(), help=None if may() else "An administrator writes runbooks.",
        )  # fmt: skip
    st.caption("Incidents are matched with these: by the signals a runbook names, then by words. Nothing leaves here.")


def results(library: Sequence[Runbook]) -> None:
    """Hits with score, matched fields and passage while something is asked; all runbooks otherwise."""
    text = st.text_input(
        "Search", key="runbooks_text", icon=":material/search:", bind="query-params",
        placeholder="Words or an error, typing mistakes are fine: conection pool exhausted",
    )  # fmt: skip
    signals = runbooks.signals_of(library)
    wanted = st.pills(
        "Signals", list(signals), selection_mode="multi", key="runbooks_signals", bind="query-params",
        help="An error type or a kind of cause. A runbook that names it comes first, with score 1.",
    )  # fmt: skip
    if not (text or "").strip() and not wanted:
        st.header(f"All runbooks ({len(library)})")
        for runbook in library:
            _row(runbook)
        _gone()
        if not library:
            st.info("There is no runbook. Write the first one above.", icon=":material/menu_book:")
        return
    hits = runbooks.search(library, text or "", wanted)
    by_id = {r.id: r for r in library}
    st.header(f"Best matches ({len(hits)})" if hits else "No runbook found")
    if not hits:
        st.info("Nothing scores above 0. Try other words, or write one for this signal.", icon=":material/search_off:")
    for hit in hits:
        _row(by_id[hit.runbook_id], hit)


def _row(r: Runbook, hit: Hit | None = None) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium", wrap=False):
        with st.container(gap="xsmall"):
            st.markdown(f"**{cards.safe(r.draft.title)}**")
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                if hit is not None:
                    st.badge(f"score {hit.score:.2f}", color="green" if "signals" in hit.matched else "blue")
                    for name in hit.matched:
                        st.badge(f"in {name}", color="gray")
                else:
                    _badges(r)
            if hit is not None:
                st.caption(cards.safe(hit.snippet))
        st.button(
            "Open", key=f"runbooks_open_{r.id}", type="tertiary", on_click=go, args=(r.id,), width="content",
            icon=":material/arrow_forward:", icon_position="right", help=f"Open {r.draft.title}",
        )  # fmt: skip


def _badges(r: Runbook) -> None:
    color, told = ORIGIN[r.origin]
    st.badge(r.origin, color=color, help=told)
    if r.draft.service:
        st.badge(r.draft.service, icon=":material/dns:", color="gray")
    for signal in r.draft.signals:
        st.badge(signal, icon=":material/sensors:", color="gray", help="Signal")
    if r.draft.tags:
        st.caption(cards.safe(", ".join(r.draft.tags)), width="content")


def _gone() -> None:
    """Shipped runbooks that were deleted, each with the way back."""
    gone = runbooks.deleted(data.bench(), auth.current())
    if not gone:
        return
    with st.expander(f"Deleted, but shipped with the playbook ({len(gone)})", icon=":material/delete:"):
        for runbook_id in gone:
            st.button(
                f"Bring {runbook_id} back", key=f"runbooks_back_{runbook_id}", icon=":material/undo:", type="tertiary",
                on_click=_change, args=("reset", runbook_id, f"{runbook_id} is back."), disabled=not may(),
            )  # fmt: skip


def one(runbook_id: str, library: Sequence[Runbook]) -> None:
    """One runbook in full, and what can be done with it."""
    st.button(
        "All runbooks", icon=":material/arrow_back:", key="runbooks_all", type="tertiary", on_click=go, args=(None,)
    )
    outcome()
    r = next((r for r in library if r.id == runbook_id), None)
    if r is None:
        st.warning(f"There is no runbook '{cards.safe(runbook_id)}'.", icon=":material/search_off:")
        history(runbook_id)
        return
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(cards.safe(r.draft.title), width="stretch")
        with st.container(horizontal=True, gap="small", width="content"):
            _actions(r)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        _badges(r)
    facts = [f"{r.id}.md", *([f"for {cards.safe(r.draft.incident_type)}"] if r.draft.incident_type else [])]
    if r.stored:
        facts.append(f"saved {words.moment(r.stored.saved_at)} UTC by {cards.safe(r.stored.saved_by)}")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(" · ".join(facts), width="content")
        if r.draft.url:
            st.link_button(
                "In the wiki", r.draft.url, icon=":material/open_in_new:", type="tertiary", key="runbooks_url"
            )
    with st.container(border=True):
        text(r.draft)
    history(runbook_id)


def _actions(r: Runbook) -> None:
    st.button(
        "Edit", icon=":material/edit:", key="runbooks_edit", on_click=runbook_form.begin, args=(r,), disabled=not may()
    )
    if r.origin == "edited":
        st.button(
            "Back to the shipped text", icon=":material/undo:", key="runbooks_reset", on_click=_change,
            args=("reset", r.id, "The shipped text is back."), disabled=not may(),
        )  # fmt: skip
    with st.popover("Delete", icon=":material/delete:", key="runbooks_delete_open", disabled=not may()):
        st.markdown("Incidents are no longer matched with it. Its versions stay below and can be brought back.")
        st.button(
            "Delete it", type="primary", key="runbooks_delete", on_click=_change,
            args=("delete", r.id, f"{r.draft.title} is deleted."),
        )  # fmt: skip


def history(runbook_id: str) -> None:
    """Every version with who and when; an earlier one can be read and brought back."""
    versions = runbooks.versions(data.bench(), auth.current(), runbook_id)
    if not versions:
        return
    st.header(f"History ({len(versions)})")
    for n, v in enumerate(versions):
        told = "deleted or back to the shipped text" if v.removed else f"version {v.sha256[:8]}"
        label = f"{words.moment(v.at)} UTC · {cards.safe(v.who)} · {told}"
        box = st.expander(label, key=f"runbooks_version_{n}", on_change="rerun", icon=":material/history:")
        if not box.open or v.removed:
            continue
        with box:
            raw = inputs.content(data.bench(), v.sha256)
            st.code(raw.decode("utf-8", "replace"), language="markdown", wrap_lines=True)
            st.button(
                "Bring this version back", icon=":material/undo:", key=f"runbooks_restore_{n}", on_click=_restore,
                args=(runbook_id, v.sha256), disabled=n == 0 or not may(),
            )  # fmt: skip


def _restore(runbook_id: str, sha256: str) -> None:
    try:
        runbooks.restore(data.bench(), auth.current(), runbook_id, sha256)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    else:
        st.session_state[DONE] = "That version is in use again."


def _change(what: str, runbook_id: str, done: str) -> None:
    change = runbooks.delete if what == "delete" else runbooks.reset
    try:
        change(data.bench(), auth.current(), runbook_id)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    st.session_state[DONE] = done
    if what == "delete":
        go(None)
