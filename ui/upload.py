"""Choosing files: read once, drawn at once, and their bytes let go of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from core import charts
from core.errors import WorkbenchError
from core.load.file import Progress, table_name
from core.load.glimpse import First, Glimpse
from core.service import previews, uploads
from core.service.sources import coarsest, guess_metric
from core.service.uploads import Draft, Upload
from ui import cards, data, words

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.typing import UploadedFile

PER = {"h": "hour", "D": "day", "W": "week", "W-MON": "week", "MS": "month", "YS": "year"}
KINDS = "CSV, TSV and other delimited text, gzip of it, Excel or Parquet"


def draft() -> Draft | None:
    """What this session is putting together, if anything."""
    kept: Draft | None = st.session_state.get("data_draft")
    return kept


def keep(new: Draft | None) -> None:
    """Makes ``new`` the draft; every field of its form starts afresh."""
    st.session_state["data_draft"] = new
    st.session_state["data_round"] = st.session_state.get("data_round", 0) + 1


def chooser() -> None:
    """The drop area. New files are read, the first is drawn, and the page starts over without their bytes."""
    limit = data.bench().ctx.settings.telltale_max_upload_mb
    chosen = st.file_uploader(
        "Drop your files here",
        accept_multiple_files=True,
        key=f"data_files_{st.session_state.get('data_files_round', 0)}",
        help=f"{KINDS}; up to {limit:,} MiB each. Several files become the tables of one source. "
        "Nothing is kept as a source until you save it.",
        max_upload_size=limit,
    )
    for problem in st.session_state.pop("data_problems", []):
        cards.problem(problem)
    if not chosen:
        return
    st.session_state["data_problems"] = _ingest(chosen)
    st.session_state["data_files_round"] = st.session_state.get("data_files_round", 0) + 1
    st.rerun()


def _ingest(chosen: Sequence[UploadedFile]) -> list[WorkbenchError]:
    """Reads every file; those that cannot be read come back as problems."""
    wb, read, problems = data.bench(), list[Upload](), list[WorkbenchError]()
    slot = st.container(border=True).empty()
    with st.status(f"Reading {len(chosen)} {'file' if len(chosen) == 1 else 'files'}", expanded=True):
        for file in chosen:
            bar = st.progress(0.0, file.name)
            try:
                first = None if read else _first(slot, file.name)
                upload = uploads.receive(wb, file.name, file.getvalue(), _told(bar, file.name), first)
            except WorkbenchError as problem:
                problems.append(problem)
                continue
            if not read:
                with slot.container():
                    glance(upload)
            if all(u.key != upload.key for u in read):
                read.append(upload)
            uploads.keep_original(wb, file.getvalue(), upload.table.provenance.sha256)
        if read:
            title = table_name(read[0].name).replace("_", " ").capitalize()
            keep(uploads.draft(wb, title, read))
    return problems


def _told(bar: DeltaGenerator, name: str) -> Progress:
    def tell(share: float, what: str) -> None:
        bar.progress(share, f"{name}: {what}")

    return tell


def _first(slot: DeltaGenerator, name: str) -> First:
    """Draws a large file's first measure while its rows are still being judged."""

    def look(seen: Glimpse) -> None:
        if seen.time is None:
            return
        column = uploads.first_measure(seen.columns, seen.time)
        spec = guess_metric(column or "rows", table_name(name))
        frame, freq = previews.gathered(seen.hourly(column), mean=column is not None and spec.agg == "mean")
        title = f"{spec.label} per {PER[freq]}: a first look at about {seen.lines:,} rows, still being checked"
        chart = charts.trend(frame, title=title, unit=spec.unit, palette=words.palette())
        slot.altair_chart(chart, alt=f"{spec.label} over time, {len(frame)} points", key="data_first")

    return look


def glance(upload: Upload) -> None:
    """The first measure over time, before anything has been decided."""
    report = upload.loaded.report
    if report.time_column is None:
        st.info("No column holds dates or times yet: choose the time column below.", icon=":material/schedule:")
        return
    column = uploads.first_measure(upload.table.columns, report.time_column)
    spec = guess_metric(column or "rows", upload.table.name)
    if column is None:
        spec = spec.model_copy(update={"column": None, "agg": "count", "label": "Rows"})
    panel = data.outline(upload.table, report.time_column, spec, coarsest([report.frequency or ""]))
    frame = charts.panel_frame(panel, 0)
    title = f"{spec.label} per {PER[panel.freq]}: {upload.loaded.report.rows_loaded:,} rows of {upload.name}"
    st.altair_chart(
        charts.trend(frame, title=title, unit=spec.unit, palette=words.palette()),
        alt=f"{spec.label} over time, {len(frame)} points",
        key="data_glance",
    )
