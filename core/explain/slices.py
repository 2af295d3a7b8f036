"""Evidence from dimensions: which slice of the judged period carries the change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import ColumnElement, Double, Select, and_, case, cast, func, or_, select

from core.explain import words
from core.explain.contribution import Attribution, Slice, attribute
from core.explain.evidence import EvidenceProvider, MetricSource, Question, evidence_providers, nothing
from core.model import ColumnType, Delta, Evidence, Finding, Json, JsonObject, Table

Window = tuple[datetime, datetime]
MOST_LEAVES = 200_000


@evidence_providers.register("contribution", "Contribution of dimension values")
class Contribution(EvidenceProvider):
    """For the largest findings, the slice that explains most of the change against the baseline periods' mean."""

    findings: int = Field(3, ge=1, description="Findings looked into, largest first")
    dimensions: int = Field(4, ge=1, description="Dimensions combined, in the playbook's order")

    def gather(self, question: Question) -> tuple[Evidence, ...]:
        """One fact per finding whose metric adds up over a dimension of its table."""
        if not question.dimensions:
            return nothing(
                "contribution", "dimensions", "No dimension is set up, so no change can be split into parts."
            )
        facts = [f for finding in question.live for f in self._of(question, finding)]
        if not facts:
            names = words.listed(list(question.dimensions))
            return nothing("contribution", "dimensions", f"No finding could be split. Looked at: {names}.")
        return tuple(facts[: self.findings])

    def _of(self, question: Question, finding: Finding) -> Iterator[Evidence]:
        source = next((m for m in question.metrics if m.name == finding.metric), None)
        delta = next((d for d in question.deltas if d.metric.name == finding.metric and not d.labels), None)
        if source is None or delta is None or finding.labels or not delta.trained_on or delta.value is None:
            return
        table = question.dataset.tables.get(source.table)
        if table is None or source.agg not in ("sum", "count", "mean"):
            return
        dims = [d for d in question.dimensions if table.column(d) is not None][: self.dimensions]
        if dims:
            yield _fact(question, finding, delta, split(question, table, source, delta, dims), dims)


def split(question: Question, table: Table, source: MetricSource, delta: Delta, dims: Sequence[str]) -> Attribution:
    """The change of one metric against the mean of its baseline periods, by ``dims``. One query."""
    windows = [_window(question, table, source, at) for at in sorted(delta.trained_on)]
    judged = _window(question, table, source, delta.at)
    rows = question.engine.fetch(_statement(question, table, source, dims, judged, windows)).to_pandas()
    over = "over" if source.over or source.agg == "mean" else None
    is_after = rows["is_after"] == 1
    return attribute(rows[~is_after], rows[is_after], "metric", over, dims, periods_before=len(windows))


def _statement(
    question: Question, table: Table, source: MetricSource, dims: Sequence[str], judged: Window, windows: list[Window]
) -> Select[tuple[object, ...]]:
    relation = question.engine.relation(table)
    time = relation.c[source.time]
    after = _within(time, judged, table, source)
    before = [_within(time, w, table, source) for w in _merged(windows)]
    keys = [relation.c[d].label(d) for d in dims]
    side = case((after, 1), else_=0).label("is_after")
    counted = func.count() if source.column is None else func.count(relation.c[source.column])
    total = (
        counted if source.column is None or source.agg == "count" else func.sum(cast(relation.c[source.column], Double))
    )
    columns = [total.label("metric")]
    if source.over:
        columns.append(func.sum(cast(relation.c[source.over], Double)).label("over"))
    elif source.agg == "mean":
        columns.append(counted.label("over"))
    query = select(side, *keys, *columns).where(or_(after, *before)).group_by(side, *keys)
    return query.limit(MOST_LEAVES)


def _window(question: Question, table: Table, source: MetricSource, at: datetime) -> Window:
    """The rows' own time range of the period stamped ``at``; days and longer are local to the time zone."""
    start, end = at, at + (question.until - question.as_of)
    if question.freq == "MS":
        end = (at.replace(day=1) + timedelta(days=32)).replace(day=1)
    if question.freq == "YS":
        end = at.replace(year=at.year + 1)
    if question.freq in ("D", "W", "MS", "YS") and question.timezone != "UTC" and _is_timestamp(table, source):
        zone = ZoneInfo(question.timezone)
        start, end = (t.replace(tzinfo=zone).astimezone(UTC) for t in (start, end))
    return start, end


def _merged(windows: list[Window]) -> list[Window]:
    """Windows that touch become one, so that the query stays short."""
    merged: list[Window] = []
    for start, end in windows:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _within(time: ColumnElement[object], window: Window, table: Table, source: MetricSource) -> ColumnElement[bool]:
    start, end = window
    if _is_timestamp(table, source):
        return and_(time >= start, time < end)
    return and_(time >= start.date(), time < end.date())


def _is_timestamp(table: Table, source: MetricSource) -> bool:
    column = table.column(source.time)
    return column is not None and column.type is ColumnType.TIMESTAMP


def _fact(question: Question, finding: Finding, delta: Delta, found: Attribution, dims: Sequence[str]) -> Evidence:
    best = found.slices[: found.causes][:3]
    unit = delta.metric.unit
    change = words.number(found.change, unit, signed=True)
    numbers = {"before": found.before, "after": found.after, "change_abs": found.change, "residual_abs": found.residual}
    numbers["baseline_points"] = float(len(delta.trained_on))
    periods = words.counted(len(delta.trained_on), "earlier period")
    text = f"{finding.label} changed by {change} against the mean of {periods}"
    if best:
        numbers |= _figures(best[0])
        clauses = [_clause(s, unit) for s in best]
        text += f"; what moved unlike the rest: {'; '.join(clauses)}."
    else:
        text += f"; no slice of {words.listed(list(dims))} moved unlike the rest."
    if found.offsetting:
        text += " Parts offset each other: they moved far more than the total."
    if delta.baseline is not None and abs(found.before - delta.baseline) > 0.005 * abs(delta.baseline):
        numbers["off_baseline_abs"] = found.before - delta.baseline
        apart = words.number(found.before - delta.baseline, unit, signed=True)
        text += f" That mean is {apart} from the baseline used."
    names = {"metric": finding.metric, "label": finding.label, "system": finding.system}
    about: dict[str, Json] = {**names, "unit": unit, "labels": {}}
    if best:
        about["where"] = best[0].label
    return Evidence(
        id="",
        kind="contribution",
        source=f"{finding.system}.{finding.metric}",
        statement=text,
        numbers={k: v for k, v in numbers.items() if math.isfinite(v)},
        start=delta.at,
        end=question.until,
        query=f"by {', '.join(dims)}",
        data=(about, *_rows(found)),
    )


def _figures(part: Slice) -> dict[str, float]:
    figures = {"slice_before": part.before, "slice_after": part.after, "contribution_abs": part.contribution}
    optional = {"share_pct": part.share_pct, "rate_effect": part.rate_effect, "mix_effect": part.mix_effect}
    return figures | {k: v for k, v in optional.items() if v is not None}


def _clause(part: Slice, unit: str) -> str:
    text = f"{part.label} with {words.number(part.contribution, unit, signed=True)}"
    if part.share_pct is not None:
        text += f" ({words.percent(part.share_pct, signed=False)} of the change)"
    if part.rate_effect is not None and part.mix_effect is not None:
        rate, mix = (words.number(v, unit, signed=True) for v in (part.rate_effect, part.mix_effect))
        text += f", rate effect {rate}, mix effect {mix}"
    return text


def _rows(found: Attribution) -> Iterator[JsonObject]:
    """Every dimension value with its part, largest first: what the page's table shows."""
    for dimension, parts in found.parts.items():
        for part in parts[:50]:
            figures = {
                "before": part.before,
                "after": part.after,
                "contribution": part.contribution,
                "share_pct": part.share_pct,
                "rate_effect": part.rate_effect,
                "mix_effect": part.mix_effect,
            }
            finite = {k: v for k, v in figures.items() if v is not None and math.isfinite(v)}
            yield {"dimension": dimension, "value": part.where[dimension], **finite}
