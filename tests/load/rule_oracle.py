"""What a rule tree means, said in plain Python over one row at a time; and random trees to compare it with SQL."""

from __future__ import annotations

import operator
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime

from core.load.rules import OPERATORS

COLUMNS = ("n", "x", "t", "b", "d", "at", 'odd "name" %s', "select")
NUMBERS = [0, 1, -1, 7, 7.5, -2.25, 1000, 10**12, 0.1, 3.0]
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "50%",
    "under_score",
    "x/y",
    "quote'",
    '"',
    "back\\slash",
    "größe",
    "%",
    "_",
    "' OR 1=1 --",
]
DATES = ["2026-01-01", "2026-02-28", "1999-12-31"]
TIMES = ["2026-01-01T00:00:00+00:00", "2026-02-28T23:59:59Z", "2026-01-01T01:00:00+01:00", "2026-01-01"]
KINDS = {
    "n": "int",
    "x": "num",
    "t": "text",
    "b": "bool",
    "d": "date",
    "at": "time",
    COLUMNS[6]: "text",
    "select": "num",
}
_ORDER = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_SUITING = {
    "int": [o for o in OPERATORS if o != "contains"],
    "num": [o for o in OPERATORS if o != "contains"],
    "date": [o for o in OPERATORS if o != "contains"],
    "time": [o for o in OPERATORS if o != "contains"],
    "text": ["==", "!=", "in", "not_in", "contains", "is_null", "not_null"],
    "bool": ["==", "!=", "in", "not_in", "is_null", "not_null"],
}

Row = Mapping[str, object]


def matches(node: Mapping[str, object], row: Row) -> bool:
    """Whether the row is in the segment."""
    if "rules" in node:
        found = [matches(r, row) for r in node["rules"]]
        return any(found) if node.get("logicalOperator") == "OR" else all(found)
    cell, how, value = row[node["field"]], node["operator"], node.get("value")
    if how in ("is_null", "not_null"):
        return (cell is None) == (how == "is_null")
    if cell is None:
        return False
    if how == "contains":
        return value in cell
    if how in ("in", "not_in"):
        return (cell in [_like(cell, v) for v in value]) == (how == "in")
    return _ORDER[how](cell, _like(cell, value))


def _like(cell: object, value: object) -> object:
    if isinstance(cell, datetime):
        at = datetime.fromisoformat(value)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return date.fromisoformat(value) if isinstance(cell, date) else value


def rows(rng: random.Random, count: int) -> list[dict[str, object]]:
    """Made-up rows in which every column is empty now and then."""

    def cell(kind: str) -> object:
        if rng.random() < 0.15:
            return None
        if kind == "int":
            return int(rng.choice([n for n in NUMBERS if float(n).is_integer()]))
        if kind == "num":
            return float(rng.choice(NUMBERS))
        if kind == "date":
            return date.fromisoformat(rng.choice(DATES))
        if kind == "time":
            return _like(datetime.now(UTC), rng.choice(TIMES)).astimezone(UTC)
        return rng.choice(TEXTS) if kind == "text" else rng.random() < 0.5

    return [{c: cell(KINDS[c]) for c in COLUMNS} for _ in range(count)]


def tree(rng: random.Random) -> dict[str, object]:
    """A random valid rule tree, nested one level."""
    nodes = [_group(rng) if rng.random() < 0.3 else _leaf(rng) for _ in range(rng.randint(1, 4))]
    return {"logicalOperator": rng.choice(["AND", "OR"]), "rules": nodes}


def _group(rng: random.Random) -> dict[str, object]:
    return {"logicalOperator": rng.choice(["AND", "OR"]), "rules": [_leaf(rng) for _ in range(rng.randint(1, 3))]}


def _leaf(rng: random.Random) -> dict[str, object]:
    field = rng.choice(COLUMNS)
    how = rng.choice(_SUITING[KINDS[field]])
    if how in ("is_null", "not_null"):
        return {"field": field, "operator": how}
    pool = {"int": NUMBERS, "num": NUMBERS, "text": TEXTS, "date": DATES, "time": TIMES, "bool": [True, False]}
    values = pool[KINDS[field]]
    if how in ("in", "not_in"):
        return {"field": field, "operator": how, "value": [rng.choice(values) for _ in range(rng.randint(1, 4))]}
    return {"field": field, "operator": how, "value": rng.choice([v for v in values if v != ""])}
