"""Every cached read of the pages of data incidents; a kept change is seen at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from core.alert import items
from core.audit.report import to_json
from core.errors import WorkbenchError
from core.events import load_events
from core.explain.alert_score import Score
from core.incident_analytics import Analytics
from core.lineage import Edge, edges_of
from core.model import Incident, Json, JsonObject, Run
from core.playbook import EventPlaybook
from core.service import alert_contexts, alert_inbox, casework, incident_figures
from core.store.incidents import OPEN_STATES
from ui import auth, data, service_data

PLAYBOOK = alert_inbox.PLAYBOOK


def version() -> str:
    """Changes with every write of the tenant that is audited."""
    return service_data.version()


def playbook() -> EventPlaybook:
    """The playbook of data incidents."""
    return data.bench().events[PLAYBOOK]


def cases() -> tuple[Incident, ...]:
    """The data incidents: open ones first, worst first, then newest."""
    found = [i for i in service_data.desk().incidents if i.playbook == PLAYBOOK]
    return tuple(sorted(found, key=lambda i: (i.status not in OPEN_STATES, -i.severity, -i.detected_at.timestamp())))


def run(i: Incident) -> Run | None:
    """The incident's newest run with its report; None when that was removed."""
    return _run(version(), i.run_id) if i.run_id else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _run(version: str, run_id: str) -> Run | None:  # noqa: ARG001  (the key)
    try:
        return data.run_report(run_id)
    except WorkbenchError:
        return None


def decision(i: Incident, kept: Run | None) -> JsonObject:
    """What was decided and by which row of the table; without its run, what the incident holds of it."""
    found = rows(kept.report.get("decisions")) if kept else []
    own = next((d for d in found if d.get("incident_id") == i.incident_id), {})
    return {**mapping(i.body.get("decision")), **own}


def action(i: Incident) -> str:
    """What was decided to do: dismiss, log_only, notify_team or auto_fix; empty where nobody decided."""
    return str(mapping(i.body.get("decision")).get("recommended_action") or "")


def analytics(days: int | None) -> Analytics:
    """The figures over the incidents of the last days; over all of them without a number."""
    now = data.bench().ctx.clock.now()
    since = None if days is None else now.replace(minute=0, second=0, microsecond=0) - timedelta(days=days)
    return _analytics(version(), since)


@st.cache_resource(max_entries=16, show_spinner=False)
def _analytics(version: str, since: datetime | None) -> Analytics:  # noqa: ARG001  (the key)
    return incident_figures.analytics(data.bench(), auth.current(), since)


def per_missing() -> float:
    """What a missing context block or a contradiction takes from the confidence."""
    score = Score.model_validate(playbook().explain_params.get("score") or {})
    return min(score.per_missing, score.per_contradiction) or 0.1


def edges() -> tuple[Edge, ...]:
    """What is made from what, by the tenant's lineage or the demo's."""
    return _edges(version())


@st.cache_resource(max_entries=8, show_spinner=False)
def _edges(version: str) -> tuple[Edge, ...]:  # noqa: ARG001  (the key)
    wb, book = data.bench(), playbook()
    files = alert_contexts.files(wb, auth.current().tenant)
    given = {k: f for k, f in files.items() if k == "lineage.csv" or k.endswith("manifest.json")}
    read = load_events(book, given, {}, wb.ctx, wb.ctx.clock.now())
    return edges_of(items(read.documents.get("edges")))


def trial(text: str) -> alert_inbox.Trial:
    """What a pasted payload would come to, without any effect. Raises: WorkbenchError for people."""
    now = data.bench().ctx.clock.now()
    return _trial(f"{version()} {now:%Y%m%dT%H%M}", text)


@st.cache_resource(max_entries=8, show_spinner=False)
def _trial(version: str, text: str) -> alert_inbox.Trial:  # noqa: ARG001  (the key)
    return alert_inbox.trial(data.bench(), auth.current(), text)


def judged(of: alert_inbox.Trial) -> tuple[tuple[Incident, JsonObject], ...]:
    """Each case of a trial as the incident it would be, with its decision and receipt."""
    wb, book = data.bench(), playbook()
    found = []
    for case in of.look.cases:
        incident = casework.candidate(book, of.look, case, wb.ctx.clock.now())
        decided = mapping(to_json(case.decision))
        found.append((incident, {**mapping(incident.body.get("decision")), **decided}))
    return tuple(found)


def examples() -> Mapping[str, str]:
    """The demo's alerts that differ in kind, and its scenarios, by a name."""
    folder = data.bench().data / PLAYBOOK
    found = [*sorted(folder.glob("alerts/*.json")), *sorted(folder.glob("scenarios/*.json"))]
    named = {p.stem.removeprefix("alert-").rstrip("-0123456789").capitalize(): p for p in reversed(found)}
    return {name: named[name].read_text("utf-8") for name in sorted(named)}


def mapping(value: Json) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Json) -> list[Json]:
    """The value if it is a list, else an empty one."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def rows(value: Json) -> list[JsonObject]:
    """The objects of a list."""
    return [r for r in listed(value) if isinstance(r, Mapping)]


def plain(value: Json) -> dict[str, Json] | list[Json] | str:
    """JSON as the viewer takes it."""
    if isinstance(value, Mapping):
        return dict(value)
    return listed(value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
