"""The finding drawer: figures, chart, receipt; opened by ``?finding=`` and closed with it."""

from __future__ import annotations

import streamlit as st

from core import charts
from core.audit.report import stamp
from core.model import Finding, Trace
from ui import cards, links, words


def finding(trace: Trace, name: str) -> None:
    """Opens the finding named in the address once; a link to it opens it too."""
    asked = st.query_params.get("finding")
    if not asked:
        return
    found = next((f for f in trace.findings if f.id == asked), None)
    if st.session_state.get("shown_finding") == asked:
        return
    st.session_state["shown_finding"] = asked
    if found is None:
        st.toast("That finding is not in this period.", icon=":material/search_off:")
        return
    _show(trace, found, name)


def _close() -> None:
    st.query_params.pop("finding", None)
    st.session_state.pop("shown_finding", None)


@st.dialog("Finding", position="right", width="medium", icon=":material/troubleshoot:", on_dismiss=_close)
def _show(trace: Trace, f: Finding, name: str) -> None:
    freq = trace.panel.freq
    with st.container(horizontal=True):
        st.badge(f.severity.name.lower(), color=words.SEVERITY[f.severity])
        st.badge(f.change.replace("_", " "), color="gray")
        st.badge(f"{f.detector} · {f.score:.2f} x its limit", color="gray")
    st.header(f.label)
    st.markdown(cards.safe(f.summary))
    if f.suppressed_by:
        st.warning(f"Shown as a data problem: {f.suppressed_by}.", icon=":material/fact_check:")
    i = next(
        k
        for k in range(trace.panel.shape[0])
        if trace.panel.metric(k).name == f.metric and trace.panel.labels(k) == dict(f.labels)
    )
    baseline = trace.baselines[f.baseline]
    frame = charts.series_frame(trace.panel, i, baseline, None, last=90)
    frame.loc[frame.index[-1], "alarm"] = True
    st.altair_chart(
        charts.series_chart(
            frame,
            title=f"{f.label} against its {f.baseline.replace('_', ' ')} baseline",
            unit=f.unit,
            palette=words.palette(),
            brush=False,
            height=260,
        ),
        alt=f"{f.label}: value and baseline band, the finding marked",
    )
    st.table(
        {"value": words.figure(f.observed, unit=f.unit), "expected": words.figure(f.expected, unit=f.unit),
         "change": words.percent(f.change_pct), "period": stamp(f.start, freq)},
        border="horizontal", alt="Figures of the finding",
    )  # fmt: skip
    used = [stamp(trace.panel.index[t].to_pydatetime(), freq) for t in baseline.trained_on(i, trace.point)]
    with st.expander(
        f"Baseline receipt: {len(used)} periods, the judged one is not among them", icon=":material/receipt:"
    ):
        st.markdown(", ".join(used) or "none")
    for e in trace.explanation.evidence:
        if f.metric in e.statement or f.label in e.statement:
            st.caption(f"{e.id} · {cards.safe(e.statement)}")
    st.page_link(
        links.page("explore"),
        label="Explore this metric",
        icon=":material/query_stats:",
        query_params={"source": name, "metric": f.metric},
    )
