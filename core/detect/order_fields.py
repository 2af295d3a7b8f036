"""Which orders a policy's conditions hold for: the latest value of each field, asked in one statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    try_cast,
)  # fmt: skip
from sqlalchemy.sql.selectable import Subquery

from core.detect.order_states import stamps
from core.model import Table
from core.orders import OrderRule
from core.orders.conditions import (
    Absent,
    AllOf,
    AnyOf,
    Before,
    Compared,
    Condition,
    ItemCompared,
    NotDelivered,
    fields_of,
    parse_condition,
)  # fmt: skip
from core.ports import Engine

POSTAL = r"(?i)[a-z0-9][a-z0-9 -]{1,8}[a-z0-9]"  # any country's; at least one digit besides
US = r"\d{5}(-?\d{4})?"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Matched:
    """An order that a rule holds for, the values its fields had, and when the newest of them was told."""

    order_id: str
    rule: int
    values: Mapping[str, str]
    at: int


def matches(engine: Engine, events: Table, rules: Sequence[OrderRule], now: datetime, zone: str) -> list[Matched]:
    """Every order and rule that holds at ``now``, by order and rule."""
    if not rules:
        return []
    conditions = [parse_condition(rule.condition) for rule in rules]
    used = [sorted(fields_of(c)) for c in conditions]
    tops = sorted({f.split(".")[0] for fields in used for f in fields})
    state = _state(engine, events, tops, now)
    sql = _Sql(state, now, zone)
    columns = [func.coalesce(sql.of(c), false(), type_=Boolean).label(f"r{i}") for i, c in enumerate(conditions)]
    paths = sorted({f for fields in used for f in fields})
    shown = [sql.value(p).label(f"v{i}") for i, p in enumerate(paths)]
    rows = engine.fetch(
        select(state.c.order_id, state.c.told_at, *columns, *shown).where(or_(*(c.element for c in columns)))
        .order_by(state.c.order_id)
    )  # fmt: skip
    found = []
    for row, at in zip(rows.to_pylist(), stamps(rows["told_at"]), strict=True):
        values = {p: str(row[f"v{i}"])[:200] for i, p in enumerate(paths) if row[f"v{i}"] is not None}
        found += [
            Matched(row["order_id"], i, {f: values[f] for f in used[i] if f in values}, int(at))
            for i in range(len(rules))
            if row[f"r{i}"]
        ]
    return found


def _state(engine: Engine, events: Table, tops: Sequence[str], now: datetime) -> Subquery:
    """The latest value of each top-level field of each order's payloads, as JSON; null was never told."""
    e = engine.relation(events)
    values = {name: func.json_extract(e.c.payload, f"$.{name}", type_=Text) for name in tops}
    return (
        select(
            e.c.order_id,
            func.max(e.c.occurred_at).filter(e.c.payload.is_not(None)).label("told_at"),
            func.max(e.c.occurred_at).filter(e.c.event_type == "delivered").label("delivered_at"),
            *(
                func.arg_max(value, e.c.occurred_at, type_=Text).filter(func.json_type(value) != "NULL").label(f"f_{n}")
                for n, value in values.items()
            ),
        )
        .where(e.c.occurred_at <= bindparam("now", now))
        .group_by(e.c.order_id)
        .subquery("state")
    )


@dataclass(frozen=True, slots=True)
class _Sql:
    """Conditions as SQL over the state of orders."""

    state: Subquery
    now: datetime
    zone: str

    def of(self, condition: Condition) -> ColumnElement[bool]:
        """Whether a condition holds; null where a field was never told."""
        if isinstance(condition, AllOf):
            return and_(*(self.of(p) for p in condition.parts))
        if isinstance(condition, AnyOf):
            return or_(*(func.coalesce(self.of(p), false(), type_=Boolean) for p in condition.parts))
        if isinstance(condition, NotDelivered):
            return self.state.c.delivered_at.is_(None)
        if isinstance(condition, Absent):
            return self._absent(condition)
        if isinstance(condition, ItemCompared):
            return self._item(condition)
        if isinstance(condition, Before):
            return self._before(condition)
        return self._compared(condition)

    def value(self, path: str) -> ColumnElement[str]:
        """The field's latest value as text."""
        top, _, rest = path.partition(".")
        return func.json_extract_string(self.state.c[f"f_{top}"], f"$.{rest}" if rest else "$", type_=Text)

    def _absent(self, condition: Absent) -> ColumnElement[bool]:
        value = func.trim(self.value(condition.field), type_=Text)
        top, _, rest = condition.field.partition(".")
        parent = self.state.c[f"f_{top}"] if rest else self.state.c.told_at
        bad = [value.is_(None), value == "", value.in_(condition.values)]
        if condition.postal:
            country = func.upper(func.coalesce(self._sibling(condition.field), literal("")), type_=Text)
            american = and_(country.in_(("US", "USA")), ~func.regexp_full_match(value, US, type_=Boolean))
            plain = and_(
                func.regexp_full_match(value, POSTAL, type_=Boolean), func.regexp_matches(value, r"\d", type_=Boolean)
            )
            bad += [~plain, american]
        return and_(parent.is_not(None), or_(*bad))

    def _sibling(self, path: str) -> ColumnElement[str]:
        """The country beside a postal code."""
        parent = path.rpartition(".")[0]
        if not parent:
            return literal("")
        either = (self.value(f"{parent}.{n}") for n in ("country_code", "country"))
        return func.coalesce(*either, type_=Text)

    def _compared(self, condition: Compared) -> ColumnElement[bool]:
        value = self.value(condition.field)
        if _NUMBER.fullmatch(condition.value):
            return _op(try_cast(value, Double), condition.op, literal(float(condition.value), Double))
        return _op(func.lower(func.trim(value), type_=Text), condition.op, literal(condition.value.lower(), Text))

    def _before(self, condition: Before) -> ColumnElement[bool]:
        """A day is over when the tenant's next one has begun, a time when it has passed."""
        value = func.trim(self.value(condition.field), type_=Text)
        today = self.now.astimezone(ZoneInfo(self.zone)).date()
        day = and_(func.length(value) == 10, try_cast(value, Date) < literal(today, Date))
        time = and_(func.length(value) > 10, try_cast(value, DateTime(timezone=True)) < literal(self.now))
        return or_(day, time)

    def _item(self, condition: ItemCompared) -> ColumnElement[bool]:
        """Some object of the list; names are plain by the conditions' grammar, so they stand inline."""
        a, b = condition.field, condition.other
        shape = f'[{{"{a}":"DOUBLE","{b}":"DOUBLE"}}]'
        items = f"from_json(state.f_line_items, '{shape}')"
        return literal_column(
            f'len(list_filter({items}, lambda item: item."{a}" {condition.op} item."{b}")) > 0', Boolean
        )


def _op(left: ColumnElement[object], op: str, right: ColumnElement[object]) -> ColumnElement[bool]:
    return {
        "=": left == right,
        ">": left > right,
        "<": left < right,
        ">=": left >= right,
        "<=": left <= right,
    }[op]
