"""Answers that people give in Slack, and the message there that shows what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from core import telemetry
from core.access import Principal, require
from core.act.channels.slack_bot import SlackBotChannel
from core.act.message import Message
from core.act.slack_requests import Answer
from core.errors import NotFound, WorkbenchError
from core.model import Action, ActionState, Incident, Light
from core.service import actions, alerts
from core.service.workbench import Workbench

RECENT: Final = timedelta(minutes=2)
WORDS: Final[Mapping[ActionState, str]] = {
    ActionState.PROPOSED: "Approval needed",
    ActionState.APPROVED: "Approved, being carried out",
    ActionState.REJECTED: "Rejected",
    ActionState.EXECUTED: "Carried out",
    ActionState.FAILED: "Failed",
    ActionState.VERIFIED: "Carried out, and it helped",
    ActionState.VERIFY_FAILED: "Carried out, but it did not help",
}


def give(wb: Workbench, who: Principal, answer: Answer) -> Action:
    """The action after the person's button. Raises: as :func:`actions.approve`; NotFound for a mismatched incident."""
    require(who, "actions:approve")
    if actions.get(wb, who, answer.action_id).incident_id != answer.incident_id:
        raise NotFound(f"There is no action '{answer.action_id}' of {answer.incident_id}.", field="action")
    if answer.approves:
        return actions.approve(wb, who, answer.action_id, "approved in Slack")
    return actions.reject(wb, who, answer.action_id, "rejected in Slack")


def message(wb: Workbench, incident: Incident, action: Action) -> Message:
    """The approval message as it stands now: the question, or what was answered and came of it."""
    asked = alerts.request(wb, wb.events[incident.playbook], incident, action)
    if action.state is ActionState.PROPOSED:
        first = ", ".join(action.approvals)
        return replace(asked, facts=(*asked.facts, ("Approved by", f"{first}; one more"))) if first else asked
    word = "Simulated" if action.result.get("simulated") else WORDS[action.state]
    title = f"{word}: {action.proposal.title}"
    facts = [*asked.facts, *_decided(action)]
    error = action.result.get("error") or action.verify_result.get("text")
    return replace(
        asked,
        light=Light.GREEN if action.state is ActionState.VERIFIED else asked.light,
        subject=title,
        title=title,
        summary=f"{asked.summary}\n{error}" if error else asked.summary,
        facts=tuple(facts),
        buttons=(),
    )


def _decided(action: Action) -> list[tuple[str, str]]:
    if action.rejected_by is not None:
        return [("Rejected by", action.rejected_by), ("Reason", action.reason)]
    return [("Approved by", ", ".join(action.approvals))]


def revise(wb: Workbench, tenant: str, action_id: str, reference: str = "") -> bool:
    """Puts the present state of the action in the place of its approval message; says whether there was one.

    ``reference`` is the message a button was pressed in; by default the one that was sent for the action.
    Raises: ProviderError when Slack refuses.
    """
    channel = wb.channels.get(SlackBotChannel.name)
    if not isinstance(channel, SlackBotChannel):
        return False
    with wb.store.read() as books:
        action = books.actions.get(tenant, action_id)
        incident = books.incidents.get(tenant, action.incident_id)
        sent = books.outbox.find_sent(tenant, f"{channel.name}:approval:{action_id}")
    reference = reference or (sent.reference if sent else "")
    if not reference or incident.playbook not in wb.events:
        return False
    try:
        channel.revise(reference, message(wb, incident, action), wb.ctx)
    except WorkbenchError:
        telemetry.adapter_failed(channel.name)
        raise
    return True


class Shown:
    """What this process has already shown of recently changed actions; every process shows the same."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def refresh(self, wb: Workbench) -> int:
        """Revises the messages of actions that were decided or moved on in the last minutes; answers how many."""
        if SlackBotChannel.name not in wb.channels:
            return 0
        with wb.store.read() as books:
            changed = books.actions.changed_since(wb.ctx.clock.now() - RECENT)
        states = {a.action_id: f"{a.state}{len(a.approvals)}" for a in changed}
        due = [a for a in changed if self._shown.get(a.action_id) != states[a.action_id]]
        self._shown = states  # a message that Slack refuses is tried again with the next change only
        return sum(revise(wb, a.tenant, a.action_id) for a in due if a.approvals or a.rejected_by)
