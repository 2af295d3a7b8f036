"""What is known of a service, drawn and tabled: measures per minute, error types, log templates, deployments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from core import service_charts
from core.charts import Mark
from core.model import Json
from core.service_charts import Measure
from ui import cards, figures, words

TITLES: Mapping[Measure, str] = {"error_rate": "Error rate", "p99_ms": "p99"}

MISSING = timedelta(minutes=3)  # rows come in a little late


def chart(
    rows: Sequence[Mapping[str, Json]],
    measure: Measure,
    limit: float | None,
    span: tuple[datetime, datetime],
    window: tuple[datetime, datetime],
    drawn: Sequence[Mark],
    key: str,
    height: int = 200,
    when: str = "now",
) -> None:
    """One measure per minute under a heading that says where it stands."""
    frame = service_charts.minutes_frame(rows, measure, limit, span)
    over, title = int(frame["over"].sum()), headline(rows, measure, limit, when, span[1])
    st.markdown(f"**{title}**")
    figures.show(
        service_charts.per_minute, frame, key=f"{key}_{measure}", measure=measure, limit=limit,
        palette=words.palette(), marks=tuple(drawn), window=window, height=height,
        alt=f"{title}. Line chart of {len(frame)} minutes; {over} of them over the limit, the judged window shaded, "
        f"{len(drawn)} deployments and moments marked.",
    )  # fmt: skip


def headline(
    rows: Sequence[Mapping[str, Json]], measure: Measure, limit: float | None, when: str, end: datetime
) -> str:
    """Where the newest minute stands against its limit; where its data ended before, that it is unknown since."""
    last = next((r for r in reversed(rows) if r.get(measure) is not None), None)
    value = last.get(measure) if last else None
    if last is None or not isinstance(value, int | float):
        return f"{TITLES[measure]}: no data in these minutes"
    at = datetime.fromisoformat(str(last["ts"]))
    if end - at > MISSING:
        return f"{TITLES[measure]} unknown since {at:%H:%M} ({quantity(measure, value)} then)"
    told = f"{TITLES[measure]} {when} {quantity(measure, value)}"
    if limit is None:
        return told
    bound = f"{100 * limit:g} %" if measure == "error_rate" else quantity(measure, limit)
    return f"{told}, {'above' if value > limit else 'within'} its limit of {bound}"


def quantity(measure: Measure, value: float | None) -> str:
    """A value as people read it: ``12.00 %``, ``2,371 ms``."""
    if value is None:
        return "n/a"
    return f"{100 * value:.2f} %" if measure == "error_rate" else f"{value:,.0f} ms"


def errors(rows: Sequence[Mapping[str, Json]]) -> None:
    """Error types by count, with their share of the error lines."""
    if not rows:
        st.caption("No error line in this time.")
        return
    import pandas as pd

    frame = pd.DataFrame([{k: r[k] for k in ("error_type", "count", "share")} for r in rows])
    first = rows[0]
    st.markdown(f"**{cards.safe(str(first['error_type']))} is {_share(first['share'])} of the error lines**")
    told = ", ".join(f"{r['error_type']} {_share(r['share'])}" for r in rows)
    figures.show(service_charts.shares, frame, palette=words.palette(), alt=f"Share of the error lines: {told}")


def _share(value: Json) -> str:
    return f"{100 * value:.1f} %" if isinstance(value, int | float) else "n/a"


def templates(rows: Sequence[Mapping[str, Json]]) -> None:
    """Error messages with numbers, ids and quoted text masked, most frequent first; what is new is marked."""
    if not rows:
        st.caption("No error line in this time.")
        return
    st.dataframe(
        [
            {
                "": "new" if r.get("new") else "",
                "lines": r.get("count"),
                "error": r.get("error_type"),
                "template": r.get("template"),
            }
            for r in rows
        ],
        hide_index=True,
        column_config={
            "": st.column_config.TextColumn(width=50, help="Not seen before the onset"),
            "lines": st.column_config.NumberColumn(width=70, format="localized"),
            "error": st.column_config.TextColumn(width=220),
            "template": st.column_config.TextColumn(width="large"),
        },
        alt=f"{len(rows)} log templates with how often each was written since the onset",
    )
    st.caption("Numbers, ids and quoted texts are masked as `<*>`; counted since the onset.")


def deployments(rows: Sequence[Mapping[str, Json]]) -> None:
    """Recorded deployments with when they came against the onset; one that failed or came later is never a cause."""
    if not rows:
        st.caption("No deployment is recorded in this time.")
        return
    st.table(
        {
            "when (UTC)": [clock(str(r.get("ts"))) for r in rows],
            "service": [cards.safe(str(r.get("service"))) for r in rows],
            "version": [f"{r.get('previous_version') or '?'} to {r.get('version')}" for r in rows],
            "author": [cards.safe(str(r.get("author") or "")) for r in rows],
            "against the onset": [_before(r) for r in rows],
            "what": [cards.safe(str(r.get("description") or "")) for r in rows],
        },
        border="horizontal", hide_index=True, alt=f"{len(rows)} deployments, oldest first",
    )  # fmt: skip


def _before(row: Mapping[str, Json]) -> str:
    minutes = row.get("minutes_before")
    if not isinstance(minutes, int | float):
        return ""
    told = f"{abs(minutes):.0f} min {'before' if minutes >= 0 else 'after: no cause'}"
    return f"{told}, {row.get('status')}: no cause" if row.get("failed") else told


def clock(at: str, day: str = "") -> str:
    """A moment; its day too unless that is ``day``."""
    try:
        known = datetime.fromisoformat(at)
    except ValueError:
        return at
    return f"{known:%H:%M:%S}" if at[:10] == day else f"{known:%d %b %H:%M:%S}"
