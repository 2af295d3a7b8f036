"""Runs: every kept run, the report of one, and what changed between two."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.model import Light, Run
from core.views import RunDiff, compare
from ui import cards, data, links, words

LIGHTS = (*Light, "refused")


def listing(name: str, title: str) -> None:
    """The table; one chosen run opens its report, two are compared."""
    only = st.toggle(f"Only {title}", key="audit_only", bind="query-params", help="The source in the sidebar.")
    found = data.run_list(name if only else None)
    if not found:
        st.info("No run is kept yet. Run and save on Today.", icon=":material/today:")
        st.page_link(links.page("today"), label="Go to Today", icon=":material/today:")
        return
    event = st.dataframe(
        pd.DataFrame([_row(r) for r in found]), hide_index=True, key=f"audit_runs_{only}", on_select="rerun",
        selection_mode="multi-row", alt="Kept runs, newest first", height=min(36 * len(found) + 38, 360),
        column_config={
            "light": st.column_config.MultiselectColumn(
                "light", options=list(LIGHTS), color=[*(words.LIGHT[light][0] for light in Light), "gray"]
            ),
            "headline": st.column_config.TextColumn(width="large"),
        },
    )  # fmt: skip
    st.caption("Choose one run for its report, two to compare them.")
    chosen = [found[i] for i in event["selection"]["rows"] if i < len(found)]
    if len(chosen) == 1:
        _report(chosen[0])
    elif len(chosen) == 2:
        _compare(chosen)
    elif chosen:
        st.caption("More than two are chosen.")


def _row(r: Run) -> dict[str, object]:
    return {
        "light": [str(r.light or "refused")],
        "headline": r.headline,
        "source": r.playbook,
        "as of": r.as_of.strftime("%Y-%m-%d %H:%M") if r.as_of else "",
        "ended (UTC)": words.moment(r.ended_at),
        "actor": r.actor,
        "trigger": r.trigger,
        "worded by": str(r.source),
        "run": r.id,
    }


def _report(r: Run) -> None:
    full = data.run_report(r.id)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            cards.light_badge(full.light)
            st.markdown(f"**{cards.safe(full.headline)}**", width="content")
        st.download_button(
            "Report as JSON", json.dumps(full.report, indent=1, ensure_ascii=False) + "\n", file_name=f"{r.id}.json",
            mime="application/json", icon=":material/download:", key="audit_report", on_click="ignore",
        )  # fmt: skip
        st.json(dict(full.report), expanded=1)


def _compare(chosen: Sequence[Run]) -> None:
    old, new = (data.run_report(r.id) for r in sorted(chosen, key=lambda r: r.ended_at))
    diff: RunDiff = compare(old, new)
    with st.container(border=True):
        st.markdown(f"**{old.id} ({words.moment(old.ended_at)}) to {new.id} ({words.moment(new.ended_at)})**")
        same = diff.light[0] == diff.light[1]
        st.markdown(f"Light: {diff.light[0]}" + (", unchanged" if same else f" to {diff.light[1]}"))
        for word, texts in (("New", diff.appeared), ("Gone", diff.gone)):
            for text in texts:
                st.markdown(f"- {word}: {cards.safe(text)}")
        if not (diff.appeared or diff.gone):
            st.caption("The same findings.")
        if diff.values.empty:
            st.caption("The same figures.")
        else:
            st.dataframe(diff.values, hide_index=True, alt="Figures that differ between the two runs")
