"""How values look on screen: numbers, deltas, lights and badges, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from core import charts
from core.model import (
    CheckStatus,
    DeliveryState,
    Delta,
    Direction,
    Finding,
    IncidentStatus,
    Light,
    MetricKind,
    Severity,
)

Color = Literal["red", "orange", "yellow", "blue", "green", "violet", "gray", "grey", "primary"]

LIGHT: dict[str, tuple[Color, str]] = {
    Light.GREEN: ("green", ":material/check_circle:"),
    Light.YELLOW: ("yellow", ":material/warning:"),
    Light.RED: ("red", ":material/error:"),
}
SEVERITY: dict[Severity, Color] = {
    Severity.LOW: "gray",
    Severity.MEDIUM: "yellow",
    Severity.HIGH: "orange",
    Severity.CRITICAL: "red",
}
CHECK: dict[CheckStatus, tuple[Color, str]] = {
    CheckStatus.PASSED: ("green", ":material/check:"),
    CheckStatus.FAILED: ("red", ":material/close:"),
    CheckStatus.ERROR: ("orange", ":material/error_outline:"),
}
DELIVERY: dict[DeliveryState, Color] = {
    DeliveryState.QUEUED: "blue",
    DeliveryState.SENDING: "blue",
    DeliveryState.SENT: "green",
    DeliveryState.FAILED: "red",
}
STATUS: dict[IncidentStatus, Color] = {
    IncidentStatus.OPEN: "red",
    IncidentStatus.ACKNOWLEDGED: "orange",
    IncidentStatus.IN_PROGRESS: "blue",
    IncidentStatus.MITIGATED: "violet",
    IncidentStatus.RESOLVED: "green",
    IncidentStatus.CLOSED: "gray",
    IncidentStatus.DISMISSED: "gray",
}
MINUS = "−"


def palette() -> charts.Palette:
    """Chart colours of the theme the browser shows."""
    return charts.DARK if st.context.theme.type == "dark" else charts.LIGHT


def figure(value: float | None, kind: MetricKind = MetricKind.SUM, unit: str = "") -> str:
    """A value as people read it: ``105,300``, ``3.88%`` for a rate in [0, 1], ``86 min``."""
    if value is None:
        return "n/a"
    if kind is MetricKind.RATIO and abs(value) <= 1:
        return f"{value * 100:.2f}%"
    text = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.4g}"
    return (f"{text} {unit}" if unit else text).replace("-", MINUS)


def percent(value: float | None, *, none: str = "n/a (baseline 0)") -> str:
    """A signed percentage with two decimals."""
    return none if value is None else f"{value:+.2f}%".replace("-", MINUS)


def moment(at: datetime | None, zone: str = "UTC") -> str:
    """A time with its date, in the workbench's zone."""
    return at.astimezone(ZoneInfo(zone)).strftime("%d %b %Y %H:%M") if at else ""


def delta_color(finding: Finding | None) -> Color:
    """Grey unless a detector fired: red for a bad move, blue for a good or neutral one."""
    if finding is None or finding.suppressed_by:
        return "gray"
    return "red" if finding.bad else "blue"


def bad_way(delta: Delta) -> bool | None:
    """Whether the value moved in its bad direction against the baseline; None when it has none."""
    if delta.metric.good is Direction.NONE or not delta.vs_baseline_abs:
        return None
    return (delta.vs_baseline_abs > 0) is (delta.metric.good is Direction.DOWN)


PERIOD = {"h": "hour", "D": "day", "W": "week", "MS": "month", "YS": "year", "min": "minute"}


def period_word(freq: str) -> str:
    """The name of one period: day for ``D``, week for ``W-MON``."""
    return PERIOD.get(freq.split("-")[0].lstrip("0123456789"), "period")


def short_moment(at: datetime, freq: str) -> str:
    """A period as people say it: ``13 Dec``, with the hour where there are several a day."""
    day = f"{at.day} {at:%b}"
    return f"{day} {at:%H:%M}" if period_word(freq) in ("hour", "minute", "period") else day


def reference(method: str, params: Mapping[str, object], freq: str) -> str:
    """A baseline in words: ``7-day mean``, ``same-weekday median``, ``value the day before``."""
    one = period_word(freq)
    if method == "trailing_mean":
        return f"{params.get('window', 7)}-{one} mean"
    known = {"previous": f"value the {one} before", "weekday_median": "same-weekday median"}
    return known.get(method, f"{method.replace('_', ' ')} expectation")


def standing(delta: Delta, against: str, freq: str, reason: str = "") -> str:
    """Where a metric stands, in one sentence: ``Refunds is 213.7 % above its 7-day mean on 13 Dec``."""
    name = f"{delta.metric.label[:1].upper()}{delta.metric.label[1:]}"
    day, pct = short_moment(delta.at, freq), delta.vs_baseline_pct
    if delta.value is None:
        return f"{name} has no value on {day}"
    value = figure(delta.value, delta.metric.kind, delta.metric.unit)
    if delta.baseline is None:
        return f"{name} is {value} on {day}, without a baseline yet" + (f" ({reason})" if reason else "")
    if pct is None:
        return f"{name} is {value} on {day}, against a {against} of 0"
    if abs(pct) < 0.05:
        return f"{name} is in line with its {against} on {day}"
    return f"{name} is {abs(pct):,.1f} % {'above' if pct > 0 else 'below'} its {against} on {day}"
