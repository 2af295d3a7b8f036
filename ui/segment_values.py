"""The value of a rule: one widget for each type of column, with suggestions from the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import streamlit as st

from core.model import ColumnType, Json
from ui import cards

NULLS, LISTS = ("is_null", "not_null"), ("in", "not_in")
NUMBERS = (ColumnType.INTEGER, ColumnType.NUMBER)
MOST_PILLS = 12
WIDE = 160  # pixels of a field: three and the button fit beside the preview

Hints = Callable[[str], Sequence[str]]  # a column's most frequent values


def shape(operator: str) -> str:
    """How many values a comparison takes: none, one or a list."""
    return "none" if operator in NULLS else "list" if operator in LISTS else "one"


def value(column: str | None, kind: ColumnType, operator: str, begun: Json, key: str, name: str, hint: Hints) -> Json:
    """What is chosen or typed; None while that is nothing."""
    form = shape(operator)
    if form == "none" or column is None:
        return None
    label, key, known = f"Value of {name}", f"{key}_{column}_{form}", hint(column)
    if form == "list":
        return _several(kind, begun, key, label, known)
    if operator == "contains":
        text = st.text_input(
            label,
            str(begun or ""),
            key=f"{key}_part",
            persist_state="session",
            label_visibility="collapsed",
            width=WIDE,
        )
        return text or None
    return _one(kind, begun, key, label, known)


def _one(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    if kind is ColumnType.BOOLEAN:
        default = begun if isinstance(begun, bool) else True
        return st.segmented_control(
            label,
            [True, False],
            default=None if key in st.session_state else default,
            required=True,
            key=key,
            persist_state="session",
            format_func={True: "yes", False: "no"}.__getitem__,
            label_visibility="collapsed",
        )
    if kind in NUMBERS:
        return _number(kind, begun, key, label, known)
    if kind is ColumnType.DATE:
        day = st.date_input(
            label, _day(begun), key=key, persist_state="session", label_visibility="collapsed", width=WIDE
        )
        return day.isoformat() if isinstance(day, date) else None
    if kind is ColumnType.TIMESTAMP:
        at = st.datetime_input(
            label, _moment(begun), key=key, persist_state="session", label_visibility="collapsed", width=WIDE
        )
        return at.replace(tzinfo=UTC).isoformat() if at is not None else None
    options = list(dict.fromkeys([*known, *([str(begun)] if begun is not None else [])]))
    return st.selectbox(
        label,
        options,
        index=options.index(str(begun)) if begun is not None else None,
        key=key,
        persist_state="session",
        accept_new_options=True,
        placeholder="Choose or type",
        label_visibility="collapsed",
        width=WIDE,
    )


def _number(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    whole = kind is ColumnType.INTEGER and not (isinstance(begun, float) and not begun.is_integer())
    number = begun if isinstance(begun, int | float) and not isinstance(begun, bool) else None
    if whole:
        return st.number_input(
            label,
            value=None if number is None else int(number),
            step=1,
            key=key,
            persist_state="session",
            placeholder=_example(known),
            label_visibility="collapsed",
            width=WIDE,
        )
    found = st.number_input(
        label, value=None if number is None else float(number), step=1.0, format="%g", key=key, persist_state="session",
        placeholder=_example(known), label_visibility="collapsed", width=WIDE,
    )  # fmt: skip
    return int(found) if found is not None and found.is_integer() else found


def _several(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    """Values to tick, and others to type; numbers and dates are typed."""
    chosen = [str(v) for v in begun] if isinstance(begun, Sequence) and not isinstance(begun, str) else []
    if kind is not ColumnType.TEXT:
        text = st.text_input(
            label,
            ", ".join(chosen),
            key=f"{key}_typed",
            persist_state="session",
            placeholder=_example(known),
            label_visibility="collapsed",
            width=WIDE,
        )
        parts = _parts(text)
        return [_numeric(p) for p in parts] or None if kind in NUMBERS else list(parts) or None
    ticks = list(dict.fromkeys([*[v for v in chosen if v in known], *known]))[:MOST_PILLS]
    with st.container(width=360, gap="xsmall"):
        picked = (
            st.pills(
                label,
                ticks,
                selection_mode="multi",
                format_func=cards.safe,
                key=f"{key}_pills",
                persist_state="session",
                label_visibility="collapsed",
                default=None if f"{key}_pills" in st.session_state else [v for v in chosen if v in ticks],
            )
            if ticks
            else []
        )
        others = ", ".join(v for v in chosen if v not in ticks)
        typed = st.text_input(
            f"Other values for {label.lower()}",
            others,
            key=f"{key}_others",
            persist_state="session",
            placeholder="Others, separated by commas",
            label_visibility="collapsed",
        )
    return list(dict.fromkeys([*picked, *_parts(typed)])) or None


def _example(known: Sequence[str]) -> str:
    return f"such as {known[0]}" if known else "number"


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(p.strip() for p in (text or "").split(",") if p.strip())


def _numeric(text: str) -> Json:
    """A number, or the text itself for the rules to refuse."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _day(begun: Json) -> date | None:
    try:
        return date.fromisoformat(str(begun)[:10]) if begun else None
    except ValueError:
        return None


def _moment(begun: Json) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(begun)) if begun else None
    except ValueError:
        return None
    return at.astimezone(UTC).replace(tzinfo=None) if at and at.tzinfo else at
