"""Jira: a ticket for each incident, with a comment and the right status whenever the incident changes."""

from __future__ import annotations

import json
from typing import cast

from pydantic import Field

from core.act import tickets
from core.act.channel import Channel, channels
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.model import Delivery, IncidentStatus, Json, JsonObject, Notification

TEST = "telltale-test"  # the label of the one ticket that test messages go to


@channels.register("jira", "Jira ticket")
class JiraChannel(Channel):
    """One ticket for an incident; its further messages become comments. Its reference is the ticket's key."""

    project: str = Field("OPS", description="Project key")
    issue_type: str = Field("Task", description="Issue type")

    @property
    def recipient(self) -> str:
        """The project."""
        return f"Jira project {one_line(self.project)}"

    def compose(self, message: Message) -> Notification:
        """The ticket's fields, what a comment would say, and the status it should have."""
        state = message.body.get("status")
        status = tickets.STATUSES[IncidentStatus(state)] if isinstance(state, str) and state else None
        text = clip(plain(f"{message.headline}\n{message.summary}"), tickets.TEXT)
        payload: JsonObject = {
            "label": message.incident_id or TEST,
            "fields": tickets.fields(message, message.incident_id or TEST, self.project, self.issue_type),
            "comment": text,
            "status": status,
        }
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=one_line(message.headline)[:200],
            text=text or "-",
            payload=payload,
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (found by its label)
        """The payload as JSON: the ticket is found by its label, so a repeat opens no second one."""
        return json.dumps(notification.payload).encode()

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:  # noqa: ARG002 (as above)
        """Opens the ticket, or comments on the one there is, and moves it; answers its key.

        Raises: ConfigError, ProviderError, InputError.
        """
        told = notification.payload
        ticket = tickets.opened(cast("dict[str, Json]", told["fields"]), str(told["label"]), ctx)
        if not ticket.created:
            tickets.comment(ticket.key, str(told["comment"]), ctx)
        if told.get("status"):
            tickets.transition(ticket.key, str(told["status"]), ctx)
        return ticket.key
