"""What an alert stands beside: statements that disagree, and what was seen of the same before. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from core.alert import Alert, moment, named, number, texts
from core.detect.alert_fields import CHANGES, DONE
from core.detect.alert_signals import Limits
from core.model import Json, JsonObject

_NAMES = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_CLOCK = re.compile(r"(?<!\d)(\d{1,2})(?::(\d{2}))?\s?(am|pm)(?![a-z])|(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?!\d)")

# --- What disagrees ---------------------------------------------------------------------------------------------------


def contradictions(alert: Alert, contexts: Mapping[str, Json], limits: Limits) -> tuple[str, ...]:
    """Statements that disagree with each other or with the time of the alert. Source: DI-06."""
    found = [*_columns(alert), *_counts(alert), *_patterns(alert, limits), *_states(alert, contexts)]
    return tuple(dict.fromkeys(found))


def _columns(alert: Alert) -> Iterator[str]:
    m = alert.metric
    before, after = number(m.get("columns_before")), number(m.get("columns_after"))
    removed, added = (len(texts(m.get(f"column_{w}") or m.get(f"columns_{w}"))) for w in CHANGES[:2])
    if before is None or after is None or not (removed or added):
        return
    if after - before != added - removed:
        yield (
            f"the counts disagree: {before:g} columns before and {after:g} after, "
            f"but {removed} named as removed and {added} as added"
        )


def _counts(alert: Alert) -> Iterator[str]:
    """A list beside a count of it that differs."""
    for part in (alert.metric, alert.related, alert.business):
        for key, value in part.items():
            if not isinstance(value, list | tuple):
                continue
            for name in (f"{key}_count", f"num_{key}", f"{key}_total", f"{key.removesuffix('s')}_count"):
                count = number(part.get(name))
                if count is not None and count != len(value):
                    yield f"the counts disagree: {name} is {count:g}, but {key} lists {len(value)}"


def _patterns(alert: Alert, limits: Limits) -> Iterator[str]:
    for part in (alert.metric, alert.related, alert.business):
        for key in ("pattern", "schedule", "recurrence"):
            stated = part.get(key)
            if isinstance(stated, str) and not fits(stated, alert.at, limits.pattern_minutes):
                yield f"the stated pattern '{stated[:80]}' does not fit {alert.at:%A %H:%M}"


def fits(pattern: str, at: datetime, minutes: float) -> bool:
    """Whether the weekdays and times that a stated pattern names fit a moment; one that names none fits always."""
    text = pattern.lower().replace("_", " ")
    words = set(re.findall(r"[a-z]+", text))
    days = {i for i, name in enumerate(_NAMES) if words & {name, f"{name}s", name[:3]}}
    days |= set(range(5)) if words & {"weekday", "weekdays"} else set()
    days |= {5, 6} if words & {"weekend", "weekends"} else set()
    if days and at.weekday() not in days:
        return False
    times = [_of_day(m) for m in _CLOCK.finditer(text)]
    times += [0.0] * ("midnight" in words) + [720.0] * ("noon" in words)
    now = at.hour * 60 + at.minute + at.second / 60
    return not times or any(min(abs(now - t), 1440 - abs(now - t)) <= minutes for t in times)


def _of_day(match: re.Match[str]) -> float:
    if match[4] is not None:
        return int(match[4]) * 60.0 + int(match[5])
    hour = int(match[1]) % 12 + (12 if match[3] == "pm" else 0)
    return hour * 60.0 + int(match[2] or 0)


def _states(alert: Alert, contexts: Mapping[str, Json]) -> Iterator[str]:
    """What a context block says of this very thing against what the alert says."""
    stated = str(alert.metric.get("status") or alert.metric.get("state") or "").lower()
    known = str(named(contexts.get("orchestrator"), alert.entity).get("dag_status") or "").lower()
    if alert.kind == "airflow_dag" and stated and known and (stated in DONE) != (known in DONE):
        yield f"the alert says the run is {stated}, the orchestrator says {known}"
    if alert.kind == "schema":
        there = {c.lower() for c in texts(named(contexts.get("warehouse"), alert.entity).get("columns"))}
        for column in texts(alert.metric.get("column_removed")):
            if column.lower() in there:
                yield f"the alert says {column} was removed, the warehouse still has it"


# --- History ----------------------------------------------------------------------------------------------------------


def history(alert: Alert, past: Sequence[JsonObject], limits: Limits) -> JsonObject:
    """What stored incidents say of the same kind and entity before this alert; without any, that there is none.

    Source: DI-07.
    """
    same = [
        (at, p)
        for p in past
        if p.get("kind") == alert.kind and p.get("entity") == alert.entity
        and (at := moment(p.get("at"))) is not None and at < alert.at
        and alert.alert_id not in texts(p.get("alert_ids"))
    ]  # fmt: skip
    if not same:
        return {"n": 0, "text": "no history"}
    recent = [p for at, p in same if alert.at - at <= timedelta(hours=limits.history_hours)]
    kept = [(at, p) for at, p in same if alert.at - at <= timedelta(days=limits.resolution_days)]
    took = [
        (ended - at).total_seconds() / 60
        for at, p in kept
        if (ended := moment(p.get("resolved_at"))) is not None and at <= ended <= alert.at
    ]
    verdicts = [str(p["verdict"]) for _, p in kept if p.get("verdict")]
    false = sum(v != "real" for v in verdicts)
    total = sum(int(number(p.get("occurrences")) or 1) for _, p in kept)
    last = max(at for at, _ in same)
    similar = sum(int(number(p.get("occurrences")) or 1) for p in recent)
    return {
        "n": len(same),
        "similar_24h": similar,
        "last_at": last.isoformat(),
        "mean_resolution_minutes": sum(took) / len(took) if took else None,
        "resolved": len(took),
        "recurring": total >= limits.recurring_from,
        "judged": len(verdicts),
        "false_positive_share": false / len(verdicts) if verdicts else None,
        "text": _past_words(similar, last, took, limits),
    }


def _past_words(similar: int, last: datetime, took: Sequence[float], limits: Limits) -> str:
    mean = f", resolved after {sum(took) / len(took):.0f} min on average (n={len(took)})" if took else ""
    return f"{similar} similar in {limits.history_hours:g} h, the last at {last:%Y-%m-%d %H:%M} UTC{mean}"
