"""Altair charts of services: a measure minute by minute against its limit, with deployments and the judged window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pandas as pd

from core.charts import SPARK_WIDTH, Mark, Palette
from core.model import Json

if TYPE_CHECKING:
    import altair as alt

Measure = Literal["error_rate", "p99_ms", "requests"]
FORMAT: Mapping[Measure, str] = {"error_rate": ".1~%", "p99_ms": "~s", "requests": "~s"}
TIP: Mapping[Measure, str] = {"error_rate": ".2%", "p99_ms": ",.0f", "requests": ",.0f"}
NAMED: Mapping[Measure, str] = {"error_rate": "Error rate", "p99_ms": "p99 (ms)", "requests": "Requests"}
SPARK_HEIGHT = 84
DOT = 3  # radius of a sparkline's last point


def minutes_frame(
    rows: Sequence[Mapping[str, Json]], measure: Measure, limit: float | None, span: tuple[datetime, datetime]
) -> pd.DataFrame:
    """One row for every minute of the span; a minute without data has no value, so the line breaks there.

    Shape: columns ts (UTC, no zone), value and over.
    """
    start, end = (at.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None) for at in span)
    index = pd.date_range(start, end, freq="min")
    known = {_plain(str(r["ts"])): r.get(measure) for r in rows}
    values = pd.Series([known.get(t.to_pydatetime()) for t in index], dtype="float64")
    over = values > limit if limit is not None else pd.Series(False, index=values.index)
    return pd.DataFrame({"ts": index, "value": values, "over": over})


def _plain(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)


def per_minute(
    frame: pd.DataFrame,
    *,
    measure: Measure,
    limit: float | None,
    palette: Palette,
    marks: Sequence[Mark] = (),
    window: tuple[datetime, datetime] | None = None,
    height: int = 220,
) -> alt.LayerChart | alt.FacetChart:
    """The measure as a line, its limit dashed, minutes over it as red points, marks as labelled rules, window shaded.

    Shape: ``frame`` as :func:`minutes_frame` gives it.
    """
    import altair as alt

    _unchecked()
    x = alt.X("ts:T", title=None, axis=alt.Axis(labelOverlap=True, grid=False, format="%H:%M"))
    top = max(frame["value"].max(skipna=True) if frame["value"].notna().any() else 0.0, limit or 0.0) * 1.12 or 1.0
    scale = alt.Scale(domain=[0, top], nice=False)
    y = alt.Y("value:Q", title=None, axis=alt.Axis(format=FORMAT[measure], tickCount=5), scale=scale)
    tip = [
        alt.Tooltip("ts:T", title="Minute (UTC)", format="%d %b %H:%M"),
        alt.Tooltip("value:Q", title=NAMED[measure], format=TIP[measure]),
    ]
    base = alt.Chart(frame)
    layers: list[alt.Chart] = []
    if window is not None:
        layers.append(_window(window, frame, palette))
    layers.append(base.mark_line(strokeWidth=2, color=palette.line).encode(x=x, y=y))
    if limit is not None:
        rule = alt.Chart(pd.DataFrame({"value": [limit]}))
        layers.append(rule.mark_rule(strokeDash=[6, 4], strokeWidth=1.4, color=palette.bad).encode(y=y))
    layers.append(base.mark_point(opacity=0, size=90).encode(x=x, y=y, tooltip=tip))
    over = alt.Chart(frame[frame["over"].astype(bool)])
    layers.append(
        over.mark_circle(size=46, color=palette.bad, stroke=palette.edge, strokeWidth=1, opacity=1).encode(
            x=x, y=y, tooltip=tip
        )
    )
    if marks:
        layers += _marks(marks, frame, palette)
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(*layers, height=height)
    return drawn


def _window(window: tuple[datetime, datetime], frame: pd.DataFrame, palette: Palette) -> alt.Chart:
    import altair as alt

    start, end = (at.astimezone(UTC).replace(tzinfo=None) for at in window)
    span = pd.DataFrame({"start": [max(pd.Timestamp(start), frame["ts"].min())], "end": [pd.Timestamp(end)]})
    drawn: alt.Chart = (
        alt.Chart(span).mark_rect(opacity=0.10, color=palette.muted).encode(x=alt.X("start:T", title=None), x2="end:T")
    )
    return drawn


def _marks(marks: Sequence[Mark], frame: pd.DataFrame, palette: Palette) -> list[alt.Chart]:
    """Those inside the chart's span; a mark of kind ``failed`` or ``elsewhere`` is muted."""
    import altair as alt

    rows = [
        {"ts": pd.Timestamp(m.at.astimezone(UTC).replace(tzinfo=None)), "label": m.label, "kind": m.kind} for m in marks
    ]
    inside = [r for r in rows if frame["ts"].min() <= r["ts"] <= frame["ts"].max() + timedelta(minutes=1)]
    if not inside:
        return []
    base = alt.Chart(pd.DataFrame(inside)).encode(
        x=alt.X("ts:T", title=None),
        color=alt.condition("datum.kind == 'change'", alt.value(palette.mark), alt.value(palette.muted)),
        tooltip=[alt.Tooltip("ts:T", title="At (UTC)", format="%d %b %H:%M"), alt.Tooltip("label:N", title="What")],
    )
    rule = base.mark_rule(strokeDash=[3, 3], strokeWidth=1.6)
    text = base.mark_text(align="left", baseline="top", dx=4, fontSize=11, limit=130).encode(
        y=alt.value(2), text="label:N"
    )
    return [rule, text]


def shares(frame: pd.DataFrame, *, palette: Palette) -> alt.LayerChart | alt.FacetChart:
    """One bar an error type: its share of the error lines, the most frequent first.

    Shape: ``frame`` has columns error_type, count and share (in [0, 1]).
    """
    import altair as alt

    _unchecked()
    base = alt.Chart(frame).encode(
        y=alt.Y("error_type:N", sort=None, title=None, axis=alt.Axis(labelLimit=230, ticks=False, domain=False)),
        x=alt.X("share:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1.15])),
        tooltip=[
            alt.Tooltip("error_type:N", title="Error"),
            alt.Tooltip("count:Q", title="Lines", format=","),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
        ],
    )
    bar = base.mark_bar(cornerRadius=2, height=16).encode(
        color=alt.condition("datum.share >= 0.5", alt.value(palette.bad), alt.value(palette.line))
    )
    text = base.mark_text(align="left", dx=5, color=palette.muted).encode(text=alt.Text("share:Q", format=".1%"))
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(bar, text).properties(height=alt.Step(26))
    return drawn


def sparkline(values: Sequence[float | None], *, limit: float, palette: Palette, over: bool) -> str:
    """Recent minutes as a small SVG picture that begins at 0: gaps where one is missing, the limit dashed.

    The last point is red where the service is over this limit.
    """
    known = [v for v in values if v is not None]
    if not known:
        return ""
    top = max(*known, limit) * 1.1
    step = (SPARK_WIDTH - 8) / max(1, len(values) - 1)

    def y(value: float) -> float:
        return SPARK_HEIGHT - 4 - value / top * (SPARK_HEIGHT - 8)

    path, pen = "", "M"
    for i, value in enumerate(values):
        path, pen = (path, "M") if value is None else (f"{path}{pen}{4 + i * step:.1f} {y(value):.1f}", "L")
    last = next(i for i in range(len(values) - 1, -1, -1) if values[i] is not None)
    value = values[last]
    assert value is not None
    dot = palette.bad if over else palette.muted
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" fill="none">'
        f'<path d="M4 {y(limit):.1f}H{SPARK_WIDTH - 4}" stroke="{palette.bad}" stroke-dasharray="3 4" opacity=".7"/>'
        f'<path d="{path}" stroke="{palette.muted}" stroke-width="1.6" stroke-linejoin="round"/>'
        f'<circle cx="{4 + last * step:.1f}" cy="{y(value):.1f}" r="{DOT}" fill="{dot}"/></svg>'
    )


def _unchecked() -> None:
    """Switches Altair's schema checks off: they take most of the time of drawing, and tests draw with them on."""
    from altair.utils import schemapi

    schemapi.disable_debug_mode()
