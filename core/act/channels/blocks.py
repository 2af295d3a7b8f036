"""A message in Slack's Block Kit, whichever way it reaches Slack."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.act.message import Button, Message, clip, one_line, plain
from core.model import Json

# Characters, after escaping. Block Kit allows 150 in a header, 3,000 in a section, 2,000 in a field of a section; a
# whole message is refused from about 13,000 on, so the parts add up to less than 12,000.
HEADER, SUMMARY, LIST, CONTEXT, FALLBACK = 150, 2900, 2700, 600, 1000
FACTS, FACT = 10, 200
BUTTONS, BUTTON, VALUE = 4, 75, 2000
OPEN = "open"  # action_id of the button that is only a link


def fallback(message: Message) -> str:
    """What notifications and screen readers say instead of the blocks."""
    return escaped(f"{one_line(message.subject)}\n{message.headline}\n{plain(message.summary)}", FALLBACK)


def blocks(message: Message) -> list[Json]:
    """Header, summary, facts, reasons, actions, context, and the answers people can give with a link button."""
    header: Json = {"type": "plain_text", "text": escaped(message.headline, HEADER), "emoji": False}
    built: list[Json] = [{"type": "header", "text": header}, _section(escaped(plain(message.summary), SUMMARY))]
    if message.facts:
        built.append({"type": "section", "fields": _fields(message.facts)})
    built += [_section(_list(title, lines)) for title, lines in _lists(message) if lines]
    built.append({"type": "context", "elements": [_mrkdwn(escaped(_context(message), CONTEXT))]})
    if elements := _elements(message):
        built.append({"type": "actions", "elements": elements})
    return built


def escaped(text: str, limit: int) -> str:
    """``text`` with Slack's three special characters as entities, cut to ``limit`` without cutting an entity."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(safe) <= limit:
        return safe
    return re.sub(r"&[a-z]{0,3}$", "", safe[: limit - 1]).rstrip() + "…"


def _fields(facts: tuple[tuple[str, str], ...]) -> list[Json]:
    """Two columns; Block Kit takes ten."""
    shown = facts if len(facts) <= FACTS else (*facts[: FACTS - 1], ("More", f"{len(facts) - FACTS + 1} more"))
    return [_mrkdwn(_fact(one_line(label), one_line(value))) for label, value in shown]


def _fact(label: str, value: str) -> str:
    bold = escaped(label.replace("*", "") or "-", FACT // 2 - 3)
    return f"*{bold}*\n" + escaped(value or "-", FACT - len(bold) - 3)


def _elements(message: Message) -> list[Json]:
    elements: list[Json] = [
        _button(number, button)
        for number, button in enumerate(message.buttons[:BUTTONS])
        if len(button.value) <= VALUE  # a cut value would answer something else
    ]
    if message.web_link:
        label: Json = {"type": "plain_text", "text": "Open in Telltale"}
        elements.append({"type": "button", "action_id": OPEN, "text": label, "url": message.web_link})
    return elements


def _button(number: int, button: Button) -> Mapping[str, Json]:
    label: Json = {"type": "plain_text", "text": clip(one_line(button.text) or "-", BUTTON), "emoji": False}
    style: Mapping[str, Json] = {"style": button.style} if button.style in {"primary", "danger"} else {}
    return {"type": "button", "action_id": f"answer_{number}", "text": label, "value": button.value, **style}


def _context(message: Message) -> str:
    said = [f"Confidence {message.confidence:.0%}", message.playbook, message.as_of, message.incident_id or ""]
    return " · ".join(one_line(part) for part in said if part)


def _lists(message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("Why", message.drivers), ("What to do", message.actions)


def _list(title: str, lines: tuple[str, ...]) -> str:
    return f"*{title}*\n" + escaped("\n".join(f"• {one_line(line)}" for line in lines), LIST - len(title) - 3)


def _section(text: str) -> Mapping[str, Json]:
    return {"type": "section", "text": _mrkdwn(text or "-")}


def _mrkdwn(text: str) -> Mapping[str, Json]:
    return {"type": "mrkdwn", "text": text}
