"""Slack through an incoming webhook, in Block Kit."""

from __future__ import annotations

import json
import re

from core.act.channel import Channel, channels
from core.act.channels.blocks import blocks, fallback
from core.act.delivery import refused
from core.act.message import Message, one_line
from core.context import Context
from core.errors import ConfigError
from core.model import Delivery, Notification

_RECONNECT = frozenset({"no_service", "no_service_id", "invalid_token", "no_team", "action_prohibited"})


@channels.register("slack", "Slack")
class SlackChannel(Channel):
    """One message to the channel that the webhook belongs to. It cannot be changed later; the bot's can."""

    @property
    def recipient(self) -> str:
        """The webhook knows its channel; we do not."""
        return "Slack channel of the webhook"

    def compose(self, message: Message) -> Notification:
        """Header, summary, facts, reasons, actions and buttons; ``text`` is what screen readers read."""
        said = fallback(message)
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=one_line(message.subject)[:200],
            text=said,
            payload={"text": said, "blocks": blocks(message), "unfurl_links": False},
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (has no id to carry)
        """The payload as JSON. Slack has no idempotency key: a repeat after a crash shows twice."""
        return json.dumps(notification.payload).encode()

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Posts the message; a webhook gives no reference. Raises: ConfigError, ProviderError, InputError."""
        url = ctx.settings.slack_webhook_url
        if url is None:
            raise ConfigError("Slack is off.", hint="Set SLACK_WEBHOOK_URL.", field="SLACK_WEBHOOK_URL")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        reply = ctx.http.post(url.get_secret_value(), self.wire(notification, delivery), headers)
        word = reply.text.strip()
        if (reply.status, word) != (200, "ok"):
            reason = word if re.fullmatch(r"[a-z_]{2,60}", word) else ""
            hint = "Create the webhook anew and set SLACK_WEBHOOK_URL." if reason in _RECONNECT else ""
            raise refused("Slack", reply, ctx.clock.now(), reason=reason, hint=hint)
        return ""
