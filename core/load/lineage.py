"""Lineage: which table, model or report is made from which, from a dbt manifest or a simple CSV. Pure functions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from core.alert import items, mapping
from core.errors import InputError
from core.model import Json, JsonObject

_SKIPPED = frozenset({"test", "unit_test", "operation", "analysis", "macro"})
_FROM, _TO = ("from", "upstream", "source", "parent"), ("to", "downstream", "target", "child")


def from_csv(raw: bytes) -> list[Json]:
    """Edges of a CSV with the columns ``from, to`` and, if wanted, ``kind`` (table or report) and ``owner``.

    Raises: InputError naming the columns.
    """
    try:
        reader = csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))
        names = {str(n).strip().lower(): n for n in reader.fieldnames or ()}
        start, end = (next((names[c] for c in wanted if c in names), None) for wanted in (_FROM, _TO))
        rows = list(reader)
    except (UnicodeDecodeError, csv.Error):
        raise InputError("not a CSV file in UTF-8") from None
    if start is None or end is None:
        raise InputError("expected the columns from and to")
    kind, owner = names.get("kind", ""), names.get("owner", "")
    return [
        {"from": row[start].strip(), "to": row[end].strip(), "kind": (row.get(kind) or "table").strip().lower(),
         "owner": (row.get(owner) or "").strip()}
        for row in rows
        if (row.get(start) or "").strip() and (row.get(end) or "").strip()
    ]  # fmt: skip


def from_manifest(raw: bytes) -> list[Json]:
    """Edges of a dbt manifest.json (any version that has ``child_map``): models, seeds, snapshots, sources, exposures.

    Raises: InputError when it is none.
    """
    try:
        manifest = mapping(json.loads(raw))
    except (ValueError, RecursionError):
        raise InputError("not JSON") from None
    if not isinstance(manifest.get("child_map"), Mapping):
        raise InputError("expected a dbt manifest with child_map")
    known: dict[str, JsonObject] = {}
    for part in ("sources", "nodes", "exposures"):
        known.update({str(k): mapping(v) for k, v in mapping(manifest.get(part)).items()})
    kept = {k: v for k, v in known.items() if str(v.get("resource_type") or k.split(".")[0]) not in _SKIPPED}
    return [
        {"from": table_name(kept[start]), "to": table_name(kept[str(end)]), "kind": _kind(str(end)),
         "owner": _owner(kept[str(end)])}
        for start, ends in mapping(manifest["child_map"]).items()
        for end in items(ends)
        if start in kept and str(end) in kept
    ]  # fmt: skip


def table_name(node: JsonObject) -> str:
    """The name people know a node by: database, schema and table, or the exposure's own."""
    if node.get("resource_type") == "exposure" or "schema" not in node:
        return str(node.get("label") or node.get("name") or "")
    parts = (node.get("database"), node.get("schema"), node.get("alias") or node.get("identifier") or node.get("name"))
    return ".".join(str(p) for p in parts if p)


def _kind(unique_id: str) -> str:
    return "report" if unique_id.startswith("exposure.") else "table"


def _owner(node: JsonObject) -> str:
    owner = mapping(node.get("owner"))
    return str(owner.get("name") or owner.get("email") or node.get("group") or "")
