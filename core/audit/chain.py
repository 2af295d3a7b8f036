"""The audit's hash chain: each line's hash covers all its fields and the hash of the line before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC

from core.model import AuditEntry, Json

GENESIS = "0" * 64  # what the first line of a tenant follows


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a chain, kept apart from it."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """Whether a chain holds; if not, ``bad_seq`` is its first bad line and ``why`` says what is wrong with it."""

    ok: bool
    entries: int
    bad_seq: int | None = None
    why: str = ""


def canonical(value: Json) -> str:
    """``value`` as the one JSON text it has: sorted keys, no blanks, ASCII. Raises: ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(entry: AuditEntry) -> str:
    """SHA-256 in hex over every field but ``hash`` itself."""
    fields: Json = {
        "seq": entry.seq,
        "id": entry.id,
        "timestamp": entry.timestamp.astimezone(UTC).isoformat(timespec="microseconds"),
        "agent": entry.agent,
        "incident_id": entry.incident_id,
        "action": entry.action,
        "decision": entry.decision,
        "approved_by": entry.approved_by,
        "correlation_id": entry.correlation_id,
        "tenant": entry.tenant,
        "prev_hash": entry.prev_hash,
    }
    return hashlib.sha256(canonical(fields).encode()).hexdigest()


def sealed(entry: AuditEntry, head: Head) -> AuditEntry:
    """The entry as the line after ``head``."""
    linked = replace(entry, seq=head.seq + 1, prev_hash=head.hash)
    return replace(linked, hash=digest(linked))


def verify(entries: Iterable[AuditEntry], head: Head) -> ChainCheck:
    """Whether the entries, in order of ``seq``, are exactly the lines that were appended up to ``head``."""
    last = Head()
    for count, entry in enumerate(entries):
        if why := _fault(entry, last):
            return ChainCheck(False, count, min(entry.seq, last.seq + 1), why)
        last = Head(entry.seq, entry.hash)
    if last.seq < head.seq:
        return ChainCheck(False, last.seq, last.seq + 1, f"Line {last.seq + 1} and later were removed.")
    if last != head:
        return ChainCheck(False, last.seq, last.seq, f"Line {last.seq} is not the last line that was appended.")
    return ChainCheck(True, last.seq)


def _fault(entry: AuditEntry, last: Head) -> str:
    if entry.seq != last.seq + 1:
        return f"Line {last.seq + 1} is missing."
    if entry.prev_hash != last.hash:
        return f"Line {entry.seq} does not follow line {last.seq}."
    if entry.hash != digest(entry):
        return f"Line {entry.seq} was changed after it was written."
    return ""
