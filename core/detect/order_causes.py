"""Why orders are exceptions: each stage, delivery, report and rule of the policy as causes, one for each order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from core.detect.order_fields import Matched
from core.detect.order_limits import MINUTE, Calendar
from core.detect.order_stages import Delivery, Mask, Timed
from core.detect.order_states import NONE, Orders, Report
from core.model import Json, JsonObject
from core.orders import OrderPolicy, Reason

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAILED = "delivery_failed"


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why an order is an exception. Units: ``start`` and ``end`` in microseconds, the rest in minutes."""

    order: int  # place in the orders
    reason: Reason
    metric: str
    label: str
    start: int
    end: int | None
    actual: float | None
    limit: float | None
    summary: str
    details: JsonObject

    @property
    def delay(self) -> float:
        """Minutes over the limit; 0 where there is none."""
        return 0.0 if self.actual is None or self.limit is None else round(self.actual - self.limit, 6)

    @property
    def fact(self) -> str:
        """What the cause rests on: while it is the same, a cause that a person resolved is not news."""
        values = self.details.get("values")
        since = self.start if values is None else json.dumps(values, sort_keys=True)
        return f"{self.metric}:{self.label}:{since}"


@dataclass(frozen=True, slots=True)
class Board:
    """What a judgement looks at."""

    orders: Orders
    policy: OrderPolicy
    calendar: Calendar
    now: int
    cancelled: Mask
    place: Mapping[str, int]


def board_of(orders: Orders, policy: OrderPolicy, zone: str, now: datetime) -> Board:
    at = orders.at
    cancelled = (at["order_cancelled"] != NONE) & (at["order_cancelled"] >= at["order_paid"])
    place = {str(order): i for i, order in enumerate(orders.ids)}
    return Board(orders, policy, Calendar.of(orders, policy, zone), micros_of(now), cancelled, place)


def stage_causes(t: Timed) -> Iterator[Cause]:
    """Stages that took, or have taken, longer than promised."""
    name = t.stage.name
    for i in np.flatnonzero(t.breach).tolist():
        limit = t.limits[t.which[i]]
        end = None if t.open[i] else int(t.end[i])
        actual, allowed = int(t.elapsed[i]) / MINUTE, float(limit.minutes)
        done = "took" if end is not None else "is open for"
        yield Cause(
            i, t.stage.reason, f"{name}_minutes", "SHIP_DELAY" if name == "ship" else str(t.stage.reason),
            int(t.start[i]), end, actual, allowed,
            f"{name} {done} {min_text(actual)}, {min_text(round(actual - allowed, 6))} over its limit of "
            f"{min_text(allowed)}",
            {**limit.receipt(), "stage": name},
        )  # fmt: skip


def delivery_causes(board: Board, d: Delivery) -> Iterator[Cause]:
    """Deliveries later than the business days of their service allow."""
    delivered = board.orders.at["delivered"]
    for i in np.flatnonzero(d.judged & (d.late > 0)).tolist():
        end = None if delivered[i] == NONE else int(delivered[i])
        actual = ((board.now if end is None else end) - int(d.shipped[i])) / MINUTE
        late = int(d.late[i]) / MINUTE
        days = f"{d.days[i]} business day{'' if d.days[i] == 1 else 's'}"
        done = "delivered" if end is not None else "not delivered,"
        yield Cause(
            i, Reason.CARRIER_ISSUE, "delivery_minutes", "DELIVERY_DELAY",
            int(d.shipped[i]), end, actual, actual - late,
            f"{done} {min_text(late)} after the {days} of {d.service[i]} delivery",
            {"stage": "delivery", "text": f"{days} of {d.service[i]} delivery", "service": d.service[i],
             "business_days": int(d.days[i])},
        )  # fmt: skip


def failed_causes(board: Board) -> Iterator[Cause]:
    """Failed attempts that no delivery followed."""
    failed, delivered = board.orders.at[FAILED], board.orders.at["delivered"]
    for i in np.flatnonzero((failed != NONE) & (delivered < failed) & ~board.cancelled).tolist():
        yield Cause(
            i, Reason.CARRIER_ISSUE, FAILED, "CUSTOMER_UNAVAILABLE", int(failed[i]), int(failed[i]), None, None,
            "a delivery attempt failed", {"stage": "delivery", "text": "delivery_failed"},
        )  # fmt: skip


def reported_causes(board: Board, reports: Sequence[Report]) -> Iterator[Cause]:
    """What was reported of orders, unless they were cancelled later."""
    cancelled = board.orders.at["order_cancelled"]
    for report in reports:
        i = board.place[report.order_id]
        if board.cancelled[i] and cancelled[i] >= report.at:
            continue
        reason = board.policy.reported_reason(report.text)
        yield Cause(
            i, reason, "exception_reported", report.text.upper()[:60], report.at, report.at, None, None,
            f"exception reported: {report.text[:80]}",
            {"stage": "reported", "text": f"exception_reason {report.text[:80]}",
             "values": {"event_id": report.event_id}},
        )  # fmt: skip


def rule_causes(board: Board, found: Sequence[Matched]) -> Iterator[Cause]:
    """Orders that the policy's own conditions hold for."""
    for m in found:
        i = board.place[m.order_id]
        if board.cancelled[i]:
            continue
        rule = board.policy.order_rules[m.rule]
        yield Cause(
            i, rule.reason, f"rule_{m.rule + 1}", rule.label, m.at, m.at, None, None,
            f"{_words(rule.label)}: {rule.condition}",
            {"stage": "rule", "text": rule.condition, "label": rule.label, "values": _unpersonal(m.values)},
        )  # fmt: skip


def _unpersonal(values: Mapping[str, str]) -> dict[str, Json]:
    """The values a rule looked at; line items and addresses are not copied out of their events."""
    return {k: v[:40] for k, v in values.items() if k != "line_items"}


def min_text(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") + " min"


def _words(label: str) -> str:
    return label.replace("_", " ").lower()


def time_of(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def micros_of(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
