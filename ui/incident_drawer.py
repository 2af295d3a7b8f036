"""The incident drawer: opened by ``?incident=`` and closed with it. State, moves, why, evidence, messages, timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import streamlit as st

from core.audit.report import incident_json
from core.errors import WorkbenchError
from core.model import Incident, IncidentStatus, Json, Run
from core.service import alert_inbox, incidents
from core.service.health import PLAYBOOK
from ui import auth, cards, data, links, rca, recovery, resolver, words
from ui.incident_queue import ICON, VERB, word


def from_address() -> None:
    """Opens the incident named in the address, for as long as it is named there."""
    asked = st.query_params.get("incident")
    if not asked:
        return
    try:
        incidents.get(data.bench(), auth.current(), asked)
    except WorkbenchError as error:
        _close()
        cards.problem(error)
        return
    _drawer(asked)


def _close() -> None:
    st.query_params.pop("incident", None)
    for key in ("incident_problem", "incident_note", "drawer_tab", *recovery.KEYS):
        st.session_state.pop(key, None)


@st.dialog("Incident", position="right", width="medium", icon=":material/crisis_alert:", on_dismiss=_close)
def _drawer(incident_id: str) -> None:
    wb, who = data.bench(), auth.current()
    try:
        incident = incidents.get(wb, who, incident_id)
        run = None
        if incident.run_id:  # one that a program reported has none
            with wb.store.read() as books:
                run = books.runs.get(who.tenant, incident.run_id)
    except WorkbenchError as error:
        cards.problem(error)
        return
    event = incident.playbook in wb.events or run is None
    _head(incident)
    _moves(incident)
    recovery.offer(incident)
    if event:
        _cause_and_remedy(incident, run)
    else:
        _why(incident)
    _facts(incident, run, evidence=not event)
    _messages(incident)
    _timeline(incident)
    _links(incident, run)


def _cause_and_remedy(i: Incident, run: Run | None) -> None:
    """Why it happened, and one tab further what to do about it."""
    why, do = st.tabs(["Why", "What to do"], key="drawer_tab", on_change="rerun")
    if why.open:
        with why:
            if i.playbook == alert_inbox.PLAYBOOK and st.query_params.get("case") != i.incident_id:
                st.page_link(
                    links.page("data_incidents"),
                    label="Decision and receipt",
                    icon=":material/rule:",
                    query_params={"case": i.incident_id},
                )
            rca.panel(i, run, "drawer")
    if do.open:
        with do:
            if not _advised(i):
                resolver.panel(i, "drawer")
                resolver.history(i.incident_id, "drawer")


def _head(i: Incident) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(i.severity.name.lower(), color=words.SEVERITY[i.severity])
        st.badge(word(i.status).lower(), color=words.STATUS[i.status])
        st.badge("1 occurrence" if i.occurrences == 1 else f"{i.occurrences} occurrences", color="gray")
        if i.alerted:
            st.badge("alerted", icon=":material/send:", color="gray")
    st.header(cards.safe(i.title))
    people = (("acknowledged by", i.acknowledged_by), ("assigned to", i.assignee), ("resolved by", i.resolved_by))
    done = [f"{what} {cards.safe(name)}" for what, name in people if name]
    ticket = i.body.get("ticket_key")
    done += [f"ticket {cards.safe(ticket)}"] if isinstance(ticket, str) else []
    st.caption(" · ".join([i.incident_id, cards.safe(i.subject), f"detected {words.moment(i.detected_at)} UTC", *done]))


def _moves(i: Incident) -> None:
    """Only the moves that its state allows."""
    error = st.session_state.pop("incident_problem", None)
    if error is not None:
        cards.problem(error)
    choices = incidents.allowed(i)
    if not choices:
        st.caption("A closed incident stays closed; the same thing again opens a new one.")
        return
    needs = " Dismissing needs one." if IncidentStatus.DISMISSED in choices else ""
    st.text_input("Note", key="incident_note", placeholder=f"Why, for the timeline.{needs}")
    with st.container(horizontal=True, gap="small"):
        for n, to in enumerate(choices):
            st.button(
                VERB[to],
                key=f"incident_to_{to.lower()}",
                icon=ICON[to],
                type="primary" if n == 0 else "secondary",
                on_click=_move,
                args=(i, to),
            )


def _move(i: Incident, to: IncidentStatus) -> None:
    note = st.session_state.get("incident_note", "")
    try:
        incidents.move(data.bench(), auth.current(), i.incident_id, to, note, seen=i.updated_at)
    except WorkbenchError as error:
        st.session_state["incident_problem"] = error
    else:
        st.session_state["incident_note"] = ""


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _rows(value: Json) -> list[Mapping[str, Json]]:
    return [row for row in _list(value) if isinstance(row, Mapping)]


def _why(i: Incident) -> None:
    explanation = i.body.get("explanation")
    if not isinstance(explanation, Mapping):
        return
    st.subheader("Why")
    ai, own = explanation.get("source") == "AI", explanation.get("ai_confidence")
    with st.container(horizontal=True, gap="xsmall"):
        st.badge(
            "AI" if ai else "Rules",
            icon=":material/auto_awesome:" if ai else ":material/rule:",
            color="violet" if ai else "gray",
            help="Worded by the model." if ai else "Worded by rules.",
        )
        told = f"confidence {_number(explanation.get('confidence'))}"
        st.badge(told, color="gray", help=f"The model's own: {_number(own)}" if own is not None else "From evidence.")
    st.markdown(cards.safe(str(explanation.get("text", ""))))
    if actions := _list(i.body.get("recommendations")):
        st.markdown("**What to do**\n" + _steps(actions))
    hypotheses = _rows(explanation.get("hypotheses"))
    with st.expander(f"Hypotheses ({len(hypotheses)})", icon=":material/psychology:"):
        for h in hypotheses:
            st.markdown(f"**{cards.safe(str(h['cause']))}** · {h['kind']} · {_number(h['confidence'])}")
            st.caption(
                f"for: {_joined(h['supports'])} · against: {_joined(h['contradicts'])}"
                + (f" · next: {cards.safe(str(h['next_check']))}" if h.get("next_check") else "")
            )


def _advised(i: Incident) -> bool:
    """Advice that is no proposal to approve, where a playbook has no remedies; says whether there was any."""
    steps = _list(i.body.get("recommendations"))
    with data.bench().store.read() as books:
        proposed = books.actions.of_incident(i.tenant, i.incident_id)
    if not steps or proposed:
        return False
    st.markdown(_steps(steps))
    return True


def _steps(actions: Sequence[Json]) -> str:
    return "\n".join(f"1. {cards.safe(_advice(a))}" for a in actions)


def _advice(action: Json) -> str:
    return str(action["text"]) if isinstance(action, Mapping) else str(action)


def _number(value: Json) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "n/a"


def _joined(value: Json) -> str:
    return ", ".join(str(v) for v in _list(value)) or "nothing"


def _facts(i: Incident, run: Run | None, *, evidence: bool) -> None:
    rows, checks = _rows(i.body.get("evidence")), _rows(i.body.get("check_results"))
    own = {str(ref) for ref in _list(i.body.get("findings"))}
    findings = [f for f in _rows(run.report.get("findings")) if not own or f.get("id") in own] if run else []
    if evidence:
        with st.expander(f"Evidence ({len(rows)})", icon=":material/fact_check:"):
            for e in rows:
                st.markdown(f"`{e['ref']}` {cards.safe(str(e['text']))}")
                st.caption(str(e["type"]))
    with st.expander(f"Findings ({len(findings)})", icon=":material/troubleshoot:"):
        for f in findings:
            st.markdown(
                f"**{cards.safe(str(f['label']))}** · {str(f['severity']).lower()}  \n{cards.safe(str(f['summary']))}"
            )
    with st.expander(f"Checks that did not pass ({len(checks)})", icon=":material/rule:"):
        for c in checks:
            st.markdown(f"{c['status']}: {cards.safe(str(c['message']))}")
        if not checks:
            st.caption("Every check passed.")
    with st.expander("Baseline receipt", icon=":material/receipt:"):
        receipt = i.body.get("baseline_receipt")
        if i.playbook in data.bench().events:
            st.json(receipt, expanded=2)
        else:
            for metric, used in receipt.items() if isinstance(receipt, Mapping) else ():
                st.markdown(f"**{cards.safe(metric)}** · {_joined(used)}")


def _messages(i: Incident) -> None:
    with data.bench().store.read() as books:
        sent = books.outbox.list(i.tenant, incident_id=i.incident_id)
    st.subheader(f"Messages ({len(sent)})")
    if not sent:
        where = "with the button above" if i.playbook in data.bench().events else "from Today"
        st.caption(f"Nobody was told of it yet. Send {where}; the exact message is shown first.")
        return
    for d in sent:
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.badge(d.state, color=words.DELIVERY[d.state])
            when = words.moment(d.sent_at or d.created_at)
            st.caption(
                f"{d.channel} · {cards.safe(d.subject)} · {when} UTC by {cards.safe(d.created_by)}", width="content"
            )
        if d.error:
            st.caption(cards.safe(d.error))


def _timeline(i: Incident) -> None:
    st.subheader("Timeline")
    entries = list(reversed(i.timeline))
    st.table(
        {
            "when (UTC)": [words.moment(e.ts) for e in entries],
            "what": [cards.safe(e.event) for e in entries],
            "who": [cards.safe(e.actor) for e in entries],
        },
        border="horizontal",
        alt=f"Timeline of {i.incident_id}, latest first",
    )


def _links(i: Incident, run: Run | None) -> None:
    day = run.report.get("report") if run else None
    period = str(day["target_date"]) if isinstance(day, Mapping) else None
    with st.container(horizontal=True, vertical_alignment="center"):
        if period:
            st.page_link(
                links.page("today"),
                label=f"Open {period} on Today",
                icon=":material/today:",
                query_params={"source": i.playbook, "today_date": period},
            )
        if i.playbook == PLAYBOOK and st.query_params.get("service") != i.subject:
            st.page_link(
                links.page("services"),
                label="Open the service",
                icon=":material/monitor_heart:",
                query_params={"service": i.subject},
            )
        st.download_button(
            "Incident as JSON",
            lambda: json.dumps(incident_json(i), indent=1, ensure_ascii=False),  # made when it is asked for
            file_name=f"{i.incident_id}.json",
            mime="application/json",
            icon=":material/download:",
            key="incident_json",
            on_click="ignore",
        )
    base = data.bench().ctx.settings.telltale_public_url.rstrip("/")
    st.code(f"{base}/incidents?incident={i.incident_id}", language=None)
