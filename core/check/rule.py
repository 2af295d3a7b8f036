"""Rules between columns of one row, as data: an expression tree that compiles to one safe SQL predicate.

``{left: net, op: "~=", right: {minus: [gross, refunds]}, tolerance: 1}`` says what must hold in every
row. A plain text operand names a column, a number is itself, ``{text: ...}`` is a text literal. No SQL is
taken from people: names are quoted and literals escaped by SQLAlchemy.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from sqlalchemy.sql import ColumnElement

ROUNDING = 1e-9  # two floats closer than this are equal, so a tolerance includes its own limit
SYMBOLS = {"plus": " + ", "minus": " - ", "times": " × ", "divide": " / "}
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Arithmetic(BaseModel):
    """One calculation over operands, or a text literal; exactly one key is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plus: tuple[Operand, ...] | None = Field(None, min_length=2)
    minus: tuple[Operand, ...] | None = Field(None, min_length=2)
    times: tuple[Operand, ...] | None = Field(None, min_length=2)
    divide: tuple[Operand, ...] | None = Field(None, min_length=2, max_length=2)
    text: str | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Arithmetic:
        if len(self.model_fields_set) != 1:
            raise ValueError("expected exactly one of plus, minus, times, divide, text")
        return self

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The operands of the calculation; none for a text literal."""
        return self.plus or self.minus or self.times or self.divide or ()

    @property
    def key(self) -> str:
        """Which calculation this is."""
        return next(iter(self.model_fields_set))


Operand = Arithmetic | str | int | FiniteFloat


class Rule(BaseModel):
    """What must hold between ``left`` and ``right`` in every row; a row with a missing operand is not judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: Operand
    op: Literal["~=", "==", "!=", "<", "<=", ">", ">="]
    right: Operand
    tolerance: FiniteFloat | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _tolerance_with_about(self) -> Rule:
        if (self.op == "~=") != (self.tolerance is not None):
            raise ValueError("expected a tolerance with op ~=, and only there")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rule reads, in order of appearance."""
        return tuple(dict.fromkeys([*_columns(self.left), *_columns(self.right)]))

    def __str__(self) -> str:
        """The rule as people write it: ``net = gross - refunds (± 1)``."""
        about = self.tolerance is not None
        sign = {"~=": "=", "==": "=", "!=": "≠", "<=": "≤", ">=": "≥"}.get(self.op, self.op)
        text = f"{_words(self.left)} {sign} {_words(self.right)}"
        return f"{text} (± {self.tolerance:g})" if about else text

    def violated(self) -> ColumnElement[bool]:
        """A predicate that is true for exactly the rows that break the rule."""
        left, right = _sql(self.left), _sql(self.right)
        if self.tolerance is not None:
            return sa.func.abs(left - right) > self.tolerance + ROUNDING
        holds: ColumnElement[bool] = OPERATORS[self.op](left, right)
        return sa.not_(holds)


def _columns(operand: Operand) -> list[str]:
    if isinstance(operand, str):
        return [operand]
    if isinstance(operand, Arithmetic):
        return [name for part in operand.operands for name in _columns(part)]
    return []


def _words(operand: Operand, *, inner: bool = False) -> str:
    if not isinstance(operand, Arithmetic):
        return f"{operand:g}" if isinstance(operand, float) else str(operand)
    if operand.text is not None:
        return f"'{operand.text}'"
    text = SYMBOLS[operand.key].join(_words(part, inner=True) for part in operand.operands)
    return f"({text})" if inner else text


def _sql(operand: Operand) -> ColumnElement[Any]:
    if isinstance(operand, str):
        return sa.column(operand)
    if not isinstance(operand, Arithmetic):
        return sa.literal(operand)
    if operand.text is not None:
        return sa.literal(operand.text)
    parts = [_sql(part) for part in operand.operands]
    if operand.key == "divide":  # a division by zero has no answer, so the row is not judged
        return sa.cast(parts[0], sa.Double) / sa.func.nullif(sa.cast(parts[1], sa.Double), 0.0)
    calculate = {"plus": operator.add, "minus": operator.sub, "times": operator.mul}[operand.key]
    return reduce(calculate, parts)


Arithmetic.model_rebuild()
Rule.model_rebuild()
