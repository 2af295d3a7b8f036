"""How a file was read: what was understood, the rows, the rejects, and corrections by hand."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import WorkbenchError
from core.load.options import LoadOptions
from core.load.rejects import rejects_csv
from core.load.report import LoadReport
from core.model import ColumnType
from core.service import uploads
from core.service.uploads import Draft, Upload
from ui import cards, data, upload

PAGE_ROWS = 50
REJECTS_SHOWN = 200
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space", ":": "colon", "": ""}
ENCODINGS = ("utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "cp1250", "cp1251", "shift_jis", "gb18030", "big5")


def card(draft: Draft, one: Upload, round_: int) -> None:
    """One file: figures, guesses, and its columns, rows, rejects and corrections."""
    report = one.loaded.report
    st.markdown(f"**{cards.safe(one.name)}** · table {cards.safe(one.table.name)}")
    st.caption(_dialect(report))
    with st.container(horizontal=True, gap="small"):
        st.metric("Rows in the file", f"{report.rows_in:,}", border=True, width=170)
        st.metric("Loaded", f"{report.rows_loaded:,}", border=True, width=170)
        st.metric("Rejected", f"{report.rows_rejected:,}", border=True, width=170)
        st.metric("Columns", len(report.columns), border=True, width=130)
    for sentence in report.guesses:
        st.markdown(f"- {cards.safe(sentence)}")
    key = f"data_{round_}_{one.key}"
    tabs = st.tabs(
        ["Columns", "Rows", f"Rejected ({report.rows_rejected:,})", "Correct the reading"],
        key=f"{key}_tabs",
        on_change="rerun",
    )
    bodies = (_columns, _rows, _rejects)
    for tab, body in zip(tabs, bodies, strict=False):
        if tab.open:
            with tab:
                body(one, key)
    if tabs[3].open:
        with tabs[3]:
            _correct(draft, one, key)


def _dialect(report: LoadReport) -> str:
    parts = []
    if report.encoding:
        parts.append(report.encoding)
    if report.delimiter:
        parts.append(f"separated by {DELIMITERS.get(report.delimiter) or report.delimiter}")
    if report.encoding != "parquet":
        parts.append(f"names in line {report.header_row}" if report.header_row else "no header line")
    if report.time_column:
        parts.append(f"time column {report.time_column}")
    parts.append(report.frequency_note)
    return cards.safe(" · ".join(parts))


def _columns(one: Upload, _key: str) -> None:
    report = one.loaded.report
    frame = pd.DataFrame(
        [
            {
                "Column": c.name,
                "Type": c.type.value,
                "Empty": c.nulls,
                "Example": c.example,
                "In the file": c.original,
                "Role": "time" if c.name == report.time_column else "",
            }
            for c in report.columns
        ]
    )
    st.dataframe(frame, hide_index=True, alt=f"Columns of {one.name}")


@st.fragment
def _rows(one: Upload, key: str) -> None:
    pages = max(1, ceil(one.loaded.report.rows_loaded / PAGE_ROWS))
    number = st.pagination(pages, key=f"{key}_page")
    first = (number - 1) * PAGE_ROWS + 1
    frame = data.rows_page(one.table, number, PAGE_ROWS)
    frame.index = pd.RangeIndex(first, first + len(frame), name="Row")
    st.dataframe(frame, alt=f"Rows {first} to {first + len(frame) - 1} of {one.name}", height=380)


def _rejects(one: Upload, key: str) -> None:
    report = one.loaded.report
    if not report.rows_rejected:
        st.success("Every row was loaded.", icon=":material/check_circle:")
        return
    rows = [
        {"Line": r.line, "Column": r.column or "", "Why": r.reason, "Text": r.text}
        for r in report.rejects[:REJECTS_SHOWN]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=f"Rejected rows of {one.name}")
    if report.rows_rejected > REJECTS_SHOWN:
        st.caption(f"The first {REJECTS_SHOWN} of {report.rows_rejected:,}; the download has all.")
    st.download_button(
        "Download rejected rows",
        lambda: rejects_csv(report),
        file_name=f"{one.table.name}_rejected.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        key=f"{key}_rejects",
    )


def _correct(draft: Draft, one: Upload, key: str) -> None:
    """A form of everything that was detected; leaving a field empty means detect it."""
    chosen = one.options
    columns = [c.name for c in one.table.columns]
    with st.form(f"{key}_options", border=False):
        with st.grid(columns="auto", min_column_width=200, gap="small"):
            time = st.selectbox(
                "Time column", columns, index=_place(columns, one.loaded.report.time_column), key=f"{key}_time"
            )
            encoding = st.selectbox(
                "Encoding", ENCODINGS, index=_place(ENCODINGS, chosen.encoding), placeholder="detected",
                accept_new_options=True, key=f"{key}_encoding",
            )  # fmt: skip
            delimiter = st.selectbox(
                "Separator", [d for d in DELIMITERS if d], index=_place([d for d in DELIMITERS if d], chosen.delimiter),
                placeholder="detected", format_func=lambda d: DELIMITERS.get(d, d), key=f"{key}_delimiter",
            )  # fmt: skip
            header = st.number_input(
                "Line of the column names", min_value=0, value=chosen.header_row, placeholder="detected",
                help="1 is the first line of the file; 0 means that it has no names.", key=f"{key}_header",
            )  # fmt: skip
            decimal = st.selectbox(
                "Decimal mark", [".", ","], index=_place([".", ","], chosen.decimal), placeholder="detected",
                key=f"{key}_decimal",
            )  # fmt: skip
            order = st.selectbox(
                "03/04/2025 means", [True, False], index=_place([True, False], chosen.day_first),
                format_func=lambda d: "3 April" if d else "March 4", placeholder="detected", key=f"{key}_order",
            )  # fmt: skip
            sheets = one.loaded.report.sheets
            sheet = (
                st.selectbox("Worksheet", sheets, index=_place(sheets, chosen.sheet), key=f"{key}_sheet")
                if len(sheets) > 1
                else None
            )
        types = st.data_editor(
            pd.DataFrame({"Column": columns, "Type": [c.type.value for c in one.table.columns]}),
            hide_index=True,
            disabled=["Column"],
            column_config={"Type": st.column_config.SelectboxColumn(options=[t.value for t in ColumnType])},
            key=f"{key}_types",
            alt=f"Types of the columns of {one.name}",
        )
        if st.form_submit_button("Read again", icon=":material/refresh:", type="primary"):
            stated = dict(chosen.types) | {
                str(n): ColumnType(str(t))
                for n, t, c in zip(types["Column"], types["Type"], one.table.columns, strict=True)
                if t != c.type.value
            }
            options = LoadOptions(
                encoding=encoding, delimiter=delimiter, header_row=header, decimal=decimal, day_first=order,
                sheet=sheet, types=stated,
            )  # fmt: skip
            _again(draft, one, options, time)


def _place(options: Any, value: object) -> int | None:
    return list(options).index(value) if value in options else None


def _again(draft: Draft, one: Upload, options: LoadOptions, time: str | None) -> None:
    """Reads the file anew; what was set in the definition before is proposed anew as well."""
    wb = data.bench()
    asked = replace(one, options=options)
    if time is not None and (time != one.loaded.report.time_column or one.options.time_column):
        options = uploads.with_time(asked, time)
    try:
        with st.spinner("Reading again"):
            fresh = uploads.reread(wb, one, options)
    except WorkbenchError as problem:
        cards.problem(problem)
        return
    title = draft.definition.title if draft.definition else one.table.name.replace("_", " ").capitalize()
    upload.keep(uploads.draft(wb, title, [fresh if u is one else u for u in draft.uploads]))
    st.rerun()
