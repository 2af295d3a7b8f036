"""How values look on screen: numbers, deltas, lights and badges, the same on every page."""

from __future__ import annotations

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


def delta_color(delta: Delta, finding: Finding | None) -> Color:
    """Grey unless a detector fired: red for a bad move, blue for a good or neutral one."""
    if finding is None or finding.suppressed_by:
        return "gray"
    return "red" if finding.bad else "blue"


def bad_way(delta: Delta) -> bool | None:
    """Whether the value moved in its bad direction against the baseline; None when it has none."""
    if delta.metric.good is Direction.NONE or not delta.vs_baseline_abs:
        return None
    return (delta.vs_baseline_abs > 0) is (delta.metric.good is Direction.DOWN)
