"""What a data incident rests on: context with its age, contradictions, the alerts in time, lineage, similar ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import streamlit as st

from core import alert_charts
from core.alert import BLOCKS
from core.lineage import around
from core.model import Incident, Json, JsonObject, Run
from ui import alert_data, cards, figures, resolver, words
from ui.alert_data import listed, mapping, rows

CHANGE = "change"
STATUS = {"no_data": " · searched, nothing found", "error": " · the search failed"}
VERDICT: dict[str, str] = {"real": "was real", "false_positive": "was a false positive", "expected": "was expected"}


def clock(value: Json, *, day: bool = False) -> str:
    """A moment as people read it; the text itself where it is none."""
    try:
        at = datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return cards.safe(str(value or "unknown"))
    return words.moment(at) if day else f"{at:%H:%M}"


def contexts(i: Incident) -> None:
    """The four context blocks: where each came from, how old it was, or why it is missing; and what disagrees."""
    st.header("Context")
    known = mapping(mapping(i.body.get("metrics")).get("contexts"))
    st.markdown("  \n".join(_block(name, mapping(known.get(name))) for name in BLOCKS))
    missing = [n for n in BLOCKS if mapping(known.get(n)).get("status") != "ok"]
    if missing:
        st.caption("Each missing block lowers the confidence by 0.10; nothing is invented in its place.")
    against = [str(c) for c in listed(mapping(i.body.get("metrics")).get("contradictions"))]
    st.markdown(f"**Contradictions ({len(against)})**")
    if against:
        st.markdown("\n".join(f"- {cards.safe(c)}" for c in against))
    else:
        st.caption("What the alert says agrees with itself, with its time, and with the context.")


def _block(name: str, block: JsonObject) -> str:
    if block.get("status") == "ok":
        told = cards.safe(str(block.get("source") or "unknown source"))
        return f":green-badge[:material/check: {name}] {told}:gray[{_age(block)}]"
    return f":orange-badge[:material/cloud_off: {name}] missing: {cards.safe(str(block.get('reason') or 'not asked'))}"


def _age(block: JsonObject) -> str:
    age = block.get("age_s")
    if not isinstance(age, int | float):
        return " · age unknown"
    return f" · {resolver.size(timedelta(seconds=age))} old when judged"


def storm(i: Incident) -> None:
    """The alerts of the incident in time, with the change before them; the earliest one is the candidate."""
    members = rows(mapping(i.body.get("metrics")).get("members"))
    candidate = mapping(mapping(i.body.get("baseline_receipt")).get("candidate"))
    many = len(members) > 1
    st.header(f"{len(members)} alerts, one incident" if many else "What happened")
    if candidate:
        st.markdown(
            f"Earliest before it: **{cards.safe(str(candidate.get('title')))}** at {clock(candidate.get('at'))} UTC, "
            "the candidate for the root cause. What came after the alert is no cause."
        )
    first = CHANGE if (change := _change(i)) else str(candidate.get("alert_id")) if candidate else None
    frame = alert_charts.storm_frame([*members, *change], first)
    if len(frame) == 1:
        st.caption(f"Fired at {frame['at'].iloc[0]:%d %b %Y %H:%M} UTC; nothing else is known before it.")
    elif len(frame):
        span = f"{frame['at'].iloc[0]:%d %b %H:%M} to {frame['at'].iloc[-1]:%H:%M}"
        figures.show(
            alert_charts.storm, frame, palette=words.palette(),
            alt=f"{len(frame)} moments of this incident, {span} UTC: "
            + "; ".join(f"{at:%H:%M} {title}" for at, title in zip(frame["at"], frame["title"], strict=True)),
        )  # fmt: skip
        marked = "Diamond: the change. " if change else "Diamond: the earliest. " if first else ""
        days = dict.fromkeys(f"{frame['at'].iloc[n]:%d %b %Y}" for n in (0, -1))
        st.caption(f"{' to '.join(days)}, UTC. {marked}Red: the alert it is judged by.")
    if not members:
        st.caption("No alert is kept with it: a program or a person reported it.")
        return
    box = st.expander(f"Alerts ({len(members)})", icon=":material/list:", key="di_members", on_change="rerun")
    if box.open:
        with box:
            _members(members)


def _change(i: Incident) -> list[JsonObject]:
    """The change that the alert's facts name, if its moment is known."""
    values = mapping(mapping(i.body.get("baseline_receipt")).get("values"))
    if not values.get("changed_at"):
        return []
    who = str(values.get("changed_by") or "somebody")
    return [{"alert_id": CHANGE, "title": f"changed by {who}", "at": values["changed_at"], "source": who}]


def _members(members: list[JsonObject]) -> None:
    st.dataframe(
        [
            {"at (UTC)": clock(m.get("at"), day=True), "alert": m.get("title"), "severity": m.get("severity") or "",
             "source": m.get("source"), "about": m.get("entity") or "", "id": m.get("alert_id"),
             "how it belongs": {"lead": "judged by it", "same": "same thing"}.get(str(m.get("role")), "named by it")}
            for m in members
        ],
        hide_index=True, alt=f"{len(members)} alerts of this incident, oldest first",
        column_config={"alert": st.column_config.TextColumn(width="medium")},
    )  # fmt: skip


def lineage(i: Incident) -> None:
    """What is made from the incident's entity, with the path that it runs along highlighted."""
    m = mapping(i.body.get("metrics"))
    entity = str(m.get("entity") or i.subject)
    downstream, reports = ([str(n) for n in listed(m.get(k))] for k in ("downstream", "reports"))
    st.header("Lineage")
    of = around(alert_data.edges(), entity)
    if not of.edges:
        named = f" The alert names {', '.join(downstream)}." if downstream else ""
        st.caption(cards.safe(f"The lineage does not know {entity}.{named}"))
        st.caption("It is read from the dbt manifest, or from lineage.csv with the columns from, to, kind and owner.")
        return
    nodes, edges = alert_charts.lineage_frames(of, entity, (*downstream, *reports))
    hit = nodes[nodes["hit"]]
    tables, shown = len(hit[hit["kind"] == "table"]), len(hit[hit["kind"] == "report"])
    st.markdown(f"**{cards.safe(entity)}** reaches {_count(tables, 'table')} and {_count(shown, 'report')}")
    figures.show(
        alert_charts.lineage, nodes, edges=edges, palette=words.palette(),
        alt=f"Lineage graph of {entity}: "
        + "; ".join(f"{a} to {b}" for a, b in zip(edges["from"], edges["to"], strict=True)),
    )  # fmt: skip
    owners = sorted({str(o) for o in hit["owner"] if o})
    st.caption("Red: what the incident runs through. Diamond: where it began; squares: reports."
               + (f" Owners on the path: {cards.safe(', '.join(owners))}." if owners else ""))  # fmt: skip
    if len(of.edges) >= alert_charts.MOST_NODES:
        st.caption(f"The nearest {alert_charts.MOST_NODES} are drawn.")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def similar(i: Incident, go: Callable[[str], None]) -> None:
    """Past incidents like this one, why they are alike, how they ended; and what history counts."""
    m = mapping(i.body.get("metrics"))
    found, past = rows(m.get("similar")), mapping(m.get("history"))
    st.header(f"Similar before ({len(found)})")
    told = str(past.get("text") or "no history")
    st.caption(cards.safe(f"{told[:1].upper()}{told[1:]}") + _shares(past))
    for n, row in enumerate(found):
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"**{cards.safe(str(row.get('title') or row.get('incident_id')))}**")
            why = ", ".join(str(w) for w in listed(row.get("why")))
            ended = VERDICT.get(str(row.get("verdict")), "no verdict")
            st.caption(
                f"{cards.safe(str(row.get('incident_id')))} · {clock(row.get('at'), day=True)} UTC · alike "
                f"{float(str(row.get('alike') or 0)):.2f} (same {why}) · {ended}"
            )
            if row.get("resolution"):
                st.markdown(f"Resolved by: {cards.safe(str(row['resolution']))}")
            if str(row.get("incident_id") or "").startswith("INC-"):
                st.button(
                    "Open", key=f"di_like_{n}", type="tertiary", icon=":material/arrow_forward:", on_click=go,
                    args=(str(row["incident_id"]),), help=f"Open {cards.safe(str(row['incident_id']))}",
                )  # fmt: skip


def _shares(past: JsonObject) -> str:
    share, judged = past.get("false_positive_share"), past.get("judged")
    recurs = " · recurring" if past.get("recurring") else ""
    if not isinstance(share, int | float):
        return recurs
    return f"{recurs} · {100 * share:.0f} % of {judged} judged were not real"


def evidence(i: Incident, kept: Run | None) -> None:
    """Everything that was looked at, with where it comes from and what found nothing."""
    own = rows(kept.report.get("explanations")) if kept else []
    found = rows(next((e for e in own if e.get("incident_id") == i.incident_id), {}).get("evidence"))
    count = len(found) or len(rows(i.body.get("evidence")))
    box = st.expander(f"Evidence ({count})", icon=":material/fact_check:", key="di_evidence", on_change="rerun")
    if not box.open:
        return
    lines = [
        f"`{e.get('id')}` {cards.safe(str(e.get('statement')))}"
        f" :gray[{cards.safe(str(e.get('source') or e.get('kind')))}{STATUS.get(str(e.get('status')), '')}]"
        for e in found
    ] or [f"`{e.get('ref')}` {cards.safe(str(e.get('text')))}" for e in rows(i.body.get("evidence"))]
    with box:
        st.markdown("  \n".join(lines) or cards.safe(str(i.body.get("reported") or "Nothing is kept.")))
