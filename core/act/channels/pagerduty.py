"""PagerDuty through its Events API v2: an alert opens a page, the recovery closes it."""

from __future__ import annotations

import json

from core.act.channel import Channel, channels
from core.act.delivery import answered, refused
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.errors import ConfigError
from core.model import Delivery, Json, JsonObject, Light, Notification, Severity

SEVERITIES = {
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}
_BY_LIGHT = {Light.GREEN: "info", Light.YELLOW: "warning", Light.RED: "critical"}
_FACTS, _LINES = 30, 15


@channels.register("pagerduty", "PagerDuty")
class PagerDutyChannel(Channel):
    """One event of the service the routing key belongs to. All events of an incident share one alert there."""

    @property
    def recipient(self) -> str:
        """The key knows its service; we do not."""
        return "PagerDuty service of the routing key"

    def compose(self, message: Message) -> Notification:
        """A trigger; a resolve where an incident's light is green again."""
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=clip(one_line(message.subject), 200),
            text=clip(f"{message.headline}\n{plain(message.summary)}", 1000),
            payload=_event(message),
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (has its own key)
        """The event as JSON, all but its ``routing_key``: that is a secret, and only :meth:`send` adds it."""
        return json.dumps(notification.payload).encode()

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Hands the event over; answers PagerDuty's key for the alert. Raises: ConfigError, ProviderError."""
        key = ctx.settings.pagerduty_routing_key
        if key is None:
            raise ConfigError("PagerDuty is off.", hint="Set PAGERDUTY_ROUTING_KEY.", field="PAGERDUTY_ROUTING_KEY")
        event = {"routing_key": key.get_secret_value(), **json.loads(self.wire(notification, delivery))}
        url = f"{ctx.settings.pagerduty_url.rstrip('/')}/v2/enqueue"
        reply = ctx.http.post(url, json.dumps(event).encode(), {"Content-Type": "application/json"})
        if not 200 <= reply.status < 300:
            reason = clip(one_line(str(answered(reply).get("status") or "")), 60)
            raise refused("PagerDuty", reply, ctx.clock.now(), reason=reason)
        return str(answered(reply).get("dedup_key") or notification.payload["dedup_key"])


def _event(message: Message) -> JsonObject:
    resolves = message.light is Light.GREEN and message.incident_id is not None
    event: dict[str, Json] = {
        "event_action": "resolve" if resolves else "trigger",
        "dedup_key": clip(message.incident_id or message.dedup_key, 255),
        "client": "Telltale",
        "payload": {
            "summary": clip(message.headline, 1024),
            "source": "telltale",
            "severity": SEVERITIES[message.severity] if message.severity is not None else _BY_LIGHT[message.light],
            "group": clip(one_line(message.playbook), 255),
            "custom_details": _details(message),
        },
    }
    if message.web_link:
        event["client_url"] = message.web_link
        event["links"] = [{"href": message.web_link, "text": "Open in Telltale"}]
    return event


def _details(message: Message) -> JsonObject:
    facts: dict[str, Json] = {
        clip(one_line(label), 100): clip(one_line(value), 500) for label, value in message.facts[:_FACTS]
    }
    return {
        **facts,
        "summary": clip(plain(message.summary), 4000),
        "why": [clip(one_line(line), 300) for line in message.drivers[:_LINES]],
        "what to do": [clip(one_line(line), 300) for line in message.actions[:_LINES]],
        "confidence": round(message.confidence, 2),
        "as of": one_line(message.as_of),
    }
