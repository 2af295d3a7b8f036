"""Figures of data incidents: how much came in and what became of it, each with what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core import alert_charts
from core.model import ActionState, Incident, Severity
from core.store.incidents import OPEN_STATES
from ui import alert_data, alert_received, figures, service_data, words
from ui.alert_story import ACTION

TONE: Mapping[str, str] = {
    "auto_fix": "line", "notify_team": "mark", "log_only": "muted", "dismiss": "muted",
    "CRITICAL": "bad", "HIGH": "mark", "MEDIUM": "line", "LOW": "muted",
}  # fmt: skip


def head(found: Sequence[Incident]) -> None:
    """What is open, what waits, and how much was kept from people."""
    opened = [i for i in found if i.status in OPEN_STATES]
    ids = {i.incident_id for i in opened}
    waiting = [
        a
        for a in service_data.desk().actions
        if a.incident_id in ids and a.state is ActionState.PROPOSED and a.proposal.requires_approval
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


def volumes(found: Sequence[Incident]) -> None:
    """Incidents by what was decided, by severity and by source."""
    if not found:
        st.info("No data incident is kept yet, so there is nothing to count.", icon=":material/bar_chart_off:")
        return
    st.header(f"Volume (n = {len(found):,})")
    left, middle, right = st.columns(3, gap="medium")
    actions = Counter(alert_data.action(i) or "not decided" for i in found)
    sources = Counter(str(alert_data.mapping(i.body.get("metrics")).get("source") or "unknown") for i in found)
    with left:
        _bars("By decision", {ACTION[a][2] if a in ACTION else a: (n, TONE.get(a, "muted")) for a, n in _most(actions)})
    with middle:
        severities = Counter(i.severity.name for i in found)
        named = {s.name: severities[s.name] for s in reversed(Severity) if severities[s.name]}
        _bars("By severity", {s.lower(): (n, TONE[s]) for s, n in named.items()})
    with right:
        _bars("By source", {s: (n, "line") for s, n in _most(sources)})


def _most(found: Counter[str]) -> list[tuple[str, int]]:
    return found.most_common(8)


def _bars(title: str, found: Mapping[str, tuple[int, str]]) -> None:
    st.markdown(f"**{title}**")
    frame = pd.DataFrame([(k, n, tone) for k, (n, tone) in found.items()], columns=["name", "count", "tone"])
    told = ", ".join(f"{k} {n}" for k, (n, _) in found.items())
    figures.show(alert_charts.counts, frame, palette=words.palette(), alt=f"Incidents {title.lower()}: {told}")
