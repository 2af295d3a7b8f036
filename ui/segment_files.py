"""The data behind segments: the people table, snapshots from a file, what was rejected, and snapshots to take away."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import streamlit as st

from core import segment_views as views
from core.errors import WorkbenchError
from core.load.export import write_csv
from core.load.report import Loaded
from core.load.snapshot_files import ParsedSnapshots
from core.model import Reject
from core.service import audience, snapshots, warehouse
from ui import auth, cards, data, segment_data, words
from ui.segment_data import Board

READ = "segments_read"  # what the last upload was understood as
SHOWN = 200


def show(board: Board) -> None:
    """The people table in use and another one instead of it, snapshots from a file, and all snapshots as CSV."""
    _outcome()
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True):
        _people()
    with right, st.container(border=True):
        _snapshots(board)


def _people() -> None:
    st.header("People table")
    own = audience.stored(data.bench(), auth.current().tenant)
    if own is not None:
        st.markdown(
            f"**{cards.safe(own.uri)}** · {own.rows:,} people"
            + (f", {own.rejected_rows:,} rows rejected" if own.rejected_rows else "")
        )
        st.caption(f"Read {words.moment(own.read_at)} UTC · sha256 {own.sha256[:12]}")
        if own.query:
            st.code(own.query, language="sql")
    elif fields := segment_data.fields():
        st.markdown(f"**The demo's people table** · {len(fields)} columns")
    else:
        st.info("There is no people table yet: upload one row a person, with an id column.", icon=":material/groups:")
    _upload_people()
    _query()
    st.button(
        "Back to the demo's people table", icon=":material/undo:", key="segments_people_reset", type="tertiary",
        on_click=_reset, disabled=own is None or not _may(),
    )  # fmt: skip


def _upload_people() -> None:
    file = st.file_uploader(
        "Another people table", key=f"segments_people_{_round()}", disabled=not _may(),
        max_upload_size=data.bench().ctx.settings.telltale_max_upload_mb,
        help="CSV, TSV, Excel or Parquet with one row a person. A yes/no column 'converted' gives the conversion; "
        "an id column tells who entered and left.",
    )  # fmt: skip
    if file is None:
        return
    try:
        with st.spinner("Reading people…"):
            st.session_state[READ] = audience.upload(data.bench(), auth.current(), file.name, file.getvalue())
    except WorkbenchError as problem:
        st.session_state[READ] = problem
    _again()


def _query() -> None:
    if not warehouse.configured(data.bench()):
        return
    with st.expander("From the warehouse", icon=":material/database:"), st.form("segments_query", border=False):
        query = st.text_area("SELECT", key="segments_query_sql", help="Asked anew at every snapshot.")
        if not st.form_submit_button("Use its answer", icon=":material/play_arrow:"):
            return
    try:
        with st.spinner("Asking the warehouse…"):
            st.session_state[READ] = audience.ask(data.bench(), auth.current(), query or "")
    except WorkbenchError as problem:
        st.session_state[READ] = problem
    _again()


def _reset() -> None:
    try:
        audience.reset(data.bench(), auth.current())
    except WorkbenchError as problem:
        st.session_state[READ] = problem


def _snapshots(board: Board) -> None:
    st.header("Snapshots")
    st.markdown(f"**{sum(len(h) for h in board.recent.values()):,}** snapshots of the last 45 days; kept for 400 days.")
    file = st.file_uploader(
        "Snapshots from a file", type=["csv", "json"], key=f"segments_snapshots_{_round()}", disabled=not _may(),
        help="CSV or JSON with segment, ts, size, conv_rate, velocity_in, velocity_out and attr_distributions (JSON).",
    )  # fmt: skip
    if file is not None:
        try:
            with st.spinner("Reading snapshots…"):
                st.session_state[READ] = snapshots.upload(data.bench(), auth.current(), file.name, file.getvalue())
        except WorkbenchError as problem:
            st.session_state[READ] = problem
        _again()
    download(None, board.names(), "All snapshots as CSV", "segments_csv")


def download(segment_id: str | None, names: dict[str, str], label: str, key: str) -> None:
    """A button that writes the snapshots as CSV, safe to open in a spreadsheet, when it is pressed."""

    def made() -> bytes:
        kept = snapshots.history(data.bench(), auth.current(), segment_id, limit=100_000)
        return write_csv(pa.Table.from_pandas(views.rows_of(kept, names), preserve_index=False))

    st.download_button(
        label, made, file_name=f"snapshots{f'_{segment_id}' if segment_id else ''}.csv", mime="text/csv",
        icon=":material/download:", key=key, type="tertiary", on_click="ignore",
    )  # fmt: skip


def _outcome() -> None:
    """How the last file was read, and every row that was not taken over, with its reason."""
    told = st.session_state.pop(READ, None)
    if isinstance(told, WorkbenchError):
        cards.problem(told)
    elif isinstance(told, Loaded):
        report = told.report
        st.success(
            f"{report.rows_loaded:,} people from {cards.safe(told.table.provenance.uri)} are in use from now on; "
            f"{report.rows_rejected:,} rows rejected.",
            icon=":material/check:",
        )
        for sentence in report.guesses:
            st.caption(cards.safe(sentence))
        _rejects(report.rejects, report.rows_rejected)
    elif isinstance(told, ParsedSnapshots):
        st.success(
            f"{len(told.snapshots):,} snapshots kept, {len(told.rejects):,} rows rejected.", icon=":material/check:"
        )
        _rejects(told.rejects, len(told.rejects))


def _rejects(rejects: Sequence[Reject], count: int) -> None:
    if not rejects:
        return
    st.dataframe(
        [{"line": r.line, "column": r.column or "", "reason": r.reason, "text": r.text[:200]} for r in rejects[:SHOWN]],
        hide_index=True, key="segments_rejects", alt=f"{count} rejected rows with the reason of each",
    )  # fmt: skip
    if count > SHOWN:
        st.caption(f"The first {SHOWN} of {count:,}.")


def _may() -> bool:
    return auth.current().can("incidents:write")


def _round() -> int:
    number: int = st.session_state.get("segments_files", 0)
    return number


def _again() -> None:
    """Starts over without the file's bytes."""
    st.session_state["segments_files"] = _round() + 1
    st.rerun()
