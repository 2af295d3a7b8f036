"""Proposing actions and deciding on them: every decision is one compare-and-swap, one audit line, one timeline line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core import telemetry
from core.access import Principal, require
from core.act.remedies import Remedy, Request, build_remedy
from core.audit.report import to_json
from core.decide import lifecycle, proposals
from core.decide.lifecycle import SYSTEM
from core.decide.proposals import ENGINE, ApprovalRules, IllegalMove, Mode, TimeSaved
from core.errors import ConfigError, InputError
from core.model import Action, ActionState, AuditEntry, Incident, IncidentStatus, Json, JsonObject, Proposal
from core.service import alerts
from core.service.desk import Desk, attempt, change
from core.service.workbench import Workbench
from core.store.incidents import OPEN_STATES

# --- What applies -----------------------------------------------------------------------------


def rules(wb: Workbench, playbook: str) -> ApprovalRules:
    """The playbook's approval rules; the careful defaults for any other."""
    known = wb.events.get(playbook)
    return known.approval if known else ApprovalRules()


def mode(wb: Workbench) -> Mode:
    """Whether approved actions are carried out or only shown."""
    return "live" if wb.ctx.settings.telltale_live_actions else "dry_run"


def remedy(wb: Workbench, playbook: str, adapter: str) -> Remedy:
    """The adapter as the settings and the playbook set it up. Raises: ConfigError."""
    known = wb.events.get(playbook)
    return build_remedy(wb.ctx.settings, adapter, known.remedies.get(adapter, {}) if known else {})


def key(wb: Workbench, incident: Incident, proposal: Proposal) -> str:
    """The fingerprint of what the proposal rests on now: the incident's explanation and the configuration."""
    try:
        config: Json = remedy(wb, incident.playbook, proposal.adapter).model_dump(mode="json")
    except ConfigError as error:
        config = str(error)
    return proposals.evidence_key(incident, proposal, [mode(wb), config])


# --- Reading ----------------------------------------------------------------------------------


def get(wb: Workbench, who: Principal, action_id: str) -> Action:
    """One action of the person's tenant. Raises: NotFound, Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.actions.get(who.tenant, action_id)


def of_incident(wb: Workbench, who: Principal, incident_id: str) -> tuple[Action, ...]:
    """The incident's actions, as they were proposed. Raises: NotFound, Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        books.incidents.get(who.tenant, incident_id)
        return books.actions.of_incident(who.tenant, incident_id)


def listing(
    wb: Workbench, who: Principal, states: Collection[ActionState] = (), limit: int = 200
) -> tuple[Action, ...]:
    """Actions of all incidents, newest first: with PROPOSED, the inbox of what waits for a decision."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.actions.list(who.tenant, states=states, limit=limit)


def history(wb: Workbench, who: Principal, incident_id: str) -> tuple[AuditEntry, ...]:
    """What was decided and done about the incident's actions, oldest first. Raises: NotFound, Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        books.incidents.get(who.tenant, incident_id)
        entries = books.audit.list(who.tenant, incident_id=incident_id, limit=10_000)
    return tuple(e for e in reversed(entries) if e.action.startswith("action_"))


def preview(wb: Workbench, who: Principal, action_id: str) -> Request:
    """The exact request of the action, without secrets. Raises: ConfigError, InputError, NotFound, Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        action = books.actions.get(who.tenant, action_id)
        incident = books.incidents.get(who.tenant, action.incident_id)
    return remedy(wb, incident.playbook, action.proposal.adapter).preview(action, incident.subject)


def saved(wb: Workbench, who: Principal) -> TimeSaved:
    """Time saved over the incidents on which a person approved an action. Source: DP-26."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        first: dict[str, datetime] = {}
        for action in books.actions.list(who.tenant, limit=10_000):
            if action.approved_at is not None and ENGINE not in action.approvals:
                at = first.get(action.incident_id, action.approved_at)
                first[action.incident_id] = min(at, action.approved_at)
        pairs = [(books.incidents.get(who.tenant, i).detected_at, at) for i, at in first.items()]
    return proposals.time_saved(pairs)


# --- Proposing --------------------------------------------------------------------------------


def propose(wb: Workbench, incident: Incident, drafts: Sequence[Proposal]) -> tuple[Action, ...]:
    """The incident's actions for these drafts; the same draft again is the same action.

    Open proposals that are void, or that a draft of the same type and title replaces, are rejected by the system. A
    new one that may run without a person is approved by ``policy-engine``; the next tick carries it out.
    """

    def work(desk: Desk) -> tuple[Action, ...]:
        current = desk.books.incidents.get(incident.tenant, incident.incident_id)
        return _proposed(wb, desk, current, drafts) if current.status in OPEN_STATES else ()

    return attempt(wb, work)


def _proposed(wb: Workbench, desk: Desk, incident: Incident, drafts: Sequence[Proposal]) -> tuple[Action, ...]:
    applies = rules(wb, incident.playbook)
    tried = desk.books.actions.of_incident(incident.tenant, incident.incident_id)
    spent = proposals.out_of_attempts(tried, applies)
    ready = [replace(d, blocked=spent) if spent else _checked(wb, incident, d) for d in drafts]
    earlier = _without_void(wb, desk, incident, ready)
    known = {a.action_id for a in earlier}
    actions, fresh = [], []
    for draft in ready:
        action = proposals.drafted(incident, draft, earlier, mode(wb), key(wb, incident, draft), desk.now, applies)
        if action.action_id not in known and desk.books.actions.propose(action):
            known.add(action.action_id)
            fresh.append(action)
        actions.append(action)
    incident = desk.tell(incident, incident, [f"proposed: {a.proposal.title}" for a in fresh], SYSTEM)
    done = {}
    for action in fresh:
        held = proposals.held_back(action.proposal, confidence(incident), applies)
        desk.record(action, "resolver", "action_proposed", {"held_back": list(held)})
        if not held and action.sequence == 0 and not action.proposal.is_reading:
            # only once: what failed and comes anew is for a person to approve
            done[action.action_id], incident = _approved(wb, desk, action, incident, ENGINE, applies, "approval rules")
    return tuple(done.get(a.action_id, a) for a in actions)


def _checked(wb: Workbench, incident: Incident, draft: Proposal) -> Proposal:
    """The draft, blocked when its remedy is not set up for it."""
    if draft.blocked:
        return draft
    trial = proposals.drafted(incident, draft, (), mode(wb), "", wb.ctx.clock.now(), ApprovalRules())
    try:
        remedy(wb, incident.playbook, draft.adapter).preview(trial, incident.subject)
    except (ConfigError, InputError) as error:
        return replace(draft, blocked=str(error))
    return draft


def _without_void(wb: Workbench, desk: Desk, incident: Incident, drafts: Sequence[Proposal]) -> tuple[Action, ...]:
    """The incident's actions, with its open proposals rejected where they no longer stand."""
    newer = {(d.action_type, d.title): d for d in drafts}
    kept = []
    for action in desk.books.actions.of_incident(incident.tenant, incident.incident_id):
        if action.state is ActionState.PROPOSED:
            draft = newer.get((action.proposal.action_type, action.proposal.title), action.proposal)
            same = proposals.identity(draft) == proposals.identity(action.proposal)
            current = key(wb, incident, draft if same else action.proposal)
            why = proposals.void_reason(action, current, desk.now) or ("" if same else "a newer proposal replaced it")
            action = desk.void(action, why) if why else action
        kept.append(action)
    return tuple(kept)


# --- Deciding ---------------------------------------------------------------------------------


def approve(wb: Workbench, who: Principal, action_id: str, reason: str = "") -> Action:
    """The action with this person's approval, and the incident IN_PROGRESS; the next tick carries it out.

    Where two people must approve, the first leaves it PROPOSED.
    Raises: IllegalMove (HTTP 400) when it was decided already, is blocked, or is void because it expired or its
    evidence or configuration changed; NotFound; Forbidden.
    """
    require(who, "actions:approve")

    def step(desk: Desk, action: Action, incident: Incident) -> Action:
        why = proposals.void_reason(action, key(wb, incident, action.proposal), desk.now)
        if action.state is ActionState.PROPOSED and why:
            return desk.void(action, why)
        return _approved(wb, desk, action, incident, who.user, rules(wb, incident.playbook), reason)[0]

    decided = change(wb, who.tenant, action_id, step)
    if decided.state is ActionState.REJECTED:
        raise IllegalMove(
            f"{action_id} is void: {decided.reason}.", hint="Look at the newer proposals.", field="action"
        )
    if decided.approved_at is not None:
        telemetry.action_approved((decided.approved_at - decided.proposed_at).total_seconds())
    return decided


def _approved(
    wb: Workbench, desk: Desk, action: Action, incident: Incident, actor: str, applies: ApprovalRules, reason: str
) -> tuple[Action, Incident]:
    """The approval and the incident that is being worked on now, both kept."""
    if incident.status not in OPEN_STATES:
        raise IllegalMove(f"{incident.incident_id} is {incident.status}; nothing is done about it.", field="incident")
    tried = desk.books.actions.of_incident(incident.tenant, incident.incident_id)
    if spent := proposals.out_of_attempts(tried, applies):
        raise IllegalMove(f"{action.action_id} cannot be approved: {spent}.", field="action")
    approved = proposals.approve(action, actor, desk.now, two_person=applies.two_person, reason=reason)
    desk.save(approved, action)
    complete = approved.state is ActionState.APPROVED
    words = f"approved: {action.proposal.title}" + ("" if complete else " (one more approval is needed)")
    begun = _begun(incident, actor, desk.now) if complete else incident
    told = desk.tell(begun, incident, [words], actor)
    if told.status is not incident.status:
        alerts.follow(wb, desk.books, told, words, actor, desk.now)
    agent = ENGINE if actor == ENGINE else "person"
    desk.record(approved, agent, "action_approved", {"reason": reason, "complete": complete}, actor)
    return approved, told


def _begun(incident: Incident, actor: str, now: datetime) -> Incident:
    if incident.status not in (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED):
        return incident
    return replace(lifecycle.move(incident, IncidentStatus.IN_PROGRESS, actor, now), assignee=actor)


def reject(wb: Workbench, who: Principal, action_id: str, reason: str) -> Action:
    """The action refused by this person; it is not proposed again for this incident.

    Raises: IllegalMove (HTTP 400) when it was decided already; InputError without a reason; NotFound; Forbidden.
    """
    require(who, "actions:approve")

    def step(desk: Desk, action: Action, incident: Incident) -> Action:
        rejected = proposals.reject(action, who.user, desk.now, reason)
        desk.save(rejected, action)
        desk.tell(incident, incident, [f"rejected: {action.proposal.title} ({rejected.reason})"], who.user)
        desk.record(rejected, "person", "action_rejected", {"reason": rejected.reason}, who.user)
        return rejected

    return change(wb, who.tenant, action_id, step)


def confidence(incident: Incident) -> float:
    """The computed confidence of the incident's explanation; 0 where there is none."""
    explanation = incident.body.get("explanation")
    value = explanation.get("confidence") if isinstance(explanation, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0


def as_json(action: Action) -> JsonObject:
    """An action with its proposal's fields at top level, as the acceptance list names them."""
    row = to_json(action)
    assert isinstance(row, dict)
    proposal = row.pop("proposal")
    assert isinstance(proposal, dict)
    return {**row, **proposal, "approved_by": ", ".join(action.approvals) or None}
