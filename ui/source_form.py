"""What is measured of a source: name, frequency, metrics, dimensions, holidays; then save, run, explore."""

from __future__ import annotations

from contextlib import suppress

import pandas as pd
import streamlit as st

from core.errors import InputError, WorkbenchError
from core.model import ColumnType
from core.service import checks, measures, runs, sources
from core.service.sources import SourceDefinition
from core.service.uploads import Draft
from ui import auth, cards, data, links, upload

FREQUENCIES = {"h": "Hour", "D": "Day", "W": "Week", "MS": "Month", "YS": "Year"}
GOOD = ("up", "down", "none")
# ISO codes of the holiday calendars people ask for first; any other code can be typed.
COUNTRIES = [
    "AT",
    "AU",
    "BE",
    "BR",
    "CA",
    "CH",
    "CN",
    "CZ",
    "DE",
    "DK",
    "ES",
    "FI",
    "FR",
    "GB",
    "IE",
    "IN",
    "IT",
    "JP",
    "KR",
    "MX",
    "NL",
    "NO",
    "NZ",
    "PL",
    "PT",
    "SE",
    "SG",
    "TR",
    "US",
    "ZA",
]


def form(draft: Draft, definition: SourceDefinition, round_: int) -> None:
    """The definition as fields, and what to do with it."""
    key = f"data_{round_}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.text_input("Name", definition.title, key=f"{key}_title", max_chars=60, width=320)
        buttons = st.container(horizontal=True, width="content")
    for reason in draft.reasons:
        st.caption(cards.safe(reason))
    _taken(title)
    metrics = _metrics(definition, key)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = list(FREQUENCIES)
        freq = st.segmented_control(
            "One point per", options, default=definition.freq if definition.freq in options else "D",
            format_func=FREQUENCIES.__getitem__, required=True, key=f"{key}_freq",
        )  # fmt: skip
        known = COUNTRIES.index(definition.country) if definition.country in COUNTRIES else None
        country = st.selectbox(
            "Public holidays of", COUNTRIES, index=known, placeholder="none", accept_new_options=True,
            key=f"{key}_country", width=200,
            help="Two-letter country code. Baselines then know that holidays are quieter, or busier.",
        )  # fmt: skip
    dimensions = _dimensions(definition, key)
    with buttons:
        run = st.button("Save and run", type="primary", icon=":material/play_arrow:", key=f"{key}_run")
        explore = st.button("Save and explore", icon=":material/query_stats:", key=f"{key}_explore")
        save = st.button("Save", icon=":material/save:", key=f"{key}_save")
        st.button(
            "Discard", icon=":material/close:", type="tertiary", key=f"{key}_discard",
            on_click=upload.keep, args=(None,),
        )  # fmt: skip
    if not (run or explore or save):
        return
    try:
        asked = _asked(definition, title, metrics, str(freq), dimensions, country)
        _save(asked, run=run, explore=explore)
    except WorkbenchError as problem:
        cards.problem(problem)


def _taken(title: str) -> None:
    """Saving under a name that is in use is allowed, and said."""
    name = sources.slug(title)
    if name in data.bench().playbooks:
        st.warning(f"'{cards.safe(title)}' is the name of a playbook; choose another.", icon=":material/edit:")
    elif name in data.names():
        st.info(
            f"A source '{cards.safe(title)}' exists: saving makes a new version of it. "
            "To see what a newer file changes, use its own button below.",
            icon=":material/info:",
        )


def _metrics(definition: SourceDefinition, key: str) -> pd.DataFrame:
    st.markdown("**Metrics**")
    config = st.column_config
    frame = measures.to_rows(definition)
    several = len(definition.tables) > 1
    edited: pd.DataFrame = st.data_editor(
        frame,
        hide_index=True,
        num_rows="fixed",
        column_order=measures.COLUMNS if several else [c for c in measures.COLUMNS if c != "table"],
        disabled=["table", "column"],
        height=min(420, 38 + 35 * len(frame)),
        column_config={
            "use": config.CheckboxColumn("Measure", width="small"),
            "table": config.TextColumn("Table"),
            "column": config.TextColumn("Column"),
            "label": config.TextColumn("Label", required=True, max_chars=60),
            "agg": config.SelectboxColumn("Gathered by", options=list(measures.AGGREGATES), required=True),
            "over": config.SelectboxColumn("Divided by", options=measures.numeric_columns(definition),
                                         help="Makes it a ratio: sum of the column over the sum of this one."),
            "unit": config.TextColumn("Unit", max_chars=12),
            "good": config.SelectboxColumn("Good direction", options=list(GOOD), required=True,
                                         help="Moves the other way are findings; none means that both are."),
        },
        key=f"{key}_metrics",
        alt="Metrics of the source",
    )  # fmt: skip
    return edited


def _dimensions(definition: SourceDefinition, key: str) -> tuple[str, ...]:
    kinds = (ColumnType.TEXT, ColumnType.BOOLEAN)
    shared = set.intersection(*({c for c, t in t.columns.items() if t in kinds} for t in definition.tables))
    options = list(dict.fromkeys([*definition.dimensions, *sorted(shared)]))
    if not options:
        return ()
    chosen = st.pills(
        "Break down by", options, default=list(definition.dimensions), selection_mode="multi", key=f"{key}_dimensions",
        help="Every metric can be looked at per value of these columns.",
    )  # fmt: skip
    return tuple(chosen)


def _asked(
    definition: SourceDefinition,
    title: str,
    metrics: pd.DataFrame,
    freq: str,
    dimensions: tuple[str, ...],
    country: str | None,
) -> SourceDefinition:
    """The definition as the form says. Raises: InputError naming the field."""
    if not title.strip():
        raise InputError("The source needs a name.", field="name")
    if country and (len(country) != 2 or not country.isalpha()):
        raise InputError(f"Public holidays of '{country}': expected a two-letter code such as US.", field="country")
    return definition.model_copy(
        update={
            "name": sources.slug(title),
            "title": title.strip(),
            "metrics": measures.from_rows(metrics, definition),
            "freq": freq,
            "dimensions": dimensions,
            "country": country.upper() if country else None,
        }
    )


def _save(definition: SourceDefinition, *, run: bool, explore: bool) -> None:
    """Keeps the source; then to the page that was asked for."""
    wb = data.bench()
    with st.status("Saving the source", expanded=True) as status:
        st.write("Suggesting checks from the data")
        saved = sources.save(wb, auth.current(), checks.with_suggested(wb, definition))
        upload.keep(None)
        if run:
            status.update(label="Running: checks, baselines, detectors, explanation")
            st.write("The first run of a new suite takes a few seconds")
            with suppress(InputError):  # Today shows the same refusal, with what to do; the source is saved
                runs.run(wb, auth.current(), saved.name)
        status.update(label="Saved", state="complete", expanded=False)
    st.session_state["source"] = saved.name
    if run or explore:
        st.switch_page(links.page("today" if run else "explore"))
    st.rerun()
