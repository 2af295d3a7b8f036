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


def masked(message: ColumnElement[str]) -> ColumnElement[str]:
    """``message`` with everything that varies from line to line as ``<*>``."""
    text: ColumnElement[str] = func.coalesce(message, "", type_=Text())
    text = func.regexp_replace(text, _inline(_QUOTED), _inline(rf"\1{MASK}"), _inline("g"), type_=Text())
    return func.regexp_replace(text, _inline(_VARIABLE), _inline(MASK), _inline("g"), type_=Text())


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
    lines = (
        select(
            masked(rows.c.message).label("template"),
            func.coalesce(rows.c.error_type, UNTYPED, type_=Text()).label("error_type"),
            rows.c.ts,
            rows.c.message,
        )
        .where(and_(rows.c.service == service, rows.c.level.in_(levels), rows.c.ts >= start, rows.c.ts <= now))
        .subquery()
    )
    since = func.count(case((lines.c.ts >= onset, 1)), type_=BigInteger)
    counted = (
        select(
            lines.c.template,
            lines.c.error_type,
            since.label("since"),
            func.count(case((lines.c.ts < onset, 1)), type_=BigInteger).label("before"),
            func.sum(since, type_=BigInteger).over().label("all_since"),
            func.min(lines.c.ts, type_=DateTime(timezone=True)).label("first_seen"),
            func.min(lines.c.message, type_=Text()).label("example"),
        )
        .group_by(lines.c.template, lines.c.error_type)
        .order_by(since.desc(), lines.c.template, lines.c.error_type)
        .limit(most)
    )
    return tuple(
        LogTemplate(
            r["template"], r["error_type"], r["since"], r["before"],
            r["since"] / r["all_since"] if r["all_since"] else 0.0, r["first_seen"], r["example"] or "",
        )
        for r in engine.fetch(counted).to_pylist()
    )  # fmt: skip
