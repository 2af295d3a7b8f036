"""Why an incident happened: likeliest cause, how sure and why, timeline, ranked hypotheses, and the evidence itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from core import service_charts
from core.charts import Mark
from core.model import Incident, Json, JsonObject, Run
from core.service_charts import Measure
from ui import cards, figures, links, words

TITLES: Mapping[Measure, str] = {"error_rate": "Error rate", "p99_ms": "p99"}


def panel(i: Incident, run: Run | None, key: str, *, wide: bool = False) -> None:
    """Everything that is known of the cause, from what the incident and its newest run hold.

    ``wide`` is for a page that has the charts above it.
    """
    told, kept = _object(i.body.get("explanation")), _kept(i, run)
    if not told:
        st.caption(cards.safe(str(i.body.get("reported") or "")) or "Nobody has looked for the cause yet.")
        _reports(i, key)
        return
    _verdict(i, told, kept)
    if wide:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _hypotheses(told, kept, i)
        with right:
            _parts(kept)
            _timeline(kept)
            _evidence(i, kept, key)
        _details(i, key)
    else:
        _parts(kept)
        _charts(i, key)
        _timeline(kept)
        _hypotheses(told, kept, i)
        _evidence(i, kept, key)
        _short_details(i, key)
    _reports(i, key)


def _verdict(i: Incident, told: JsonObject, kept: JsonObject) -> None:
    """Who worded it, how sure, and the sentence itself."""
    ai, sure = told.get("source") == "AI", told.get("confidence")
    check, own = _object(kept.get("verification")), told.get("ai_confidence")
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.badge(
            "AI" if ai else "Rules",
            icon=":material/auto_awesome:" if ai else ":material/rule:",
            color="violet" if ai else "gray",
            help=f"Worded by {kept.get('model') or 'the model'}; the candidates are the rules'." if ai
            else str(kept.get("fallback_reason") or "Worded by rules; no model was asked."),
        )  # fmt: skip
        st.badge(
            f"confidence {_two(sure)}", color="gray",
            help=f"The model's own: {_two(own)}" if own is not None else "Computed from evidence, never a constant.",
        )  # fmt: skip
        if check:
            bad, count = _list(check.get("unmatched")), check.get("checked")
            good = (count if isinstance(count, int) else 0) - len(bad)
            st.badge(
                f"{good}/{count} numbers verified", icon=":material/verified:", color="orange" if bad else "green",
                help="Not in the evidence: " + ", ".join(map(str, bad)) if bad else "Each was found in the evidence.",
            )  # fmt: skip
        if calls := _metrics(i).get("tool_calls_count"):
            st.badge(f"{calls} look-ups", color="gray", help="Queries over metrics, logs, deployments and runbooks.")
    st.markdown(f"**{cards.safe(str(told.get('root_cause') or 'No supported cause'))}**")
    st.markdown(cards.safe(str(told.get("text", ""))))


def _parts(kept: JsonObject) -> None:
    """What the confidence is the sum of."""
    sure = _object(kept.get("confidence"))
    parts = [(str(p[0]), p[1]) for p in _pairs(sure.get("parts"))]
    if parts:
        st.markdown(f"**Confidence {_two(sure.get('value'))} is the sum of**")
        st.caption("  \n".join(f"`{_signed(value)}` {cards.safe(name)}" for name, value in parts))


def _charts(i: Incident, key: str) -> None:
    """Error rate and p99 up to the newest look, with limits, deployments, onset and the judged window."""
    receipt = _object(i.body.get("baseline_receipt"))
    limits, window = _object(receipt.get("limits")), _span(receipt)
    rows = _rows(_metrics(i).get("minutes"))
    if window is None or not rows:
        return
    span = (_at(rows[0]["ts"]), window[1])
    for measure in TITLES:
        limit = limits.get(measure)
        chart(rows, measure, float(limit) if isinstance(limit, int | float) else None, span, window, marks(i), key)


def chart(
    rows: Sequence[Mapping[str, Json]],
    measure: Measure,
    limit: float | None,
    span: tuple[datetime, datetime],
    window: tuple[datetime, datetime],
    drawn: Sequence[Mark],
    key: str,
    height: int = 200,
) -> None:
    """One measure per minute under a heading that says where it stands."""
    frame = service_charts.minutes_frame(rows, measure, limit, span)
    over, title = int(frame["over"].sum()), headline(rows, measure, limit)
    st.markdown(f"**{title}**")
    figures.show(
        service_charts.per_minute, frame, key=f"{key}_{measure}", measure=measure, limit=limit,
        palette=words.palette(), marks=tuple(drawn), window=window, height=height,
        alt=f"{title}. Line chart of {len(frame)} minutes; {over} of them over the limit, the judged window shaded, "
        f"{len(drawn)} deployments and moments marked.",
    )  # fmt: skip


def headline(rows: Sequence[Mapping[str, Json]], measure: Measure, limit: float | None) -> str:
    """Where the newest minute with data stands against its limit."""
    last = next((r for r in reversed(rows) if r.get(measure) is not None), None)
    value = last.get(measure) if last else None
    if not isinstance(value, int | float):
        return f"{TITLES[measure]}: no data in these minutes"
    now = f"{TITLES[measure]} now {quantity(measure, value)}"
    if limit is None:
        return now
    bound = f"{100 * limit:g} %" if measure == "error_rate" else quantity(measure, limit)
    return f"{now}, {'above' if value > limit else 'within'} its limit of {bound}"


def quantity(measure: Measure, value: float | None) -> str:
    """A value as people read it: ``12.00 %``, ``2,371 ms``."""
    if value is None:
        return "n/a"
    return f"{100 * value:.2f} %" if measure == "error_rate" else f"{value:,.0f} ms"


def marks(i: Incident) -> tuple[Mark, ...]:
    """Deployments of the service and the onset; what failed or was elsewhere is muted."""
    found = [
        Mark(
            _at(d["ts"]),
            f"{d['version']}" if d.get("service") == i.subject else f"{d['service']} {d['version']}",
            "failed" if d.get("failed") else "change" if d.get("service") == i.subject else "elsewhere",
        )
        for d in _rows(_metrics(i).get("deployments"))
    ]
    onset = _metrics(i).get("onset")
    return (*found, Mark(_at(onset), "onset", "onset")) if isinstance(onset, str) else tuple(found)


def _timeline(kept: JsonObject) -> None:
    events = _pairs(kept.get("timeline"))
    if not events:
        return
    st.markdown("**What happened**")
    day = str(events[-1][0])[:10]  # that of the finding; others are named
    st.table(
        {
            "when (UTC)": [_when(str(at), day) for at, _ in events],
            "what": [cards.safe(str(what)) for _, what in events],
        },
        border="horizontal", hide_index=True, alt="What happened, oldest first",
    )  # fmt: skip


def _when(at: str, day: str = "") -> str:
    try:
        known = datetime.fromisoformat(at)
    except ValueError:
        return at
    return f"{known:%H:%M:%S}" if at[:10] == day else f"{known:%d %b %H:%M:%S}"


def _hypotheses(told: JsonObject, kept: JsonObject, i: Incident) -> None:
    """Ranked causes, each with what speaks for and against it in full."""
    said = {str(e.get("id")): str(e.get("statement")) for e in _rows(kept.get("evidence"))}
    said |= {str(e.get("ref")): str(e.get("text")) for e in _rows(i.body.get("evidence")) if not said}
    ranked = _rows(told.get("hypotheses"))
    st.markdown(f"**Possible causes, likeliest first ({len(ranked)})**")
    for n, h in enumerate(ranked, 1):
        sure = h.get("confidence")
        value = float(sure) if isinstance(sure, int | float) else 0.0
        with st.container(border=True, gap="xsmall"):
            st.progress(min(max(value, 0.0), 1.0), f"{n}. **{cards.safe(str(h.get('cause')))}** · {value:.2f}")
            _sides("For", _list(h.get("supports")), said)
            _sides("Against", _list(h.get("contradicts")), said)
            if h.get("next_check"):
                st.caption(f":material/arrow_forward: {cards.safe(str(h['next_check']))}")


def _sides(side: str, refs: Sequence[Json], said: Mapping[str, str]) -> None:
    if refs:
        lines = "  \n".join(f"`{r}` {cards.safe(said.get(str(r), ''))}" for r in refs)
        st.caption(f"**{side}**  \n{lines}")


def _evidence(i: Incident, kept: JsonObject, key: str) -> None:
    rows = _rows(kept.get("evidence")) or [
        {"id": e.get("ref"), "statement": e.get("text"), "kind": e.get("type")} for e in _rows(i.body.get("evidence"))
    ]
    box = st.expander(f"Evidence ({len(rows)})", icon=":material/fact_check:", key=f"{key}_evidence", on_change="rerun")
    if not box.open:
        return
    with box:
        for e in rows:
            st.markdown(f"`{e.get('id')}` {cards.safe(str(e.get('statement')))}")
            found = {"no_data": " · searched, nothing found", "error": " · the search failed"}
            where = f" from {e['source']}" if e.get("source") else ""
            st.caption(f"{cards.safe(str(e.get('kind')) + where)}{found.get(str(e.get('status')), '')}")


def _details(i: Incident, key: str) -> None:
    """Top errors, log templates, deployments and runbooks as tabs; only the open one is drawn."""
    if not any(_metrics(i).get(n) for n in ("top_errors", "templates", "deployments", "runbooks")):
        return
    names = ["Top errors", "Log templates", "Deployments", "Runbooks"]
    shown = (_top_errors, _templates, _deployments, _runbooks)
    tabs = st.tabs(names, key=f"{key}_details", on_change="rerun")
    for tab, show in zip(tabs, shown, strict=True):
        if tab.open:
            with tab:
                show(i)


def _short_details(i: Incident, key: str) -> None:
    """The same as expanders, where there is less room."""
    parts = (
        ("top_errors", "Top errors", ":material/bug_report:", _top_errors),
        ("templates", "Log templates", ":material/article:", _templates),
        ("deployments", "Deployments", ":material/rocket_launch:", _deployments),
        ("runbooks", "Runbooks", ":material/menu_book:", _runbooks),
    )
    for name, title, icon, show in parts:
        rows = _rows(_metrics(i).get(name))
        if not rows:
            continue
        box = st.expander(f"{title} ({len(rows)})", icon=icon, key=f"{key}_{name}", on_change="rerun")
        if box.open:
            with box:
                show(i)


def _top_errors(i: Incident) -> None:
    errors(_rows(_metrics(i).get("top_errors")))


def _templates(i: Incident) -> None:
    templates(_rows(_metrics(i).get("templates")))


def _deployments(i: Incident) -> None:
    deployments(_rows(_metrics(i).get("deployments")))


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
    st.caption("Numbers, ids and quoted texts are masked as <*>; counted since the onset.".replace("<*>", "`<*>`"))


def deployments(rows: Sequence[Mapping[str, Json]]) -> None:
    """Recorded deployments with when they came against the onset; one that failed or came later is never a cause."""
    if not rows:
        st.caption("No deployment is recorded in this time.")
        return
    st.table(
        {
            "when (UTC)": [_when(str(r.get("ts"))) for r in rows],
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


def _runbooks(i: Incident) -> None:
    rows = _rows(_metrics(i).get("runbooks"))
    if not rows:
        st.caption("No runbook found. Write one on the page Runbooks and name this error type as its signal.")
    for r in rows:
        matched = ", ".join(str(m) for m in _list(r.get("matched")))
        st.markdown(f"**{cards.safe(str(r.get('title')))}** · score {_two(r.get('score'))} · matched {matched}")
        st.caption(cards.safe(str(r.get("snippet") or "")))
        st.page_link(
            links.page("runbooks"), label="Open", icon=":material/menu_book:",
            query_params={"runbook": str(r.get("runbook_id"))},
        )  # fmt: skip


def _reports(i: Incident, key: str) -> None:
    """What other agents claim; it never counts as our evidence."""
    reports = _rows(i.body.get("reports"))
    if not reports:
        return
    with st.expander(f"Reported by agents ({len(reports)})", icon=":material/smart_toy:", key=f"{key}_reports"):
        for r in reports:
            claim = _object(r.get("rcca"))
            st.markdown(f"**{cards.safe(str(claim.get('root_cause') or 'no cause named'))}**")
            st.caption(
                f"{cards.safe(str(r.get('agent')))} through {cards.safe(str(r.get('actor')))}, "
                f"{_when(str(r.get('at')))} UTC · claims confidence {_two(claim.get('confidence'))}; not checked by us"
            )


def _kept(i: Incident, run: Run | None) -> JsonObject:
    """The whole explanation of this incident in its newest run's report."""
    rows = _rows(run.report.get("explanations")) if run else []
    return next((r for r in rows if r.get("incident_id") == i.incident_id), {})


def _span(receipt: JsonObject) -> tuple[datetime, datetime] | None:
    window = _object(receipt.get("window"))
    start, end = window.get("start"), window.get("end")
    return (_at(start), _at(end)) if isinstance(start, str) and isinstance(end, str) else None


def _at(value: Json) -> datetime:
    return datetime.fromisoformat(str(value))


def _metrics(i: Incident) -> JsonObject:
    return _object(i.body.get("metrics"))


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _rows(value: Json) -> list[JsonObject]:
    return [row for row in _list(value) if isinstance(row, Mapping)]


def _pairs(value: Json) -> list[list[Json]]:
    return [p for p in (_list(v) for v in _list(value)) if len(p) == 2]


def _two(value: Json) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "n/a"


def _signed(value: Json) -> str:
    return f"{value:+.2f}" if isinstance(value, int | float) else "n/a"
