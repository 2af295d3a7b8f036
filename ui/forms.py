"""Forms made from a plugin's own fields: label, description, bounds and choices come from the model."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Literal, Union, cast, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from core.errors import InputError
from core.plugins import Plugin

CHOICES = {"bad": "bad direction only", "both": "both directions", "up": "up only", "down": "down only"}


def fields(cls: type[Plugin], key: str, start: Mapping[str, object]) -> dict[str, object]:
    """One widget a field, filled from ``start`` or the field's default; answers what differs from the defaults.

    Raises: InputError naming the field, when a typed list cannot be read.
    """
    given: dict[str, object] = {}
    for name, info in cls.model_fields.items():
        default = info.get_default(call_default_factory=True)
        value = _widget(name, info, f"{key}_{name}", start.get(name, default))
        if value != default:
            given[name] = value
    return given


def _widget(name: str, info: FieldInfo, key: str, value: object) -> object:
    label, kind = name.replace("_", " ").capitalize(), _kind(info.annotation)
    note = info.description
    if get_origin(kind) is Literal:
        options = list(get_args(kind))
        return st.selectbox(
            label, options, index=options.index(value), format_func=lambda o: CHOICES.get(o, o), key=key, help=note
        )
    if kind is bool:
        return st.toggle(label, value=bool(value), key=key, help=note)
    if kind in (int, float):
        return _number(label, info, key, value, whole=kind is int)
    if kind is str:
        return st.text_input(label, value=str(value or ""), key=key, help=note) or None
    if get_origin(kind) is tuple:
        return _several(label, info, kind, key, value)
    return _by_date(label, key, value, note)


def _kind(annotation: object) -> type:
    """The type without ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        return cast(type, next(a for a in get_args(annotation) if a is not type(None)))
    return cast(type, annotation)


def _number(label: str, info: FieldInfo, key: str, value: object, *, whole: bool) -> float:
    """A number inside the field's bounds; an open bound is kept by the smallest step."""
    least, most = _bounds(info, 1 if whole else 0.01)
    number = float(cast(float, value))
    if whole:
        low, high = (None if b is None else int(b) for b in (least, most))
        return st.number_input(label, low, high, int(number), step=1, key=key, help=info.description)
    step = 0.1 if abs(number) < 10 else 1.0
    return st.number_input(label, least, most, number, step=step, format="%g", key=key, help=info.description)


def _bounds(info: FieldInfo, step: float) -> tuple[float | None, float | None]:
    least: float | None = None
    most: float | None = None
    for rule in info.metadata:
        if (bound := getattr(rule, "ge", None)) is not None:
            least = float(bound)
        if (bound := getattr(rule, "gt", None)) is not None:
            least = float(bound) + step
        if (bound := getattr(rule, "le", None)) is not None:
            most = float(bound)
        if (bound := getattr(rule, "lt", None)) is not None:
            most = float(bound) - step
    return least, most


def _several(label: str, info: FieldInfo, kind: type, key: str, value: object) -> object:
    """A list typed with commas; empty is the field's default."""
    item = get_args(kind)[0]
    shown = ", ".join(map(str, cast(tuple[object, ...], value or ())))
    note = f"{info.description or label}. Separate with commas."
    text = st.text_input(label, value=shown, key=key, help=note)
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not parts:
        return value if value in (None, ()) else info.get_default()
    try:
        return tuple(item(p) for p in parts)
    except ValueError:
        raise InputError(f"{label}: '{text}' is not a list of numbers.", hint="Expected e.g. 3, 7, 14.") from None


def _by_date(label: str, key: str, value: object, note: str | None) -> object:
    """Named days, one a line: ``2025-11-28 Black Friday``."""
    held = cast(Mapping[object, str], value or {})
    text = st.text_area(
        label, value="\n".join(f"{d} {n}" for d, n in held.items()), key=key, help=note, height=80,
        placeholder="2025-11-28 Black Friday",
    )  # fmt: skip
    days = dict(line.strip().partition(" ")[::2] for line in text.splitlines() if line.strip())
    return {d: n.strip() or "event" for d, n in days.items()}
