"""Slack through an incoming webhook, in Block Kit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from core.act.channel import Channel, channels
from core.act.delivery import retry_after
from core.act.message import Message, one_line, plain
from core.context import Context
from core.errors import ConfigError, ProviderError
from core.model import Delivery, Json, Notification
from core.ports import HttpReply

# Characters, after escaping. Block Kit allows 150 in a header, 3,000 in a section; a whole message is refused from
# about 13,000 on, so the parts add up to less than 12,000.
HEADER, SUMMARY, LIST, CONTEXT, FALLBACK, LINK = 150, 2900, 2900, 600, 1000, 3000
_RECONNECT = frozenset({"no_service", "no_service_id", "invalid_token", "no_team", "action_prohibited"})


@channels.register("slack", "Slack")
class SlackChannel(Channel):
    """One message to the channel that the webhook belongs to."""

    def compose(self, message: Message) -> Notification:
        """Header, summary, reasons, actions, facts and a link button; ``text`` is what screen readers read."""
        headline = f"{message.light.value.upper()}: {one_line(message.title)}"
        fallback = escaped(f"{one_line(message.subject)}\n{headline}\n{plain(message.summary)}", FALLBACK)
        return Notification(
            channel=self.name,
            recipient="Slack channel of the webhook",
            subject=one_line(message.subject)[:200],
            text=fallback,
            payload={"text": fallback, "blocks": _blocks(message, headline), "unfurl_links": False},
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
        if (reply.status, reply.text.strip()) != (200, "ok"):
            raise _refused(reply, retry_after(reply.headers, ctx.clock.now()))
        return ""


def escaped(text: str, limit: int) -> str:
    """``text`` with Slack's three special characters as entities, cut to ``limit`` without cutting an entity."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(safe) <= limit:
        return safe
    return re.sub(r"&[a-z]{0,3}$", "", safe[: limit - 1]).rstrip() + "…"


def _blocks(message: Message, headline: str) -> list[Json]:
    facts = [f"Confidence {message.confidence:.0%}", message.playbook, message.as_of]
    if message.incident_id:
        facts.append(message.incident_id)
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": escaped(headline, HEADER), "emoji": False}},
        _section(escaped(plain(message.summary), SUMMARY)),
        *(_section(_list(title, lines)) for title, lines in _lists(message) if lines),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(" · ".join(facts), CONTEXT)}]},
    ]
    if message.link.startswith(("https://", "http://")) and len(message.link) <= LINK:
        label: Json = {"type": "plain_text", "text": "Open in Telltale"}
        button: Json = {"type": "button", "action_id": "open", "text": label, "url": message.link}
        blocks.append({"type": "actions", "elements": [button]})
    return blocks


def _lists(message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("Why", message.drivers), ("What to do", message.actions)


def _list(title: str, lines: tuple[str, ...]) -> str:
    return f"*{title}*\n" + escaped("\n".join(f"• {one_line(line)}" for line in lines), LIST - len(title) - 3)


def _section(text: str) -> Mapping[str, Json]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text or "-"}}


def _refused(reply: HttpReply, wait_s: float | None) -> ProviderError:
    """Only 429 and 5xx are worth another attempt."""
    word = reply.text.strip()
    reason = word if re.fullmatch(r"[a-z_]{2,60}", word) else f"status {reply.status}"
    retryable = reply.status == 429 or reply.status >= 500
    hint = "Create the webhook anew and set SLACK_WEBHOOK_URL." if reason in _RECONNECT else ""
    message = f"Slack refused the message ({reply.status}, {reason})."
    return ProviderError(message, retryable=retryable, reason=reason, retry_after_s=wait_s, hint=hint)
