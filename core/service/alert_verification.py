"""Whether a fix of a data incident helped: the run's state, the data's freshness, or the tool's own word."""

from __future__ import annotations

from urllib.parse import quote

from core.adapters.airflow import AirflowReader
from core.alert import alert_of, block_for, moment, number
from core.load.alert_contexts import blocks
from core.model import Action, Incident, JsonObject
from core.service import alert_contexts
from core.service.execution import Verdict
from core.service.workbench import Workbench
from core.store.received import DONE

TIMEOUT_S = 5.0
LOOKED_AT = 500  # newest alerts among which a resolved one is looked for


def data_incident(wb: Workbench, action: Action) -> Verdict:
    """The verdict by the signal that the fix names. Source: DI-17. Raises: ProviderError when it cannot be read."""
    with wb.store.read() as books:
        incident = books.incidents.get(action.tenant, action.incident_id)
    if action.proposal.adapter == "sandbox":
        return Verdict(True, f"The sandbox took it; {incident.subject} stands in for a real target.")
    signal = action.proposal.params.get("verify")
    if signal == "run_state":
        return _run_state(wb, action)
    return _freshness(wb, action, incident) if signal == "freshness" else _resolved(wb, action, incident)


def _run_state(wb: Workbench, action: Action) -> Verdict:
    params = action.proposal.params
    dag = str(params.get("dag_id") or params.get("backfill_dag") or "")
    run = str(params.get("dag_run_id") or action.action_id)
    reader = AirflowReader(wb.ctx.settings, wb.ctx.http, TIMEOUT_S)
    found = reader.get(f"/api/v2/dags/{quote(dag, safe='')}/dagRuns/{quote(run, safe='')}", reader.token())
    state, started = str(found.get("state")), moment(found.get("start_date"))
    anew = started is not None and action.executed_at is not None and started >= action.executed_at
    values: JsonObject = {"dag_id": dag, "dag_run_id": run, "state": state, "start_date": found.get("start_date")}
    if state == "success" or (state == "running" and anew):
        return Verdict(True, f"Run {run} of {dag} is {state}.", values)
    return Verdict(False, f"Run {run} of {dag} is {state}.", values)


def _freshness(wb: Workbench, action: Action, incident: Incident) -> Verdict:
    found = blocks(alert_contexts.files(wb, action.tenant), wb.ctx.clock.now())
    late = number(block_for(found["warehouse"], incident.subject).get("data_latency_minutes"))
    limit = number(block_for(found["business"], incident.subject).get("sla_minutes"))
    if late is None or limit is None:
        return Verdict(False, f"How fresh {incident.subject} is, or should be, is not known.")
    text = f"{incident.subject} is {late:g} min behind, {limit:g} min are allowed."
    return Verdict(late <= limit, text, {"data_latency_minutes": late, "sla_minutes": limit})


def _resolved(wb: Workbench, action: Action, incident: Incident) -> Verdict:
    since = action.executed_at or action.updated_at
    with wb.store.read() as books:
        seen = [alert_of(r.alert) for r in books.received.list(action.tenant, states=(DONE,), limit=LOOKED_AT)]
    about = [a for a in seen if a.entity == incident.subject and a.at >= since]
    if about and max(about, key=lambda a: a.at).resolved:
        return Verdict(True, f"{about[0].source} says that {incident.subject} is resolved.")
    return Verdict(False, f"Nobody has said yet that {incident.subject} is resolved.")
