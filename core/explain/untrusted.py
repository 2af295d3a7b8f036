"""Text from outside: data cells on their way into a prompt, and a model's words on their way to a screen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from core.model import Json

LONGEST_CELL = 300
WITHHELD = "[text withheld: it reads like an instruction]"
_INSTRUCTION = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:all|any|previous|prior|above|earlier|instruct\w*|rules?)\b"
    r"|(?:^|[\n\"'>\[(|;.]\s*)(?:system|assistant|developer|user)\s*:"
    r"|(?-i:\b(?:SYSTEM|ASSISTANT|DEVELOPER)\s*:)"
    r"|<\|?/?(?:im_start|im_end|system|s|evidence|inst)\|?>|\[/?INST\]|```"
    r"|\byou (?:are now|must|should now|will now)\b|\b(?:new|updated|real) instructions?\b"
    r"|\b(?:set|change|report|return|answer|respond|reply|output|say)\b.{0,40}"
    r"\b(?:status|severity|confidence|green|yellow|json|recommended_actions?)\b"
    r"|\bdo not (?:alert|report|tell|mention|notify|flag)\b|\bapi[ _-]?key\b"
    r"|[{,]\s*\"?(?:status|summary|tool|function|arguments|confidence)\"?\s*:"
)
_INVISIBLE = {"Cc", "Cf", "Co", "Cn", "Cs"}
_URL = re.compile(
    r"(?i)\b(?:(?:https?|ftp|file|data|javascript|mailto|wss?):|www\.)(?:[^\s\"'<>)\]]*[^\s\"'<>)\].,;:!?])?"
)
_LINK = re.compile(r"!?\[([^\]\n]{0,200})\]\([^)\n]{0,500}\)")
_TAG = re.compile(r"<(?:/?[A-Za-z][^<>]{0,300}|!--.{0,300}?--)>", re.DOTALL)
_COMMAND = re.compile(
    r"(?i)(?:^|[\s`;&|$>(])(?:sudo |rm -|curl |wget |kubectl |helm |docker |ssh |bash |sh -c|powershell|chmod |eval\(|"
    r"drop (?:table|database)|truncate table|delete from|insert into|alter table|update \w+ set )"
)


def cell(text: str) -> tuple[str, bool]:
    """A data cell fit for a prompt, and whether it was withheld because it reads like an instruction.

    Control and zero-width characters are gone and at most 300 characters are kept.
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        " " if c in "\t\r\n" else c for c in plain if c in "\t\r\n" or unicodedata.category(c) not in _INVISIBLE
    )
    if _INSTRUCTION.search(plain) or _INSTRUCTION.search(text):
        return WITHHELD, True
    return (plain if len(plain) <= LONGEST_CELL else f"{plain[: LONGEST_CELL - 1]}…"), False


def cells(value: Json) -> tuple[Json, bool]:
    """``value`` with every string made a fit cell, and whether any was withheld."""
    if isinstance(value, str):
        return cell(value)
    if isinstance(value, Mapping):
        pairs = [(cell(k), cells(v)) for k, v in value.items()]
        return {k: v for (k, _), (v, _) in pairs}, any(a or b for (_, a), (_, b) in pairs)
    if isinstance(value, (list, tuple)):
        items = [cells(v) for v in value]
        return [v for v, _ in items], any(bad for _, bad in items)
    return value, False


def prose(text: str) -> str:
    """A model's words without addresses, links and markup; everything else, quotes and newlines too, is unchanged."""
    text = _LINK.sub(r"\1", text)
    text = _TAG.sub("", text)
    return _URL.sub("[link removed]", text)


def is_command(text: str) -> bool:
    """Whether the text holds something to be typed into a shell or a database."""
    return bool(_COMMAND.search(text))
