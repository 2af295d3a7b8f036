"""Slack through a bot: its messages have an id, so they can be changed after a decision."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import Field

from core.act.channel import Channel, channels
from core.act.channels.blocks import blocks, fallback
from core.act.delivery import answered, refused
from core.act.message import Message, one_line
from core.context import Context
from core.errors import ConfigError, InputError, ProviderError
from core.model import Delivery, Json, Notification
from core.ports import HttpReply

_PASSING = frozenset({"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_HINTS = {
    "invalid_auth": "Check SLACK_BOT_TOKEN.",
    "not_authed": "Check SLACK_BOT_TOKEN.",
    "token_revoked": "Install the Slack app again and set SLACK_BOT_TOKEN.",
    "token_expired": "Install the Slack app again and set SLACK_BOT_TOKEN.",
    "account_inactive": "Install the Slack app again and set SLACK_BOT_TOKEN.",
    "missing_scope": "Give the Slack app the scope chat:write.",
    "channel_not_found": "Check SLACK_CHANNEL.",
    "not_in_channel": "Invite the bot to the channel.",
    "is_archived": "Choose another SLACK_CHANNEL.",
}


@channels.register("slack_bot", "Slack bot")
class SlackBotChannel(Channel):
    """One message to a channel the bot may write to. Its reference is ``<channel id>:<ts>``."""

    conversation: str = Field(min_length=1, description="Channel id, e.g. C0123456789")

    @property
    def recipient(self) -> str:
        """The channel."""
        return f"Slack channel {one_line(self.conversation)}"

    def compose(self, message: Message) -> Notification:
        """The same blocks as by webhook, with the channel they go to."""
        said = fallback(message)
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=one_line(message.subject)[:200],
            text=said,
            payload={"channel": self.conversation, "text": said, "blocks": blocks(message), "unfurl_links": False},
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (has no id to carry)
        """The payload as JSON. Slack has no idempotency key: a repeat after a crash shows twice."""
        return json.dumps(notification.payload).encode()

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Posts the message; answers ``<channel id>:<ts>``. Raises: ConfigError, ProviderError, InputError."""
        answer = _call("chat.postMessage", self.wire(notification, delivery), ctx)
        channel, ts = answer.get("channel"), answer.get("ts")
        return f"{channel}:{ts}" if channel and ts else ""

    def revise(self, reference: str, message: Message, ctx: Context) -> None:
        """Puts ``message`` in the place of the one that :meth:`send` answered ``reference`` for.

        Raises: InputError for another reference; ConfigError, ProviderError as :meth:`send`.
        """
        channel, _, ts = reference.partition(":")
        if not channel or not ts:
            raise InputError(f"'{one_line(reference)}' is no reference of a Slack message.", field="reference")
        body: Json = {"channel": channel, "ts": ts, "text": fallback(message), "blocks": blocks(message)}
        _call("chat.update", json.dumps(body).encode(), ctx)


def _call(method: str, body: bytes, ctx: Context) -> Mapping[str, object]:
    token = ctx.settings.slack_bot_token
    if token is None:
        raise ConfigError("The Slack bot is off.", hint="Set SLACK_BOT_TOKEN.", field="SLACK_BOT_TOKEN")
    headers = {
        "Authorization": f"Bearer {token.get_secret_value()}",
        "Content-Type": "application/json; charset=utf-8",
    }
    reply = ctx.http.post(f"{ctx.settings.slack_api_url.rstrip('/')}/{method}", body, headers)
    answer = answered(reply)
    if reply.status == 200 and answer.get("ok") is True:
        return answer
    raise _mapped(reply, answer, ctx)


def _mapped(reply: HttpReply, answer: Mapping[str, object], ctx: Context) -> ProviderError:
    """Slack answers 200 to most errors and names them in ``error``."""
    reason = one_line(str(answer.get("error") or ""))[:60]
    error = refused("Slack", reply, ctx.clock.now(), reason=reason, hint=_HINTS.get(reason, ""))
    error.retryable = error.retryable or reason in _PASSING
    return error
