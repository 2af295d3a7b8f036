"""What is to be told, before any channel gives it its form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from core.model import JsonObject, Light, Severity

LONGEST_LINK = 3000  # characters; what Slack takes


@dataclass(frozen=True, slots=True)
class Button:
    """An answer people can give from the message itself, where the channel can carry it."""

    text: str
    value: str  # e.g. approve|INC-...|ACT-...
    style: str = ""  # primary | danger


@dataclass(frozen=True, slots=True)
class Message:
    """One alert or report in neutral words. ``dedup_key`` is the same for messages that say the same thing."""

    light: Light
    subject: str
    title: str
    summary: str
    drivers: tuple[str, ...]
    actions: tuple[str, ...]
    confidence: float  # 0..1
    link: str
    playbook: str
    as_of: str
    dedup_key: str
    run_id: str
    incident_id: str | None = None
    report: bytes | None = None  # the run's JSON, UTF-8
    report_name: str = "report.json"
    severity: Severity | None = None  # None: the light alone says how bad it is
    facts: tuple[tuple[str, str], ...] = ()  # label and value, shown as a small table
    buttons: tuple[Button, ...] = ()
    body: JsonObject = field(default_factory=dict)  # the same for programs: what the webhook channel posts

    def digest(self) -> str:
        """A hash of what a reader is told; the same words and figures give the same one."""
        told = [self.title, self.summary, self.drivers, self.actions, self.facts, round(self.confidence, 2)]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]

    @property
    def mark(self) -> str:
        """How bad it is in one word: the severity, or the light where there is none or all is well again."""
        if self.severity is None or self.light is Light.GREEN:
            return self.light.value.upper()
        return self.severity.name

    @property
    def headline(self) -> str:
        """The title on one line, with its mark before it unless it has one."""
        title = one_line(self.title)
        return title if title.startswith(f"[{self.mark}]") else f"{self.mark}: {title}"

    @property
    def web_link(self) -> str:
        """The link, if it is a web address of usable length; else empty."""
        usable = self.link.startswith(("https://", "http://")) and len(self.link) <= LONGEST_LINK
        return self.link if usable else ""


def one_line(text: str) -> str:
    """``text`` without line breaks or control characters: safe in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(text: str) -> str:
    """``text`` with its line breaks but without other control characters, which mail and databases refuse."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n")).strip()


def clip(text: str, limit: int) -> str:
    """``text`` of at most ``limit`` characters; an ellipsis shows that some are missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
