"""The data behind services: one's own files or queries in the place of the demo's, and every row that was rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import streamlit as st

from core.errors import InputError, WorkbenchError
from core.service import health, inputs, warehouse
from core.service.health import PLAYBOOK, Health
from core.store.inputs import StoredInput
from ui import auth, cards, data, service_data, words

PROBLEM, DONE = "services_files_problem", "services_files_done"
SHOWN = 100


def show(of: Health | None) -> None:
    """Which file is read from where, others instead, and how they were read."""
    _outcome()
    stored = {s.file: s for s in inputs.listing(data.bench(), auth.current().tenant, PLAYBOOK)}
    own = {f: s for f, s in stored.items() if f in service_data.playbook().inputs}
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _sources(own)
    with right, st.container(border=True):
        _upload()
        _query()
    if of is not None:
        _read(of)


def _sources(own: Mapping[str, StoredInput]) -> None:
    st.header("What is read")
    st.caption("Your own files" if own else "The demo: four services, made up to this very minute.")
    for file, columns in service_data.playbook().inputs.items():
        kept = own.get(file)
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
            with st.container(gap="xxsmall"):
                st.markdown(f"**{file}**  \n:gray[{cards.safe(columns)}]")
                if kept:
                    from_ = "a query, asked at every run" if kept.query else cards.safe(kept.original)
                    st.caption(f"{from_} · {words.moment(kept.saved_at)} UTC by {cards.safe(kept.saved_by)}")
                elif own:
                    st.caption("not given: empty")
            if kept and (file != "metrics.csv" or len(own) == 1):
                st.button(
                    "Remove", key=f"services_remove_{file}", icon=":material/close:", type="tertiary",
                    width="content", on_click=_remove, args=((file,),), disabled=not _may(),
                )  # fmt: skip
        if kept and kept.query:
            st.code(kept.query, language="sql")
    st.button(
        "Back to the demo", icon=":material/undo:", key="services_demo", type="tertiary", on_click=_remove,
        args=(tuple(own),), disabled=not own or not _may(), help="Runbooks stay as they are.",
    )  # fmt: skip


def _remove(files: tuple[str, ...]) -> None:
    try:
        for file in files:
            inputs.remove(data.bench(), auth.current(), PLAYBOOK, file)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem


def _upload() -> None:
    st.header("Use your own")
    known = service_data.playbook().inputs
    if not _may():
        st.caption(":material/lock: An administrator replaces these files.")
    chosen = st.file_uploader(
        "Files", accept_multiple_files=True, key=f"services_files_{_round()}", disabled=not _may(),
        max_upload_size=data.bench().ctx.settings.telltale_max_upload_mb,
        help=f"Recognised by name: {', '.join(known)}. metrics.csv is needed, the others are optional.",
    )  # fmt: skip
    if not chosen:
        return
    try:
        given = _named({f.name: f.getvalue() for f in chosen})
        with st.spinner("Reading…"):
            health.trial(data.bench(), auth.current(), {file: raw for file, (_, raw) in given.items()})
            for file, (name, raw) in given.items():
                inputs.put_file(data.bench(), auth.current(), PLAYBOOK, file, raw, name)
        st.session_state[DONE] = f"{', '.join(given)} in use from now on."
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.session_state["services_files_round"] = _round() + 1
    st.rerun()


def _named(files: Mapping[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Uploads by the file they stand for: its name, or the one name among ours that theirs contains."""
    known, found = tuple(service_data.playbook().inputs), dict[str, tuple[str, bytes]]()
    for name, raw in files.items():
        fits = [k for k in known if PurePath(k).stem in PurePath(name).stem.lower()]
        if len(fits) != 1 or fits[0] in found:
            raise InputError(
                f"{name}: which of the files it stands for is not clear.",
                hint=f"Expected names that contain one of {', '.join(PurePath(k).stem for k in known)}, each once.",
                field="file",
            )
        found[fits[0]] = (name, raw)
    return found


def _query() -> None:
    if not warehouse.configured(data.bench()):
        st.caption("With TELLTALE_WAREHOUSE_URL set, each file can be a SELECT on your warehouse instead.")
        return
    with st.expander("From the warehouse", icon=":material/database:"), st.form("services_query", border=False):
        file = st.selectbox("In the place of", list(service_data.playbook().inputs), key="services_query_file")
        query = st.text_area("SELECT", key="services_query_sql", help="Asked anew at every look and every run.")
        if not st.form_submit_button("Use its answer", icon=":material/play_arrow:", disabled=not _may()):
            return
    try:
        with st.spinner("Asking the warehouse…"):
            inputs.put_query(data.bench(), auth.current(), PLAYBOOK, file, query or "")
        st.session_state[DONE] = f"{file} is asked from the warehouse from now on."
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.rerun()


def _read(of: Health) -> None:
    """How many rows of each table were read, and every one that was not with its line and reason."""
    st.header("How it was read")
    with st.container(horizontal=True, gap="small"):
        for p in of.provenance:
            bad = f", {p.rejected_rows:,} rejected" if p.rejected_rows else ""
            st.badge(f"{p.table}: {p.rows:,} rows{bad}", color="orange" if bad else "gray")
    rows = [
        {"table": table, "line": r.get("line"), "column": r.get("column") or "", "reason": r.get("reason")}
        for table, rejected in of.rejects.items()
        for r in rejected
    ]
    if not rows:
        st.caption("No row was rejected.")
    else:
        count = sum(p.rejected_rows for p in of.provenance)
        _rejects(rows, count)
    for note in of.runbook_notes:
        st.warning(cards.safe(note), icon=":material/menu_book:")


def _rejects(rows: Sequence[Mapping[str, object]], count: int) -> None:
    st.dataframe(
        list(rows[: 3 * SHOWN]), hide_index=True, key="services_rejects",
        column_config={"reason": st.column_config.TextColumn(width="large")},
        alt=f"{count} rejected rows with line and reason",
    )  # fmt: skip
    if count > len(rows):
        st.caption(f"The first {SHOWN} of each table; {count:,} in all.")


def _outcome() -> None:
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check:")


def _may() -> bool:
    return auth.current().can("tools:manage")


def _round() -> int:
    number: int = st.session_state.get("services_files_round", 0)
    return number
