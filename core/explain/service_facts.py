"""What is known of a service at fault: when it began, its errors, deployments, traffic, and who else is hit.

Every fact comes from rows up to ``now`` by an aggregate of the engine; none is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Select,
    Text,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
)

from core.explain.log_templates import ERROR_LEVELS, UNTYPED, LogTemplate, templates
from core.model import JsonObject, Table
from core.ports import Engine

_INSTANT = DateTime(timezone=True)
_GAP = timedelta(minutes=3)  # so long may a service be in order inside one incident


@dataclass(frozen=True, slots=True)
class TopError:
    """An error type with its share of the service's error lines."""

    error_type: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as recorded. ``minutes_before`` the onset is negative for one that came after it."""

    ts: datetime
    service: str
    version: str
    previous_version: str
    author: str
    description: str
    status: str
    minutes_before: float
    failed: bool
    earlier_errors: int = 0  # lines of the top error type in the time before it

    @property
    def label(self) -> str:
        """The version and who deployed it."""
        return f"{self.version} by {self.author}" if self.author else self.version


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests in the judged window and in the one before it."""

    requests: int
    previous: int

    @property
    def ratio(self) -> float | None:
        """Now to before; None where there was nothing before."""
        return self.requests / self.previous if self.previous else None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the hypotheses of one case rest on."""

    service: str
    now: datetime
    onset: datetime
    onset_found: bool
    errors: int  # error lines in the time looked at
    top: tuple[TopError, ...]
    templates: tuple[LogTemplate, ...]
    deployments: tuple[Deployment, ...]  # of the service, oldest first
    elsewhere: tuple[Deployment, ...]  # of other services
    traffic: Traffic
    hit: tuple[tuple[str, int], ...]  # services with connection errors since the onset, most first
    calls: int  # queries that were run


@dataclass(frozen=True, slots=True)
class Spans:
    """How far each question looks."""

    window_minutes: int
    top_errors_minutes: int
    most_errors: int
    lookback_minutes: int
    hit_minutes: int
    hit_errors: int
    onset_minutes: int
    most_templates: int
    failed_statuses: tuple[str, ...]
    dependency_words: tuple[str, ...]


class Investigator:
    """Asks the engine about one service; counts what it asked."""

    def __init__(self, engine: Engine, tables: Mapping[str, Table], service: str, now: datetime, spans: Spans) -> None:
        self._engine, self._tables = engine, tables
        self._service, self._now, self._spans = service, now, spans
        self.calls = 0

    def facts(self, rate_limit: float, p99_limit: float) -> Facts:
        """Everything known. An onset that no minute shows is the start of the window."""
        minutes = self._minutes()
        found = _onset(minutes, rate_limit, p99_limit)
        onset = found or self._ago(self._spans.window_minutes)
        errors = self._errors()
        total = sum(n for _, n in errors)
        top = tuple(TopError(kind, n, n / total) for kind, n in errors[: self._spans.most_errors])
        deployed = self._deployments(onset, top[0].error_type if top else None)
        traffic = self._traffic()
        hit, kinds = self._hit(onset), self._templates(onset)
        return Facts(
            service=self._service,
            now=self._now,
            onset=onset,
            onset_found=found is not None,
            errors=total,
            top=top,
            templates=kinds,
            deployments=tuple(d for d in deployed if d.service == self._service),
            elsewhere=tuple(d for d in deployed if d.service != self._service),
            traffic=traffic,
            hit=hit,
            calls=self.calls,
        )

    def about(self) -> JsonObject:
        """The service's own row: team, criticality, channel, runbook."""
        rows = self._engine.relation(self._tables["services"])
        found = self._fetch(select(rows).where(rows.c.service == self._service))
        return found[0] if found else {}

    def _ago(self, minutes: int) -> datetime:
        return self._now - timedelta(minutes=minutes)

    def _fetch(self, statement: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
        self.calls += 1
        rows: list[dict[str, Any]] = self._engine.fetch(statement).to_pylist()
        return rows

    def _minutes(self) -> list[dict[str, Any]]:
        rows = self._engine.relation(self._tables["metrics"])
        minute = func.date_trunc(literal_column("'minute'"), rows.c.ts, type_=_INSTANT)
        span = (rows.c.ts >= self._ago(self._spans.onset_minutes), rows.c.ts <= self._now)
        return self._fetch(
            select(
                minute.label("minute"),
                func.min(rows.c.ts, type_=_INSTANT).label("first"),
                func.sum(rows.c.requests_total, type_=BigInteger).label("requests"),
                func.sum(rows.c.error_count, type_=BigInteger).label("errors"),
                func.percentile_cont(0.99, type_=Double()).within_group(rows.c.latency_ms).label("p99_ms"),
            )
            .where(and_(rows.c.service == self._service, *span))
            .group_by(minute)
            .order_by(minute)
        )

    def _errors(self) -> list[tuple[str, int]]:
        rows = self._engine.relation(self._tables["logs"])
        kind = func.coalesce(rows.c.error_type, UNTYPED, type_=Text())
        count = func.count(type_=BigInteger)
        span = (rows.c.ts >= self._ago(self._spans.top_errors_minutes), rows.c.ts <= self._now)
        found = self._fetch(
            select(kind.label("kind"), count.label("n"))
            .where(and_(rows.c.service == self._service, rows.c.level.in_(ERROR_LEVELS), *span))
            .group_by(kind)
            .order_by(count.desc(), kind)
        )
        return [(r["kind"], r["n"]) for r in found]

    def _templates(self, onset: datetime) -> tuple[LogTemplate, ...]:
        self.calls += 1
        start = min(onset, self._ago(0)) - timedelta(minutes=self._spans.lookback_minutes)
        return templates(
            self._engine, self._tables["logs"], self._service,
            start=start, onset=onset, now=self._now, most=self._spans.most_templates,
        )  # fmt: skip

    def _deployments(self, onset: datetime, top_error: str | None) -> list[Deployment]:
        """Those from the lookback before the onset until now, of every service."""
        rows = self._engine.relation(self._tables["deployments"])
        start = onset - timedelta(minutes=self._spans.lookback_minutes)
        found = self._fetch(
            select(rows).where(and_(rows.c.ts >= start, rows.c.ts <= self._now)).order_by(rows.c.ts, rows.c.version)
        )
        own = [r for r in found if r["service"] == self._service]
        earlier = self._earlier([r["ts"] for r in own], top_error) if top_error and own else [0] * len(own)
        counts = {id(r): n for r, n in zip(own, earlier, strict=True)}
        return [self._deployment(r, onset, counts.get(id(r), 0)) for r in found]

    def _deployment(self, r: Mapping[str, Any], onset: datetime, earlier: int) -> Deployment:
        return Deployment(
            ts=r["ts"],
            service=r["service"],
            version=r["version"],
            previous_version=r["previous_version"] or "",
            author=r["author"] or "",
            description=r["description"] or "",
            status=r["status"] or "",
            minutes_before=(onset - r["ts"]).total_seconds() / 60,
            failed=(r["status"] or "") in self._spans.failed_statuses,
            earlier_errors=earlier,
        )

    def _earlier(self, moments: Sequence[datetime], error_type: str) -> list[int]:
        """How often the error type occurred in the lookback before each moment."""
        rows = self._engine.relation(self._tables["logs"])
        back = timedelta(minutes=self._spans.lookback_minutes)
        counts = [
            func.count(case((and_(rows.c.ts >= at - back, rows.c.ts < at), 1)), type_=BigInteger).label(f"n{i}")
            for i, at in enumerate(moments)
        ]
        same = func.coalesce(rows.c.error_type, UNTYPED, type_=Text()) == error_type
        where = and_(rows.c.service == self._service, rows.c.level.in_(ERROR_LEVELS), same)
        (found,) = self._fetch(select(*counts).where(where))
        return [found[f"n{i}"] for i in range(len(moments))]

    def _traffic(self) -> Traffic:
        rows = self._engine.relation(self._tables["metrics"])
        middle, start = self._ago(self._spans.window_minutes), self._ago(2 * self._spans.window_minutes)

        def total(inside: ColumnElement[bool]) -> ColumnElement[int]:
            return func.coalesce(func.sum(case((inside, rows.c.requests_total)), type_=BigInteger), 0, type_=BigInteger)

        where = and_(rows.c.service == self._service, rows.c.ts >= start, rows.c.ts <= self._now)
        statement = select(total(rows.c.ts >= middle).label("new"), total(rows.c.ts < middle).label("old")).where(where)
        (found,) = self._fetch(statement)
        return Traffic(found["new"], found["old"])

    def _hit(self, onset: datetime) -> tuple[tuple[str, int], ...]:
        """Services whose connection errors rose in the first minutes of the incident, most lines first."""
        rows = self._engine.relation(self._tables["logs"])
        span = timedelta(minutes=self._spans.hit_minutes)
        end = min(onset + span, self._now)
        kind = func.lower(func.coalesce(rows.c.error_type, "", type_=Text()), type_=Text())
        named = or_(*(kind.contains(w, autoescape=True) for w in self._spans.dependency_words))
        new = func.count(case((rows.c.ts >= onset, 1)), type_=BigInteger)
        old = func.count(case((rows.c.ts < onset, 1)), type_=BigInteger)
        found = self._fetch(
            select(rows.c.service, new.label("new"), old.label("old"))
            .where(and_(rows.c.level.in_(ERROR_LEVELS), rows.c.ts >= onset - span, rows.c.ts <= end, named))
            .group_by(rows.c.service)
            .order_by(new.desc(), rows.c.service)
        )
        return tuple(
            (r["service"], r["new"]) for r in found if r["new"] > r["old"] and r["new"] >= self._spans.hit_errors
        )


def _onset(minutes: Sequence[Mapping[str, Any]], rate_limit: float, p99_limit: float) -> datetime | None:
    """The first row of the first minute over a limit in the run of such minutes that reaches up to now."""
    over = [m for m in minutes if _is_over(m, rate_limit, p99_limit)]
    first: Mapping[str, Any] | None = None
    for m in reversed(over):
        if first is not None and first["minute"] - m["minute"] > _GAP:
            break
        first = m
    return first["first"] if first is not None else None


def _is_over(m: Mapping[str, Any], rate_limit: float, p99_limit: float) -> bool:
    rate = m["errors"] / m["requests"] if m["requests"] else 0.0
    return rate > rate_limit or (m["p99_ms"] or 0.0) > p99_limit
