"""The audit for other programs: JSON Lines, and CSV that no spreadsheet will run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime

from core.audit.chain import canonical
from core.model import AuditEntry, Json

COLUMNS = tuple(f.name for f in fields(AuditEntry))

_BLANK = "\\s\ufeff\u200b\u2060"
_FORMULA = re.compile(f"[{_BLANK}]*[=+\\-@＝＋－＠]|[\\t\\r]")  # Source: OWASP CSV injection
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def jsonl(entries: Iterable[AuditEntry]) -> str:
    """One JSON object a line, with every field that the hash covers."""
    return "".join(canonical({name: _json(getattr(entry, name)) for name in COLUMNS}) + "\n" for entry in entries)


def csv_text(entries: Iterable[AuditEntry]) -> str:
    """The entries as CSV with a header; cells that a spreadsheet would take for a formula begin with ``'``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow([safe_cell(_cell(getattr(entry, name))) for name in COLUMNS])
    return out.getvalue()


def safe_cell(text: str) -> str:
    """``text`` as a spreadsheet shows it and never runs it; numbers stay numbers."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _json(value: Json | datetime) -> Json:
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: Json | datetime) -> str:
    if value is None:
        return ""
    plain = _json(value)
    return plain if isinstance(plain, str) else canonical(plain)
