"""Error logs as templates: messages that differ only in numbers, ids and quoted text are one, counted in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, DateTime, Text, and_, case, func, literal_column, select

from core.engine.duck import quoted_text
from core.model import Table
from core.ports import Engine

# a quote after a letter is an apostrophe; a word that holds a digit is a number, an id, a hash, an address or a UUID
_QUOTED = r"""(^|[\s=:(\[,])('[^']*'|"[^"]*")"""
_VARIABLE = r"[A-Za-z0-9_.:/-]*[0-9][A-Za-z0-9_.:/-]*"
MASK = "<*>"
ERROR_LEVELS = ("error", "critical")
UNTYPED = "(no type)"
_INSTANT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """One kind of error line. ``since`` and ``before`` count lines from the onset on and before it."""

    template: str
    error_type: str
    since: int
    before: int
    share: float  # of all error lines since the onset
    first_seen: datetime
    example: str

    @property
    def new(self) -> bool:
        """Whether it was never seen before the onset, as far as was looked."""
        return self.since > 0 and self.before == 0


def _masked(text: ColumnElement[str], pattern: str, mask: str) -> ColumnElement[str]:
    return func.regexp_replace(text, _inline(pattern), _inline(mask), _inline("g"), type_=Text())


def _inline(text: str) -> ColumnElement[str]:
    # a pattern in a parameter would be compiled for every row
    return literal_column(quoted_text(text), Text())


def templates(
    engine: Engine,
    logs: Table,
    service: str,
    *,
    start: datetime,
    onset: datetime,
    now: datetime,
    most: int,
    levels: Sequence[str] = ERROR_LEVELS,
) -> tuple[LogTemplate, ...]:
    """The templates of the service's error lines in ``[start, now]``, the most frequent since ``onset`` first."""
    rows = engine.relation(logs)
    text: ColumnElement[str] = func.coalesce(rows.c.message, "", type_=Text())
    # words with digits first: what is left has few forms, and only those are searched for quotes
    forms = (
        select(
            _masked(text, _VARIABLE, MASK).label("form"),
            func.coalesce(rows.c.error_type, UNTYPED, type_=Text()).label("error_type"),
            func.count(case((rows.c.ts >= onset, 1)), type_=BigInteger).label("since"),
            func.count(case((rows.c.ts < onset, 1)), type_=BigInteger).label("before"),
            func.min(rows.c.ts, type_=_INSTANT).label("first_seen"),
            func.min(rows.c.message, type_=Text()).label("example"),
        )
        .where(and_(rows.c.service == service, rows.c.level.in_(levels), rows.c.ts >= start, rows.c.ts <= now))
        .group_by(literal_column("1"), literal_column("2"))
        .subquery()
    )
    template = _masked(forms.c.form, _QUOTED, rf"\1{MASK}").label("template")
    since = func.sum(forms.c.since, type_=BigInteger)
    counted = (
        select(
            template,
            forms.c.error_type,
            since.label("since"),
            func.sum(forms.c.before, type_=BigInteger).label("before"),
            func.sum(since, type_=BigInteger).over().label("all_since"),
            func.min(forms.c.first_seen, type_=_INSTANT).label("first_seen"),
            func.min(forms.c.example, type_=Text()).label("example"),
        )
        .group_by(literal_column("1"), literal_column("2"))
        .order_by(literal_column("3").desc(), literal_column("1"), literal_column("2"))
        .limit(most)
    )
    return tuple(
        LogTemplate(
            r["template"], r["error_type"], r["since"], r["before"],
            r["since"] / r["all_since"] if r["all_since"] else 0.0, r["first_seen"], r["example"] or "",
        )
        for r in engine.fetch(counted).to_pylist()
    )  # fmt: skip
