"""Severities as other programs write them."""

from __future__ import annotations

from collections.abc import Mapping

from core.model import Severity

ALIASES: Mapping[str, Severity] = {
    "INFO": Severity.LOW,
    "WARNING": Severity.MEDIUM,
    "WARN": Severity.MEDIUM,
    "MINOR": Severity.MEDIUM,
    "ERROR": Severity.HIGH,
    "MAJOR": Severity.HIGH,
    "FATAL": Severity.CRITICAL,
    "P0": Severity.CRITICAL,
    "P1": Severity.CRITICAL,
}


def known(word: str) -> Severity | None:
    """The severity that ``word`` names, whatever its case; None when it names none."""
    name = word.strip().upper()
    return Severity.__members__.get(name) or ALIASES.get(name)


def lenient(word: str) -> tuple[Severity, str]:
    """The severity of something received, and a note when the word is unknown: it counts as MEDIUM."""
    found = known(word)
    return (found, "") if found else (Severity.MEDIUM, f"Unknown severity '{word.strip()[:40]}' was taken as MEDIUM.")
