"""Segment rules: a tree of AND and OR over columns, compiled to one SQL condition with bound values."""

from __future__ import annotations

import math
import operator as comparing
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from sqlalchemy import ColumnElement, Double, and_, bindparam, cast, or_
from sqlalchemy import types as sa
from sqlalchemy.sql import FromClause

from core.errors import InputError
from core.model import Json

Operator: TypeAlias = Literal[
    ">", ">=", "<", "<=", "==", "!=", "in", "not_in", "contains", "is_null", "not_null"
]  # fmt: skip
OPERATORS: tuple[Operator, ...] = get_args(Operator)
Scalar: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
MOST_RULES = 200
MOST_VALUES = 1_000
_BIGINT = 2**63
_ORDER = (">", ">=", "<", "<=")
_COMPARE: Mapping[str, Callable[[Any, Any], object]] = {
    ">": comparing.gt,
    ">=": comparing.ge,
    "<": comparing.lt,
    "<=": comparing.le,
    "==": comparing.eq,
    "!=": comparing.ne,
}


class Strict(BaseModel):
    """Immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(Strict):
    """One comparison of a field. ``value`` is a list for ``in`` and ``not_in``, absent for the null operators."""

    field: StrictStr = Field(min_length=1, max_length=200)
    operator: Operator
    value: Scalar | tuple[Scalar, ...] | None = None

    @model_validator(mode="after")
    def _value_fits(self) -> Rule:
        if problem := _misfit(self.operator, self.value):
            raise ValueError(problem)
        return self


def _misfit(operator: Operator, value: object) -> str:
    values = value if isinstance(value, tuple) else (value,)
    if operator in ("is_null", "not_null"):
        return "" if value is None else f"{operator} takes no value"
    if operator in ("in", "not_in"):
        if not isinstance(value, tuple) or not 1 <= len(value) <= MOST_VALUES:
            return f"{operator} takes a list of 1 to {MOST_VALUES} values"
    elif isinstance(value, tuple):
        return f"{operator} takes one value, not a list"
    elif value is None:
        return f"{operator} takes a value; is_null and not_null look for empty fields"
    if operator == "contains" and (not isinstance(value, str) or not value):
        return "contains takes a text that is not empty"
    if operator in _ORDER and isinstance(value, bool):
        return f"{operator} compares numbers or dates, not true or false"
    return next((why for v in values if (why := _unstorable(v))), "")


def _unstorable(value: object) -> str:
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        return "the text holds a character that no database keeps"
    if isinstance(value, float) and not math.isfinite(value):
        return "expected a finite number"
    if isinstance(value, int) and not -_BIGINT <= value < _BIGINT:
        return "the number is too large"
    return ""


class InnerGroup(Strict):
    """Rules inside a group; they do not nest further."""

    logicalOperator: Literal["AND", "OR"] = "AND"  # noqa: N815 (the key in JSON and YAML)
    rules: tuple[Rule, ...] = Field(min_length=1)


def _shape(node: object) -> str:
    nested = "rules" in node if isinstance(node, Mapping) else isinstance(node, InnerGroup)
    return "group" if nested else "rule"


Node: TypeAlias = Annotated[
    Annotated[Rule, Tag("rule")] | Annotated[InnerGroup, Tag("group")], Discriminator(_shape)
]  # fmt: skip


class RuleTree(Strict):
    """A segment's definition: rules and groups of rules, all (AND) or any (OR) of which hold."""

    logicalOperator: Literal["AND", "OR"] = "AND"  # noqa: N815 (the key in JSON and YAML)
    rules: tuple[Node, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _not_endless(self) -> RuleTree:
        if sum(1 for _ in self.leaves()) > MOST_RULES:
            raise ValueError(f"at most {MOST_RULES} rules")
        return self

    def leaves(self) -> Iterator[tuple[str, Rule]]:
        """Every rule with its path below the definition, such as ``rules[1].rules[0]``."""
        for i, node in enumerate(self.rules):
            if isinstance(node, Rule):
                yield f"rules[{i}]", node
            else:
                yield from ((f"rules[{i}].rules[{j}]", rule) for j, rule in enumerate(node.rules))

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns it asks for, each once."""
        return tuple(dict.fromkeys(rule.field for _, rule in self.leaves()))

    def doc(self) -> dict[str, Json]:
        """The tree as JSON: operators always said, no value where there is none."""
        return {"logicalOperator": self.logicalOperator, "rules": [_doc(node) for node in self.rules]}


def _doc(node: Rule | InnerGroup) -> dict[str, Json]:
    if isinstance(node, InnerGroup):
        return {"logicalOperator": node.logicalOperator, "rules": [_doc(r) for r in node.rules]}
    value = list(node.value) if isinstance(node.value, tuple) else node.value
    return {"field": node.field, "operator": node.operator, **({} if value is None else {"value": value})}


_TREE: TypeAdapter[RuleTree] = TypeAdapter(RuleTree)


def parse_rules(document: object, where: str = "definition") -> RuleTree:
    """The tree of a JSON-like document.

    Raises: InputError whose ``field`` is the path of what is wrong, such as ``definition.rules[0].operator``.
    """
    try:
        return _TREE.validate_python(document)
    except ValidationError as exc:
        raise refusal(exc, where) from None


def refusal(exc: ValidationError, where: str = "") -> InputError:
    """The first thing that a form refused, by its path."""
    first = exc.errors(include_url=False, include_input=False)[0]
    steps = [s for s in first["loc"] if s not in ("rule", "group")]
    # which of the types that a value may have was tried is of no interest to anybody
    steps = steps[: steps.index("value") + 1] if "value" in steps else steps
    if first["type"] == "value_error" and "rules" in steps and isinstance(steps[-1], int):
        steps.append("value")
    field = where
    for step in steps:
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else str(step)
    words = {
        "extra_forbidden": "there is no such field",
        "missing": "is missing",
        "too_short": "at least one is needed",
        "model_type": "expected an object with keys",
        "tuple_type": "expected a list",
    }
    said = words.get(first["type"], first["msg"].removeprefix("Value error, "))
    if steps and steps[-1] == "value" and first["type"] != "value_error":
        said = "expected a number, a text, true or false, or a list of these"
    return InputError(f"{field or 'body'}: {said}.", field=field or "body")


def condition(tree: RuleTree, relation: FromClause, where: str = "definition") -> ColumnElement[bool]:
    """The tree as one SQL condition over ``relation``; an empty field matches no comparison (only ``is_null``).

    Values are bound, names quoted, and each value is of its column's type: numbers for numbers, ISO 8601 for dates
    and timestamps (UTC when no zone is given), true or false for booleans, text for text.
    Raises: InputError naming the path and what was expected.
    """
    joined = [
        _rule(node, relation, f"{where}.rules[{i}]")
        if isinstance(node, Rule)
        else _joined(
            node.logicalOperator,
            [_rule(r, relation, f"{where}.rules[{i}].rules[{j}]") for j, r in enumerate(node.rules)],
        )
        for i, node in enumerate(tree.rules)
    ]
    return _joined(tree.logicalOperator, joined)


def _joined(operator: str, parts: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    return (and_ if operator == "AND" else or_)(*parts).self_group()


def _rule(rule: Rule, relation: FromClause, where: str) -> ColumnElement[bool]:
    column = relation.c.get(rule.field)
    if column is None:
        known = ", ".join(relation.c.keys())
        raise InputError(
            f"{where}.field: there is no column '{rule.field}'.", hint=f"There are {known}.", field=f"{where}.field"
        )
    if rule.operator == "is_null":
        return column.is_(None)
    if rule.operator == "not_null":
        return column.is_not(None)
    kind = _kind(column)
    if rule.operator in _ORDER and kind in ("text", "boolean"):
        raise _wrong(where, "operator", f"'{rule.operator}' needs numbers or dates, and '{rule.field}' is {kind}")
    if rule.operator == "contains":
        if kind != "text":
            raise _wrong(where, "operator", f"'contains' needs text, and '{rule.field}' is {kind}")
        return column.contains(str(rule.value), autoescape=True)
    raw = rule.value if isinstance(rule.value, tuple) else (rule.value,)
    values = [_typed(v, kind, rule.field, where) for v in raw]
    return _compared(column, rule.operator, values)


def _compared(column: ColumnElement[Any], operator: str, values: Sequence[object]) -> ColumnElement[bool]:
    type_: sa.TypeEngine[Any] = column.type
    if isinstance(type_, sa.Integer) and any(isinstance(v, float) for v in values):
        column, type_ = cast(column, Double()), Double()
    if operator in ("in", "not_in"):
        bound = bindparam(None, list(values), type_=type_, expanding=True)
        return column.in_(bound) if operator == "in" else column.not_in(bound)
    compare = _COMPARE[operator](column, bindparam(None, values[0], type_=type_))
    assert isinstance(compare, ColumnElement)
    return compare


def _kind(column: ColumnElement[Any]) -> str:
    kinds = (
        (sa.Boolean, "boolean"),
        (sa.Integer, "whole number"),
        (sa.Numeric, "number"),
        (sa.Float, "number"),
        (sa.DateTime, "timestamp"),
        (sa.Date, "date"),
    )
    return next((name for kind, name in kinds if isinstance(column.type, kind)), "text")


def _typed(value: object, kind: str, field: str, where: str) -> object:
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "text" and isinstance(value, str):
        return value
    if kind in ("whole number", "number") and isinstance(value, int | float) and not isinstance(value, bool):
        whole = kind == "whole number" and float(value).is_integer()
        return int(value) if whole and -_BIGINT <= value < _BIGINT else float(value)
    if kind in ("timestamp", "date") and isinstance(value, str):
        moment = _moment(value, kind)
        if moment is not None:
            return moment
    expected = {
        "boolean": "true or false",
        "text": "a text",
        "whole number": "a number",
        "number": "a number",
        "date": "a date such as 2026-01-31",
        "timestamp": "a time such as 2026-01-31T14:30:00Z",
    }
    raise _wrong(where, "value", f"'{field}' is {kind}; expected {expected[kind]}")


def _moment(text: str, kind: str) -> date | datetime | None:
    try:
        if kind == "date":
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _wrong(where: str, part: str, message: str) -> InputError:
    return InputError(f"{where}.{part}: {message}.", field=f"{where}.{part}")
