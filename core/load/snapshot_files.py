"""Snapshots that somebody else counted, as CSV or JSON: every row is loaded or says why not."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.errors import InputError, TooLarge
from core.model import Json, Reject, Segment, Snapshot

COLUMNS = ("segment", "ts", "size", "conv_rate", "velocity_in", "velocity_out", "attr_distributions")
MOST_BYTES = 256 * 1024 * 1024
_NEEDED = COLUMNS[:3]
_KNOWN = frozenset({*COLUMNS, "source"})
_LONGEST_CELL = 8 * 1024 * 1024

Record = tuple[int, Mapping[str, Json]]  # line of a CSV file or number in a JSON list, and its fields


@dataclass(frozen=True, slots=True)
class ParsedSnapshots:
    """The snapshots of a file and the rows that hold none. ``rows_in == len(snapshots) + len(rejects)``."""

    snapshots: tuple[Snapshot, ...]
    rejects: tuple[Reject, ...]

    @property
    def rows_in(self) -> int:
        """Rows seen in the file."""
        return len(self.snapshots) + len(self.rejects)


def parse_snapshots(content: bytes, segments: Sequence[Segment], *, name: str) -> ParsedSnapshots:
    """The snapshots of a CSV file (columns ``COLUMNS``; ``attr_distributions`` is JSON) or of a JSON list.

    A segment is named by its id or its name. Of two rows for one segment and UTC day the later one counts. Whether the
    figures make sense is for the checks to say. Raises: InputError when it is no such file, TooLarge.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge(f"{name}: over the limit of {MOST_BYTES:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{name}: byte {exc.start} is not UTF-8.", hint="Save the file as UTF-8.") from None
    ids = {s.name: s.id for s in segments} | {s.id: s.id for s in segments}
    records = _json_records(text, name) if text.lstrip()[:1] in ("[", "{") else _csv_records(text, name)
    loaded: dict[tuple[str, str], tuple[int, Snapshot]] = {}
    rejects: list[Reject] = []
    for line, fields in records:
        if isinstance(fields, str):
            rejects.append(Reject(line, fields))
            continue
        try:
            found = replace(_snapshot(fields, ids), source=name)
        except _Flaw as flaw:
            shown = json.dumps(fields, ensure_ascii=False, default=str)[:500]
            rejects.append(Reject(line, flaw.reason, shown, flaw.column))
            continue
        key = (found.segment, found.ts.date().isoformat())
        if key in loaded:
            rejects.append(Reject(loaded[key][0], f"line {line} has the same segment and day", "", "ts"))
        loaded[key] = (line, found)
    snapshots = sorted((s for _, s in loaded.values()), key=lambda s: (s.ts, s.segment))
    return ParsedSnapshots(tuple(snapshots), tuple(sorted(rejects, key=lambda r: r.line)))


def _csv_records(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Json] | str]]:
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        names = [c.strip().lower() for c in next(reader, [])]
        names = ["segment" if n == "segment_id" else n for n in names]
        _require_columns(names, name)
        for cells in reader:
            if not any(c.strip() for c in cells):
                continue
            if len(cells) != len(names):
                yield reader.line_num, f"{len(cells)} cells where {len(names)} were expected"
                continue
            yield reader.line_num, {n: c.strip() or None for n, c in zip(names, cells, strict=True)}
    except csv.Error as exc:
        raise InputError(f"{name} line {reader.line_num}: not valid CSV ({exc}).") from None
    finally:
        csv.field_size_limit(limit)


def _require_columns(names: Sequence[str], file: str) -> None:
    if missing := [c for c in _NEEDED if c not in names]:
        listed, found = ", ".join(missing), ", ".join(names) or "nothing"
        raise InputError(f"{file}: column {listed} is missing.", hint=f"Found: {found}.", field=missing[0])
    if unknown := [n for n in names if n not in _KNOWN]:
        raise InputError(
            f"{file}: column '{unknown[0]}' is not known.", hint=f"Known: {', '.join(COLUMNS)}.", field=unknown[0]
        )
    if len(set(names)) < len(names):
        raise InputError(f"{file}: a column is there twice.", field=max(names, key=names.count))


def _json_records(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Json] | str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{name}: not valid JSON ({exc}).") from None
    if isinstance(document, dict):
        document = document.get("snapshots")
    if not isinstance(document, list):
        raise InputError(f"{name}: expected a list of snapshots, or an object with one under 'snapshots'.")
    for number, fields in enumerate(document, start=1):
        if not isinstance(fields, dict):
            yield number, "expected an object with the fields of a snapshot"
            continue
        fields = {"segment" if k == "segment_id" else k: v for k, v in fields.items()}
        unknown = sorted(set(fields) - _KNOWN)
        yield number, f"field '{unknown[0]}' is not known" if unknown else fields


class _Flaw(Exception):
    """Why a row holds no snapshot."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, f"{column} {reason}"


def _snapshot(fields: Mapping[str, Json], ids: Mapping[str, str]) -> Snapshot:
    segment = fields.get("segment")
    if not isinstance(segment, str) or segment not in ids:
        raise _Flaw("segment", f"{_said(segment)}; expected the id or name of a segment")
    size = _count(fields, "size")
    if size is None:
        raise _Flaw("size", "is blank; expected a whole number")
    rate = fields.get("conv_rate")
    return Snapshot(
        segment=ids[segment],
        ts=_moment(fields.get("ts")),
        size=size,
        shares=_shares(fields.get("attr_distributions")),
        conv_rate=None if rate is None else _number(rate, "conv_rate", "expected a number such as 0.15, or nothing"),
        velocity_in=_count(fields, "velocity_in"),
        velocity_out=_count(fields, "velocity_out"),
    )


def _said(value: Json) -> str:
    return "is blank" if value is None else f"is {str(value)[:60]!r}"


def _moment(value: Json) -> datetime:
    expected = "expected a time such as 2026-01-31 or 2026-01-31T02:00:00Z"
    if not isinstance(value, str):
        raise _Flaw("ts", f"{_said(value)}; {expected}")
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Flaw("ts", f"{_said(value)}; {expected}") from None


def _number(value: Json, column: str, expected: str) -> float:
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        raise _Flaw(column, f"{_said(value)}; {expected}") from None
    if not math.isfinite(number):
        raise _Flaw(column, f"{_said(value)}; {expected}")
    return number


def _count(fields: Mapping[str, Json], column: str) -> int | None:
    value = fields.get(column)
    if value is None:
        return None
    number = _number(value, column, "expected a whole number")
    if not number.is_integer() or abs(number) > 2**53:
        raise _Flaw(column, f"{_said(value)}; expected a whole number")
    return int(number)


def _shares(value: Json) -> dict[str, dict[str, float]]:
    column, expected = "attr_distributions", 'expected JSON such as {"platform": {"ios": 0.6, "web": 0.4}}'
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _Flaw(column, f"is not valid JSON; {expected}") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(shares, Mapping) for shares in value.values()):
        raise _Flaw(column, f"is not an object of objects; {expected}")
    return {
        attribute: {v: _number(share, column, expected) for v, share in shares.items()}
        for attribute, shares in value.items()
        if isinstance(shares, Mapping)
    }
