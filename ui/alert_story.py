"""One data incident: the decision and its rule, what speaks for and against it, cause, remedy and verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import streamlit as st

from core.model import Incident, Json, JsonObject, Severity
from ui import alert_data, alert_evidence, alert_steps, alert_verdict, cards, resolver, words
from ui.alert_data import listed, mapping, rows
from ui.incident_queue import open_incident, word

ACTION: Mapping[str, tuple[words.Color, str, str]] = {
    "dismiss": ("gray", ":material/do_not_disturb_on:", "dismissed"),
    "log_only": ("blue", ":material/description:", "logged only"),
    "notify_team": ("orange", ":material/campaign:", "team notified"),
    "auto_fix": ("violet", ":material/build:", "fix proposed"),
}
KIND: Mapping[str, str] = {
    "airflow_dag": "DAG", "schema": "schema", "lock": "lock", "resource": "resource", "other": "other"
}  # fmt: skip


def open_case(incident_id: str | None) -> None:
    """Puts the data incident into the address, which shows it; None goes back to all."""
    if incident_id is None:
        st.query_params.pop("case", None)
    else:
        st.query_params["case"] = incident_id


def action_badge(action: str) -> None:
    """What was decided to do."""
    color, icon, told = ACTION.get(action, ("gray", ":material/help:", "not decided"))
    st.badge(told, icon=icon, color=color)


def badges(i: Incident) -> None:
    """Severity, state, decision, and how often it was seen."""
    st.badge(i.severity.name.lower(), color=words.SEVERITY[i.severity])
    st.badge(word(i.status).lower(), color=words.STATUS[i.status])
    action_badge(alert_data.action(i))
    members = rows(mapping(i.body.get("metrics")).get("members"))
    if len(members) > 1:
        st.badge(f"{len(members)} alerts", icon=":material/stacks:", color="gray")
    if i.occurrences > 1:
        st.badge(f"{i.occurrences} times", color="gray")


def about(i: Incident) -> str:
    """What it is about and who reported it, in a line."""
    m = mapping(i.body.get("metrics"))
    kind = KIND.get(str(m.get("kind") or i.type), i.type)
    return cards.safe(" · ".join([str(m.get("entity") or i.subject), kind, f"from {m.get('source') or 'nobody'}"]))


def head(i: Incident) -> None:
    """The way back, title, badges, and the way to its state and messages."""
    st.button(
        "All data incidents", icon=":material/arrow_back:", key="di_back", type="tertiary", on_click=open_case,
        args=(None,),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(cards.safe(i.title), width="content")
        st.button(
            "Handle the incident", key="di_handle", icon=":material/crisis_alert:", on_click=open_incident,
            args=(i.incident_id,), help="State, alert, messages and timeline.",
        )  # fmt: skip
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        badges(i)
    at = mapping(i.body.get("metrics")).get("alert_at")
    when = f" · fired {alert_evidence.clock(at, day=True)} UTC" if at else ""
    st.caption(f"{about(i)} · {cards.safe(str(mapping(i.body.get('metrics')).get('alert_id') or ''))}{when} · "
               f"{i.incident_id}")  # fmt: skip


def body(i: Incident) -> None:
    """The decision with its receipt, then the evidence on the left and what to do on the right."""
    kept = alert_data.run(i)
    decided = alert_data.decision(i, kept)
    with st.container(border=True):
        decision(i, decided)
        receipt(i, decided)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        with st.container(border=True):
            alert_evidence.storm(i)
        with st.container(border=True):
            alert_evidence.lineage(i)
        alert_evidence.evidence(i, kept)
    with right:
        with st.container(border=True):
            alert_verdict.panel(i)
        with st.container(border=True):
            st.header("What to do")
            resolver.panel(i, "di_do")
            resolver.history(i.incident_id, "di_do")
        with st.container(border=True):
            alert_evidence.contexts(i)
        with st.container(border=True):
            alert_evidence.similar(i, open_case)
        with st.container(border=True):
            alert_steps.show(kept)


def decision(i: Incident, decided: JsonObject, title: str = "Decision") -> None:
    """What was decided on which cause, what it costs and whom it concerns."""
    st.header(title)
    affected, benign = decided.get("affected_count"), decided.get("is_incident") is False
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        action_badge(str(decided.get("recommended_action") or ""))
        st.badge("not an incident" if benign else "an incident", color="gray" if benign else "red")
        _worded(mapping(i.body.get("explanation")), decided)
        st.badge(f"{affected} affected" if affected is not None else "affected: unknown", color="gray")
    st.markdown(f"**{cards.safe(str(decided.get('root_cause') or 'No cause is supported.'))}**")
    st.markdown(f"Impact: {cards.safe(str(decided.get('business_impact') or 'unknown'))}")
    opinions(mapping(mapping(i.body.get("metrics")).get("opinions")))


def _worded(told: JsonObject, decided: JsonObject) -> None:
    """Who worded it, how sure, and how many of its figures are in the evidence."""
    ai, check = told.get("source") == "AI", mapping(told.get("verification"))
    st.badge(
        "AI" if ai else "Rules",
        icon=":material/auto_awesome:" if ai else ":material/rule:",
        color="violet" if ai else "gray",
        help="Worded by a model; the rules are never made milder." if ai
        else str(told.get("fallback_reason") or "Worded by rules; no model was asked."),
    )  # fmt: skip
    st.badge(f"confidence {two(decided.get('confidence'))}", color="gray", help="The sum below, never a constant.")
    bad, count = listed(check.get("unmatched")), check.get("checked")
    if isinstance(count, int) and count:
        st.badge(
            f"{count - len(bad)}/{count} numbers verified", icon=":material/verified:",
            color="orange" if bad else "green",
            help="Not in the evidence: " + ", ".join(map(str, bad)) if bad else "Each was found in the evidence.",
        )  # fmt: skip


def receipt(i: Incident, decided: JsonObject) -> None:
    """The row that fired, what counts for and against with its weight, and what would have turned it."""
    told, score = mapping(decided.get("receipt")), mapping(i.body.get("baseline_receipt"))
    if told:
        st.markdown(
            f":material/rule: Row **{cards.safe(str(told.get('row')))}** of the decision table fired: "
            f"{cards.safe(str(told.get('because')))}."
        )
        st.caption(f"{cards.safe(str(mapping(told.get('thresholds')).get('when')))} — {_inputs(told)}")
        for line in listed(told.get("overruled")):
            st.warning(f"Overruled: {cards.safe(str(line))}.", icon=":material/gavel:")
    else:
        st.caption("The run that decided was removed; its row of the table is in the audit.")
    parts = [(str(p[0]), p[1]) for p in map(listed, listed(score.get("score"))) if len(p) == 2]
    absent = [str(f.get("text")) for f in rows(score.get("facts")) if not f.get("holds")]
    left, right = st.columns(2, gap="medium")
    with left:
        _side("For", [p for p in parts if _number(p[1]) > 0])
    with right:
        _side("Against", [p for p in parts if _number(p[1]) < 0], "Nothing speaks against it.")
        if absent:
            st.caption("Looked for, did not hold: " + cards.safe("; ".join(absent)))
    flips = [f for f in (_flip(told), _gate(decided)) if f]
    if flips:
        st.info("\n".join(f"- {f}" for f in flips), title="What would have turned it", icon=":material/swap_horiz:")


def _flip(told: JsonObject) -> str:
    """The smallest change of one fact that gives another light, with severities by their names."""
    text = str(told.get("nearest_flip") or "")
    named = re.fullmatch(r"(\w+) if severity were (\d) instead of (\d)", text)
    if named:
        severities = [Severity(int(n)).name for n in named.groups()[1:]]
        text = f"{named[1]} if severity were {severities[0]} instead of {severities[1]}"
    return f"Smallest change of a fact: {cards.safe(text)}." if text else ""


def _gate(decided: JsonObject) -> str:
    """How far the confidence is from the gate that lets something happen without a person."""
    gate = mapping(mapping(decided.get("receipt")).get("thresholds")).get("auto_act")
    sure, action = decided.get("confidence"), str(decided.get("recommended_action"))
    if not isinstance(gate, int | float) or not isinstance(sure, int | float) or action not in ("dismiss", "auto_fix"):
        return ""
    each = alert_data.per_missing()
    more = int((sure - gate) / each + 1e-9) + 1
    return (
        f"Below a confidence of {gate:.2f} people would be told instead: {more} more missing context "
        f"block{'s' if more > 1 else ''} or contradiction{'s' if more > 1 else ''} would do that."
    )


def _inputs(told: JsonObject) -> str:
    found = mapping(told.get("inputs"))
    return cards.safe(", ".join(f"{k} is {_short(k, v)}" for k, v in found.items())) or "it looks at nothing"


def _short(name: str, value: Json) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    return Severity(int(value)).name if name == "severity" and value in list(Severity) else f"{value:g}"


def _side(title: str, parts: Sequence[tuple[str, Json]], none: str = "Nothing.") -> None:
    st.markdown(f"**{title}**")
    lines = [f"- `{_number(value):+.2f}` {cards.safe(name)}" for name, value in parts]
    st.markdown("\n".join(lines) if lines else none)


def opinions(both: JsonObject) -> None:
    """What the rules and the model say, side by side; the graver of both stands."""
    if not both:
        return
    names = ("severity", "is_incident", "recommended_action", "confidence", "root_cause")
    found = [mapping(both.get("rules")), mapping(both.get("ai"))]
    st.table(
        {
            "": [n.replace("_", " ") for n in names],
            "Rules": [cards.safe(_word(found[0].get(n))) for n in names],
            "AI": [cards.safe(_word(found[1].get(n))) for n in names],
        },
        border="horizontal", hide_index=True, alt="What the rules and the model say; the graver of both stands",
    )  # fmt: skip


def _word(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return two(value) if isinstance(value, float) else str(value if value is not None else "")


def two(value: Json) -> str:
    """A share with two decimals."""
    return f"{value:.2f}" if isinstance(value, int | float) else "n/a"


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
