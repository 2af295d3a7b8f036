"""What is to be told, before any channel gives it its form."""

from __future__ import annotations

from dataclasses import dataclass

from core.model import Light


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


def one_line(text: str) -> str:
    """``text`` without line breaks or control characters: safe in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def plain(text: str) -> str:
    """``text`` with its line breaks but without other control characters, which mail and databases refuse."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n")).strip()


def clip(text: str, limit: int) -> str:
    """``text`` of at most ``limit`` characters; an ellipsis shows that some are missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
