"""Walking lineage: what is made from a table, and the part of the graph an incident runs through. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.alert import mapping
from core.model import Json


@dataclass(frozen=True, slots=True)
class Edge:
    """``end`` is made from ``start``; ``kind`` (table or report) and ``owner`` are the end's."""

    start: str
    end: str
    kind: str = "table"
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A graph around one table. ``path`` are the edges an incident of the table runs along, nearest first."""

    edges: tuple[Edge, ...]
    path: tuple[Edge, ...]
    tables: tuple[str, ...]  # downstream, nearest first
    reports: tuple[str, ...]


def edges_of(docs: Sequence[Json]) -> tuple[Edge, ...]:
    """Edges from their documents."""
    rows = [mapping(doc) for doc in docs]
    return tuple(
        Edge(str(r["from"]), str(r["to"]), str(r.get("kind") or "table"), str(r.get("owner") or ""))
        for r in rows
        if r.get("from") and r.get("to")
    )


def around(edges: Sequence[Edge], entity: str) -> Lineage:
    """Everything downstream of the entity, and the edges that lead to the entity itself."""
    path: list[Edge] = []
    reached, queue = {entity}, [entity]
    while queue:
        here = queue.pop(0)
        for edge in edges:
            if same_table(edge.start, here) and edge not in path:
                path.append(edge)
                if edge.end not in reached:
                    reached.add(edge.end)
                    queue.append(edge.end)
    into = tuple(e for e in edges if same_table(e.end, entity) and e not in path)
    ends = dict.fromkeys(e.end for e in path if not same_table(e.end, entity))
    kinds = {e.end: e.kind for e in path}
    return Lineage(
        (*into, *path),
        tuple(path),
        tuple(e for e in ends if kinds[e] != "report"),
        tuple(e for e in ends if kinds[e] == "report"),
    )


def same_table(one: str, other: str) -> bool:
    """Whether two names mean one table: equal, or one is the end of the other (schema.table and table)."""
    a, b = one.strip().lower(), other.strip().lower()
    return bool(a and b) and (a == b or a.endswith(f".{b}") or b.endswith(f".{a}"))
