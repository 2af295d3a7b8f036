"""What dbt's artifacts say of the last run: failed tests and models. Pure; unknown fields and statuses are taken."""

from __future__ import annotations

from collections.abc import Mapping

from core.alert import items, mapping
from core.load.lineage import table_name
from core.model import Json, JsonObject

FAILED = frozenset({"fail", "error", "warn", "runtime error"})


def failures(run_results: Json, manifest: Json) -> list[dict[str, Json]]:
    """Tests and models of run_results.json that did not end well, with the model they are about."""
    nodes = mapping(mapping(manifest).get("nodes"))
    found: list[dict[str, Json]] = []
    for row in map(mapping, items(mapping(run_results).get("results"))):
        status = str(row.get("status") or "").lower()
        if status in FAILED:
            ident = str(row.get("unique_id") or "")
            node = mapping(nodes.get(ident))
            found.append(
                {"name": str(node.get("name") or ident), "model": _about(ident, node, nodes), "status": status,
                 "failures": row.get("failures"), "message": str(row.get("message") or "")[:500],
                 "kind": ident.split(".")[0]}
            )  # fmt: skip
    return found


def _about(ident: str, node: JsonObject, nodes: JsonObject) -> str:
    """The model under test, or the model itself."""
    if not ident.startswith(("test.", "unit_test.")):
        return table_name(node) if node else ident
    parents = items(mapping(node.get("depends_on")).get("nodes"))
    target = str(node.get("attached_node") or next((str(p) for p in parents), ""))
    return table_name(mapping(nodes.get(target))) if target in nodes else target


def generated_at(artifact: Json) -> str | None:
    """When the artifact was written."""
    at = mapping(mapping(artifact).get("metadata")).get("generated_at")
    return str(at) if at else None


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Models that are new, gone, or have another checksum."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
