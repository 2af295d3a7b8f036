"""The book of action proposals: the same proposal is one row, changed only by compare-and-swap."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.model import Action, ActionState, Json, Proposal
from core.redaction import Redactor
from core.store.action_tables import ActionRow
from core.store.rowlocks import insert_once


class Actions:
    """Action proposals, newest first."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def propose(self, action: Action) -> bool:
        """Keeps a new proposal; says whether it is new. The same one again changes nothing."""
        return insert_once(self._session, ActionRow, self._values(action))

    def save(self, action: Action, expected: datetime) -> None:
        """Replaces the action if it is still as it was at ``expected`` (its ``updated_at`` when it was read).

        Raises: Conflict when somebody changed it meanwhile; NotFound.
        """
        change = update(ActionRow).where(*_one(action.tenant, action.action_id), ActionRow.updated_at == expected)
        statement = change.values(self._values(action)).returning(ActionRow.action_id)
        changed = self._session.execute(statement).first()
        self._session.expire_all()
        if changed is None:
            now = self.get(action.tenant, action.action_id)
            raise Conflict(f"Action {now.action_id} was changed meanwhile (it is {now.state}).", hint="Reload.")

    def get(self, tenant: str, action_id: str) -> Action:
        """The action. Raises: NotFound, also for another tenant's id."""
        row = self._session.scalar(select(ActionRow).where(*_one(tenant, action_id)))
        if row is None:
            raise NotFound(f"There is no action '{action_id}'.", field="action")
        return _action(row)

    def of_incident(self, tenant: str, incident_id: str) -> tuple[Action, ...]:
        """The incident's actions in the order they were proposed."""
        query = select(ActionRow).where(ActionRow.tenant == tenant, ActionRow.incident_id == incident_id)
        ordered = query.order_by(ActionRow.proposed_at, ActionRow.sequence, ActionRow.action_id)
        return tuple(_action(row) for row in self._session.scalars(ordered))

    def list(self, tenant: str, *, states: Collection[ActionState] = (), limit: int = 200) -> tuple[Action, ...]:
        """Up to ``limit`` actions in one of the states (all by default), newest first."""
        query = select(ActionRow).where(ActionRow.tenant == tenant)
        if states:
            query = query.where(ActionRow.state.in_([s.value for s in states]))
        ordered = query.order_by(ActionRow.proposed_at.desc(), ActionRow.sequence.desc(), ActionRow.action_id)
        return tuple(_action(row) for row in self._session.scalars(ordered.limit(limit)))

    def unsettled(self, now: datetime, limit: int = 200) -> tuple[Action, ...]:
        """Actions of every tenant that something is to happen to by itself, longest untouched first.

        These are expired proposals, approved actions, and those carried out for real and not yet verified.
        """
        due = or_(
            and_(ActionRow.state == ActionState.PROPOSED.value, ActionRow.expires_at <= now),
            ActionRow.state == ActionState.APPROVED.value,
            and_(ActionRow.state == ActionState.EXECUTED.value, ActionRow.mode == "live"),
        )
        query = select(ActionRow).where(due).order_by(ActionRow.updated_at)
        return tuple(_action(row) for row in self._session.scalars(query.limit(limit)))

    def changed_since(self, since: datetime, limit: int = 200) -> tuple[Action, ...]:
        """Actions of every tenant that were changed after ``since``, last changed first."""
        query = select(ActionRow).where(ActionRow.updated_at > since).order_by(ActionRow.updated_at.desc())
        return tuple(_action(row) for row in self._session.scalars(query.limit(limit)))

    def _values(self, action: Action) -> dict[str, object]:
        approvals: Json = list(action.approvals)
        return {
            "action_id": action.action_id,
            "tenant": action.tenant,
            "incident_id": action.incident_id,
            "sequence": action.sequence,
            "state": action.state.value,
            "mode": action.mode,
            "evidence_key": action.evidence_key,
            "proposal": self._redactor.json(asdict(action.proposal)),
            "proposed_at": action.proposed_at,
            "expires_at": action.expires_at,
            "updated_at": action.updated_at,
            "approvals": approvals,
            "approved_at": action.approved_at,
            "rejected_by": action.rejected_by,
            "reason": self._redactor.text(action.reason),
            "executed_at": action.executed_at,
            "result": self._redactor.json(action.result),
            "verify_result": self._redactor.json(action.verify_result),
        }


def _one(tenant: str, action_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ActionRow.tenant == tenant, ActionRow.action_id == action_id


def _action(row: ActionRow) -> Action:
    assert isinstance(row.proposal, dict)
    assert isinstance(row.approvals, list)
    assert isinstance(row.result, dict)
    assert isinstance(row.verify_result, dict)
    return Action(
        action_id=row.action_id,
        incident_id=row.incident_id,
        tenant=row.tenant,
        sequence=row.sequence,
        proposal=Proposal(**row.proposal),
        mode=row.mode,
        state=ActionState(row.state),
        evidence_key=row.evidence_key,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        updated_at=row.updated_at,
        approvals=tuple(str(who) for who in row.approvals),
        approved_at=row.approved_at,
        rejected_by=row.rejected_by,
        reason=row.reason,
        executed_at=row.executed_at,
        result=row.result,
        verify_result=row.verify_result,
    )
