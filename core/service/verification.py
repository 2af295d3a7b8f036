"""Reading a signal again after an action: what each playbook looks at to say whether it helped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from core.detect.events import Scene
from core.events import EventFiles, load_events, sight, verified
from core.model import Action, CheckReport, Incident
from core.playbook import EventPlaybook
from core.segments import snapshot_of
from core.service import casework, inputs
from core.service.alert_verification import data_incident
from core.service.execution import Verdict, Verifier
from core.service.workbench import Workbench


def service(wb: Workbench, action: Action) -> Verdict:
    """Whether the service is within its limits over the minutes since the action was carried out. Source: DP-17.

    Earlier minutes are not looked at: no action can make them better.
    """
    with wb.store.read() as books:
        incident = books.incidents.get(action.tenant, action.incident_id)
    playbook = wb.events[incident.playbook]
    files = inputs.files(wb, playbook, action.tenant, demo=True)
    return reading(wb, playbook, incident, files, action.executed_at or action.updated_at)


def reading(wb: Workbench, playbook: EventPlaybook, incident: Incident, files: EventFiles, since: datetime) -> Verdict:
    """The verdict over the minutes after ``since``."""
    now = wb.ctx.clock.now()
    minutes = max(1, math.floor((now - since).total_seconds() / 60))
    dataset = load_events(playbook, files, {}, wb.ctx, now)
    short = playbook.model_copy(update={"events": tuple(_shorter(playbook, minutes))})
    seen = sight(short, Scene(dataset, verified(playbook, dataset, wb.check, now), now, wb.ctx.engine))
    found = next((f for f in seen.findings if f.subject == incident.subject), None)
    if found is not None:
        return Verdict(False, found.summary, dict(found.details))
    if any(subject == incident.subject for subject, _ in seen.healthy):
        return Verdict(True, f"{incident.subject} is within its limits over the last {minutes} min.")
    return Verdict(False, f"There is no data of {incident.subject} since the action.")


def _shorter(playbook: EventPlaybook, minutes: int) -> list[object]:
    """The detectors with a window that begins after the action."""
    uses: list[object] = []
    for use in playbook.events:
        window = use.params.get("window_minutes")
        if isinstance(window, int | float):
            use = use.model_copy(update={"params": {**use.params, "window_minutes": min(window, minutes)}})
        uses.append(use)
    return uses


def segment(wb: Workbench, action: Action) -> Verdict:
    """Whether a snapshot taken after the action is back within the threshold of the incident's base. Source: PU-22."""
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        incident = books.incidents.get(action.tenant, action.incident_id)
    playbook = wb.events[incident.playbook]
    held = inputs.documents(wb, playbook.name, action.tenant)
    dataset = load_events(playbook, inputs.files(wb, playbook, action.tenant, demo=not held), held, wb.ctx, now)
    documents = dataset.documents["snapshots"]
    taken = map(snapshot_of, documents if isinstance(documents, list | tuple) else ())
    newest = max((s.ts for s in taken if s.segment == incident.subject and s.ts <= now), default=None)
    if newest is None or newest <= (action.executed_at or action.updated_at):
        return Verdict(False, f"There is no snapshot of {incident.subject} since the action.")
    known = casework.known_cases(wb, playbook, action.tenant)
    seen = sight(
        playbook, Scene(dataset, verified(playbook, dataset, wb.check, now), now, wb.ctx.engine, known.open, known.past)
    )
    if (incident.subject, incident.type) in seen.healthy:
        return Verdict(True, f"The snapshot of {newest:%Y-%m-%d} is within the threshold of the incident's base.")
    return Verdict(False, f"The snapshot of {newest:%Y-%m-%d} is still outside the threshold.")


def order(wb: Workbench, action: Action) -> Verdict:
    """Whether the order still has the exception that the action was for. Source: E2-21."""
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        incident = books.incidents.get(action.tenant, action.incident_id)
    playbook = wb.events[incident.playbook]
    held = inputs.documents(wb, playbook.name, action.tenant)
    dataset = load_events(playbook, inputs.files(wb, playbook, action.tenant, demo=True), held, wb.ctx, now)
    key = (incident.subject, incident.type)
    seen = sight(playbook, Scene(dataset, CheckReport(), now, wb.ctx.engine, {key: incident.body}))
    found = next((f for f in seen.findings if (f.subject, f.type) == key), None)
    if found is not None:
        return Verdict(False, found.summary, {"delay_minutes": found.details.get("delay_minutes")})
    if key in seen.healthy:
        return Verdict(True, f"{incident.subject} no longer has {incident.type}.")
    return Verdict(False, f"There are no events of {incident.subject}.")


VERIFIERS: Mapping[str, Verifier] = {
    "service_incidents": service,
    "segment_drift": segment,
    "data_incidents": data_incident,
    "order_sla": order,
}
