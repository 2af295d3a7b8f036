"""The four flows of the order playbook, each a list of steps with their status; a failed step is shown.

Source: acceptance E2-29.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from core.access import Principal, require
from core.act.channels import audience
from core.decide.lifecycle import SYSTEM
from core.errors import Conflict, InputError, WorkbenchError
from core.model import Incident, Json, JsonObject, Light, Run, Source, TimelineEntry
from core.service import alerts, casework, execution, order_billing
from core.service.order_policies import PLAYBOOK
from core.service.verification import VERIFIERS
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.incidents import OPEN_STATES

ORDERS: Final = timedelta(hours=24)
EXCEPTIONS: Final = timedelta(hours=168)
FLOWS: Final = ("order_processing", "exception_management", "billing", "orchestrator")
Work: TypeAlias = Callable[[Workbench, Principal], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One step and what came of it."""

    name: str
    status: str  # ok | failed
    text: str
    started_at: datetime
    ended_at: datetime

    def doc(self) -> JsonObject:
        """The step as JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "text": self.text,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
        }


def run(wb: Workbench, who: Principal, flow: str, kind: str = "manual") -> Run:
    """Runs a flow and keeps it: every step in order, also after one that failed.

    Raises: InputError for an unknown flow, Forbidden.
    """
    require(who, "incidents:write")
    if flow not in FLOWS:
        raise InputError(f"There is no flow '{flow}'.", hint=f"There are {', '.join(FLOWS)}.", field="flow")
    started = wb.ctx.clock.now()
    steps = tuple(_done(wb, who, name, work) for name, work in _steps(flow).items())
    return _kept(wb, who, flow, kind, steps, started)


def latest(wb: Workbench, who: Principal) -> Mapping[str, Run]:
    """The newest run of each flow. Raises: Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = {flow: books.runs.list(who.tenant, playbook=f"{PLAYBOOK}.{flow}", limit=1) for flow in FLOWS}
    return {flow: runs[0] for flow, runs in found.items() if runs}


def job(wb: Workbench, who: Principal) -> str:
    """All flows by the clock; answers what they did in a line."""
    require(who, "incidents:write")
    return run(wb, who, "orchestrator", kind="schedule").headline


def _steps(flow: str) -> Mapping[str, Work]:
    if flow == "orchestrator":
        return {f"{part}.{name}": work for part in FLOWS[:3] for name, work in _steps(part).items()}
    parts: Mapping[str, Mapping[str, Work]] = {
        "order_processing": {"judge_orders": _judge},
        "exception_management": {"escalate": _escalate, "tell_clients": _tell_clients, "carry_out": _carry_out},
        "billing": {"recompute_invoices": _recompute, "waiting": _waiting},
    }
    return parts[flow]


def _done(wb: Workbench, who: Principal, name: str, work: Work) -> Step:
    started = wb.ctx.clock.now()
    try:
        status, text = "ok", work(wb, who)
    except WorkbenchError as error:
        status, text = "failed", str(error)
    return Step(name, status, text, started, wb.ctx.clock.now())


def _kept(wb: Workbench, who: Principal, flow: str, kind: str, steps: tuple[Step, ...], started: datetime) -> Run:
    failed = [s for s in steps if s.status == "failed"]
    text = (
        f"{len(failed)} of {len(steps)} steps failed: {failed[0].text}" if failed else "; ".join(s.text for s in steps)
    )
    now, run_id = wb.ctx.clock.now(), "run-" + secrets.token_hex(6)
    light = Light.YELLOW if failed else Light.GREEN
    report: JsonObject = {"flow": flow, "steps": [s.doc() for s in steps], "headline": text}
    done = Run(
        run_id, f"{PLAYBOOK}.{flow}", who.tenant, started, started, now, "completed", light, text, Source.RULES,
        who.user, kind, report,
    )  # fmt: skip
    with wb.store.begin() as books:
        books.runs.save(done)
        books.audit.append(
            who.tenant,
            "flow",
            "flow_done",
            {"run_id": run_id, "flow": flow, "steps": [[s.name, s.status] for s in steps], "actor": who.user},
            now,
            correlation_id=run_id,
        )
    return done


# --- Steps ------------------------------------------------------------------------------------


def _judge(wb: Workbench, who: Principal) -> str:
    done = casework.run(wb, who, PLAYBOOK, kind="schedule")
    said = done.report["notes"]
    counted = next((str(n) for n in said if "judged" in str(n)), "") if isinstance(said, list) else ""
    recent = _recent(wb, who.tenant, ORDERS)
    return f"{counted}; {len(recent)} exceptions open of the last {ORDERS // timedelta(hours=1)} h"


def _recent(wb: Workbench, tenant: str, within: timedelta) -> list[Incident]:
    """Open exceptions that were found within so long."""
    since = wb.ctx.clock.now() - within
    with wb.store.read() as books:
        found = books.incidents.list(tenant, statuses=OPEN_STATES, playbook=PLAYBOOK, limit=10_000)
    return [i for i in found if i.detected_at >= since]


def _notice(incident: Incident, name: str) -> datetime | None:
    metrics = incident.body.get("metrics")
    told = metrics.get("notices") if isinstance(metrics, Mapping) else None
    at = told.get(name) if isinstance(told, Mapping) else None
    return datetime.fromisoformat(at) if isinstance(at, str) else None


def _escalate(wb: Workbench, who: Principal) -> str:
    """Unresolved exceptions whose time is up: a line in the timeline and one message, once. Source: E2-22."""
    now, done = wb.ctx.clock.now(), 0
    for incident in _recent(wb, who.tenant, EXCEPTIONS):
        due = _notice(incident, "escalate_at")
        if due is None or due > now or "escalated_at" in incident.body:
            continue
        done += _told(
            wb, who, incident, "escalated_at", f"escalated: not resolved since {due:%Y-%m-%d %H:%M} UTC", _message
        )
    return f"{done} exceptions escalated"


def _tell_clients(wb: Workbench, who: Principal) -> str:
    """Client notes that are due: the incident says so, and holds the note to send."""
    now, done = wb.ctx.clock.now(), 0
    for incident in _recent(wb, who.tenant, EXCEPTIONS):
        due = _notice(incident, "client_at")
        if due is None or due > now or "client_due_at" in incident.body:
            continue
        done += _told(wb, who, incident, "client_due_at", "the client's note is due", None)
    return f"{done} client notes due"


def _told(
    wb: Workbench,
    who: Principal,
    incident: Incident,
    mark: str,
    line: str,
    send: Callable[[Workbench, Books, Principal, Incident, datetime], None] | None,
) -> bool:
    """The mark, the timeline's line and what is sent are kept together; False when somebody changed the incident."""
    now = wb.ctx.clock.now()
    try:
        with wb.store.begin() as books:
            current = books.incidents.get(who.tenant, incident.incident_id)
            if mark in current.body or current.status not in OPEN_STATES:
                return False
            after = max(now, current.updated_at + timedelta(microseconds=1))
            body: dict[str, Json] = {**current.body, mark: now.isoformat()}
            told = replace(
                current, body=body, updated_at=after, timeline=(*current.timeline, TimelineEntry(now, line, SYSTEM))
            )
            books.incidents.save(told, expected=current.updated_at)
            if send is not None:
                send(wb, books, who, told, now)
            books.audit.append(
                who.tenant, "notify", mark.removesuffix("_at"), {"actor": who.user}, now,
                incident_id=told.incident_id, correlation_id=str(told.body.get("correlation_id") or told.run_id),
            )  # fmt: skip
    except Conflict:
        return False
    return True


def _message(wb: Workbench, books: Books, who: Principal, incident: Incident, now: datetime) -> None:
    plain = alerts.alert(wb, wb.events[PLAYBOOK], [incident])
    message = replace(
        plain, subject=f"[ESCALATED] {plain.subject}", title=f"[ESCALATED] {plain.title}",
        dedup_key=f"alert:{incident.incident_id}=ESCALATED",
    )  # fmt: skip
    for name in audience(wb.channels, message.severity):
        if name == "jira":  # the ticket is there already
            continue
        books.outbox.enqueue(wb.channels[name].compose(message), who.tenant, who.user, now)


def _carry_out(wb: Workbench, who: Principal) -> str:  # noqa: ARG001  (a step like the others)
    """What was approved, by a person or within the gates, is carried out and verified."""
    execution.tick(wb, VERIFIERS)
    return "approved actions carried out"


def _recompute(wb: Workbench, who: Principal) -> str:
    done = order_billing.correct(wb, who)
    return f"{done.checked} invoices checked, {done.wrong} wrong, {len(done.new)} new corrections"


def _waiting(wb: Workbench, who: Principal) -> str:
    waiting = order_billing.adjustments(wb, who, ("WAITING", "MANUAL_REVIEW"))
    return f"{len(waiting)} corrections wait for a person, {sum(a.delta_cents for a in waiting)} cents in sum"
