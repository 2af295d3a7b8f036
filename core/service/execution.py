"""Carrying approved actions out, once, and watching whether they helped; driven by the background's tick."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from core import telemetry
from core.act.remedies import Sandbox
from core.decide import lifecycle, proposals
from core.decide.lifecycle import SYSTEM
from core.errors import WorkbenchError
from core.model import Action, ActionState, Incident, IncidentStatus, JsonObject
from core.service import actions, alerts
from core.service.desk import Desk, change
from core.service.workbench import Workbench
from core.store.incidents import OPEN_STATES

STUCK_AFTER = timedelta(minutes=10)  # far longer than any call may take
log = logging.getLogger("telltale")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a re-reading of the signal says: whether it is good again, in words, with the values it read."""

    good: bool
    text: str
    values: JsonObject = field(default_factory=dict)


Verifier: TypeAlias = Callable[[Workbench, Action], Verdict]
Notify: TypeAlias = Callable[[Workbench, Action, Incident], None]


def tick(wb: Workbench, verifiers: Mapping[str, Verifier], notify: Notify | None = None) -> int:
    """Does what is due over all tenants; answers how many actions that was.

    Expired proposals are rejected, approved actions carried out, and live ones verified by their playbook's verifier;
    ``notify`` hears of each that did not help. Any number of processes may tick at once.
    """
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        waiting = books.actions.unsettled(now)
    return sum(_guarded(wb, action, verifiers, notify) for action in waiting)


def _guarded(wb: Workbench, action: Action, verifiers: Mapping[str, Verifier], notify: Notify | None) -> bool:
    try:
        return _due(wb, action, verifiers, notify)
    except proposals.IllegalMove:  # another process was first
        return False
    except WorkbenchError:
        log.exception("action %s is left as it is; trying again", action.action_id)
        return False


def _due(wb: Workbench, action: Action, verifiers: Mapping[str, Verifier], notify: Notify | None) -> bool:
    now = wb.ctx.clock.now()
    if action.state is ActionState.PROPOSED:
        _expire(wb, action)
        return True
    if action.state is ActionState.EXECUTED:
        return verify(wb, action, verifiers, notify)
    since = proposals.executing_since(action)
    if since is None:
        execute(wb, action.tenant, action.action_id)
    elif now - since >= STUCK_AFTER:
        _give_up(wb, action, since)
    else:
        return False
    return True


def _expire(wb: Workbench, action: Action) -> None:
    def step(desk: Desk, current: Action, _incident: Incident) -> Action:
        why = proposals.void_reason(current, current.evidence_key, desk.now)
        return desk.void(current, why) if why else current

    change(wb, action.tenant, action.action_id, step)


def _give_up(wb: Workbench, action: Action, since: datetime) -> None:
    text = (
        f"The process stopped after it began this at {since:%Y-%m-%d %H:%M:%S} UTC. Whether it took effect is unknown: "
        "look at the target before you propose it again."
    )
    _finish(wb, action, {"error": text, "unknown": True}, ok=False)


# --- Carrying out -----------------------------------------------------------------------------


def execute(wb: Workbench, tenant: str, action_id: str) -> Action:
    """The approved action after it was carried out (or, in a dry run, only shown), at most once.

    It is marked first, called outside any transaction, and then kept as EXECUTED or FAILED. One that is void or whose
    incident is no longer open becomes FAILED uncalled.
    Raises: IllegalMove when it is not approved or another process carries it out; NotFound.
    """
    claimed = change(wb, tenant, action_id, lambda desk, a, i: _claimed(wb, desk, a, i))
    if claimed.state is not ActionState.APPROVED:
        return claimed
    with wb.store.read() as books:
        incident = books.incidents.get(tenant, claimed.incident_id)
    result, ok = _carried_out(wb, claimed, incident)
    return _finish(wb, claimed, result, ok=ok)


def _claimed(wb: Workbench, desk: Desk, action: Action, incident: Incident) -> Action:
    claimed = proposals.claim(action, desk.now)
    why = proposals.void_reason(action, actions.key(wb, incident, action.proposal), desk.now)
    if incident.status not in OPEN_STATES:
        why = f"the incident is {incident.status}"
    if why:
        return _ended(desk, action, incident, {"error": f"Not carried out: {why}.", "called": False}, ok=False)
    desk.save(claimed, action)
    return claimed


def _carried_out(wb: Workbench, action: Action, incident: Incident) -> tuple[JsonObject, bool]:
    """What came of it, and whether it worked; the request is kept as it was shown."""
    result: dict[str, object] = {}
    try:
        remedy = actions.remedy(wb, incident.playbook, action.proposal.adapter)
        result["request"] = asdict(remedy.preview(action, incident.subject))
        if action.mode == "dry_run":
            return {**result, "simulated": True, "answer": "Simulated: nothing was called."}, True  # type: ignore[dict-item]
        return {**result, **remedy.execute(action, incident.subject, wb.ctx)}, True  # type: ignore[dict-item]
    except WorkbenchError as error:
        telemetry.adapter_failed(action.proposal.adapter)
        return {**result, "error": str(error), "code": error.code}, False  # type: ignore[dict-item]


def _finish(wb: Workbench, action: Action, result: JsonObject, *, ok: bool) -> Action:
    return change(wb, action.tenant, action.action_id, lambda desk, current, i: _ended(desk, current, i, result, ok=ok))


def _ended(desk: Desk, action: Action, incident: Incident, result: JsonObject, *, ok: bool) -> Action:
    done = proposals.finish(action, result, desk.now, ok=ok)
    desk.save(done, action)
    how = ("simulated" if result.get("simulated") else "executed") if ok else "failed"
    more = f" ({result['error']})" if not ok else ""
    desk.tell(incident, incident, [f"{how}: {action.proposal.title}{more}"], _actor(action))
    desk.record(done, "act", "action_executed" if ok else "action_failed", {"result": result}, _actor(action))
    return done


def _actor(action: Action) -> str:
    return action.approvals[-1] if action.approvals else SYSTEM


# --- Verifying --------------------------------------------------------------------------------


def verify(wb: Workbench, action: Action, verifiers: Mapping[str, Verifier], notify: Notify | None = None) -> bool:
    """Reads the signal again if that is due; says whether it did.

    A good reading makes the action VERIFIED and its incident MITIGATED; when the time is up, VERIFY_FAILED.
    """
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        incident = books.incidents.get(action.tenant, action.incident_id)
    applies = actions.rules(wb, incident.playbook)
    last = action.verify_result.get("at")
    poll = timedelta(seconds=applies.verify_poll_s)
    if isinstance(last, str) and now - datetime.fromisoformat(last) < poll:
        return False
    verdict = _read(wb, action, verifiers.get(incident.playbook))
    assert action.executed_at is not None
    over = now - action.executed_at >= timedelta(seconds=applies.verify_timeout_s)
    settled = change(
        wb, action.tenant, action.action_id, lambda desk, a, i: _judged(wb, desk, a, i, verdict, over=over)
    )
    if settled.state is ActionState.VERIFY_FAILED and notify is not None:
        notify(wb, settled, incident)
    return True


def _read(wb: Workbench, action: Action, verifier: Verifier | None) -> Verdict:
    if verifier is None:
        return Verdict(False, "This playbook has nothing that reads the signal again.")
    try:
        return verifier(wb, action)
    except WorkbenchError as error:
        return Verdict(False, f"The signal could not be read: {error}")


def _judged(wb: Workbench, desk: Desk, action: Action, incident: Incident, verdict: Verdict, *, over: bool) -> Action:
    polls = action.verify_result.get("polls")
    result: JsonObject = {
        "good": verdict.good,
        "text": verdict.text,
        "values": verdict.values,
        "at": desk.now.isoformat(),
        "polls": (polls if isinstance(polls, int) else 0) + 1,
    }
    settled = proposals.verified(action, result, desk.now, good=verdict.good)
    if not verdict.good and not over:
        waiting = proposals.polled(action, result, desk.now)
        desk.save(waiting, action)
        return waiting
    desk.save(settled, action)
    better = _mitigated(incident, desk.now) if verdict.good else incident
    word = "verified" if verdict.good else "did not help"
    line = f"{word}: {action.proposal.title}. {verdict.text}"
    told = desk.tell(better, incident, [line], SYSTEM)
    if told.status is not incident.status:
        alerts.follow(wb, desk.books, told, line, SYSTEM, desk.now)
    what = "action_verified" if verdict.good else "action_verify_failed"
    desk.record(settled, "verify", what, {"result": result})
    return settled


def _mitigated(incident: Incident, now: datetime) -> Incident:
    if incident.status is not IncidentStatus.IN_PROGRESS:
        return incident
    return lifecycle.move(incident, IncidentStatus.MITIGATED, SYSTEM, now)


# --- The demo ---------------------------------------------------------------------------------


def healed(wb: Workbench, tenant: str) -> Mapping[str, datetime]:
    """When the sandbox last carried out an action on each subject: from then on the demo's signal is good."""
    states = (ActionState.EXECUTED, ActionState.VERIFIED, ActionState.VERIFY_FAILED)
    found: dict[str, datetime] = {}
    with wb.store.read() as books:
        for action in reversed(books.actions.list(tenant, states=states, limit=1000)):
            if action.mode == "live" and action.proposal.adapter == Sandbox.name and action.executed_at is not None:
                found[books.incidents.get(tenant, action.incident_id).subject] = action.executed_at
    return found
