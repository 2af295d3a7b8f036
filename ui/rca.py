"""Why an incident happened: likeliest cause, how sure and why, timeline, ranked hypotheses, and the evidence itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from core.charts import Mark
from core.model import Incident, Json, JsonObject, Run
from ui import cards, links, service_facts


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
    for measure in service_facts.TITLES:
        limit = limits.get(measure)
        service_facts.chart(
            rows, measure, float(limit) if isinstance(limit, int | float) else None, span, window, marks(i), key,
            when=f"at {_at(rows[-1]['ts']):%H:%M}",
        )  # fmt: skip


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
            "when (UTC)": [service_facts.clock(str(at), day) for at, _ in events],
            "what": [cards.safe(str(what)) for _, what in events],
        },
        border="horizontal", hide_index=True, alt="What happened, oldest first",
    )  # fmt: skip


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
    service_facts.errors(_rows(_metrics(i).get("top_errors")))


def _templates(i: Incident) -> None:
    service_facts.templates(_rows(_metrics(i).get("templates")))


def _deployments(i: Incident) -> None:
    service_facts.deployments(_rows(_metrics(i).get("deployments")))


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
                f"{service_facts.clock(str(r.get('at')))} UTC · claims confidence {_two(claim.get('confidence'))}; "
                "not checked by us"
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
