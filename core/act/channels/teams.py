"""Microsoft Teams through a Workflows webhook, as an Adaptive Card."""

from __future__ import annotations

import json
from collections.abc import Mapping

from core.act.channel import Channel, channels
from core.act.delivery import refused
from core.act.message import Message, clip, one_line, plain
from core.context import Context
from core.errors import ConfigError
from core.model import Delivery, Json, JsonObject, Light, Notification

MOST_BYTES = 24 * 1024  # Teams refuses a message from about 28 kB on
COLOURS = {Light.GREEN: "good", Light.YELLOW: "warning", Light.RED: "attention"}
_SHARES = (1.0, 0.6, 0.35, 0.2)  # of each text's limit, tried until the card is small enough
_FACTS, _LINES = 15, 10


@channels.register("teams", "Microsoft Teams")
class TeamsChannel(Channel):
    """One card to the channel or chat that the workflow posts to. It cannot be changed later."""

    @property
    def recipient(self) -> str:
        """The workflow knows its channel; we do not."""
        return "Teams channel of the workflow"

    def compose(self, message: Message) -> Notification:
        """Title, summary, facts, reasons, actions and a link; texts are cut so that the card stays under 24 kB."""
        return Notification(
            channel=self.name,
            recipient=self.recipient,
            subject=clip(one_line(message.subject), 200),
            text=clip(f"{message.headline}\n{plain(message.summary)}", 1000),
            payload=_payload(message),
            dedup_key=f"{self.name}:{message.dedup_key}",
            run_id=message.run_id,
            incident_id=message.incident_id,
        )

    def wire(self, notification: Notification, delivery: Delivery) -> bytes:  # noqa: ARG002 (has no id to carry)
        """The payload as JSON. Teams has no idempotency key: a repeat after a crash shows twice."""
        return _bytes(notification.payload)

    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Posts the card; there is no reference, and "sent" means that the workflow took it.

        Raises: ConfigError, ProviderError, InputError.
        """
        url = ctx.settings.teams_webhook_url
        if url is None:
            raise ConfigError("Teams is off.", hint="Set TEAMS_WEBHOOK_URL.", field="TEAMS_WEBHOOK_URL")
        reply = ctx.http.post(
            url.get_secret_value(), self.wire(notification, delivery), {"Content-Type": "application/json"}
        )
        page = "text/html" in reply.headers.get("content-type", "")
        if not 200 <= reply.status < 300 or page:
            gone = reply.status in {401, 403, 404, 410} or page
            hint = "Create the workflow anew and set TEAMS_WEBHOOK_URL." if gone else ""
            raise refused("Teams", reply, ctx.clock.now(), reason="web page" if page else "", hint=hint)
        return ""


def _payload(message: Message) -> JsonObject:
    payload: JsonObject = {}
    for share in _SHARES:
        card: Json = {"contentType": "application/vnd.microsoft.card.adaptive", "content": _card(message, share)}
        payload = {"type": "message", "attachments": [card]}
        if len(_bytes(payload)) <= MOST_BYTES:
            break
    return payload


def _bytes(payload: JsonObject) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode()


def _card(message: Message, share: float) -> JsonObject:
    context = (message.playbook, message.as_of, f"Confidence {message.confidence:.0%}", message.incident_id or "")
    body: list[Json] = [
        _text(clip(message.headline, int(300 * share)), size="Large", weight="Bolder", color=COLOURS[message.light]),
        _text(clip(" · ".join(one_line(part) for part in context if part), int(300 * share)), isSubtle=True),
        *(_text(line) for line in clip(plain(message.summary), int(3000 * share)).splitlines()[:20] if line.strip()),
    ]
    if message.facts:
        body.append(_table(message.facts, share))
    for heading, lines in (("Why", message.drivers), ("What to do", message.actions)):
        body += _list(heading, lines, int(300 * share)) if lines else []
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if message.web_link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Telltale", "url": message.web_link}]
    return card


def _text(text: str, **look: Json) -> Mapping[str, Json]:
    """Text as it is: a text run knows no Markdown, and a gap keeps ``{{DATE(...)}}`` from being worked out."""
    run: Json = {"type": "TextRun", "text": text.replace("{{", "{ {") or "-", **look}
    return {"type": "RichTextBlock", "inlines": [run]}


def _table(facts: tuple[tuple[str, str], ...], share: float) -> Mapping[str, Json]:
    shown = [(one_line(label), one_line(value)) for label, value in facts[:_FACTS]]
    if len(facts) > _FACTS:
        shown.append(("More", f"{len(facts) - _FACTS} more"))
    rows: list[Json] = [
        {
            "type": "TableRow",
            "cells": [
                {"type": "TableCell", "items": [_text(clip(label, int(80 * share)), weight="Bolder")]},
                {"type": "TableCell", "items": [_text(clip(value, int(250 * share)))]},
            ],
        }
        for label, value in shown
    ]
    widths: Json = [{"width": 1}, {"width": 2}]
    return {"type": "Table", "columns": widths, "firstRowAsHeaders": False, "showGridLines": False, "rows": rows}


def _list(heading: str, lines: tuple[str, ...], limit: int) -> list[Json]:
    more = len(lines) - _LINES
    shown = [clip(f"• {one_line(line)}", limit) for line in lines[:_LINES]]
    return [_text(heading, weight="Bolder"), *map(_text, [*shown, f"and {more} more"] if more > 0 else shown)]
