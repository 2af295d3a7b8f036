"""The sentinel: services whose error rate or p99 is over its limit, and those whose data stopped or is too thin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from core.detect.events import EventDetector, Scene, event_detectors
from core.detect.vitals import Vitals, by_minute, vitals
from core.model import ChangeType, Direction, Finding, Json, JsonObject, Severity, Sighting

ERROR_RATE, LATENCY, STALE, THIN = "error_rate", "latency", "stale_data", "too_little_traffic"
_UNKNOWN = "medium"  # criticality of a service that nobody rated


class Limits(BaseModel):
    """Limits of one service; what is not given is the playbook's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_rate: float | None = Field(None, gt=0)
    p99_ms: float | None = Field(None, gt=0)


class Grades(BaseModel):
    """Severity for one criticality: from the critical ratio on, and below it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    far_over: Severity
    over: Severity


GRADES: Mapping[str, Grades] = {
    "high": Grades(far_over=Severity.CRITICAL, over=Severity.HIGH),
    "medium": Grades(far_over=Severity.HIGH, over=Severity.MEDIUM),
    "low": Grades(far_over=Severity.MEDIUM, over=Severity.LOW),
}


@dataclass(frozen=True, slots=True)
class _Judged:
    """A service with its limits and how far over them it is."""

    vitals: Vitals
    about: JsonObject
    rate_limit: float
    p99_limit: float

    @property
    def rate_ratio(self) -> float:
        return (self.vitals.error_rate or 0.0) / self.rate_limit

    @property
    def p99_ratio(self) -> float:
        return (self.vitals.p99_ms or 0.0) / self.p99_limit

    @property
    def ratio(self) -> float:
        return max(self.rate_ratio, self.p99_ratio)

    @property
    def criticality(self) -> str:
        given = str(self.about.get("criticality") or _UNKNOWN)
        return given if given in GRADES else _UNKNOWN


@event_detectors.register("sentinel", "Service error rate and p99")
class Sentinel(EventDetector):
    """Judges every service over the last minutes; a limit is exceeded when the value is strictly greater.

    Source: acceptance DP-01 to DP-06.
    """

    window_minutes: int = Field(15, ge=1, description="Minutes before now that are judged")
    error_rate_limit: float = Field(0.05, gt=0, description="Share of failed requests that is still in order")
    p99_limit_ms: float = Field(1000, gt=0, description="p99 latency in milliseconds that is still in order")
    min_requests: int = Field(100, ge=1, description="Requests in the window below which nothing is judged")
    critical_ratio: float = Field(2.0, ge=1, description="Times the limit from which the higher severity holds")
    overrides: Mapping[str, Limits] = Field(default_factory=dict, description="Limits of single services")
    chart_minutes: int = Field(60, ge=1, description="Minutes before now that a finding keeps for its chart")

    def detect(self, scene: Scene) -> Sighting:
        """Findings error_rate (also for both), latency and stale_data; thin traffic is suppressed and not healthy."""
        metrics = scene.dataset.tables["metrics"]
        found = vitals(scene.engine, metrics, scene.now, self.window_minutes)
        listed = _services(scene)
        judged = [self._judged(s, found, listed.get(s, {}), scene) for s in sorted({*found, *listed})]
        findings = [self._finding(j, symptom, scene) for j in judged if (symptom := self._symptom(j, scene))]
        charts = by_minute(
            scene.engine, metrics, [f.subject for f in findings],
            scene.now - timedelta(minutes=self.chart_minutes), scene.now,
        ) if findings else {}  # fmt: skip
        return Sighting(
            tuple(_with_minutes(f, charts) for f in findings),
            frozenset(key for j in judged for key in self._healthy(j, scene)),
        )

    def _judged(self, service: str, found: Mapping[str, Vitals], about: JsonObject, scene: Scene) -> _Judged:
        start, own = scene.now - timedelta(minutes=self.window_minutes), self.overrides.get(service, Limits())
        return _Judged(
            vitals=found.get(service) or Vitals(service, start, scene.now, 0, 0, 0, None, None),
            about=about,
            rate_limit=own.error_rate or self.error_rate_limit,
            p99_limit=own.p99_ms or self.p99_limit_ms,
        )

    def _symptom(self, j: _Judged, scene: Scene) -> str:
        if not j.vitals.fresh:
            return STALE
        if j.vitals.requests < self.min_requests:
            return THIN
        # while its error-rate incident is open, a service's latency belongs to it: one incident, not two
        if j.rate_ratio > 1 or (j.p99_ratio > 1 and (j.vitals.service, ERROR_RATE) in scene.open):
            return ERROR_RATE
        return LATENCY if j.p99_ratio > 1 else ""

    def _healthy(self, j: _Judged, scene: Scene) -> Iterator[tuple[str, str]]:
        """What was judged and is in order; thin or stale data says nothing of rate and latency."""
        if not j.vitals.fresh:
            return
        yield j.vitals.service, STALE
        if j.vitals.requests < self.min_requests:
            return
        if self._symptom(j, scene) != ERROR_RATE:
            yield j.vitals.service, ERROR_RATE
            if j.p99_ratio <= 1:
                yield j.vitals.service, LATENCY

    def _finding(self, j: _Judged, symptom: str, scene: Scene) -> Finding:
        v, latency = j.vitals, symptom == LATENCY
        observed = None if symptom == STALE else v.p99_ms if latency else v.error_rate
        limit = None if symptom == STALE else j.p99_limit if latency else j.rate_limit
        over = None if observed is None or limit is None else observed - limit
        return Finding(
            id=_id(v.service, symptom, scene),
            kind="quality" if symptom in (STALE, THIN) else "anomaly",
            detector=self.name,
            metric="p99_ms" if latency else "error_rate",
            label=v.service,
            system=v.service,
            labels={"service": v.service},
            start=v.start,
            end=v.end,
            observed=observed,
            expected=None,
            lower=None,
            upper=limit,
            unit="ms" if latency else "",
            score=1.0 if symptom in (STALE, THIN) else j.ratio,
            severity=self._severity(j, symptom),
            direction=Direction.NONE if symptom in (STALE, THIN) else Direction.UP,
            bad=symptom != THIN,
            change=ChangeType.MISSING if symptom in (STALE, THIN) else ChangeType.STEP_UP,
            baseline="fixed threshold",
            change_abs=over,
            change_pct=None if over is None or limit is None else over / limit * 100,
            summary=self._summary(j, symptom),
            suppressed_by=self._thin(v) if symptom == THIN else None,
            type=symptom,
            subject=v.service,
            details=self._receipt(j),
        )

    def _severity(self, j: _Judged, symptom: str) -> Severity:
        if symptom == THIN:
            return Severity.LOW
        grade = GRADES[j.criticality]
        return grade.far_over if symptom != STALE and j.ratio >= self.critical_ratio else grade.over

    def _thin(self, v: Vitals) -> str:
        return f"too little traffic: {v.requests:,} requests in {self.window_minutes} min, {self.min_requests:,} needed"

    def _summary(self, j: _Judged, symptom: str) -> str:
        v = j.vitals
        if symptom == STALE:
            newest = f"newest row {v.newest:%Y-%m-%d %H:%M} UTC" if v.newest else "no row at all"
            return f"stale data of {v.service}: {newest}, expected one within {self.window_minutes} min"
        rate = "n/a (no requests)" if v.error_rate is None else f"{100 * v.error_rate:.2f} %"
        p99 = "n/a" if v.p99_ms is None else f"{v.p99_ms:,.0f} ms"
        return (
            f"{v.service}: error rate {rate} (limit {100 * j.rate_limit:g} %), p99 {p99} "
            f"(limit {j.p99_limit:,.0f} ms) over {self.window_minutes} min"
        )

    def _receipt(self, j: _Judged) -> JsonObject:
        """Both limits, the window, the rows used and what they say."""
        v = j.vitals
        return {
            "window": {"start": v.start.isoformat(), "end": v.end.isoformat(), "minutes": self.window_minutes},
            "limits": {"error_rate": j.rate_limit, "p99_ms": j.p99_limit, "min_requests": self.min_requests},
            "values": {"error_rate": v.error_rate, "p99_ms": v.p99_ms, "requests": v.requests, "errors": v.errors},
            "rows": v.rows,
            "newest": v.newest.isoformat() if v.newest else None,
            "ratio": j.ratio,
            "criticality": j.criticality,
            "baseline": "fixed threshold",
        }


def _with_minutes(finding: Finding, charts: Mapping[str, list[JsonObject]]) -> Finding:
    minutes: Json = charts.get(finding.subject, [])
    return replace(finding, details={**finding.details, "minutes": minutes})


def _services(scene: Scene) -> dict[str, JsonObject]:
    table = scene.dataset.tables.get("services")
    if table is None:
        return {}
    rows = scene.engine.fetch(select(scene.engine.relation(table))).to_pylist()
    return {str(r["service"]): r for r in rows}


def _id(service: str, symptom: str, scene: Scene) -> str:
    text = json.dumps(["sentinel", service, symptom, scene.now.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
