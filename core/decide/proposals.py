"""The life of an action proposal: who may move it where, when it acts unattended, and when it is void. Pure functions.

``PROPOSED -> APPROVED | REJECTED``, ``APPROVED -> EXECUTED | FAILED``, ``EXECUTED -> VERIFIED | VERIFY_FAILED``.
An approved action that is being carried out is marked ``executing_since`` in its result: whoever sets the mark, alone
carries it out, and one that keeps the mark after its process died is shown and never run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import Field

from core.decide.lifecycle import SYSTEM
from core.decide.policy import Strict
from core.errors import InputError
from core.model import Action, ActionState, Incident, Json, JsonObject, Proposal

ENGINE = "policy-engine"  # the actor of an unattended approval
_NEVER = timedelta(days=36500)
MANUAL_BASELINE_MIN = 45.0
TARGET_S = 120.0
Mode: TypeAlias = Literal["dry_run", "live"]

_S = ActionState
ALLOWED: Mapping[ActionState, tuple[ActionState, ...]] = {
    _S.PROPOSED: (_S.APPROVED, _S.REJECTED),
    _S.APPROVED: (_S.EXECUTED, _S.FAILED),
    _S.EXECUTED: (_S.VERIFIED, _S.VERIFY_FAILED),
    _S.REJECTED: (),
    _S.FAILED: (),
    _S.VERIFIED: (),
    _S.VERIFY_FAILED: (),
}


class IllegalMove(InputError):
    """The state of an action forbids this; a second approval is one of these. HTTP 400."""

    code = "illegal_state"


class ApprovalRules(Strict):
    """When an action may run without a person, how many people it takes otherwise, and for how long it stands."""

    auto: bool = Field(False, description="Let actions of the listed types run without a person")
    auto_types: tuple[str, ...] = ("scale_out", "cache_warmup")
    max_risk: float = Field(0.30, ge=0, le=1, description="Highest risk that runs without a person")
    min_confidence: float = Field(0.70, ge=0, le=1, description="Lowest confidence that runs without a person")
    two_person: bool = Field(False, description="Two different people must approve")
    max_attempts: int | None = Field(None, ge=1, description="An incident's actions are carried out so often at most")
    expires_minutes: float = Field(1440, gt=0, description="A proposal nobody decided on is void after this")
    verify_timeout_s: float = Field(300, gt=0, description="The signal must be good within this time")
    verify_poll_s: float = Field(10, gt=0, description="The signal is read again after this time")


# --- Identity ---------------------------------------------------------------------------------


def identity(proposal: Proposal) -> JsonObject:
    """What makes a proposal the same proposal: its type, title and parameters."""
    return {**proposal.params, "action_type": proposal.action_type, "title": proposal.title}


def action_id(incident_id: str, sequence: int, content: JsonObject) -> str:
    """``ACT-`` and 16 hex digits of the SHA-256 of incident, sequence and compact JSON with sorted keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=dict)
    return "ACT-" + hashlib.sha256(f"{incident_id}|{sequence}|{text}".encode()).hexdigest()[:16].upper()


def evidence_key(incident: Incident, proposal: Proposal, config: Json) -> str:
    """A fingerprint of what the proposal rests on: incident, leading hypothesis, the whole proposal, configuration.

    Measured values are not in it: they change with every look, the reason for the proposal does not.
    """
    facts = [
        incident.type,
        incident.subject,
        _leading(incident.body),
        identity(proposal),
        proposal.adapter,
        proposal.blocked,
        config,
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dict).encode()).hexdigest()[:32]


def _leading(body: JsonObject) -> Json:
    """The kind of the leading hypothesis."""
    explanation = body.get("explanation")
    ranked = explanation.get("hypotheses") if isinstance(explanation, Mapping) else None
    if not isinstance(ranked, Sequence) or isinstance(ranked, str) or not ranked:
        return None
    first = ranked[0]
    return first.get("kind") if isinstance(first, Mapping) else None


def drafted(
    incident: Incident, proposal: Proposal, earlier: Sequence[Action], mode: Mode, key: str, now: datetime,
    rules: ApprovalRules,
) -> Action:  # fmt: skip
    """The action for a proposal: the one of ``earlier`` that already stands for it, else a new one.

    A proposal comes anew (next sequence) only when its last one expired or was voided, failed, or was carried out as a
    dry run and could now be live. What a person rejected, and what was tried and did not help, is not proposed again.
    """
    content = identity(proposal)
    same = sorted((a for a in earlier if identity(a.proposal) == content), key=lambda a: a.sequence)
    if same and not _may_come_anew(same[-1], mode):
        return same[-1]
    sequence = same[-1].sequence + 1 if same else 0
    return Action(
        action_id=action_id(incident.incident_id, sequence, content),
        incident_id=incident.incident_id,
        tenant=incident.tenant,
        sequence=sequence,
        proposal=proposal,
        mode=mode,
        state=_S.PROPOSED,
        evidence_key=key,
        proposed_at=now,
        expires_at=now + (_NEVER if proposal.is_reading else timedelta(minutes=rules.expires_minutes)),
        updated_at=now,
    )


def out_of_attempts(earlier: Sequence[Action], rules: ApprovalRules) -> str:
    """Why no further action may be carried out for an incident with these; empty while one may. A dry run is none."""
    tried = sum(a.executed_at is not None and a.mode == "live" for a in earlier)
    over = rules.max_attempts is not None and tried >= rules.max_attempts
    return f"{tried} attempts were made; there is no further one" if over else ""


def _may_come_anew(last: Action, mode: Mode) -> bool:
    if last.state is _S.REJECTED:
        return last.rejected_by == SYSTEM
    return last.state is _S.FAILED or (last.state is _S.EXECUTED and last.mode == "dry_run" and mode == "live")


# --- Moves ------------------------------------------------------------------------------------


def void_reason(action: Action, key: str, now: datetime) -> str:
    """Why a proposal may no longer be approved or carried out; empty while it stands."""
    if action.state is _S.PROPOSED and now >= action.expires_at:
        return f"expired at {action.expires_at:%Y-%m-%d %H:%M} UTC"
    return "" if action.evidence_key == key else "its evidence or the configuration changed since it was proposed"


def approve(action: Action, actor: str, now: datetime, *, two_person: bool = False, reason: str = "") -> Action:
    """The action with one more approval; APPROVED once it has enough.

    Raises: IllegalMove for any state but PROPOSED, for documentation or a blocked proposal, and for a second approval
    of one person.
    """
    _check(action, _S.APPROVED)
    if not actor.strip():
        raise InputError("An approval needs the person who gave it.", field="actor")
    if action.proposal.is_reading:
        raise IllegalMove(f"{action.action_id} is documentation: there is nothing to approve.", field="action")
    if action.proposal.blocked:
        raise IllegalMove(f"{action.action_id} cannot be approved: {action.proposal.blocked}.", field="action")
    if actor in action.approvals:
        raise IllegalMove(f"{actor} approved {action.action_id} already; another person must.", field="actor")
    given = (*action.approvals, actor)
    enough = not two_person or actor == ENGINE or len(given) >= 2
    approved = replace(action, approvals=given, reason=reason.strip() or action.reason)
    if not enough:
        return _stamped(approved, now)
    return _stamped(replace(approved, state=_S.APPROVED, approved_at=now), now)


def reject(action: Action, actor: str, now: datetime, reason: str) -> Action:
    """The action refused. Raises: IllegalMove for any state but PROPOSED; InputError without a reason."""
    _check(action, _S.REJECTED)
    if not reason.strip():
        raise InputError("A rejection needs a reason.", field="reason")
    return _stamped(replace(action, state=_S.REJECTED, rejected_by=actor, reason=reason.strip()), now)


def executing_since(action: Action) -> datetime | None:
    """When somebody began to carry the action out without an end being known; None otherwise."""
    since = action.result.get("executing_since")
    return datetime.fromisoformat(since) if action.state is _S.APPROVED and isinstance(since, str) else None


def claim(action: Action, now: datetime) -> Action:
    """The action marked as being carried out. Raises: IllegalMove when it is not approved or marked already."""
    _check(action, _S.EXECUTED)
    if executing_since(action) is not None:
        raise IllegalMove(f"{action.action_id} is being carried out already.", field="action")
    return _stamped(replace(action, result={"executing_since": now.isoformat()}), now)


def finish(action: Action, result: JsonObject, now: datetime, *, ok: bool) -> Action:
    """The action EXECUTED or FAILED with what came of it. Raises: IllegalMove when it was not approved."""
    to = _S.EXECUTED if ok else _S.FAILED
    _check(action, to)
    return _stamped(replace(action, state=to, executed_at=now, result=result), now)


def verified(action: Action, result: JsonObject, now: datetime, *, good: bool) -> Action:
    """The action VERIFIED or VERIFY_FAILED. Raises: IllegalMove unless it was carried out for real."""
    to = _S.VERIFIED if good else _S.VERIFY_FAILED
    _check(action, to)
    if action.mode != "live":
        raise IllegalMove(f"{action.action_id} was a dry run; there is nothing to verify.", field="action")
    return _stamped(replace(action, state=to, verify_result=result), now)


def polled(action: Action, result: JsonObject, now: datetime) -> Action:
    """The executed action with what the last reading of its signal said."""
    return _stamped(replace(action, verify_result=result), now)


def in_flight(action: Action) -> bool:
    """Whether the action may yet change its subject: approved, or carried out for real and not verified."""
    return action.state is _S.APPROVED or (action.state is _S.EXECUTED and action.mode == "live")


def _check(action: Action, to: ActionState) -> None:
    choices = ALLOWED[action.state]
    if to not in choices:
        names = ", ".join(choices) or "no other state"
        raise IllegalMove(
            f"{action.action_id} is {action.state} and cannot become {to}.", hint=f"Allowed: {names}.", field="state"
        )


def _stamped(action: Action, now: datetime) -> Action:
    """``updated_at`` always grows, also under a standing clock: the store compares it to notice other writers."""
    return replace(action, updated_at=max(now, action.updated_at + timedelta(microseconds=1)))


# --- Unattended approval and time saved -------------------------------------------------------


def held_back(proposal: Proposal, confidence: float, rules: ApprovalRules) -> tuple[str, ...]:
    """Why a person must approve; empty when the action may run unattended."""
    reasons = (
        (not rules.auto, "unattended actions are off"),
        (proposal.requires_approval, "its template requires approval"),
        (proposal.action_type not in rules.auto_types, f"{proposal.action_type} is not on the list"),
        (proposal.risk_score > rules.max_risk, f"risk {proposal.risk_score:g} is over {rules.max_risk:g}"),
        (confidence < rules.min_confidence, f"confidence {confidence:g} is under {rules.min_confidence:g}"),
        (bool(proposal.blocked), proposal.blocked),
    )
    return tuple(text for holds, text in reasons if holds)


@dataclass(frozen=True, slots=True)
class TimeSaved:
    """How much faster incidents were decided on than by hand. Units: minutes; None without a measured incident."""

    n: int
    manual_min: float
    measured_min: float | None
    saved_min: float | None
    within_target: int  # incidents approved in less than two minutes
    formula: str = "manual baseline - mean(first approval - detection)"


def time_saved(measured: Sequence[tuple[datetime, datetime]], manual_min: float = MANUAL_BASELINE_MIN) -> TimeSaved:
    """The mean over incidents, given as (detected, approved), of manual baseline minus measured time."""
    seconds = [(approved - detected).total_seconds() for detected, approved in measured]
    mean = sum(seconds) / len(seconds) / 60 if seconds else None
    return TimeSaved(
        n=len(seconds),
        manual_min=manual_min,
        measured_min=mean,
        saved_min=None if mean is None else manual_min - mean,
        within_target=sum(s < TARGET_S for s in seconds),
    )
