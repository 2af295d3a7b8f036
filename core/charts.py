"""Altair charts from the model's own types. Pure: data in, chart out; colours come from the caller's theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.model import Baseline, Bools, Floats, Metric, MetricKind, Panel

if TYPE_CHECKING:
    import altair as alt

MAX_POINTS = 600
SPARK_WIDTH, SPARK_HEIGHT = 240, 44


@dataclass(frozen=True, slots=True)
class Palette:
    """The few colours a chart needs."""

    line: str
    muted: str
    bad: str
    mark: str
    edge: str


LIGHT = Palette(line="#4F46E5", muted="#64748B", bad="#DC2626", mark="#CA8A04", edge="#FFFFFF")
DARK = Palette(line="#818CF8", muted="#94A3B8", bad="#F87171", mark="#FBBF24", edge="#0F1117")


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical mark on the time axis: a deploy, a failed check, a holiday."""

    at: datetime
    label: str
    kind: str = "change"


def series_frame(
    panel: Panel, i: int, baseline: Baseline, alarms: Bools | None, last: int = MAX_POINTS
) -> pd.DataFrame:
    """The last points of one series as rows: ts, value, expected, lower, upper, alarm.

    Shape: at most ``last`` rows, so the browser never gets a million.
    """
    return span_frame(panel, i, baseline, alarms, slice(-last, None))


def span_frame(panel: Panel, i: int, baseline: Baseline, alarms: Bools | None, cut: slice) -> pd.DataFrame:
    """The points of one series inside ``cut`` as rows: ts, value, expected, lower, upper, alarm."""
    frame = pd.DataFrame(
        {
            "ts": panel.index[cut],
            "value": panel.values[i, cut],
            "expected": baseline.expected[i, cut],
            "lower": baseline.lower[i, cut],
            "upper": baseline.upper[i, cut],
        }
    )
    frame["alarm"] = False if alarms is None else alarms[i, cut]
    return frame.replace([np.inf, -np.inf], np.nan)


def series_chart(
    frame: pd.DataFrame,
    *,
    title: str,
    unit: str,
    palette: Palette,
    marks: Sequence[Mark] = (),
    brush: bool = True,
    height: int = 320,
    value_format: str = "~s",
) -> alt.LayerChart | alt.FacetChart:
    """Value against its baseline band, alarms as points, marks as dashed rules.

    A click on an alarm selects it (``pick``), dragging selects a time range (``brush``). An empty title leaves the
    room to a heading above, which wraps on a phone.
    """
    import altair as alt

    _unchecked()
    axis = alt.Axis(labelOverlap=True, grid=False, format=time_format(frame))
    if _few_days(frame):
        axis = alt.Axis(labelOverlap=True, grid=False, format=time_format(frame), tickCount="day")
    x = alt.X("ts:T", title=None, axis=axis)
    value_axis = alt.Axis(title=unit or None, format=value_format, grid=True)
    scale = alt.Scale(domain=_domain(frame), nice=True, clamp=False)
    base = alt.Chart(frame)
    band = base.mark_area(opacity=0.16, color=palette.line, interpolate="monotone", clip=True).encode(
        x=x, y=alt.Y("lower:Q", axis=value_axis, scale=scale), y2="upper:Q"
    )
    expected = base.mark_line(strokeDash=[3, 3], strokeWidth=1.2, color=palette.muted).encode(x=x, y="expected:Q")
    line = base.mark_line(strokeWidth=2, color=palette.line).encode(x=x, y="value:Q")
    tip = [
        alt.Tooltip("ts:T", title="Time", format="%d %b %Y %H:%M"),
        alt.Tooltip("value:Q", title="Value", format=",.4~f"),
        alt.Tooltip("expected:Q", title="Expected", format=",.4~f"),
        alt.Tooltip("lower:Q", title="Lower", format=",.4~f"),
        alt.Tooltip("upper:Q", title="Upper", format=",.4~f"),
    ]
    hover = base.mark_point(opacity=0, size=80).encode(x=x, y="value:Q", tooltip=tip)
    pick = alt.selection_point("pick", fields=["ts"], on="click", empty=False)
    points = (
        alt.Chart(frame[frame["alarm"].astype(bool)])
        # without alarms the layer is empty, and for screen readers it would be a picture without a name
        .mark_circle(
            size=90, color=palette.bad, stroke=palette.edge, strokeWidth=1.5, opacity=1, aria=bool(frame["alarm"].any())
        )
        .encode(x=x, y="value:Q", tooltip=tip)
        .add_params(pick)
    )
    if brush:
        line = line.add_params(alt.selection_interval(name="brush", encodings=["x"]))
    layers = [band, expected, line, hover, points]
    if marks:
        layers.insert(0, _rules(marks, palette))
    named = {"title": alt.Title(title, anchor="start")} if title else {}
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(*layers, height=height, **named)
    return drawn


def _unchecked() -> None:
    """Switches Altair's schema checks off: they take most of the time of drawing, and tests draw with them on."""
    from altair.utils import schemapi

    schemapi.disable_debug_mode()


def _few_days(frame: pd.DataFrame) -> bool:
    """Whether several ticks would fall on one day and be named alike."""
    span = frame["ts"].max() - frame["ts"].min() if len(frame) else pd.Timedelta(0)
    return pd.Timedelta(days=4) <= span < pd.Timedelta(days=14)


def _domain(frame: pd.DataFrame) -> list[float]:
    """The value axis: all values and expectations, and as much of the band as leaves them readable."""
    core = frame[["value", "expected"]].to_numpy(dtype=float)
    if not np.isfinite(core).any():
        return [0.0, 1.0]
    low, high = float(np.nanmin(core)), float(np.nanmax(core))
    room = 0.5 * (high - low) or abs(high) * 0.1 or 1.0
    bottom, top = frame["lower"].min(), frame["upper"].max()
    return [
        low - (min(room, max(low - bottom, 0.1 * room)) if np.isfinite(bottom) else 0.1 * room),
        high + (min(room, max(top - high, 0.1 * room)) if np.isfinite(top) else 0.1 * room),
    ]


def _rules(marks: Sequence[Mark], palette: Palette) -> alt.Chart:
    import altair as alt

    _unchecked()
    colors = {"check": palette.bad, "holiday": palette.muted, "judged": palette.line}
    kinds = list(dict.fromkeys(m.kind for m in marks))
    frame = pd.DataFrame([{"ts": m.at, "label": m.label, "kind": m.kind} for m in marks])
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_rule(strokeDash=[4, 4], strokeWidth=1.4)
        .encode(
            x="ts:T",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=[colors.get(k, palette.mark) for k in kinds]),
                legend=None,
            ),
            tooltip=[alt.Tooltip("ts:T", format="%d %b %Y", title="Time"), alt.Tooltip("label:N", title="Mark")],
        )
    )
    return drawn


def value_format(metric: Metric, values: Floats) -> str:
    """An axis format that suits the metric: percent for rates, no milli for small numbers."""
    size = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0.0
    if metric.kind is MetricKind.RATIO and size <= 1:
        return ".1~%"
    return "~s" if size >= 1000 else "~g"


def bars(
    frame: pd.DataFrame, *, label: str, value: str, title: str, palette: Palette
) -> alt.LayerChart | alt.FacetChart:
    """Signed horizontal bars, largest first: what each part added to a change.

    Shape: ``frame`` has a text column ``label`` and a number column ``value``.
    """
    import altair as alt

    _unchecked()
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{label}:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
        x=alt.X(f"{value}:Q", title=None, axis=alt.Axis(format="~s")),
        tooltip=[alt.Tooltip(f"{label}:N"), alt.Tooltip(f"{value}:Q", format=",.4~f")],
    )
    bar = base.mark_bar(cornerRadius=2, height=16).encode(
        color=alt.condition(f"datum['{value}'] < 0", alt.value(palette.bad), alt.value(palette.line))
    )
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color=palette.muted).encode(x="x:Q")
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(
        bar, zero, title=alt.Title(title, anchor="start"), height=70 + 28 * len(frame)
    )
    return drawn


def strips(
    frame: pd.DataFrame,
    *,
    title: str,
    palette: Palette,
    rows: Sequence[str] = (),
    span: tuple[datetime, datetime] | None = None,
) -> alt.Chart:
    """One row of ticks per detector: when each one fired.

    Shape: ``frame`` has columns ts, detector, score; one row per alarm. ``rows`` names every detector, also those
    that never fired, and ``span`` is the whole history.
    """
    import altair as alt

    _unchecked()
    names = list(rows or dict.fromkeys(frame["detector"]))
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_tick(thickness=2, size=18)
        .encode(
            x=alt.X("ts:T", title=None, axis=alt.Axis(grid=False), scale=_time_scale(span)),
            y=alt.Y("detector:N", title=None, axis=alt.Axis(labelLimit=260), scale=alt.Scale(domain=names)),
            color=alt.value(palette.bad),
            tooltip=[alt.Tooltip("ts:T", format="%d %b %Y %H:%M"), "detector:N", alt.Tooltip("score:Q", format=".2f")],
        )
        .properties(title=alt.Title(title, anchor="start"), height=70 + 28 * len(names))
    )
    return drawn


def _time_scale(span: tuple[datetime, datetime] | None) -> alt.Scale:
    import altair as alt

    scale: alt.Scale = alt.Scale(domain=[t.isoformat() for t in span]) if span else alt.Scale()
    return scale


def time_format(frame: pd.DataFrame) -> str:
    """A date format for the axis: hours only when the shown span is short."""
    span = frame["ts"].max() - frame["ts"].min() if len(frame) else pd.Timedelta(0)
    return "%d %b %H:%M" if span < pd.Timedelta(days=4) else "%d %b" if span < pd.Timedelta(days=400) else "%b %Y"


def trend(
    frame: pd.DataFrame, *, title: str, unit: str, palette: Palette, height: int = 220
) -> alt.LayerChart | alt.FacetChart:
    """One plain series over time, as a first look.

    Shape: ``frame`` has columns ts and value.
    """
    import altair as alt

    _unchecked()
    x = alt.X("ts:T", title=None, axis=alt.Axis(labelOverlap=True, grid=False, format=time_format(frame)))
    y = alt.Y("value:Q", axis=alt.Axis(title=unit or None, format="~s"), scale=alt.Scale(zero=False, nice=True))
    tip = [alt.Tooltip("ts:T", title="Time", format="%d %b %Y %H:%M"), alt.Tooltip("value:Q", format=",.4~f")]
    base = alt.Chart(frame).encode(x=x, y=y)
    line = base.mark_line(strokeWidth=1.6, color=palette.line)
    hover = base.mark_point(opacity=0, size=60).encode(tooltip=tip)
    return alt.layer(line, hover).properties(title=alt.Title(title, anchor="start"), height=height)


def panel_frame(panel: Panel, i: int) -> pd.DataFrame:
    """One series of a panel as rows: ts, value."""
    return pd.DataFrame({"ts": panel.index, "value": panel.values[i]})


def check_history(frame: pd.DataFrame, *, title: str, palette: Palette) -> alt.Chart:
    """Bars over time: how many checks failed or could not run, each time they ran.

    Shape: ``frame`` has columns ts, status (failed or error) and checks.
    """
    import altair as alt

    times = [f"{t:%d %b %H:%M:%S}" for t in sorted(frame["ts"].unique())]
    named = frame.assign(run=frame["ts"].map(lambda t: f"{t:%d %b %H:%M:%S}"))
    drawn: alt.Chart = (
        alt.Chart(named)
        .mark_bar(cornerRadius=2, size=14)
        .encode(
            x=alt.X("run:N", sort=times, title=None, axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("checks:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(domainMin=0)),
            color=alt.Color(
                "status:N",
                scale=alt.Scale(domain=["failed", "error"], range=[palette.bad, palette.mark]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip("run:N", title="Ran"), "status:N", "checks:Q"],
        )
        .properties(title=alt.Title(title, anchor="start"), height=160)
    )
    return drawn


def day_bars(frame: pd.DataFrame, *, title: str, palette: Palette) -> alt.Chart:
    """One bar a day.

    Shape: ``frame`` has columns day and value.
    """
    import altair as alt

    _unchecked()
    drawn: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(cornerRadius=2, color=palette.line)
        .encode(
            x=alt.X("day:T", title=None, axis=alt.Axis(labelOverlap=True, grid=False, format="%d %b")),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(format="~g"), scale=alt.Scale(domainMin=0)),
            tooltip=[
                alt.Tooltip("day:T", title="Day", format="%d %b %Y"),
                alt.Tooltip("value:Q", title="Used", format=",.4~f"),
            ],
        )
        .properties(title=alt.Title(title, anchor="start"), height=200)
    )
    return drawn


def sparkline(values: Sequence[float | None], *, reference: float | None, line: str, dot: str) -> str:
    """The recent values as a small SVG picture: gaps where one is missing, the last one dotted, the baseline dashed.

    A picture costs the browser almost nothing; a dozen Vega charts took most of a page's time.
    """
    known = [v for v in values if v is not None]
    if not known:
        return ""
    low, high = min([*known, *[r for r in (reference,) if r is not None]]), max([*known, reference or known[0]])
    scale = (SPARK_HEIGHT - 8) / (high - low) if high > low else 0.0
    step = (SPARK_WIDTH - 8) / max(1, len(values) - 1)

    def y(value: float) -> float:
        return SPARK_HEIGHT - 4 - (value - low) * scale if scale else SPARK_HEIGHT / 2

    path, pen = "", "M"
    for i, value in enumerate(values):
        path, pen = (path, "M") if value is None else (f"{path}{pen}{4 + i * step:.1f} {y(value):.1f}", "L")
    dashed = (
        f'<path d="M4 {y(reference):.1f}H{SPARK_WIDTH - 4}" stroke="{line}" stroke-dasharray="3 4" opacity=".6"/>'
        if reference is not None
        else ""
    )
    last = values[-1]
    end = f'<circle cx="{SPARK_WIDTH - 4}" cy="{y(last):.1f}" r="3" fill="{dot}"/>' if last is not None else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" fill="none">{dashed}'
        f'<path d="{path}" stroke="{line}" stroke-width="1.6" stroke-linejoin="round"/>{end}</svg>'
    )
