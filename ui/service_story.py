"""One service: where it stands, both measures minute by minute, its incidents with cause and remedy, and its logs."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from core.charts import Mark
from core.errors import WorkbenchError
from core.explain.service_evidence import deployed
from core.explain.service_facts import Facts
from core.model import Incident, JsonObject, Run
from core.service.health import Health, Standing, State
from core.store.incidents import OPEN_STATES
from ui import cards, data, rca, resolver, service_actions, service_data, service_facts, service_grid, words
from ui.incident_queue import open_incident, word
from ui.service_facts import quantity

SPANS = {60: "1 h", 120: "2 h", 240: "4 h"}


def head(service: str, of: Health) -> Standing | None:
    """Title, state and what can be done; None when there is no such service."""
    st.button(
        "All services", icon=":material/arrow_back:", key="services_back", type="tertiary",
        on_click=service_grid.open_service, args=(None,),
    )  # fmt: skip
    standing = of.named(service)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            st.title(cards.safe(service), width="content")
            if standing:
                service_grid.state_badge(standing)
        if standing:
            service_actions.check(of)
    if standing is None:
        st.warning("No service of that name is in the data.", icon=":material/search_off:")
        return None
    row = standing.about
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        channel = f" · {cards.safe(str(row['on_call_channel']))}" if row.get("on_call_channel") else ""
        st.caption(service_grid.about(standing) + channel, width="content")
        url = str(row.get("runbook_url") or "")
        if url.startswith(("https://", "http://")):
            st.link_button("Its runbook", url, icon=":material/open_in_new:", type="tertiary", key="services_runbook")
    return standing


def body(standing: Standing, of: Health) -> None:
    """Everything below the head."""
    incidents = service_data.desk().of(standing.service)
    chosen = _chosen(standing, [i for i in incidents if i.status in OPEN_STATES])
    _measures(standing, of)
    _charts(standing, of, chosen)
    if chosen is None:
        with st.container(border=True):
            st.header("Open incidents (0)")
            st.caption(
                "Choose Check now to open one." if standing.state in (State.OVER, State.STALE) else "Nothing is open."
            )
        _now(standing, of)
    else:
        _incident(chosen)
    _past([i for i in incidents if i.status not in OPEN_STATES])
    _receipt(standing, of)


def _chosen(standing: Standing, opened: list[Incident]) -> Incident | None:
    """The open incident that is shown in full: the worst, or the one chosen on the page."""
    if not opened:
        return None
    key = f"services_incident_{standing.service}"
    asked = st.session_state.get(key)
    return next((i for i in opened if i.incident_id == asked), opened[0])


def _measures(s: Standing, of: Health) -> None:
    v, known = s.vitals, s.state is not State.STALE
    with st.grid(columns=4, min_column_width=160, gap="small"):
        _figure("Error rate", quantity("error_rate", v.error_rate), f"limit {100 * s.error_limit:g} %",
                over=s.rate_over, known=known)  # fmt: skip
        _figure(
            "p99",
            quantity("p99_ms", v.p99_ms),
            f"limit {s.p99_limit:,.0f} ms",
            over=s.p99_over,
            known=known,
        )
        basis = f"in {of.sentinel.window_minutes} min"
        basis = f"{of.sentinel.min_requests:,} needed to judge" if s.state is State.THIN else basis
        _figure("Requests", f"{v.requests:,}", basis, over=False, known=known)
        newest = f"{v.newest:%H:%M} UTC" if v.newest else "none"
        _figure("Newest row", newest, "stale" if not known else f"{v.rows:,} rows used", over=not known, known=True)


def _figure(label: str, value: str, told: str, *, over: bool, known: bool) -> None:
    st.metric(
        label, value if known else "unknown", delta=told, delta_color="red" if over else "gray", delta_arrow="off",
        border=True,
    )  # fmt: skip


def _charts(s: Standing, of: Health, incident: Incident | None) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Minute by minute")
            last = st.segmented_control(
                "Time", list(SPANS), format_func=lambda n: SPANS.get(n, str(n)), default=60, required=True,
                key="services_span", label_visibility="collapsed",
            )  # fmt: skip
        span = (of.at - timedelta(minutes=last), of.at)
        window = (s.vitals.start, s.vitals.end)
        rows = service_data.minutes(of, (s.service,), last).get(s.service, [])
        marks = _marks(s, of, incident)
        left, right = st.columns(2, gap="medium")
        with left:
            service_facts.chart(rows, "error_rate", s.error_limit, span, window, marks, "services_now", height=240)
        with right:
            service_facts.chart(rows, "p99_ms", s.p99_limit, span, window, marks, "services_now", height=240)
        st.caption(
            f"UTC. Shaded: the judged {of.sentinel.window_minutes} min. Dashed: the limit; red: minutes over it. "
            "Dotted: deployments and the onset; grey ones failed or were elsewhere. A gap is a minute without data."
        )


def _marks(s: Standing, of: Health, incident: Incident | None) -> tuple[Mark, ...]:
    if incident is not None:
        return rca.marks(incident)
    found = service_data.facts(of, s.service)
    own = tuple(Mark(d.ts, d.version, "failed" if d.failed else "change") for d in found.deployments)
    return own + tuple(Mark(d.ts, f"{d.service} {d.version}", "elsewhere") for d in found.elsewhere)


def _incident(i: Incident) -> None:
    """The chosen open incident: why on the whole width, then what to do about it."""
    opened = [o for o in service_data.desk().of(i.subject) if o.status in OPEN_STATES]
    if len(opened) > 1:
        titles = {o.incident_id: f"{o.type.replace('_', ' ')} · {o.incident_id}" for o in opened}
        st.segmented_control(
            "Open incidents", list(titles), format_func=lambda o: titles.get(o, o), required=True,
            default=i.incident_id, key=f"services_incident_{i.subject}",
        )  # fmt: skip
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.header("Why", width="content")
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
                _state(i)
                st.button(
                    "Handle the incident", key=f"services_details_{i.incident_id}", icon=":material/crisis_alert:",
                    on_click=open_incident, args=(i.incident_id,), help="State, alert, messages and timeline.",
                )  # fmt: skip
        rca.panel(i, _run(i), "services_rca", wide=True)
    with st.container(border=True):
        st.header("What to do")
        resolver.panel(i, "services_do")
        resolver.history(i.incident_id, "services_do")


def _state(i: Incident) -> None:
    st.badge(i.severity.name.lower(), color=words.SEVERITY[i.severity])
    st.badge(word(i.status).lower(), color=words.STATUS[i.status])
    if i.occurrences > 1:
        st.badge(f"{i.occurrences} times", color="gray")


def _run(i: Incident) -> Run | None:
    try:
        return data.run_report(i.run_id) if i.run_id else None
    except WorkbenchError:  # its run was removed; the incident holds enough of its own
        return None


def _past(over: list[Incident]) -> None:
    if not over:
        return
    with st.expander(f"Past incidents ({len(over)})", icon=":material/history:", key="services_past"):
        for i in over[:20]:
            with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
                with st.container(gap="xxsmall"):
                    st.markdown(f"**{cards.safe(i.title)}**")
                    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                        _state(i)
                        st.caption(f"{i.incident_id} · {words.moment(i.detected_at)} UTC", width="content")
                st.button(
                    "Details", key=f"services_past_{i.incident_id}", type="tertiary", on_click=open_incident,
                    args=(i.incident_id,), width="content", help=f"Open {i.incident_id}",
                )  # fmt: skip


def _now(s: Standing, of: Health) -> None:
    """What the analyst would look at, while there is no incident to show it with."""
    names = ["Top errors", "Log templates", "Deployments"]
    tabs = st.tabs(names, key="services_now_tab", on_change="rerun")
    shown = (_errors, _templates, _deployments)
    for tab, show in zip(tabs, shown, strict=True):
        if tab.open:
            with tab:
                show(service_data.facts(of, s.service))


def _errors(found: Facts) -> None:
    service_facts.errors([{"error_type": t.error_type, "count": t.count, "share": t.share} for t in found.top])


def _templates(found: Facts) -> None:
    rows: list[JsonObject] = [
        {
            "template": t.template,
            "error_type": t.error_type,
            "count": t.since if found.onset_found else t.since + t.before,
            "new": found.onset_found and t.new,
        }
        for t in found.templates
    ]
    service_facts.templates(sorted(rows, key=lambda r: -int(str(r["count"]))))


def _deployments(found: Facts) -> None:
    rows: list[JsonObject] = [deployed(d) for d in (*found.deployments, *found.elsewhere)]
    if not found.onset_found:
        rows = [{**r, "minutes_before": None} for r in rows]
    service_facts.deployments(rows)


def _receipt(s: Standing, of: Health) -> None:
    """Both limits, the window, the rows used and where they came from."""
    with st.expander("Receipt", icon=":material/receipt:", key="services_receipt"):
        v = s.vitals
        st.table(
            {
                "judged window (UTC)": f"{words.moment(v.start)} to {words.moment(v.end)}",
                "rows used": f"{v.rows:,}",
                "errors / requests": f"{v.errors:,} / {v.requests:,}",
                "error rate": f"{quantity('error_rate', v.error_rate)}, limit {100 * s.error_limit:g} %",
                "p99 (linear interpolation)": f"{quantity('p99_ms', v.p99_ms)}, limit {s.p99_limit:,.0f} ms",
                "requests needed": f"{of.sentinel.min_requests:,}",
                "what it says": cards.safe(s.summary) or "in order",
            },
            border="horizontal", alt=f"Receipt of {s.service}",
        )  # fmt: skip
        for p in of.provenance:
            st.caption(f"{p.table} · {p.rows:,} rows, {p.rejected_rows:,} rejected · sha256 {p.sha256[:12]}")
