"""The columns of a warehouse's tables, read by one SELECT, and what changed between two readings."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import make_url

from core.alert import items, mapping
from core.load.sql import load_select
from core.model import Json
from core.ports import Engine

COLUMNS = ("schema_name", "table_name", "column_name", "position", "type", "nullable")
_STANDARD = """SELECT table_schema AS schema_name, table_name AS table_name, column_name AS column_name,
 ordinal_position AS position, data_type AS type, is_nullable AS nullable
 FROM information_schema.columns
 WHERE table_schema NOT IN ('information_schema', 'pg_catalog', 'INFORMATION_SCHEMA') ORDER BY 1, 2, 4"""
_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql IS NOT NULL"
MOST_COLUMNS = 200_000


def read_columns(url: str, engine: Engine, now: datetime, timeout_s: float) -> list[Json]:
    """Every column of every table as [schema, table, column, position, type, nullable].

    Raises: ConfigError, InputError, ProviderError as the warehouse does.
    """
    sqlite = make_url(url).get_backend_name() == "sqlite"
    loaded = load_select(
        url, _SQLITE if sqlite else _STANDARD, table="schema", folder=engine.folder(), now=now,
        max_rows=MOST_COLUMNS, timeout_s=timeout_s,
    )  # fmt: skip
    try:
        rows = engine.fetch(engine.relation(loaded.table).select()).to_pylist()
    finally:
        Path(loaded.table.path).unlink(missing_ok=True)
    if sqlite:
        return _of_sqlite({str(r["name"]): str(r["sql"]) for r in rows})
    return [[_text(row[c]) for c in COLUMNS] for row in rows]


def _of_sqlite(statements: Mapping[str, str]) -> list[Json]:
    """SQLite tells its columns only by PRAGMA, which a reading connection may not use: an empty copy is asked."""
    found: list[Json] = []
    with sqlite3.connect(":memory:") as copy:
        for name, statement in sorted(statements.items()):
            copy.execute(statement)
            for position, column, kind, required, *_ in copy.execute(f"PRAGMA table_info({_quoted(name)})"):
                found.append(["main", name, str(column), position + 1, str(kind), "NO" if required else "YES"])
    copy.close()
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> Json:
    return value if isinstance(value, int | float) else str(value)


def tables_of(columns: Json) -> dict[str, dict[str, tuple[int, str, str]]]:
    """Position, type and nullability of every column by table (schema.table) and column."""
    found: dict[str, dict[str, tuple[int, str, str]]] = {}
    for row in items(columns):
        schema, table, column, position, kind, nullable = items(row)
        found.setdefault(f"{schema}.{table}", {})[str(column)] = (int(float(str(position))), str(kind), str(nullable))
    return found


def diff(before: Json, after: Json) -> list[dict[str, Json]]:
    """What changed: tables and columns added or removed, types and nullability changed, possible renames."""
    old, new = tables_of(before), tables_of(after)
    changes: list[dict[str, Json]] = [{"table": t, "change": "table_added"} for t in new if t not in old]
    changes += [{"table": t, "change": "table_removed"} for t in old if t not in new]
    for table in old.keys() & new.keys():
        changes += _columns(table, old[table], new[table])
    return sorted(changes, key=lambda c: (str(c["table"]), str(c["change"]), str(c.get("column"))))


def _columns(
    table: str, old: Mapping[str, tuple[int, str, str]], new: Mapping[str, tuple[int, str, str]]
) -> list[dict[str, Json]]:
    removed, added = [c for c in old if c not in new], [c for c in new if c not in old]
    changes: list[dict[str, Json]] = []
    for gone in list(removed):
        twin = next((c for c in added if new[c] == old[gone]), None)
        if twin is not None:
            removed.remove(gone)
            added.remove(twin)
            changes.append({"table": table, "change": "column_renamed", "column": gone, "to": twin, "possible": True})
    changes += [{"table": table, "change": "column_removed", "column": c, "type": old[c][1]} for c in removed]
    changes += [{"table": table, "change": "column_added", "column": c, "type": new[c][1]} for c in added]
    for column in old.keys() & new.keys():
        (_, was, null_was), (_, now, null_now) = old[column], new[column]
        if was != now:
            changes.append({"table": table, "change": "type_changed", "column": column, "from": was, "to": now})
        if null_was != null_now:
            changes.append({"table": table, "change": "nullable_changed", "column": column, "to": null_now})
    return changes


def changes_of(snapshots: Sequence[tuple[datetime, Json]]) -> list[dict[str, Json]]:
    """Every change between snapshots (oldest first), each with the moments between which it happened."""
    found: list[dict[str, Json]] = []
    for (earlier, before), (later, after) in itertools.pairwise(snapshots):
        found += [{**c, "at": later.isoformat(), "not_before": earlier.isoformat()} for c in diff(before, after)]
    return found


def models_of(manifest: Json) -> dict[str, str]:
    """The checksum of every model, seed and snapshot of a dbt manifest, by its name."""
    from core.load.lineage import table_name

    nodes = mapping(mapping(manifest).get("nodes"))
    return {
        table_name(mapping(n)): str(mapping(mapping(n).get("checksum")).get("checksum") or "")
        for n in nodes.values()
        if mapping(n).get("resource_type") in ("model", "seed", "snapshot")
    }
