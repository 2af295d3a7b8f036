"""An order policy in YAML: read with the line of everything, what it leaves out taken from the shipped defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import ValidationError

from core.errors import ConfigError, InputError
from core.orders import OrderPolicy, Reason, ReasonRule, Sla, Tariffs

SHIPPED = Path(__file__).parents[2] / "playbooks" / "order_sla" / "order_policies.yaml"
MOST_BYTES = 262_144
MOST_DEPTH = 12
Where: TypeAlias = tuple[str | int, ...]
Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | bool | Decimal | date | None"
_KEYS: Mapping[str, frozenset[str]] = {
    "sla": frozenset(Sla.model_fields),
    "tariffs": frozenset(Tariffs.model_fields),
    "reasons": frozenset(str(r) for r in Reason),
}
_FREE = frozenset({"label_map", "exception_reasons", "billable_events"})
_RULE, _PERIOD, _REASON = (
    frozenset({"if", "reason", "label"}),
    frozenset({"from", "to"}),
    frozenset(ReasonRule.model_fields),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a policy's text, and in which line (from 1; 0: the text as a whole)."""

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """A policy's text as understood. ``policy`` is None while there are errors; ``warnings`` name keys nobody uses."""

    policy: OrderPolicy | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    given: frozenset[str] = frozenset()  # keys in the text, such as sla.pick_minutes
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def unused(self) -> tuple[str, ...]:
        """Keys in the text that nothing reads."""
        return tuple(w.key for w in self.warnings)


class _Unreadable(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, "", message)


def read_policy(text: str, *, defaults: bool = True) -> ReadPolicy:
    """The policy in a YAML text; it never raises. Without ``defaults`` the text must hold every key itself."""
    try:
        tree, lines = _tree(text)
        data, warnings = _known(tree, lines)
    except _Unreadable as exc:
        return ReadPolicy(None, (exc.problem,))
    named = {_name(where): line for where, line in lines.items()}
    given = frozenset(named)
    errors = tuple(_types(data, lines))
    if errors:
        return ReadPolicy(None, errors, warnings, given, named)
    whole = _over(_shipped_tree(), data) if defaults else data
    try:
        return ReadPolicy(OrderPolicy.model_validate(whole), (), warnings, given, named)
    except ValidationError as exc:
        return ReadPolicy(None, tuple(_problems(exc, lines)), warnings, given, named)


def parsed_policy(text: str, name: str = "policies.yaml") -> OrderPolicy:
    """The policy in a text. Raises: InputError naming the file, line and key."""
    read = read_policy(text)
    if read.policy is None:
        first = read.errors[0]
        raise InputError(f"{name} {first}", field=first.key or "policies")
    return read.policy


def shipped_policy() -> OrderPolicy:
    """The defaults. Raises: ConfigError when the shipped file is broken or lacks a key."""
    return _shipped(SHIPPED.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _shipped(stamp: int) -> OrderPolicy:  # noqa: ARG001  (the file's time is the key: an edit is read anew)
    read = read_policy(SHIPPED.read_text("utf-8"), defaults=False)
    if read.policy is None:
        raise ConfigError(f"{SHIPPED.name} {read.errors[0]}", field=read.errors[0].key)
    return read.policy


def _shipped_tree() -> dict[str, Plain]:
    tree, lines = _tree(SHIPPED.read_text("utf-8"))
    return _known(tree, lines)[0]


# --- YAML with lines --------------------------------------------------------------------------


def _tree(text: str) -> tuple[Plain, dict[Where, int]]:
    """Plain values and the line of each. Raises: _Unreadable for broken YAML, aliases, and keys given twice."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise _Unreadable(0, f"The policy is larger than {MOST_BYTES:,} bytes.")
    lines: dict[Where, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        try:
            # an alias could unfold without end
            if any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text, Loader=yaml.SafeLoader)):
                raise _Unreadable(0, "The policy holds a YAML alias; expected plain keys and values.")
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        raise _Unreadable(
            mark.line + 1 if mark else 0,
            f"not valid YAML ({getattr(exc, 'problem', None) or 'unreadable characters'}).",
        ) from None
    except RecursionError:
        raise _Unreadable(0, "The policy is nested too deep.") from None
    return (_value(node, (), lines) if node is not None else {}), lines


def _value(node: yaml.Node, where: Where, lines: dict[Where, int]) -> Plain:
    line = node.start_mark.line + 1
    lines.setdefault(where, line)
    if len(where) > MOST_DEPTH:
        raise _Unreadable(line, "nested too deep.")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Plain] = {}
        for key, item in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            at = key.start_mark.line + 1
            if not name:
                raise _Unreadable(at, "a key is empty or no plain text.")
            if name in found:
                raise _Unreadable(at, f"'{name}' is given twice.")
            lines[(*where, name)] = at
            found[name] = _value(item, (*where, name), lines)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*where, i), lines) for i, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Plain:
    text, kind = str(node.value), node.tag.rpartition(":")[2]
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0)
        if kind == "float":
            return Decimal(text.replace("_", ""))
        if kind == "timestamp":
            return date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return text
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    return None if kind == "null" else text


# --- What is known ----------------------------------------------------------------------------


def _known(tree: Plain, lines: Mapping[Where, int]) -> tuple[dict[str, Plain], tuple[Problem, ...]]:
    """The tree without unknown keys, and a warning for each of these."""
    if not isinstance(tree, dict):
        raise _Unreadable(1, "expected sections such as 'sla:' and 'tariffs:'.")
    warnings: list[Problem] = []

    def kept(found: Plain, keys: frozenset[str], where: Where) -> Plain:
        if not isinstance(found, dict):
            return found
        for name in found:
            if name not in keys:
                key = _name((*where, name))
                warnings.append(Problem(lines[(*where, name)], key, f"unknown key '{key}'; nothing uses it."))
        return {k: v for k, v in found.items() if k in keys}

    data = kept(tree, frozenset(OrderPolicy.model_fields), ())
    assert isinstance(data, dict)
    for section, keys in _KEYS.items():
        if section in data:
            data[section] = kept(data[section], keys, (section,))
    reasons, rules, sla = data.get("reasons"), data.get("order_rules"), data.get("sla")
    if isinstance(reasons, dict):
        data["reasons"] = {r: kept(v, _REASON, ("reasons", r)) for r, v in reasons.items()}
    if isinstance(rules, list):
        data["order_rules"] = [kept(v, _RULE, ("order_rules", i)) for i, v in enumerate(rules)]
    if isinstance(sla, dict) and isinstance(sla.get("peak_season"), list):
        periods = sla["peak_season"]
        assert isinstance(periods, list)
        sla["peak_season"] = [kept(v, _PERIOD, ("sla", "peak_season", i)) for i, v in enumerate(periods)]
    for section in _FREE & data.keys():
        data[section] = _cased(data[section], section)
    return data, tuple(sorted(warnings, key=lambda w: w.line))


def _cased(found: Plain, section: str) -> Plain:
    """Labels are compared in capitals, reported reasons and event types in small letters."""
    if not isinstance(found, dict):
        return found
    return {(k.upper() if section == "label_map" else k.lower()): v for k, v in found.items()}


def _types(data: Mapping[str, Plain], lines: Mapping[Where, int]) -> Iterator[Problem]:
    """Numbers and switches written as text, which a lenient reader would take."""
    for section in ("sla", "tariffs", "reasons"):
        found = data.get(section)
        if section in data and not isinstance(found, dict):
            yield Problem(lines[(section,)], section, f"{section} is {_shown(found)}; expected keys and values.")
    for section, model in (("sla", Sla), ("tariffs", Tariffs)):
        for name, value in _items(data.get(section)):
            wants_bool = model.model_fields[name].annotation is bool
            wants_list = name in ("holidays", "peak_season")
            fits = isinstance(value, bool) if wants_bool else isinstance(value, list) if wants_list else _number(value)
            if not fits:
                expected = "true or false" if wants_bool else "a list" if wants_list else "a number"
                key = f"{section}.{name}"
                yield Problem(lines[(section, name)], key, f"{key} is {_shown(value)}; expected {expected}.")


def _items(found: Plain) -> list[tuple[str, Plain]]:
    return list(found.items()) if isinstance(found, dict) else []


def _number(value: Plain) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _over(base: dict[str, Plain], given: Mapping[str, Plain]) -> dict[str, Plain]:
    """The defaults with what is given over them: keys of sla, tariffs and reasons one by one, other sections whole.

    A list of all reasons also gives their priority; a shorter one leaves it.
    """
    whole = dict(base)
    for section, found in given.items():
        old = base.get(section)
        if section in ("sla", "tariffs") and isinstance(found, dict) and isinstance(old, dict):
            whole[section] = {**old, **found}
        elif section == "reasons" and isinstance(found, dict) and isinstance(old, dict):
            order = found if set(found) == set(old) else old
            whole[section] = {r: _merged(old[r], found.get(r, {})) for r in order}
        else:
            whole[section] = found
    return whole


def _merged(old: Plain, new: Plain) -> Plain:
    return {**old, **new} if isinstance(old, dict) and isinstance(new, dict) else new


def _problems(exc: ValidationError, lines: Mapping[Where, int]) -> Iterator[Problem]:
    for error in exc.errors(include_url=False, include_context=False):
        where = tuple(p for p in error["loc"] if p != "[key]")
        at = next((lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines), 0)
        said = str(error["msg"]).removeprefix("Value error, ")
        shown = "" if isinstance(error["input"], dict | list) else f" is {_shown(error['input'])}"
        yield Problem(at, _name(where), f"{_name(where) or 'the policy'}{shown}: {said}.")


def _name(where: Where) -> str:
    return ".".join(str(p) for p in where)


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a mapping"
    return f"'{str(value)[:60]}'"
