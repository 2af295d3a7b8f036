"""Error rate and p99 of every service over one window: what the sentinel judges, pages show, and a remedy verifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, DateTime, Double, and_, case, func, literal_column, select
from sqlalchemy.sql import FromClause

from core.model import Json, JsonObject, Table
from core.ports import Engine

P99 = 0.99
_INSTANT = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class Vitals:
    """One service over ``[start, end]``. ``newest`` is its newest row up to the end, in the window or before it.

    Units: ``error_rate`` is a share of requests (None: no requests), ``p99_ms`` milliseconds.
    """

    service: str
    start: datetime
    end: datetime
    rows: int
    requests: int
    errors: int
    p99_ms: float | None
    newest: datetime | None

    @property
    def error_rate(self) -> float | None:
        """Errors per request over the window, however many rows they came in."""
        return self.errors / self.requests if self.requests else None

    @property
    def fresh(self) -> bool:
        """Whether any row lies in the window."""
        return self.newest is not None and self.newest >= self.start


def vitals(engine: Engine, metrics: Table, now: datetime, minutes: int) -> dict[str, Vitals]:
    """The vitals of every service that has a row up to ``now``, by one aggregate over the whole table.

    p99 is the 99th percentile with linear interpolation. Source: acceptance DP-04.
    """
    rows, start = engine.relation(metrics), now - timedelta(minutes=minutes)
    inside = rows.c.ts >= start
    statement = (
        select(
            rows.c.service,
            func.max(rows.c.ts, type_=_INSTANT).label("newest"),
            func.count(case((inside, 1))).label("rows"),
            _total(inside, rows.c.requests_total).label("requests"),
            _total(inside, rows.c.error_count).label("errors"),
            _p99(case((inside, rows.c.latency_ms))).label("p99"),
        )
        .where(rows.c.ts <= now)
        .group_by(rows.c.service)
        .order_by(rows.c.service)
    )
    return {
        r["service"]: Vitals(r["service"], start, now, r["rows"], r["requests"], r["errors"], r["p99"], r["newest"])
        for r in engine.fetch(statement).to_pylist()
    }


def by_minute(
    engine: Engine, metrics: Table, services: Sequence[str], start: datetime, now: datetime
) -> Mapping[str, list[JsonObject]]:
    """Requests, errors, error rate and p99 of each service in each minute from ``start`` to ``now``."""
    rows = engine.relation(metrics)
    minute = _minute(rows)
    statement = (
        select(
            rows.c.service,
            minute.label("ts"),
            func.sum(rows.c.requests_total, type_=BigInteger).label("requests"),
            func.sum(rows.c.error_count, type_=BigInteger).label("errors"),
            _p99(rows.c.latency_ms).label("p99_ms"),
        )
        .where(and_(rows.c.service.in_(services), rows.c.ts >= start, rows.c.ts <= now))
        .group_by(rows.c.service, minute)
        .order_by(rows.c.service, minute)
    )
    found: dict[str, list[JsonObject]] = {s: [] for s in services}
    for r in engine.fetch(statement).to_pylist():
        rate: Json = r["errors"] / r["requests"] if r["requests"] else None
        line = {"ts": r["ts"].isoformat(), "requests": r["requests"], "errors": r["errors"]}
        found[r["service"]].append({**line, "error_rate": rate, "p99_ms": r["p99_ms"]})
    return found


def _minute(rows: FromClause) -> ColumnElement[datetime]:
    return func.date_trunc(literal_column("'minute'"), rows.c.ts, type_=_INSTANT)


def _total(inside: ColumnElement[bool], column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((inside, column)), type_=BigInteger), 0, type_=BigInteger)


def _p99(values: ColumnElement[float]) -> ColumnElement[float]:
    return func.percentile_cont(P99, type_=Double()).within_group(values)
