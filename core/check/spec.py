"""Suites as data: which expectation over which table and column, what it blocks; YAML in and out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from core.check.rule import Rule
from core.errors import ConfigError
from core.model import ColumnType

Dimension = Literal["completeness", "uniqueness", "validity", "consistency", "timeliness", "volume", "schema"]
Param = Callable[[object], str]  # what is wrong with a value ("expected a number"), or ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: object) -> str:
    return "" if _is_number(value) else "expected a number"


def _bound(value: object) -> str:
    if _is_number(value):
        return ""
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return "expected a number or an ISO date"
    return ""


def _count(value: object) -> str:
    return (
        "" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "expected a whole number >= 0"
    )


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value else "expected a text"


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def _values(value: object) -> str:
    fine = isinstance(value, list) and value and all(isinstance(v, str | int | float | bool) for v in value)
    return "" if fine else "expected a list of values"


def _type(value: object) -> str:
    known = [t.value for t in ColumnType]
    return "" if value in known else f"expected one of {', '.join(known)}"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one check takes. ``over``: table, column, columns or rule. ``limits``: at least one is needed."""

    over: Literal["table", "column", "columns", "rule"]
    dimension: Dimension
    params: Mapping[str, Param] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    mostly: bool = False


_LIMITS = ("min_value", "max_value")
_BETWEEN: dict[str, Param] = {"min_value": _bound, "max_value": _bound}
_NUMBERS: dict[str, Param] = {"min_value": _number, "max_value": _number}
_COUNTS: dict[str, Param] = {"min_value": _count, "max_value": _count}


def _aggregate(params: dict[str, Param]) -> Kind:
    return Kind("column", "validity", params, limits=_LIMITS)


KINDS: Mapping[str, Kind] = {
    "expect_table_row_count_to_be_between": Kind("table", "volume", _COUNTS, limits=_LIMITS),
    "expect_table_columns_to_match_set": Kind(
        "table", "schema", {"column_set": _values, "exact_match": _flag}, required=("column_set",)
    ),
    "expect_column_to_exist": Kind("column", "schema"),
    "expect_column_values_to_be_of_type": Kind("column", "schema", {"type_": _type}, required=("type_",)),
    "expect_column_values_to_not_be_null": Kind("column", "completeness", mostly=True),
    "expect_column_values_to_be_unique": Kind("column", "uniqueness", mostly=True),
    "expect_compound_columns_to_be_unique": Kind("columns", "uniqueness", mostly=True),
    "expect_column_values_to_be_between": Kind(
        "column",
        "validity",
        {**_BETWEEN, "strict_min": _flag, "strict_max": _flag},
        limits=_LIMITS,
        mostly=True,
    ),
    "expect_column_values_to_be_in_set": Kind(
        "column", "validity", {"value_set": _values}, required=("value_set",), mostly=True
    ),
    "expect_column_values_to_not_be_in_set": Kind(
        "column", "validity", {"value_set": _values}, required=("value_set",), mostly=True
    ),
    "expect_column_values_to_match_regex": Kind("column", "validity", {"regex": _text}, required=("regex",)),
    "expect_column_value_lengths_to_be_between": Kind("column", "validity", _COUNTS, limits=_LIMITS, mostly=True),
    "expect_column_min_to_be_between": _aggregate(_BETWEEN),
    "expect_column_max_to_be_between": _aggregate(_BETWEEN),
    "expect_column_mean_to_be_between": _aggregate(_NUMBERS),
    "expect_column_median_to_be_between": _aggregate(_NUMBERS),
    "expect_column_sum_to_be_between": _aggregate(_NUMBERS),
    "expect_column_stdev_to_be_between": _aggregate(_NUMBERS),
    "expect_column_unique_value_count_to_be_between": _aggregate(_COUNTS),
    "expect_column_proportion_of_unique_values_to_be_between": _aggregate(_NUMBERS),
    "row_rule": Kind("rule", "consistency"),
    "freshness": Kind("column", "timeliness", {"max_age_hours": _number}, required=("max_age_hours",)),
}


class CheckSpec(BaseModel):
    """One expectation of a suite. ``check`` is a Great Expectations name, ``row_rule`` or ``freshness``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str = Field(description="Expectation in snake_case, row_rule or freshness")
    table: str = Field(min_length=1, description="Table to check")
    column: str | None = Field(None, min_length=1, description="Column to check")
    columns: tuple[str, ...] = Field((), description="Columns that are checked together")
    params: dict[str, JsonValue] = Field(default_factory=dict, description="Limits, sets or the rule")
    mostly: float | None = Field(None, gt=0, le=1, description="Share of rows that must pass; empty: all")
    critical: bool = Field(False, description="A failure stops a run and blocks the table")
    dimension: Dimension = Field("validity", description="Quality dimension; empty: the check's own")
    blocks: tuple[str, ...] = Field((), description="Metrics that a failure blocks")
    reason: str = Field("", description="Why this check is suggested")

    @model_validator(mode="before")
    @classmethod
    def _own_dimension(cls, data: object) -> object:
        if isinstance(data, Mapping) and not data.get("dimension") and data.get("check") in KINDS:
            return {**data, "dimension": KINDS[str(data["check"])].dimension}
        return data

    @model_validator(mode="after")
    def _fits_its_kind(self) -> CheckSpec:
        kind = KINDS.get(self.check)
        if kind is None:
            raise ValueError(f"unknown check '{self.check}'; expected one of {', '.join(KINDS)}")
        if (kind.over == "column") != (self.column is not None):
            raise ValueError(f"expected {'a' if kind.over == 'column' else 'no'} column for {self.check}")
        if (kind.over == "columns") != bool(self.columns) or len(self.columns) == 1:
            raise ValueError(f"expected {'two or more' if kind.over == 'columns' else 'no'} columns for {self.check}")
        if self.mostly is not None and not kind.mostly:
            raise ValueError(f"expected no mostly for {self.check}")
        if kind.over == "rule":
            Rule.model_validate(self.params)
        else:
            _check_params(kind, self.params)
        return self

    @property
    def rule(self) -> Rule:
        """The rule of a ``row_rule``."""
        return Rule.model_validate(self.params)


def _check_params(kind: Kind, params: Mapping[str, JsonValue]) -> None:
    for name, value in params.items():
        if name not in kind.params:
            raise ValueError(f"unknown parameter params.{name}; expected {', '.join(kind.params) or 'none'}")
        if wrong := kind.params[name](value):
            raise ValueError(f"params.{name}: {wrong}, got {value!r}")
    for name in kind.required:
        if name not in params:
            raise ValueError(f"params.{name} is missing")
    if kind.limits and not any(name in params for name in kind.limits):
        raise ValueError(f"expected at least one of params.{', params.'.join(kind.limits)}")
    low, high = (params.get(name) for name in _LIMITS)
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise ValueError(f"params.min_value {low} is above params.max_value {high}")


_WORDS = {
    "tuple_type": "expected a list",
    "model_type": "expected keys with values",
    "dict_type": "expected keys with values",
    "string_type": "expected a text",
    "extra_forbidden": "unknown key",
    "missing": "is missing",
}


class _Suite(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: tuple[CheckSpec, ...]


def read_suite(path: Path) -> tuple[CheckSpec, ...]:
    """The checks of a YAML suite file.

    Raises: ConfigError naming the file, the path inside it and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: expected UTF-8 text.") from None
    return specs_from_yaml(text, source=str(path))


def specs_from_yaml(text: str, *, source: str = "suite") -> tuple[CheckSpec, ...]:
    """The checks of a YAML text.

    Raises: ConfigError naming ``source``, the path inside it and what was expected.
    """
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: a date such as 2025-13-45
        mark = getattr(exc, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"{source}: {line}expected YAML: {getattr(exc, 'problem', None) or exc}.") from None
    try:
        return _Suite.model_validate(_plain(data)).checks
    except ValidationError as exc:
        first = exc.errors()[0]
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
        what = _WORDS.get(first["type"], str(first["msg"]).removeprefix("Value error, "))
        raise ConfigError(f"{source}: {where or 'top level'}: {what}.", field=where) from None


def specs_to_yaml(specs: Sequence[CheckSpec]) -> str:
    """The checks as a YAML suite that ``specs_from_yaml`` reads back unchanged."""
    rows = [_row(spec) for spec in specs]
    return yaml.safe_dump({"checks": rows}, sort_keys=False, allow_unicode=True, width=120)


def _row(spec: CheckSpec) -> dict[str, JsonValue]:
    row = spec.model_dump(mode="json", exclude_defaults=True)
    if spec.dimension == KINDS[spec.check].dimension:
        row.pop("dimension", None)
    else:
        row["dimension"] = spec.dimension
    return row


def _plain(data: object) -> object:
    """YAML turns ``2025-12-01`` into a date; parameters are JSON, so it becomes its ISO text again."""
    if isinstance(data, dict):
        return {str(k): _plain(v) for k, v in data.items()}
    if isinstance(data, list):
        return [_plain(v) for v in data]
    return data.isoformat() if isinstance(data, date) else data
