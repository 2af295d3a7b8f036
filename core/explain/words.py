"""How figures, dates and subjects are written, everywhere a person reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

from core.model import Delta

PERIODS = {"min": "minute", "h": "hour", "D": "day", "W": "week", "MS": "month", "YS": "year"}
_PREFIX_UNITS = {"$", "€", "£"}


def number(value: float | None, unit: str = "", *, signed: bool = False) -> str:
    """``value`` with thousands separators: at most 2 decimals, small figures with more; ``n/a`` if missing."""
    if value is None or not math.isfinite(value):
        return "n/a"
    size = abs(value)
    places = 0 if float(value).is_integer() else 2
    if 0 < size < 1:
        places = 3 if size >= 0.1 else min(12, 3 - math.floor(math.log10(size)))
    text = f"{size:,.{places}f}"
    if "." in text and size < 1:
        text = text.rstrip("0").rstrip(".")
    sign = "-" if value < 0 else "+" if signed else ""
    if unit in _PREFIX_UNITS:
        return f"{sign}{unit}{text}"
    return f"{sign}{text}{'' if unit == '%' else ' '}{unit}" if unit else f"{sign}{text}"


def percent(value: float | None, *, signed: bool = True) -> str:
    """A percentage with 2 decimals; a percentage of nothing is ``n/a (baseline 0)``."""
    if value is None or not math.isfinite(value):
        return "n/a (baseline 0)"
    return f"{value:+,.2f}%" if signed else f"{abs(value):,.2f}%"


def period(at: datetime, freq: str) -> str:
    """The judged period: a date for days and longer, else date and time in UTC."""
    return f"{at:%Y-%m-%d}" if freq in ("D", "W", "MS", "YS") else f"{at:%Y-%m-%d %H:%M} UTC"


def subject(label: str, labels: Mapping[str, str]) -> str:
    """A series in words: ``Refunds`` or ``Refunds (country=DE)``."""
    return f"{label} ({', '.join(f'{k}={v}' for k, v in labels.items())})" if labels else label


def counted(count: int, noun: str) -> str:
    """``1 check``, ``2 checks``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def reference(delta: Delta, freq: str) -> str:
    """What the value is measured against, with its figure: ``the 7-day mean of 5,578.57``."""
    name = baseline_name(delta.method, len(delta.trained_on), freq)
    figure = number(delta.baseline, delta.metric.unit)
    return f"{name} {figure}" if name.endswith("expected") else f"{name} of {figure}"


def baseline_name(method: str, points: int, freq: str) -> str:
    """A baseline method as people call it."""
    unit = PERIODS.get(freq, "period")
    if method == "trailing_mean":
        return f"the {points}-{unit} mean" if points else "the trailing mean"
    if method == "previous":
        return f"the previous {unit}'s value"
    return "the expected"
