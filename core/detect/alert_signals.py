"""What one alert says by rules: overrun ratio, schema diff, benign recurrence. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from core.alert import Alert, block_for, items, mapping, moment, named, number, texts
from core.detect.alert_fields import (
    CHANGES,
    DONE,
    DOWNSTREAM,
    NONE_WORDS,
    first_count,
    first_names,
    first_number,
    whole,
)
from core.lineage import around, edges_of, same_table
from core.model import Json, JsonObject, Severity

_REMOVED = ("removed", "dropped", "deleted", "remove", "drop", "delete")
_RENAMED, _NARROWED = ("renamed", "rename"), ("narrowed", "narrow", "type_changed", "type_change")
_ADDED = ("added", "add", "additive", "new")
_EXPECTED = ("expected_duration_minutes", "expected_minutes")
_ACTUAL = ("actual_duration_minutes", "actual_minutes", "elapsed_minutes")
_AVERAGE = ("historical_avg", "historical_average", "historical_mean", "baseline_avg")
_LIMITS = frozenset({"duration_minutes", "threshold", "limit", "period", "evaluation_periods"})
_WORK = ("type", "workload", "activity", "work_type")
_WIDTH = ("bool", "boolean", "tinyint", "smallint", "int2", "int", "integer", "int4", "bigint", "int8", "numeric",
          "decimal", "float", "real", "double", "timestamp", "varchar", "text", "string")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that agrees with what a signal says, if it holds."""

    key: str
    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """What one rule found: its facts, its figures, and the severity it calls for (None: the alert's own)."""

    rule: str  # overrun | schema | benign | none
    facts: tuple[Fact, ...] = ()
    values: JsonObject = field(default_factory=dict)
    severity: Severity | None = None
    benign: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the rules. Units: ratios as shares, durations in minutes unless named otherwise."""

    low_ratio: float = 1.0
    medium_ratio: float = 1.2
    high_ratio: float = 2.0
    critical_ratio: float = 3.0
    critical_waiting: int = 10
    tolerance: float = 0.10
    proven_repeats: int = 4
    pattern_minutes: float = 60.0
    history_hours: float = 24.0
    resolution_days: float = 90.0
    recurring_from: int = 3
    normal_work: tuple[str, ...] = ()


def judged(
    alert: Alert, contexts: Mapping[str, Json], past: Sequence[JsonObject], edges: Sequence[Json], limits: Limits
) -> Signal:
    """What the rule for the alert's kind says; benign recurrence is looked for in every kind but those with a rule."""
    if alert.kind == "airflow_dag":
        return overrun(alert, contexts, limits)
    if alert.kind == "schema":
        return schema(alert, contexts, edges)
    return benign(alert, contexts, past, limits)


# --- Overrun ----------------------------------------------------------------------------------------------------------


def overrun(alert: Alert, contexts: Mapping[str, Json], limits: Limits) -> Signal:
    """Minutes run over minutes expected, the run's state, and what waits for it.

    Without a stated expectation the median of at least three earlier runs is it.
    """
    known = named(contexts.get("orchestrator"), alert.entity)
    actual, expected = first_number(alert.metric, _ACTUAL), first_number(alert.metric, _EXPECTED)
    runs = [n for n in map(number, items(known.get("recent_run_minutes"))) if n is not None]
    by = "the alert"
    if expected is None and len(runs) >= 3:
        expected, by = float(median(runs)), f"the median of {len(runs)} runs"
    ratio = actual / expected if actual is not None and expected is not None and expected > 0 else None
    status = str(alert.metric.get("status") or alert.metric.get("state") or known.get("dag_status") or "").lower()
    waiting = first_count(alert.related, ("downstream_systems_waiting", *DOWNSTREAM))
    over = ratio is not None and ratio > limits.low_ratio
    facts = (
        Fact("ratio", _ratio_words(alert, actual, expected, ratio, limits), over),
        Fact(
            "run_state",
            f"its run is {status}" if status else "the state of its run is not known",
            bool(status) and status not in DONE,
        ),
        Fact("downstream", f"{waiting or 0:g} downstream systems wait for it", bool(waiting)),
    )
    values: JsonObject = {
        "actual_minutes": actual,
        "expected_minutes": expected,
        "expected_by": by,
        "ratio": ratio,
        "status": status,
        "downstream_waiting": waiting,
        "reports_delayed": list(texts(alert.related.get("customer_reports_delayed"))),
        "recent_run_minutes": list(runs),
        "dag_run_id": known.get("dag_run_id") or alert.metric.get("dag_run_id") or alert.metric.get("run_id"),
        "affected_count": None if waiting is None else int(waiting),
    }
    return Signal("overrun", facts, values, _overrun_severity(ratio, waiting, limits))


def _ratio_words(
    alert: Alert, actual: float | None, expected: float | None, ratio: float | None, limits: Limits
) -> str:
    if ratio is None or actual is None or expected is None:
        return f"{alert.entity} states no duration to compare"
    how = "over" if ratio > limits.low_ratio else "within"
    return f"{alert.entity} has run {actual:g} of {expected:g} expected minutes (ratio {ratio:.2f}), {how} its limit"


def _overrun_severity(ratio: float | None, waiting: float | None, limits: Limits) -> Severity | None:
    if ratio is None or ratio <= limits.low_ratio:
        return None
    if ratio >= limits.critical_ratio:
        return Severity.CRITICAL
    if ratio >= limits.high_ratio:
        return Severity.CRITICAL if (waiting or 0) >= limits.critical_waiting else Severity.HIGH
    return Severity.MEDIUM if ratio >= limits.medium_ratio else Severity.LOW


# --- Schema -----------------------------------------------------------------------------------------------------------


def schema(alert: Alert, contexts: Mapping[str, Json], edges: Sequence[Json]) -> Signal:
    """Which columns changed, who changed them when, and what reads the table."""
    m, r = alert.metric, alert.related
    removed, added, renamed = (texts(m.get(f"column_{w}") or m.get(f"columns_{w}")) for w in CHANGES)
    before, after = number(m.get("columns_before")), number(m.get("columns_after"))
    seen = _warehouse_change(alert, contexts)
    types = (str(m.get("type_before") or m.get("old_type") or ""), str(m.get("type_after") or m.get("new_type") or ""))
    breaking = _is_breaking(
        str(m.get("change_type") or seen.get("change") or ""), removed, renamed, before, after, types
    )
    who = str(r.get("last_modified_by") or seen.get("by") or "")
    when = moment(r.get("last_modified_time"), alert.at) or moment(seen.get("at"), alert.at)
    ahead = None if when is None else (alert.at - when).total_seconds() / 60
    made = around(edges_of(edges), alert.entity)
    downstream = first_names(r, DOWNSTREAM) or (*made.tables, *made.reports)
    differs = bool(removed or added or renamed or seen or types[1]) or (
        before is not None and after is not None and before != after
    )
    change = _change_words(alert.entity, removed, added, renamed, before, after, types)
    facts = (
        Fact("diff", change, differs),
        Fact("when", _when_words(who, when, ahead), ahead is not None and ahead >= 0),
        Fact("downstream", _downstream_words(downstream), bool(downstream)),
    )
    values: JsonObject = {
        "columns_before": before, "columns_after": after,
        "removed": list(removed), "added": list(added), "renamed": list(renamed),
        "types": list(types) if types[1] else [],
        "breaking": breaking, "changed_by": who, "changed_at": when.isoformat() if when else None,
        "minutes_before": ahead, "downstream": list(downstream),
        "affected_count": len(downstream) if downstream else None,
    }  # fmt: skip
    return Signal("schema", facts, values, _schema_severity(alert, contexts, breaking, downstream))


def _warehouse_change(alert: Alert, contexts: Mapping[str, Json]) -> JsonObject:
    """The newest change of the table that the warehouse block knows from before the alert."""
    block = mapping(mapping(contexts.get("warehouse")).get("data"))
    listed = [
        *items(block.get("recent_schema_changes")),
        *items(named(contexts.get("warehouse"), alert.entity).get("recent_schema_changes")),
    ]
    found = []
    for row in map(mapping, listed):
        at = moment(row.get("at") or row.get("changed_at") or row.get("timestamp") or row.get("time"), alert.at)
        if at is not None and at <= alert.at and same_table(str(row.get("table") or ""), alert.entity):
            by = row.get("by") or row.get("changed_by") or row.get("modified_by")
            change = row.get("change") or row.get("change_type")
            found.append((at, {"at": at.isoformat(), "by": by, "change": change, "column": row.get("column")}))
    return max(found, key=lambda f: f[0])[1] if found else {}


def _is_breaking(
    change: str,
    removed: Sequence[str],
    renamed: Sequence[str],
    before: float | None,
    after: float | None,
    types: tuple[str, str],
) -> bool:
    word = change.lower()
    if removed or renamed or any(w in word for w in (*_REMOVED, *_RENAMED)):
        return True
    if all(types):
        return is_narrower(*types)
    if any(w in word for w in _NARROWED):
        return True
    return before is not None and after is not None and after < before


def is_narrower(before: str, after: str) -> bool:
    """Whether a column's new type holds less than its old one; an unknown change counts as narrower."""
    old, new = _type(before), _type(after)
    if old[0] == new[0]:
        return new[1] is not None and (old[1] is None or new[1] < old[1])
    if old[0] in _WIDTH and new[0] in _WIDTH:
        return _WIDTH.index(new[0]) < _WIDTH.index(old[0])
    return True


def _type(text: str) -> tuple[str, float | None]:
    name, _, size = text.lower().strip().partition("(")
    return " ".join(name.split()).removesuffix(" precision"), number(size.rstrip(")").split(",")[0])


def _change_words(
    table: str,
    removed: Sequence[str],
    added: Sequence[str],
    renamed: Sequence[str],
    before: float | None,
    after: float | None,
    types: tuple[str, str],
) -> str:
    parts = [f"{w} {', '.join(names)}" for w, names in zip(CHANGES, (removed, added, renamed), strict=True) if names]
    if all(types):
        parts.append(f"type {types[0]} to {types[1]}")
    counts = f" ({before:g} columns before, {after:g} after)" if before is not None and after is not None else ""
    return f"{table}: {'; '.join(parts) or 'its columns changed'}{counts}"


def _when_words(who: str, when: datetime | None, ahead: float | None) -> str:
    if when is None or ahead is None:
        return "when it was changed is not known"
    side = f"{ahead:g} min before the alert" if ahead >= 0 else f"{-ahead:g} min after the alert, so it is no cause"
    return f"{who or 'somebody'} changed it at {when:%H:%M} UTC, {side}"


def _downstream_words(names: Sequence[str]) -> str:
    return f"{len(names)} downstream read it: {', '.join(names[:5])}" if names else "nothing downstream is named"


def _schema_severity(alert: Alert, contexts: Mapping[str, Json], breaking: bool, downstream: Sequence[str]) -> Severity:
    if not breaking:
        return Severity.LOW
    known = {**block_for(contexts.get("business"), alert.entity), **alert.related, **alert.business, **alert.metric}
    tier = str(known.get("criticality_tier") or known.get("tier") or "").strip().lower().replace(" ", "_")
    risk = known.get("compliance_risk")
    risky = bool(risk) and str(risk).strip().lower() not in NONE_WORDS
    if tier == "mission_critical" and risky:
        return Severity.CRITICAL
    return Severity.HIGH if downstream else Severity.MEDIUM


# --- Benign recurrence ------------------------------------------------------------------------------------------------


def benign(alert: Alert, contexts: Mapping[str, Json], past: Sequence[JsonObject], limits: Limits) -> Signal:
    """Whether the value is as it always is, nobody feels it, and it is normal work or was proven harmless before."""
    average = first_number(alert.related, _AVERAGE) or first_number(alert.metric, _AVERAGE)
    value, name = _value(alert)
    off = abs(value - average) / abs(average) if value is not None and average else None
    within = off is not None and off <= limits.tolerance + 1e-12
    impacts = _impacts(alert)
    harmless = bool(impacts) and all(impact in NONE_WORDS for _, impact in impacts)
    if named(contexts.get("business"), alert.entity).get("sla_breach") is True:
        harmless = False
    marker = next((w for w in _work(alert) if w in limits.normal_work), "")
    repeats = _harmless_repeats(alert, past)
    proven = repeats is not None and repeats >= limits.proven_repeats
    impact_words = ", ".join(f"{k} {v}" for k, v in impacts) or "no statement on impact"
    facts = (
        Fact("within_history", _history_words(name, value, average, off), within),
        Fact("no_impact", impact_words.replace("_", " "), harmless),
        Fact("normal_work", _work_words(marker, repeats), bool(marker) or proven),
    )
    values: JsonObject = {
        "value": value, "measure": name, "historical_avg": average,
        "off_pct": None if off is None else 100 * off,
        "impact": "none" if harmless else impact_words, "normal_work": marker, "dismissed_repeats": repeats or 0,
        "affected_count": whole(first_count(alert.related, ("customers_affected", *DOWNSTREAM))),
    }  # fmt: skip
    # what a monitoring tool calls CRITICAL is never taken for noise
    quiet = all(f.holds for f in facts) and alert.severity < Severity.CRITICAL
    return Signal("benign", facts, values, None, quiet)


def _value(alert: Alert) -> tuple[float | None, str]:
    """The measured value: a percentage, a field that says so, or the only number there is."""
    names = [k for k in alert.metric if k.lower().endswith(("_percent", "_pct"))]
    for name in (*names, "value", "current_value", "observed", "actual"):
        found = number(alert.metric.get(name))
        if found is not None:
            return found, name
    single = [k for k, v in alert.metric.items() if not isinstance(v, str | bool) and k not in _LIMITS]
    numbers = [(n, k) for k in single if (n := number(alert.metric.get(k))) is not None]
    return numbers[0] if len(numbers) == 1 else (None, "")


def _impacts(alert: Alert) -> list[tuple[str, str]]:
    """Every stated impact of the alert, in small letters."""
    whole = {**alert.related, **alert.business, **alert.metric}
    return [(k, str(v).strip().lower()) for k, v in whole.items() if k.lower().endswith("impact") and v is not None]


def _work(alert: Alert) -> Iterator[str]:
    for key in _WORK:
        for part in (alert.metric, alert.related):
            if isinstance(part.get(key), str):
                yield str(part[key]).strip().lower()


def _harmless_repeats(alert: Alert, past: Sequence[JsonObject]) -> int | None:
    """How often the same was dismissed before; None when one of them was real."""
    same = [
        p
        for p in past
        if p.get("kind") == alert.kind
        and p.get("entity") == alert.entity
        and ((at := moment(p.get("at"))) is None or at < alert.at)
    ]
    if any(p.get("verdict") == "real" for p in same):
        return None
    return sum(int(number(p.get("occurrences")) or 1) for p in same if p.get("dismissed"))


def _history_words(name: str, value: float | None, average: float | None, off: float | None) -> str:
    if value is None:
        return "no value is given"
    if off is None or average is None:
        return f"{name} {value:g}, with no average to compare it with"
    return f"{name} {value:g} is {100 * off:.2f} % from its average of {average:g}"


def _work_words(marker: str, repeats: int | None) -> str:
    if marker:
        return f"marked as {marker.replace('_', ' ')}"
    if repeats is None:
        return "an earlier one was real"
    return f"dismissed {repeats} times before, never real" if repeats else "nothing marks it as normal work"
