"""An alert of a monitoring tool, whatever its shape was, and its form as a JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.model import Json, JsonObject, Severity

BLOCKS = ("warehouse", "orchestrator", "dbt", "business")  # what an alert is judged beside
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``kind`` and ``entity`` come from structured fields only; ``notes`` say what was assumed.

    ``removed`` are the paths of keys that would have given the answer away; ``raw`` is what had no field of its own.
    """

    alert_id: str
    title: str
    severity: Severity
    source: str
    at: datetime
    kind: str  # airflow_dag | schema | lock | resource | other
    entity: str
    description: str = ""
    metric: JsonObject = field(default_factory=dict)
    related: JsonObject = field(default_factory=dict)
    business: JsonObject = field(default_factory=dict)
    correlated: tuple[Json, ...] = ()
    resolved: bool = False
    raw: JsonObject = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What makes another alert the same alert."""
        return self.source, self.alert_id


def alert_doc(alert: Alert) -> dict[str, Json]:
    """The alert as JSON."""
    return {
        "alert_id": alert.alert_id,
        "title": alert.title,
        "severity": alert.severity.name,
        "source": alert.source,
        "timestamp": alert.at.isoformat(),
        "kind": alert.kind,
        "entity": alert.entity,
        "description": alert.description,
        "metric": alert.metric,
        "related_context": alert.related,
        "business_context": alert.business,
        "correlated_alerts": list(alert.correlated),
        "resolved": alert.resolved,
        "raw_data": alert.raw,
        "notes": list(alert.notes),
        "removed": list(alert.removed),
    }


def alert_of(doc: Json) -> Alert:
    """The alert that :func:`alert_doc` wrote."""
    row = mapping(doc)
    return Alert(
        alert_id=str(row["alert_id"]),
        title=str(row["title"]),
        severity=Severity[str(row["severity"])],
        source=str(row["source"]),
        at=datetime.fromisoformat(str(row["timestamp"])),
        kind=str(row["kind"]),
        entity=str(row["entity"]),
        description=str(row.get("description") or ""),
        metric=mapping(row.get("metric")),
        related=mapping(row.get("related_context")),
        business=mapping(row.get("business_context")),
        correlated=tuple(items(row.get("correlated_alerts"))),
        resolved=row.get("resolved") is True,
        raw=mapping(row.get("raw_data")),
        notes=texts(row.get("notes")),
        removed=texts(row.get("removed")),
    )


def block_for(block: Json, entity: str) -> JsonObject:
    """What a context block says of an entity: what it says of everything, then what it says of that one by name.

    ``entities`` of a block holds objects by name; a block that is missing says nothing.
    """
    whole = mapping(mapping(block).get("data"))
    common = {k: v for k, v in whole.items() if k != "entities"}
    return {**common, **mapping(mapping(whole.get("entities")).get(entity))}


def named(block: Json, entity: str) -> JsonObject:
    """What a context block says of this entity by name, and of nothing else."""
    return mapping(mapping(mapping(mapping(block).get("data")).get("entities")).get(entity))


def is_missing(block: Json) -> bool:
    """Whether a context block has no data."""
    return not mapping(mapping(block).get("data"))


def mapping(value: Json) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Json) -> Sequence[Json]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def texts(value: Json) -> tuple[str, ...]:
    """The texts of a list; one text is a list of it."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    return tuple(str(v) for v in items(value) if isinstance(v, str | int | float) and str(v).strip())


def number(value: Json) -> float | None:
    """The value as a finite number, also when it is written as text; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(str(value).strip().removesuffix("%"))
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 1e15 else None


def moment(value: Json, day: datetime | None = None) -> datetime | None:
    """A time as ISO 8601, seconds or milliseconds since 1970, or (given a ``day``) a time of day; else None.

    A time without a zone is UTC; the zero time of Prometheus is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _epoch(float(value))
    text = str(value).strip() if isinstance(value, str) else ""
    if not text:
        return None
    if text.replace(".", "", 1).isdecimal() and text.isascii() and len(text) >= 9:
        return _epoch(float(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _time_of_day(text, day)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    try:
        return found.astimezone(UTC) if found.year > 1 else None
    except OverflowError:
        return None


def _epoch(seconds: float) -> datetime | None:
    seconds = seconds / 1000 if seconds > 1e11 else seconds
    try:
        return datetime.fromtimestamp(seconds, UTC) if 1e8 < seconds < 1e11 else None
    except (ValueError, OverflowError, OSError):
        return None


def _time_of_day(text: str, day: datetime | None) -> datetime | None:
    parts = text.removesuffix("Z").strip().split(":")
    if day is None or len(parts) not in (2, 3) or not all(p.isascii() and p.isdecimal() for p in parts):
        return None
    hour, minute, second = (*map(int, parts), 0, 0)[:3]
    if hour > 23 or minute > 59 or second > 59:
        return None
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0)
