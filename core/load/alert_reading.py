"""From a payload to alerts: answer-bearing keys taken out, fields normalised, kind by structured fields. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from core.alert import Alert, items, mapping, moment
from core.errors import InputError
from core.load.alert_shapes import Shaped, shaped
from core.model import Json, JsonObject
from core.severity import lenient

ANSWERS = frozenset(
    {"ai_should_recognize", "why_this_is_not_an_incident", "root_cause_indicators", "suggested_actions",
     "expected_decision"}
)  # fmt: skip
NO_TITLE = "No title"
KINDS = ("airflow_dag", "schema", "lock", "resource", "other")
DEEPEST = 40
LONGEST_NAME, LONGEST_TEXT = 200, 4000
_RESOURCE = re.compile(r"(?:memory|mem|cpu)(?:_\w+)?_(?:percent|pct|percentage)")
_SCHEMA = frozenset({"column_removed", "column_added", "column_renamed", "change_type"})
_FIELDS = {
    "alert_id": ("alert_id", "id"),
    "title": ("title", "message"),
    "severity": ("severity",),
    "source": ("source",),
    "timestamp": ("timestamp",),
    "description": ("description", "details"),
    "metric": ("metric",),
    "related": ("related_context",),
    "business": ("business_context",),
    "correlated": ("correlated_alerts",),
    "resolved": ("resolved",),
}
_TIMES = ("timestamp", "ts", "time", "fired_at", "starts_at", "created_at")  # the first that is given
_ENTITY: Mapping[str, tuple[str, ...]] = {
    "airflow_dag": ("dag_id",),
    "schema": ("table", "table_name", "dataset", "model", "relation"),
    "lock": ("lock_name", "lock_id", "lock_table", "table", "database"),
    "resource": ("node", "host", "hostname", "instance", "worker", "pod", "service", "cluster"),
    "other": ("entity", "table", "dag_id", "job", "pipeline", "service", "host", "node", "database", "queue",
              "dashboard", "warehouse", "topic", "instance", "metric_name", "name"),
}  # fmt: skip


def normalise(payload: Json, received_at: datetime) -> tuple[Alert, ...]:
    """The alerts of one payload of any known shape.

    Raises: InputError naming the field, for a payload that is no object, is empty, or is nested too deeply.
    """
    if not isinstance(payload, Mapping):
        raise InputError("An alert is a JSON object.", hint="Expected keys such as alert_id, title and metric.")
    removed: list[str] = []
    clean = _without_answers(payload, "", removed, 0)
    assert isinstance(clean, dict)
    if not clean:
        raise InputError("The alert is empty.", hint="Expected keys such as alert_id, title and metric.")
    found = shaped(_unpacked(clean, removed))
    return tuple(_alert(row, found, received_at, removed) for row in found.alerts)


def without_answers(value: Json) -> tuple[Json, tuple[str, ...]]:
    """The value without answer-bearing keys at any depth, and the paths of those that were there. Source: DI-04."""
    removed: list[str] = []
    return _without_answers(value, "", removed, 0), tuple(removed)


def _without_answers(value: Json, path: str, removed: list[str], depth: int) -> Json:
    if depth > DEEPEST:
        raise InputError(f"The alert is nested more than {DEEPEST} levels deep.", field=path[:LONGEST_NAME])
    if isinstance(value, Mapping):
        kept: dict[str, Json] = {}
        for key, inner in value.items():
            here = f"{path}.{key}" if path else str(key)
            if re.sub(r"[\s-]+", "_", str(key).strip().lower()) in ANSWERS:
                removed.append(here)
            else:
                kept[str(key)] = _without_answers(inner, here, removed, depth + 1)
        return kept
    if isinstance(value, list | tuple):
        return [_without_answers(v, f"{path}[{i}]", removed, depth + 1) for i, v in enumerate(value)]
    return value


def _unpacked(payload: dict[str, Json], removed: list[str]) -> JsonObject:
    """An SNS message is JSON inside a text: what is in it is cleaned as well."""
    text = payload.get("Message")
    if "Type" not in payload or not isinstance(text, str):
        return payload
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return payload
    return {**payload, "Message": json.dumps(_without_answers(inner, "Message", removed, 0))}


def _alert(row: JsonObject, found: Shaped, received_at: datetime, removed: Sequence[str]) -> Alert:
    given = {name: _first(row, keys) for name, keys in _FIELDS.items()}
    notes = list(found.notes)
    metric, related = _object(given, "metric", notes), _object(given, "related", notes)
    word = given["severity"]
    severity, note = lenient(str(word)) if word not in (None, "") else lenient("MEDIUM")
    notes += [note] if note else []
    if word in (None, ""):
        notes.append("No severity was given; it counts as MEDIUM.")
    at = _time(row, received_at, notes)
    kind, title = kind_of(metric), _text(given["title"], LONGEST_TEXT) or NO_TITLE
    ident = _text(given["alert_id"], LONGEST_NAME) or f"ALERT-{_digest(row)}"
    source = _text(given["source"], LONGEST_NAME).lower() or "unknown"
    return Alert(
        alert_id=ident,
        title=title,
        severity=severity,
        source=source,
        at=at,
        kind=kind,
        entity=_entity(kind, metric, title, ident),
        description=_text(given["description"], LONGEST_TEXT) or _message(row, title),
        metric=metric,
        related=related,
        business=_object(given, "business", notes),
        correlated=tuple(items(given["correlated"])),
        resolved=given["resolved"] is True,
        raw=_rest(row, found.shape),
        notes=tuple(notes),
        removed=tuple(removed),
    )


def _message(row: JsonObject, title: str) -> str:
    message = _text(row.get("message"), LONGEST_TEXT)
    return "" if message == title else message


def kind_of(metric: JsonObject) -> str:
    """The kind of an alert by the fields of its metric; no text is looked at. Source: DI-05."""
    names = {str(k).strip().lower() for k, v in metric.items() if v is not None and v != ""}
    if "dag_id" in names:
        return "airflow_dag"
    if any(n.startswith("columns_") or n in _SCHEMA for n in names):
        return "schema"
    if any(n.startswith("lock_") for n in names):
        return "lock"
    if any(_RESOURCE.fullmatch(n) for n in names):
        return "resource"
    return "other"


def _entity(kind: str, metric: JsonObject, title: str, ident: str) -> str:
    """What the alert is about: the first name its kind has; without one, its title in small letters."""
    lower = {str(k).strip().lower(): v for k, v in metric.items()}
    for key in _ENTITY[kind]:
        if isinstance(value := lower.get(key), str | int) and not isinstance(value, bool) and str(value).strip():
            return " ".join(str(value).split())[:LONGEST_NAME]
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80]
    return words if words and title != NO_TITLE else ident


def _time(row: JsonObject, received_at: datetime, notes: list[str]) -> datetime:
    given = _first(row, _TIMES)
    found = moment(given)
    if found is not None:
        return found
    why = "No timestamp was given" if given in (None, "") else f"The timestamp '{str(given)[:40]}' cannot be read"
    notes.append(f"{why}; the time of receipt is used.")
    return received_at


def _object(given: Mapping[str, Json], name: str, notes: list[str]) -> JsonObject:
    value = given[name]
    if value is not None and not isinstance(value, Mapping):
        notes.append(f"'{_FIELDS[name][0]}' is no object; it was kept as raw data only.")
    return mapping(value)


def _first(row: JsonObject, keys: Iterable[str]) -> Json:
    return next((row[k] for k in keys if row.get(k) is not None), None)


def _text(value: Json, most: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()[:most]


def _rest(row: JsonObject, shape: str) -> dict[str, Json]:
    """What has no field of its own, and values of known fields that have the wrong form."""
    known = {k for keys in _FIELDS.values() for k in keys}
    odd = {k for k in ("metric", "related_context", "business_context") if not isinstance(row.get(k), Mapping)}
    odd |= {k for k in ("description", "details", "message", "title") if isinstance(row.get(k), list | tuple | Mapping)}
    kept: dict[str, Json] = {k: v for k, v in row.items() if (k not in known or k in odd) and v is not None}
    return {**kept, **({"shape": shape} if shape != "generic" else {})}


def _digest(row: JsonObject) -> str:
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12].upper()


def flattened(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """The alerts without exact repeats (same source and id): the first one stands."""
    seen: set[tuple[str, str]] = set()
    for alert in alerts:
        if alert.key not in seen:
            seen.add(alert.key)
            yield alert
