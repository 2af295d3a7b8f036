"""Saved sources: what is in them, their last run, replacing a file and what that changed."""

from __future__ import annotations

import streamlit as st

from core.audit.report import stamp
from core.errors import InputError, WorkbenchError
from core.service import runs, sources
from core.service.sources import Saved, SourceDefinition
from core.service.uploads import Draft
from core.views import compare
from ui import auth, cards, data, links, upload, words

PLACES = (("today", "Today", "today"), ("explore", "Explore", "query_stats"), ("quality", "Checks", "fact_check"))


def listing() -> None:
    """One card per source; deleted ones can be brought back."""
    found = data.saved()
    st.header(f"Saved sources ({len(found)})")
    comparison()
    if not found:
        st.info("None yet. Drop a file above; two clicks later it is explored.", icon=":material/upload_file:")
    for one in found:
        with st.container(border=True):
            _card(one)
    gone = data.saved(deleted=True)
    if gone:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Deleted")
            for one in gone[:5]:
                st.button(
                    f"Bring back {cards.safe(one.definition.title)}", icon=":material/undo:", type="tertiary",
                    key=f"data_undelete_{one.definition.name}", on_click=_undelete, args=(one.definition.name,),
                )  # fmt: skip


def _card(one: Saved) -> None:
    d = one.definition
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{cards.safe(d.title)}**")
        if one.run:
            cards.light_badge(one.run.light)
            st.caption(f"ran {words.moment(one.run.ended_at)} · {cards.safe(one.run.headline)}")
        else:
            st.badge("not run yet", color="gray")
    st.caption(cards.safe(_facts(d)) + f" · version {one.version}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for page, label, icon in PLACES:
            st.button(
                label, icon=f":material/{icon}:", type="tertiary", key=f"data_{page}_{d.name}",
                on_click=links.ask, args=(page, d.name),
            )  # fmt: skip
        with st.popover("Replace a file", icon=":material/sync:", key=f"data_replace_{d.name}"):
            _replace(d)
        st.button(
            "Edit", icon=":material/tune:", type="tertiary", key=f"data_edit_{d.name}",
            on_click=upload.keep, args=(Draft((), d),),
        )  # fmt: skip
        st.button(
            "Delete", icon=":material/delete:", type="tertiary", key=f"data_delete_{d.name}",
            on_click=_delete, args=(d.name,),
        )  # fmt: skip


def _facts(d: SourceDefinition) -> str:
    folder = data.bench().ctx.engine.folder()
    rows, rejected = sum(t.rows for t in d.tables), sum(t.rejected_rows for t in d.tables)
    parts = [f"{rows:,} rows" + (f", {rejected:,} rejected" if rejected else "")]
    try:
        loaded = d.dataset(folder).tables
        spans = [s for t in d.tables if (s := data.span(loaded[t.name], t.time))]
    except WorkbenchError as problem:
        return str(problem)
    if spans:
        first, last = min(s[0] for s in spans), max(s[1] for s in spans)
        parts.append(f"{stamp(first, 'D')} to {stamp(last, 'D')}")
    parts.append(f"{len(d.metrics)} metrics")
    parts.append(f"{len(d.checks)} checks")
    parts.append(", ".join(t.file for t in d.tables))
    return " · ".join(parts)


def _replace(d: SourceDefinition) -> None:
    """A newer file, read as the old one was, then run: what changed is shown."""
    table = d.tables[0].name
    if len(d.tables) > 1:
        table = str(st.selectbox("File", [t.name for t in d.tables], key=f"data_replace_table_{d.name}"))
    round_ = st.session_state.get("data_files_round", 0)
    limit = data.bench().ctx.settings.telltale_max_upload_mb
    file = st.file_uploader("Newer file", key=f"data_replace_file_{d.name}_{round_}", max_upload_size=limit)
    ready = file is not None
    if st.button("Replace and rerun", type="primary", disabled=not ready, key=f"data_replace_go_{d.name}") and file:
        try:
            _rerun(d, table, file.getvalue())
        except WorkbenchError as problem:
            cards.problem(problem)


def _rerun(d: SourceDefinition, table: str, content: bytes) -> None:
    wb = data.bench()
    with st.spinner("Reading, checking, running"):
        before = _newest(d.name)
        sources.save(wb, auth.current(), sources.replace_file(wb, d, table, content))
        st.session_state["data_files_round"] = st.session_state.get("data_files_round", 0) + 1
        try:
            runs.run(wb, auth.current(), d.name)
        except InputError as refusal:
            st.session_state["data_refusal"] = refusal
    after = _newest(d.name)
    if before and after:
        st.query_params["compare"] = f"{before}..{after}"
    st.rerun()


def _newest(name: str) -> str | None:
    with data.bench().store.read() as books:
        found = books.runs.list(auth.current().tenant, name, limit=1)
    return found[0].id if found else None


def comparison() -> None:
    """What the last replacement changed in the result; ``?compare=`` in the address shows it again."""
    refusal = st.session_state.pop("data_refusal", None)
    if refusal is not None:
        cards.problem(refusal)
    asked = st.query_params.get("compare", "")
    old_id, _, new_id = asked.partition("..")
    if not new_id:
        return
    who = auth.current()
    try:
        with data.bench().store.read() as books:
            old, new = books.runs.get(who.tenant, old_id), books.runs.get(who.tenant, new_id)
    except WorkbenchError as problem:
        cards.problem(problem)
        return
    diff = compare(old, new)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**What changed in {cards.safe(new.playbook)}**")
            cards.light_badge(old.light)
            st.markdown(":material/arrow_forward:")
            cards.light_badge(new.light)
            st.button("Close", type="tertiary", icon=":material/close:", key="data_compare_close", on_click=_close)
        for label, texts in (("New", diff.appeared), ("Gone", diff.gone)):
            for text in texts:
                st.markdown(f"- **{label}:** {cards.safe(text)}")
        if not diff.appeared and not diff.gone:
            st.caption("The same findings as before.")
        if len(diff.values):
            st.dataframe(diff.values, hide_index=True, alt="Metric values before and after")
        else:
            st.caption("Every metric has the same value as before.")


def _close() -> None:
    st.query_params.pop("compare", None)


def _delete(name: str) -> None:
    try:
        sources.delete(data.bench(), auth.current(), name)
        st.toast("Deleted. It can be brought back below the list.", icon=":material/delete:")
    except WorkbenchError as problem:
        st.toast(str(problem))


def _undelete(name: str) -> None:
    try:
        sources.undelete(data.bench(), auth.current(), name)
    except WorkbenchError as problem:
        st.toast(str(problem))
