"""The data behind orders: events to take in, what was rejected, and dead letters that can be tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.errors import InputError, WorkbenchError
from core.service import dead_letters, ingest, inputs
from core.service.exceptions import PLAYBOOK
from core.service.ingest import Uploaded
from core.service.order_desk import OrderDesk
from core.store.dead_letters import DeadLetter, LetterState
from ui import auth, cards, data, order_data, words

PROBLEM, DONE, TAKEN, REPLAYED = (f"orders_files_{name}" for name in ("problem", "done", "taken", "replayed"))
INVOICES = "invoices.csv"
SHOWN, PER_PAGE = 100, 20
STATE: dict[LetterState, words.Color] = {
    LetterState.PENDING: "orange",
    LetterState.FAILED: "red",
    LetterState.PROCESSED: "green",
}


def show(of: OrderDesk | None) -> None:
    """What is read, where more comes in, how it was read, and what could not be kept."""
    _outcome()
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _sources(of)
    with right, st.container(border=True):
        _upload()
    if of is not None:
        _read(of)
    _letters()


def _sources(of: OrderDesk | None) -> None:
    st.header("What is read")
    stored = {s.file: s for s in inputs.listing(data.bench(), auth.current().tenant, PLAYBOOK)}
    if of is not None:
        told = "Your own events" if of.own else "The demo's events, until you send or upload your own"
        st.markdown(f"{told}: {of.provenance[0].rows_in:,} rows.")
    for file, columns in order_data.playbook().inputs.items():
        kept = stored.get(file)
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
            with st.container(gap="xxsmall"):
                st.markdown(f"**{file}**  \n:gray[{cards.safe(columns)}]")
                if kept:
                    from_ = "a query, asked at every run" if kept.query else cards.safe(kept.original)
                    st.caption(f"{from_} · {words.moment(kept.saved_at)} UTC by {cards.safe(kept.saved_by)}")
            if kept:
                st.button(
                    "Remove", key=f"orders_remove_{file}", icon=":material/close:", type="tertiary", width="content",
                    on_click=_remove, args=(file,), disabled=not auth.current().can("tools:manage"),
                )  # fmt: skip
    st.caption("Events also come in by POST /ingest/events, /ingest/batch and a route for each source.")


def _remove(file: str) -> None:
    try:
        inputs.remove(data.bench(), auth.current(), PLAYBOOK, file)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem


def _upload() -> None:
    st.header("Take in")
    may = auth.current().can("incidents:write")
    if not may:
        st.caption(":material/lock: A responder or administrator takes events in.")
    chosen = st.file_uploader(
        "Events or invoices", key=f"orders_files_{_round()}", disabled=not may,
        type=["jsonl", "ndjson", "csv"], max_upload_size=data.bench().ctx.settings.telltale_max_upload_mb,
        help="Events as JSON lines or CSV: source, event_type, event_id, order_id, occurred_at. An event that is there "
        "already counts once. A file whose name holds 'invoice' replaces the invoices.",
    )  # fmt: skip
    if not chosen:
        return
    try:
        with st.spinner("Taking it in…"):
            _take(chosen.name, chosen.getvalue())
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.session_state["orders_files_round"] = _round() + 1
    st.rerun()


def _take(name: str, content: bytes) -> None:
    wb, who = data.bench(), auth.current()
    if "invoice" not in name.lower():
        st.session_state[TAKEN] = ingest.upload(wb, who, name, content)
        return
    if not name.lower().endswith(".csv"):
        raise InputError(f"{name}: expected invoices as CSV.", field="file")
    inputs.put_file(wb, who, PLAYBOOK, INVOICES, content, name)
    st.session_state[DONE] = f"{INVOICES} in use from now on."


def _read(of: OrderDesk) -> None:
    """How many rows of each table were read, and every one that was not with its line and reason."""
    st.header("How it was read")
    with st.container(horizontal=True, gap="small"):
        for p in of.provenance:
            bad = f", {p.rejected_rows:,} rejected or repeated" if p.rejected_rows else ""
            st.badge(f"{p.table}: {p.rows_in - p.rejected_rows:,} rows{bad}", color="orange" if bad else "gray")
    rows = [
        {"file": table, "line": r.get("line"), "field": r.get("column") or "", "reason": r.get("reason")}
        for table, rejected in of.rejects.items()
        for r in rejected
    ]
    _rejects(rows, "orders_rejects")


def _rejects(rows: Sequence[Mapping[str, object]], key: str) -> None:
    if not rows:
        st.caption("No row was rejected.")
        return
    st.dataframe(
        list(rows[: 2 * SHOWN]), hide_index=True, key=key,
        column_config={"reason": st.column_config.TextColumn(width="large")},
        alt=f"{len(rows)} rejected rows with line and reason",
    )  # fmt: skip


def _outcome() -> None:
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check:")
    if done := st.session_state.pop(REPLAYED, None):
        st.info(done, icon=":material/replay:")
    taken: Uploaded | None = st.session_state.pop(TAKEN, None)
    if taken is None:
        return
    parts = [f"{taken.stored:,} stored", f"{taken.duplicates:,} were there already", f"{taken.errors:,} rejected"]
    parts += [f"{taken.queued:,} wait to be tried again"] if taken.queued else []
    shown = st.warning if taken.errors or taken.queued else st.success
    shown(f"{cards.safe(taken.name)}: {', '.join(parts)}.", icon=":material/upload_file:")
    if taken.rejected:
        _rejects(
            [{"line": r.place, "field": r.field, "event": r.event_id, "reason": r.message} for r in taken.rejected],
            "orders_upload_rejects",
        )


def _letters() -> None:
    """Events that could not be kept, with why, how often they were tried, and when they are next."""
    if not auth.current().can("tools:manage"):
        return
    with st.container(border=True):
        head = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
        states = st.pills(
            "State", list(LetterState), selection_mode="multi", default=[LetterState.PENDING, LetterState.FAILED],
            format_func=lambda s: str(s).capitalize(), key="orders_letters_state",
        )  # fmt: skip
        number = int(st.session_state.get("orders_letters_page", 1) or 1)
        found = dead_letters.page(data.bench(), auth.current(), states, number=number, size=PER_PAGE)
        with head:
            st.header(f"Dead letters ({found.depth})", width="content")
            st.button(
                "Replay all", icon=":material/replay:", key="orders_replay", on_click=_replay, args=((),),
                disabled=not found.depth, help="Tries each again; one that was kept meanwhile counts once.",
            )  # fmt: skip
        if not found.items:
            st.caption("Every event that came in was kept." if not found.depth else "None in these states.")
            return
        for letter in found.items:
            _letter(letter)
        pages = -(-found.total // PER_PAGE)
        if pages > 1:
            st.pagination(pages, key="orders_letters_page")


def _letter(letter: DeadLetter) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
        with st.container(gap="xxsmall"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                st.badge(str(letter.state).lower(), color=STATE[letter.state])
                st.markdown(f"**{cards.safe(letter.event_id or letter.id)}**", width="content")
            st.markdown(cards.safe(letter.error))
            attempts = f"{letter.attempts} attempt{'s' if letter.attempts != 1 else ''}"
            later = f", next {words.moment(letter.next_retry_at)} UTC" if letter.next_retry_at else ""
            field = f" · field {cards.safe(letter.field)}" if letter.field else ""
            st.caption(f"{attempts}{later}{field} · {words.moment(letter.created_at)} UTC · {letter.id}")
        st.button(
            "Replay", key=f"orders_replay_{letter.id}", type="tertiary", width="content", on_click=_replay,
            args=((letter.id,),), disabled=letter.state is LetterState.PROCESSED,
        )  # fmt: skip


def _replay(ids: tuple[str, ...]) -> None:
    try:
        done = dead_letters.replay(data.bench(), auth.current(), ids)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    good = sum(d.state is LetterState.PROCESSED for d in done)
    st.session_state[REPLAYED] = f"{good} of {len(done)} dead letters are processed now."


def _round() -> int:
    number: int = st.session_state.get("orders_files_round", 0)
    return number
