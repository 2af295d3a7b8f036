"""Figures of data incidents: how much came in and what became of it, each with what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from core import alert_charts
from core.incident_analytics import NO_DATA, Analytics, Figure
from core.model import ActionState, Incident, Severity
from core.service import incident_figures
from core.store.incidents import OPEN_STATES
from ui import alert_data, alert_received, cards, data, figures, service_data, words
from ui.alert_story import ACTION

SPANS: Mapping[int, str] = {7: "7 days", 30: "30 days", 90: "90 days", 0: "All"}
TONE: Mapping[str, str] = {
    "auto_fix": "line", "notify_team": "mark", "log_only": "muted", "dismiss": "muted",
    "real": "bad", "false_positive": "muted", "expected": "line",
    "CRITICAL": "bad", "HIGH": "mark", "MEDIUM": "line", "LOW": "muted",
}  # fmt: skip


def head(found: Sequence[Incident]) -> None:
    """What is open, what waits, and how much was kept from people."""
    opened = [i for i in found if i.status in OPEN_STATES]
    ids = {i.incident_id for i in opened}
    waiting = [
        a
        for a in service_data.desk().actions
        if a.incident_id in ids and a.state is ActionState.PROPOSED and not a.proposal.is_reading
    ]
    came = alert_received.volume()
    with st.grid(columns="auto", min_column_width=140, gap="small"):
        worst = f"worst {max(i.severity for i in opened).name.lower()}" if opened else "nothing is open"
        _figure("Open incidents", f"{len(opened):,}", worst, "red" if opened else "gray")
        _figure("Fixes to approve", str(len(waiting)), "proposed" if waiting else "none waits",
                "orange" if waiting else "gray")  # fmt: skip
        _figure("Alerts received", f"{came.alerts:,}", f"{came.waiting:,} wait" if came.waiting else "all decided")
        quiet = sum(came.by_action.get(a, 0) for a in ("dismiss", "log_only"))
        decided = sum(came.by_action.values())
        share = f"{100 * quiet / decided:.1f} %" if decided else "no data"
        _figure("Kept from people", share, f"{quiet:,} of {decided:,} decided")


def _figure(label: str, value: str, told: str, color: words.Color = "gray") -> None:
    st.metric(label, value, delta=told, delta_color=color, delta_arrow="off", border=True)


def show() -> None:
    """Times, rates and costs with their formulas and n; then the volume by decision, severity, source and verdict."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.header("Figures", width="content")
        days = st.segmented_control(
            "Time", list(SPANS), format_func=lambda d: SPANS.get(d, str(d)), default=30, required=True, key="di_days",
            label_visibility="collapsed", bind="query-params",
        )  # fmt: skip
    of = alert_data.analytics(days or None)
    if not of.incidents:
        st.info("No data incident is kept in this time, so there is no data to show.", icon=":material/bar_chart_off:")
        return
    target = incident_figures.rules(data.bench()).false_positive_target_pct
    _figures(of, target)
    _volumes(of)
    _formulas(of, target)


def _figures(of: Analytics, target: float) -> None:
    false = of.false_positives.value
    with st.grid(columns="auto", min_column_width=160, gap="small"):
        _told("MTTR", _span(of.mttr), of.mttr)
        _told("Detection", _span(of.detection), of.detection)
        _told("Filter rate", _text(of.filter_rate, "{:.2f} %"), of.filter_rate)
        _told("False positives", _text(of.false_positives, "{:.2f} %"), of.false_positives,
              "red" if false is not None and false >= target else "gray")  # fmt: skip
        _told("Cost each", _text(of.cost_per_incident, "${:,.0f}"), of.cost_per_incident)
        _told("Cost in all", _text(of.cost_total, "${:,.0f}"), of.cost_total)
        _told("Saved each", _span(of.saved_per_incident), of.saved_per_incident)


def _told(label: str, value: str, of: Figure, color: Literal["red", "gray"] = "gray") -> None:
    st.metric(label, value, delta=f"n = {of.n:,}", delta_color=color, delta_arrow="off", border=True, help=of.formula)


def _text(of: Figure, form: str) -> str:
    return NO_DATA if of.value is None else form.format(of.value)


def _span(of: Figure) -> str:
    if of.value is None:
        return NO_DATA
    short = abs(of.value) < 600
    text = f"{of.value:,.1f} min" if short else f"{of.value / 1440:,.0f} days" if abs(of.value) >= 2880 else (
        f"{of.value / 60:,.1f} h")  # fmt: skip
    return text.replace("-", words.MINUS)


def _formulas(of: Analytics, target: float) -> None:
    """How each figure is computed, and on how many incidents."""
    shown = {
        "MTTR": of.mttr, "Detection": of.detection, "Filter rate": of.filter_rate,
        "False positives": of.false_positives, "Cost each": of.cost_per_incident, "Cost in all": of.cost_total,
        "Saved each": of.saved_per_incident,
    }  # fmt: skip
    with st.expander("Formulas", icon=":material/function:", key="di_formulas"):
        st.table(
            {
                "figure": list(shown),
                "formula": [cards.safe(f.formula) for f in shown.values()],
                "value": [cards.safe(f.text()) for f in shown.values()],
            },
            border="horizontal", hide_index=True, alt="Figures with their formulas, values and n",
        )  # fmt: skip
        st.caption(
            f"Times and verdicts come from stored incidents; without one there is no data. Target: false positives "
            f"below {target:g} %."
        )


def _volumes(of: Analytics) -> None:
    """Incidents by what was decided, by severity, by source and by verdict."""
    st.header(f"Volume (n = {of.incidents:,})")
    left, right = st.columns(2, gap="medium")
    order = [s.name for s in reversed(Severity) if s.name in of.by_severity]
    with left:
        _bars("By decision", [(_action(a), n, TONE.get(a, "muted")) for a, n in of.by_action.items()])
        _bars("By source", [(s, n, "line") for s, n in list(of.by_source.items())[:8]])
    with right:
        _bars("By severity", [(s.lower(), of.by_severity[s], TONE[s]) for s in order])
        _bars("By verdict", [(v.replace("_", " "), n, TONE.get(v, "muted")) for v, n in of.by_verdict.items()])


def _action(name: str) -> str:
    return ACTION[name][2] if name in ACTION else name


def _bars(title: str, found: Sequence[tuple[str, int, str]]) -> None:
    st.markdown(f"**{title}**")
    frame = pd.DataFrame(found, columns=["name", "count", "tone"])
    told = ", ".join(f"{name} {n}" for name, n, _ in found)
    figures.show(alert_charts.counts, frame, palette=words.palette(), alt=f"Incidents {title.lower()}: {told}")
