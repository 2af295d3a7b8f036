"""Stages of an order between two events, and delivery in business days: how long each took and what was promised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from core.detect.order_limits import MINUTE, Calendar, Codes, Limit, limits, local_days
from core.detect.order_states import NONE, Orders, Stamps, known
from core.orders import OrderPolicy, Reason

Mask = npt.NDArray[np.bool_]
SHIPPED = ("manifested", "picked_up", "shipment_dispatched")
ON_THE_WAY = ("in_transit", "out_for_delivery", "delivered")


@dataclass(frozen=True, slots=True)
class Stage:
    """From ``start`` to the first of ``ends`` that happened; one of ``later`` proves it over, scanned or not."""

    name: str
    reason: Reason
    start: str
    ends: tuple[str, ...]
    later: tuple[str, ...]

    @property
    def minutes(self) -> str:
        """The policy's key of its limit."""
        return f"{self.name}_minutes"


STAGES = (
    Stage("pick", Reason.PICK_DELAY, "order_paid", ("pick_completed",), ("pack_completed", *SHIPPED, *ON_THE_WAY)),
    Stage("pack", Reason.PACK_DELAY, "pick_completed", ("pack_completed",), (*SHIPPED, *ON_THE_WAY)),
    Stage("ship", Reason.CARRIER_ISSUE, "pack_completed", SHIPPED, ON_THE_WAY),
)


@dataclass(frozen=True, slots=True)
class Timed:
    """One stage of every order. Units: microseconds. ``limits[which[i]]`` is the promise to order ``i``."""

    stage: Stage
    start: Stamps
    end: Stamps
    elapsed: Stamps
    allowed: Stamps
    which: Codes
    limits: list[Limit]
    judged: Mask  # it began, its events are in order, and it is not cancelled
    open: Mask  # judged, and it has no end yet
    reversed: Mask  # it ended before it began

    @property
    def breach(self) -> Mask:
        """Where it took, or has taken, strictly longer than promised."""
        return self.judged & (self.elapsed > self.allowed)


def timed(stage: Stage, orders: Orders, calendar: Calendar, now: int, cancelled: Mask) -> Timed:
    """The stage of every order at ``now``."""
    start, end = orders.at[stage.start], first_of(orders, stage.ends)
    which, promised = limits(calendar, orders, start, _base(calendar.policy, stage))
    began, ended = start != NONE, end != NONE
    reverse = began & ended & (end < start)
    over = known([orders.at[t] for t in stage.later])
    still = began & ~ended & ~over & ~cancelled
    judged = (began & ended & ~reverse & ~cancelled) | still
    elapsed = np.where(judged, np.where(ended, end, now) - np.where(began, start, 0), 0)
    return Timed(
        stage=stage,
        start=start,
        end=end,
        elapsed=elapsed,
        allowed=np.asarray([limit.micros for limit in promised], dtype=np.int64)[which],
        which=which,
        limits=promised,
        judged=judged,
        open=still,
        reversed=reverse,
    )


def first_of(orders: Orders, types: tuple[str, ...]) -> Stamps:
    """The time of the first of the types, in their order, that an order has."""
    found = np.full(len(orders), NONE, dtype=np.int64)
    for name in reversed(types):
        found = np.where(orders.at[name] != NONE, orders.at[name], found)
    return found


def _base(policy: OrderPolicy, stage: Stage) -> Decimal:
    base = getattr(policy.sla, stage.minutes)
    assert isinstance(base, Decimal)
    return base


def scan_limit(limit: Limit, policy: OrderPolicy, factor: Decimal) -> tuple[Decimal, str]:
    """How long a picked order may lack its pack scan, in minutes, with its receipt."""
    buffer = policy.sla.missing_scan_buffer_minutes
    longest = max(limit.minutes * factor, limit.minutes + buffer)
    m, f, b = (f"{d.normalize():f}" for d in (limit.minutes, factor, buffer))
    return longest, f"max({m} x {f}, {m} + {b}) = {longest.normalize():f} min"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How late each shipped order is delivered, or still is not. Units: microseconds after the end of its last day."""

    shipped: Stamps
    late: Stamps  # above 0: late
    days: Codes  # business days that its service allows
    service: list[str]
    judged: Mask


def deliveries(orders: Orders, calendar: Calendar, now: int, cancelled: Mask) -> Delivery:
    """Deliveries against the business-day limit of each order's service; weekends and holidays do not count.

    A day ends at the tenant's midnight.
    """
    sla, zone = calendar.policy.sla, calendar.zone
    allowed = {
        "standard": sla.carrier_delivery_days,
        "express": sla.express_delivery_days,
        "overnight": sla.overnight_delivery_days,
    }
    service = [service_of(text) for text in orders.service]
    days = np.asarray([allowed[s] for s in service], dtype=np.int64)
    shipped, delivered = first_of(orders, SHIPPED), orders.at["delivered"]
    judged = (shipped != NONE) & ~cancelled & ((delivered == NONE) | (delivered >= shipped))
    sent = local_days(np.where(judged, shipped, 0), zone).astype("datetime64[D]")
    holidays = np.asarray([np.datetime64(d, "D") for d in sla.holidays], dtype="datetime64[D]")
    last = np.busday_offset(sent, days, roll="backward", holidays=holidays)
    ends = _midnights((last + 1).astype("datetime64[D]"), zone)
    until = np.where(delivered == NONE, now, delivered)
    return Delivery(shipped, np.where(judged, until - ends, 0), days, service, judged)


def service_of(text: str) -> str:
    """The service that a shipping method's name stands for."""
    name = text.lower()
    if any(word in name for word in ("overnight", "next day", "next_day", "next-day")):
        return "overnight"
    return "express" if "express" in name else "standard"


def _midnights(days: npt.NDArray[np.datetime64], zone: str) -> Stamps:
    """The moment each local day begins."""
    unique, back = np.unique(days, return_inverse=True)
    info = ZoneInfo(zone)
    begins = [
        round(datetime(d.year, d.month, d.day, tzinfo=info).timestamp() * 1_000_000) for d in unique.astype(object)
    ]
    found: Stamps = np.asarray(begins, dtype=np.int64)[back]
    return found


def minutes(micros: int) -> float:
    """Microseconds as minutes."""
    return micros / MINUTE
