"""Conditions on an order's fields, as an operator writes them in the policy.

``A, or B`` holds where one side does, ``A and B`` where both do. A part is one of::

    shipping_address.zip missing, 00000, 99999 or not a postal code
    financial_status failed                 package_condition = damaged
    delivery_attempts >= 2                  line item quantity > available_quantity
    estimated_delivery_date before now      not delivered
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

FIELD = r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*"
VALUE = r"[A-Za-z0-9_.+-]+"
_MISSING = re.compile(rf"({FIELD}) missing((?:, {VALUE})*)( or not a postal code)?")
_ITEM = re.compile(rf"line item ({FIELD}) (>=|<=|>|<|=) ({FIELD})")
_BEFORE = re.compile(rf"({FIELD}) before now")
_COMPARED = re.compile(rf"({FIELD}) (>=|<=|>|<|=) ({VALUE})")
_IS = re.compile(rf"({FIELD}) ({VALUE})")
# a comma-led "or" joins conditions; the "or" of a list of values has no comma before it
_OR = re.compile(r",\s*or\s+|\s+or\s+(?!not a postal code)")


@dataclass(frozen=True, slots=True)
class Absent:
    """The order has the field's parent, and the field is empty, one of the values, or no postal code."""

    field: str
    values: tuple[str, ...]
    postal: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """The field compares with a value: as numbers where the value is one, else as text without regard to case."""

    field: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class ItemCompared:
    """Some line item has one field compared with another of its fields."""

    field: str
    op: str
    other: str


@dataclass(frozen=True, slots=True)
class Before:
    """The field is a time or day that is over."""

    field: str


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """The order has no delivery."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Absent | Compared | ItemCompared | Before | NotDelivered | AllOf | AnyOf


@lru_cache(maxsize=256)
def parse_condition(text: str) -> Condition:
    """The condition in a text. Raises: ValueError naming the part that is none."""
    ways = tuple(_all_of(part) for part in _OR.split(" ".join(text.split())))
    return ways[0] if len(ways) == 1 else AnyOf(ways)


def _all_of(text: str) -> Condition:
    parts = tuple(_part(p.strip()) for p in text.split(" and "))
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _part(text: str) -> Condition:
    if text == "not delivered":
        return NotDelivered()
    if m := _MISSING.fullmatch(text):
        return Absent(m[1], tuple(v.strip() for v in m[2].split(",") if v.strip()), bool(m[3]))
    if m := _ITEM.fullmatch(text):
        return ItemCompared(m[1], m[2], m[3])
    if m := _BEFORE.fullmatch(text):
        return Before(m[1])
    if m := _COMPARED.fullmatch(text):
        return Compared(m[1], m[2], m[3])
    if m := _IS.fullmatch(text):
        return Compared(m[1], "=", m[2])
    raise ValueError(f"'{text}' is no condition, such as 'financial_status = failed'")


def fields_of(condition: Condition) -> frozenset[str]:
    """The order's fields that a condition looks at; line items count as ``line_items``."""
    if isinstance(condition, AllOf | AnyOf):
        return frozenset().union(*(fields_of(p) for p in condition.parts))
    if isinstance(condition, ItemCompared):
        return frozenset({"line_items"})
    return frozenset() if isinstance(condition, NotDelivered) else frozenset({condition.field})
