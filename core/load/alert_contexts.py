"""Context blocks and past incidents of a folder, each in one form. What cannot be read is missing, with its reason."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from core.alert import BLOCKS, MISSING, items, mapping, moment, number, texts
from core.load.alert_reading import KINDS, kind_of, without_answers
from core.model import Json, JsonObject

REAL, FALSE, EXPECTED = "real", "false_positive", "expected"
_VERDICTS: Mapping[str, str] = {
    "real": REAL, "true_positive": REAL, "incident": REAL, "confirmed": REAL,
    "false_positive": FALSE, "false": FALSE, "noise": FALSE, "ignored": FALSE,
    "expected": EXPECTED, "benign": EXPECTED,
}  # fmt: skip
_DISMISSED = frozenset({"dismissed", "dismiss", "ignored", "false_positive"})
_LINES = ("entity", "table", "name", "dag_id")  # what a line of the business table may be about
_LISTS = ("reports",)


def blocks(files: Mapping[str, Path | bytes], now: datetime) -> dict[str, Json]:
    """The four context blocks from ``context/<name>.json`` (the business table also as ``.csv``)."""
    found: dict[str, Json] = {}
    for name in BLOCKS:
        path = next((p for p in (f"context/{name}.json", f"context/{name}.csv") if p in files), None)
        found[name] = missing(name, "no such file") if path is None else _block(name, path, files[path], now)
    return found


def missing(name: str, reason: str, source: str = "") -> JsonObject:
    """A block without data."""
    return {"name": name, "status": MISSING, "source": source, "fetched_at": None, "age_s": None, "reason": reason}


def block(name: str, source: str, data: JsonObject, fetched_at: datetime | None, now: datetime) -> JsonObject:
    """A block with data, its source and its age; without data it is missing."""
    if not data:
        return missing(name, "it holds no data", source)
    age = None if fetched_at is None else max(timedelta(0), now - fetched_at).total_seconds()
    at = fetched_at.isoformat() if fetched_at else None
    return {"name": name, "status": "ok", "source": source, "fetched_at": at, "age_s": age, "data": data}


def _block(name: str, path: str, file: Path | bytes, now: datetime) -> JsonObject:
    try:
        raw = file if isinstance(file, bytes) else file.read_bytes()
        text = raw.decode("utf-8-sig")
        given: Json = _table(text) if path.endswith(".csv") else json.loads(text)
    except (OSError, ValueError, RecursionError):
        return missing(name, f"{path} cannot be read", path)
    given, _ = without_answers(given)
    whole = mapping(given)
    data = mapping(whole["data"]) if "data" in whole else whole
    if str(whole.get("status") or "").lower() == MISSING:
        data = {}
    kept = {k: v for k, v in data.items() if k not in ("source", "fetched_at", "age", "age_s", "status", "name")}
    source = str(whole.get("source") or path)
    if not kept:
        return missing(name, str(whole.get("reason") or "it holds no data"), source)
    return {**block(name, source, kept, moment(whole.get("fetched_at")), now), "took_s": whole.get("took_s")}


def _table(text: str) -> Json:
    """A business table: one line for each table, DAG or other thing, by its name."""
    rows = list(csv.DictReader(io.StringIO(text)))
    entities: dict[str, Json] = {}
    for row in rows:
        about = next((str(row[k]) for k in _LINES if row.get(k)), "")
        if about:
            entities[about] = {k: _cell(k, v) for k, v in row.items() if k and k not in _LINES and v not in (None, "")}
    return {"entities": entities} if entities else {}


def _cell(column: str, text: str) -> Json:
    if column in _LISTS:
        return [part.strip() for part in text.replace("|", ";").split(";") if part.strip()]
    if text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    found = number(text)
    return text if found is None else int(found) if found.is_integer() else found


# --- Past incidents ---------------------------------------------------------------------------------------------------


def read_history(file: Path | bytes) -> list[Json]:
    """Past incidents of a history.json: a list of objects, or an object that holds one. Raises: ValueError, OSError."""
    raw = file if isinstance(file, bytes) else file.read_bytes()
    given, _ = without_answers(json.loads(raw.decode("utf-8-sig")))
    if isinstance(given, Mapping):
        given = next((given[k] for k in ("incidents", "history", "alerts", "items") if k in given), [])
    if not isinstance(given, list):
        raise ValueError("expected a list of past incidents")
    return [past(row) for row in map(mapping, given) if row]


def past(row: JsonObject) -> JsonObject:
    """A past incident in the one form that history is judged by; what it does not say is None."""
    metric = mapping(row.get("metric"))
    kind = str(row.get("kind") or row.get("type") or "")
    started = moment(row.get("detected_at")) or moment(row.get("timestamp")) or moment(row.get("at"))
    ended, took = moment(row.get("resolved_at")), number(row.get("resolution_minutes"))
    if ended is None and took is not None and started is not None and 0 <= took < 1e6:
        ended = started + timedelta(minutes=took)
    words = [str(row.get(k) or "").strip().lower() for k in ("verdict", "outcome", "status", "action", "decision")]
    count = number(row.get("occurrences"))
    return {
        "incident_id": str(row.get("incident_id") or row.get("alert_id") or row.get("id") or ""),
        "title": str(row.get("title") or ""),
        "kind": kind if kind in KINDS else kind_of(metric),
        "entity": str(row.get("entity") or row.get("subject") or _about(metric) or ""),
        "source": str(row.get("source") or "").lower(),
        "severity": str(row.get("severity") or "").upper(),
        "at": started.isoformat() if started else None,
        "resolved_at": ended.isoformat() if ended else None,
        "verdict": next((_VERDICTS[w] for w in words if w in _VERDICTS), None),
        "dismissed": any(w in _DISMISSED for w in words),
        "occurrences": max(1, int(count)) if count is not None and count < 1e9 else 1,
        "value": number(row.get("value")),
        "cause": str(row.get("root_cause") or ""),
        "resolution": str(row.get("resolution") or ""),
        "alert_ids": list(texts(row.get("alert_ids"))),
    }


def _about(metric: JsonObject) -> str | None:
    names = ("dag_id", "table", "table_name", "node", "host", "lock_name", "service", "instance", "entity")
    return next((str(metric[k]) for k in names if metric.get(k)), None)


def all_items(value: Json) -> list[JsonObject]:
    """The objects of a list."""
    return [row for row in map(mapping, items(value)) if row]
