"""Figures over stored incidents, each with its n and its formula; without a case there is no data. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

QUIET = ("dismiss", "log_only")
TOLD = ("notify_team", "auto_fix")
NO_DATA = "no data"


class CostRules(BaseModel):
    """What a minute (or hour) of downtime costs, and how long the same takes by hand. Units: USD, minutes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    downtime_usd: float = Field(5600.0, ge=0, description="Cost of downtime, per the unit below")
    per: Literal["minute", "hour"] = "minute"
    manual_detect_min: float = Field(15.0, ge=0)
    manual_investigate_min: float = Field(120.0, ge=0)
    manual_respond_min: float = Field(120.0, ge=0)
    false_positive_target_pct: float = Field(10.0, ge=0, le=100)

    @property
    def manual_min(self) -> float:
        """What one incident takes by hand, from start to end."""
        return self.manual_detect_min + self.manual_investigate_min + self.manual_respond_min


@dataclass(frozen=True, slots=True)
class Record:
    """One stored incident as the figures need it; a moment that is not known is None."""

    incident_id: str
    severity: str
    source: str
    action: str
    status: str
    began_at: datetime | None  # the first alert's own time
    detected_at: datetime
    resolved_at: datetime | None
    verdict: str | None  # real | false_positive | expected
    occurrences: int = 1
    alerts: int = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; ``value`` is None where n is 0."""

    value: float | None
    n: int
    unit: str
    formula: str

    def text(self, digits: int = 2) -> str:
        """The figure with its unit and n; ``no data`` without one."""
        return NO_DATA if self.value is None else f"{self.value:,.{digits}f} {self.unit} (n={self.n})"


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of a set of incidents. Source: acceptance DI-21 to DI-23."""

    incidents: int
    mttr: Figure
    detection: Figure
    false_positives: Figure
    filter_rate: Figure
    cost_per_incident: Figure
    cost_total: Figure
    saved_per_incident: Figure
    by_action: Mapping[str, int]
    by_severity: Mapping[str, int]
    by_source: Mapping[str, int]
    by_verdict: Mapping[str, int]


def analysed(records: Sequence[Record], rules: CostRules) -> Analytics:
    """Every figure over these incidents."""
    took = [m for r in records if r.action in TOLD and (m := _minutes(r.detected_at, r.resolved_at)) is not None]
    waited = [m for r in records if (m := _minutes(r.began_at, r.detected_at)) is not None]
    judged = [r.verdict for r in records if r.action in TOLD and r.verdict]
    costs = [downtime_cost(minutes, rules) for minutes in took]
    rate = f"{rules.downtime_usd:,.0f} USD per {rules.per}"
    return Analytics(
        incidents=len(records),
        mttr=_mean(took, "min", "mean(resolved - detected) of incidents people were told of"),
        detection=_mean(waited, "min", "mean(detected - first alert)"),
        false_positives=_share(judged, lambda v: v != "real", "not real / judged, of incidents people were told of"),
        filter_rate=_share([r.action for r in records], lambda a: a in QUIET, "(dismissed + logged) / all"),
        cost_per_incident=_mean(costs, "USD", f"mean(minutes x {rate})"),
        cost_total=Figure(sum(costs) if costs else None, len(costs), "USD", f"sum(minutes x {rate})"),
        saved_per_incident=_mean(
            [rules.manual_min - m for m in took], "min", f"{rules.manual_min:g} min by hand - mean(resolved - detected)"
        ),
        by_action=_counted(r.action for r in records),
        by_severity=_counted(r.severity for r in records),
        by_source=_counted(r.source for r in records),
        by_verdict=_counted(r.verdict or "not judged" for r in records),
    )


def downtime_cost(minutes: float, rules: CostRules) -> float:
    """Minutes times the rate per minute; a rate per hour is taken as such. Units: USD. Source: DI-22."""
    return minutes * rules.downtime_usd if rules.per == "minute" else minutes / 60 * rules.downtime_usd


def _minutes(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds() / 60


def _mean(values: Sequence[float], unit: str, formula: str) -> Figure:
    return Figure(sum(values) / len(values) if values else None, len(values), unit, formula)


def _share(items: Sequence[str], holds: Callable[[str], bool], formula: str) -> Figure:
    return Figure(100 * sum(map(holds, items)) / len(items) if items else None, len(items), "%", formula)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())
