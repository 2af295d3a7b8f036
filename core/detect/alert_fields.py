"""Reading the fields of an alert."""

from __future__ import annotations

from collections.abc import Sequence

from core.alert import number, texts
from core.model import JsonObject

NONE_WORDS = frozenset({"none", "no", "false", "0", "nothing", "negligible", "n/a"})
DONE = frozenset({"success", "succeeded", "completed", "complete", "done", "ok", "finished"})
DOWNSTREAM = ("downstream_tables", "downstream_models", "affected_tables", "downstream")
CHANGES = ("removed", "added", "renamed")


def first_number(part: JsonObject, keys: Sequence[str]) -> float | None:
    """The first of these fields that is a number."""
    return next((n for k in keys if (n := number(part.get(k))) is not None), None)


def first_count(part: JsonObject, keys: Sequence[str]) -> float | None:
    """The first of these that is a number, or the length of the first that is a list."""
    for key in keys:
        value = part.get(key)
        if isinstance(value, list | tuple):
            return float(len(value))
        if (found := number(value)) is not None:
            return found
    return None


def first_names(part: JsonObject, keys: Sequence[str]) -> tuple[str, ...]:
    """The first of these fields that names something."""
    return next((names for k in keys if (names := texts(part.get(k)))), ())


def whole(value: float | None) -> int | None:
    """A count as a whole number."""
    return None if value is None else int(value)
