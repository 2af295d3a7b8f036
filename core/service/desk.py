"""Changing actions and their incident in one transaction, always in the same order: actions, incident, audit.

The order is what keeps two transactions from waiting for each other on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from core.decide import proposals
from core.decide.lifecycle import SYSTEM
from core.errors import Conflict, NotFound
from core.model import Action, ActionState, Incident, Json, JsonObject, TimelineEntry
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.incidents import OPEN_STATES

TRIES = 20  # writes over an outdated reading that are tried again
T = TypeVar("T")


@dataclass(slots=True)
class Desk:
    """The books of one transaction, its time, and the audit lines it will end with."""

    books: Books
    now: datetime
    _lines: list[Callable[[], object]] = field(default_factory=list)

    def save(self, action: Action, read: Action) -> None:
        """Keeps the action over the reading it came from. Raises: Conflict when that is outdated."""
        self.books.actions.save(action, expected=read.updated_at)

    def tell(self, incident: Incident, read: Incident, events: Sequence[str], actor: str) -> Incident:
        """Keeps the incident over the reading it came from, with these lines in its timeline. Raises: Conflict."""
        if not events:
            return incident
        after = max(self.now, incident.updated_at + timedelta(microseconds=1))
        lines = tuple(TimelineEntry(self.now, event, actor) for event in events)
        told = replace(incident, updated_at=after, timeline=(*incident.timeline, *lines))
        self.books.incidents.save(told, expected=read.updated_at)
        return told

    def record(self, action: Action, agent: str, what: str, more: JsonObject, actor: str = SYSTEM) -> None:
        """Will write one audit line for one decision."""
        facts: dict[str, Json] = {
            "action_id": action.action_id,
            "action_type": action.proposal.action_type,
            "title": action.proposal.title,
            "mode": action.mode,
            "state": str(action.state),
            "actor": actor,
            **more,
        }
        self._lines.append(
            lambda: self.books.audit.append(
                action.tenant,
                agent,
                what,
                facts,
                self.now,
                incident_id=action.incident_id,
                approved_by=", ".join(action.approvals) or None,
                correlation_id=action.action_id,
            )
        )

    def void(self, action: Action, why: str) -> Action:
        """The open proposal rejected by the system. Raises: Conflict when it was changed meanwhile."""
        rejected = proposals.reject(action, SYSTEM, self.now, why)
        self.save(rejected, action)
        self.record(rejected, SYSTEM, "action_rejected", {"reason": why})
        return rejected

    def drop_open(self, incident: Incident) -> tuple[Action, ...]:
        """The open proposals of an incident that is no longer open, rejected by the system; before it is saved."""
        if incident.status in OPEN_STATES:
            return ()
        known = self.books.actions.of_incident(incident.tenant, incident.incident_id)
        why = f"the incident is {incident.status}"
        return tuple(self.void(a, why) for a in known if a.state is ActionState.PROPOSED)

    def close(self) -> None:
        """Writes the audit lines: the last thing in the transaction."""
        for line in self._lines:
            line()
        self._lines.clear()


def correlation(incident: Incident) -> str:
    """What links the incident with its events, messages and audit: its subject's own id where it has one."""
    return str(incident.body.get("correlation_id") or incident.run_id)


def correlation_of(books: Books, tenant: str, incident_id: str | None, run_id: str) -> str:
    """The same for what is about an incident; about none, or one that is not kept, it is the run's."""
    if incident_id is None:
        return run_id
    try:
        return correlation(books.incidents.get(tenant, incident_id))
    except NotFound:
        return run_id


Step: TypeAlias = Callable[[Desk, Action, Incident], Action]


def attempt(wb: Workbench, work: Callable[[Desk], T]) -> T:
    """What ``work`` answers in one transaction, done anew whenever somebody wrote what it had read.

    Raises: whatever ``work`` raises; Conflict when it never came to rest.
    """
    for left in reversed(range(TRIES)):
        try:
            with wb.store.begin() as books:
                desk = Desk(books, wb.ctx.clock.now())
                answer = work(desk)
                desk.close()
            return answer
        except Conflict:
            if not left:
                raise
    raise AssertionError("TRIES is at least one")


def change(wb: Workbench, tenant: str, action_id: str, step: Step) -> Action:
    """What ``step`` makes of the action and its incident, as :func:`attempt` does. Raises: NotFound besides."""

    def work(desk: Desk) -> Action:
        action = desk.books.actions.get(tenant, action_id)
        return step(desk, action, desk.books.incidents.get(tenant, action.incident_id))

    return attempt(wb, work)
