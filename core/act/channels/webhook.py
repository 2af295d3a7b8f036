"""A webhook for other programs (n8n and the like), signed the way of Standard Webhooks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from pydantic import Field

from core.act.channel import Channel, channels
from core.act.delivery import refused
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.errors import ConfigError
from core.model import Delivery, Json, JsonObject, Notification

MOST_BYTES = 20 * 1024  # what the standard advises
_ROOMS = ((4000, 200, 8), (1000, 50, 8), (300, 15, 6), (100, 5, 4), (40, 1, 1))  # longest text, most items, deepest


@channels.register("webhook", "Webhook")
class WebhookChannel(Channel):
    """One signed POST of JSON. A repeat carries the same ``webhook-id``, so the receiver can drop it.

    Source: Standard Webhooks 1.0.0.
    """

    host: str = Field(min_length=1, description="Host that is posted to, for people to see")

    @property
    def recipient(self) -> str:
        """The host; the rest of the address may be a secret."""
        return f"Webhook at {one_line(self.host)}"

    def compose(self, message: Message) -> Notification:
        """The message's own body for programs, else the message as JSON; cut so that it stays under 20 kB."""
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=clip(one_line(message.subject), 200),
            text=clip(f"{message.headline}\n{plain(message.summary)}", 1000),
            payload=_fitting(message.body or _neutral(message)),
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (its id is a header)
        """The payload as JSON: what is signed and posted."""
        return _bytes(notification.payload)

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Posts the payload; there is no reference. Any 2xx is success. Raises: ConfigError, ProviderError."""
        url, body = ctx.settings.webhook_url, self.wire(notification, delivery)
        if url is None:
            raise ConfigError("The webhook is off.", hint="Set WEBHOOK_URL and WEBHOOK_SECRET.", field="WEBHOOK_URL")
        reply = ctx.http.post(url.get_secret_value(), body, _headers(delivery.id, body, ctx))
        if not 200 <= reply.status < 300:
            gone = "The receiver wants no more; change or remove WEBHOOK_URL." if reply.status == 410 else ""
            raise refused("The webhook", reply, ctx.clock.now(), hint=gone)
        return ""


def _headers(delivery_id: str, body: bytes, ctx: Context) -> dict[str, str]:
    """The id is the delivery's and stays; time and signature are the attempt's."""
    from standardwebhooks.webhooks import Webhook

    secret = ctx.settings.webhook_secret
    if secret is None:
        raise ConfigError("The webhook is off.", hint="Set WEBHOOK_SECRET.", field="WEBHOOK_SECRET")
    now = ctx.clock.now()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        "webhook-signature": Webhook(secret.get_secret_value()).sign(delivery_id, now, body.decode()),
    }


def _neutral(message: Message) -> JsonObject:
    return {
        "type": "message",
        "incidentId": message.incident_id,
        "runId": message.run_id,
        "playbook": message.playbook,
        "asOf": message.as_of,
        "light": message.light.value,
        "severity": message.severity.name if message.severity is not None else None,
        "title": message.title,
        "summary": message.summary,
        "drivers": message.drivers,
        "actions": message.actions,
        "facts": [{"label": label, "value": value} for label, value in message.facts],
        "confidence": message.confidence,
        "link": message.web_link,
    }


def _bytes(payload: Json) -> bytes:
    return json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()


def _fitting(body: JsonObject) -> JsonObject:
    """``body`` with its texts and lists cut, as little as needed; strict JSON whatever it held."""
    cut: JsonObject = {}
    for longest, most, deepest in _ROOMS:
        cut = {_key(key, longest): _cut(value, longest, most, deepest) for key, value in list(body.items())[:50]}
        if len(_bytes(cut)) <= MOST_BYTES:
            break
    return cut


def _key(key: str, longest: int) -> str:
    return clip(one_line(key), min(100, longest))


def _cut(value: Json, longest: int, most: int, deepest: int) -> Json:
    if isinstance(value, str):
        return clip(plain(value), longest)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, (Mapping, Sequence)):
        return value
    if deepest <= 1:
        return "…"
    if isinstance(value, Mapping):
        return {_key(key, longest): _cut(part, longest, most, deepest - 1) for key, part in list(value.items())[:most]}
    return [_cut(part, longest, most, deepest - 1) for part in value[:most]]
