"""What an order was promised: the base limit times calendar, volume and item factors, exactly, with its receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.detect.order_states import FLAGS, NONE, Orders, Stamps
from core.model import JsonObject
from core.orders import OrderPolicy, Period

MINUTE = 60_000_000  # microseconds
DAY = 86_400_000_000
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Named:
    """A factor that applies, with its name in a receipt."""

    name: str
    value: Decimal


@dataclass(frozen=True, slots=True)
class Limit:
    """One effective limit: base times its factors. Units: minutes; ``micros`` is exact."""

    base: Decimal
    factors: tuple[tuple[str, Named], ...]  # group, factor

    @property
    def minutes(self) -> Decimal:
        """The limit in minutes."""
        product = self.base
        for _, factor in self.factors:
            product *= factor.value
        return product

    @property
    def micros(self) -> int:
        """The limit in whole microseconds, cut off below."""
        return int(self.minutes * MINUTE)

    @property
    def text(self) -> str:
        """The receipt, such as ``120 x 1.2 fragile x 1.3 high volume = 187.2 min``."""
        parts = [f"{_plain(f.value)} {f.name}" for _, f in self.factors]
        return " x ".join([_plain(self.base), *parts]) + (f" = {_plain(self.minutes)} min" if parts else " min")

    def receipt(self) -> JsonObject:
        """The limit as JSON."""
        return {
            "base_minutes": float(self.base),
            "factors": [{"group": g, "name": f.name, "value": float(f.value)} for g, f in self.factors],
            "sla_minutes": float(self.minutes),
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local days and clock hours of a tenant, and how many orders were paid in each hour."""

    zone: str
    policy: OrderPolicy
    paid: Mapping[int, int]  # start of a clock hour: orders paid in it

    @classmethod
    def of(cls, orders: Orders, policy: OrderPolicy, zone: str) -> Calendar:
        """The calendar of these orders."""
        paid = orders.at["order_paid"]
        hours = clock_hours(paid[paid != NONE], zone)
        starts, counts = np.unique(hours, return_counts=True)
        return cls(zone, policy, dict(zip(starts.tolist(), counts.tolist(), strict=True)))

    def calendar(self, start: Stamps) -> tuple[Codes, list[Named | None]]:
        """The largest of weekend and holiday at each start."""
        sla, days = self.policy.sla, local_days(start, self.zone)
        options = [
            (Named("weekend", sla.weekend_multiplier), (days + 3) % 7 >= 5),  # 1970-01-01 was a Thursday
            (Named("holiday", sla.holiday_multiplier), np.isin(days, _days(sla.holidays))),
        ]
        return _largest(options, len(start))

    def volume(self, start: Stamps) -> tuple[Codes, list[Named | None]]:
        """The largest of high volume in the start's clock hour and peak season."""
        sla = self.policy.sla
        counts = pd.Series(clock_hours(start, self.zone)).map(self.paid).fillna(0).to_numpy(dtype=np.int64)
        options = [
            (Named("high volume", sla.high_volume_multiplier), counts > sla.high_volume_threshold),
            (
                Named("peak season", sla.peak_season_multiplier),
                in_periods(local_days(start, self.zone), sla.peak_season),
            ),
        ]
        return _largest(options, len(start))

    def item(self, orders: Orders) -> tuple[Codes, list[Named | None]]:
        """The largest of the item flags."""
        options = [(Named(f, getattr(self.policy.sla, f"{f}_multiplier")), orders.flags[f]) for f in FLAGS]
        return _largest(options, len(orders))


def limits(calendar: Calendar, orders: Orders, start: Stamps, base: Decimal) -> tuple[Codes, list[Limit]]:
    """Which limit each order has for a stage that began at ``start`` (any number where it did not)."""
    began = np.where(start == NONE, 0, start)
    groups = {"calendar": calendar.calendar(began), "volume": calendar.volume(began), "item": calendar.item(orders)}
    codes, found = np.zeros(len(start), dtype=np.int64), [Limit(base, ())]
    for group, (which, named) in groups.items():
        codes = codes * len(named) + which
        found = [
            Limit(base, (*limit.factors, *(((group, factor),) if factor else ())))
            for limit in found
            for factor in named
        ]
    return codes, [_item_first(limit) for limit in found]


def _item_first(limit: Limit) -> Limit:
    """Factors as a receipt lists them: what is true of the order, then of its hour, then of its day."""
    order = ("item", "volume", "calendar")
    return Limit(limit.base, tuple(sorted(limit.factors, key=lambda f: order.index(f[0]))))


def _largest(options: Sequence[tuple[Named, npt.NDArray[np.bool_]]], n: int) -> tuple[Codes, list[Named | None]]:
    """The number of the largest option that applies; 0 is none."""
    codes = np.zeros(n, dtype=np.int64)
    named: list[Named | None] = [None]
    for factor, applies in sorted(options, key=lambda o: o[0].value):
        named.append(factor)
        codes[applies] = len(named) - 1
    return codes, named


def local_days(at: Stamps, zone: str) -> Codes:
    """Days since 1970 on the tenant's calendar."""
    days: Codes = (at + offsets(at, zone)) // DAY
    return days


def clock_hours(at: Stamps, zone: str) -> Codes:
    """The start of each moment's clock hour, in UTC: the two hours of a night when clocks go back stay two."""
    shift = offsets(at, zone)
    hours: Codes = (at + shift) // (60 * MINUTE) * (60 * MINUTE) - shift
    return hours


def offsets(at: Stamps, zone: str) -> Codes:
    """What local time is ahead of UTC at each moment. Units: microseconds."""
    if zone == "UTC":
        return np.zeros(len(at), dtype=np.int64)
    local = pd.DatetimeIndex(at.view("datetime64[us]"), tz="UTC").tz_convert(zone).tz_localize(None)
    shift: Codes = local.to_numpy().astype("datetime64[us]").astype(np.int64) - at
    return shift


def in_periods(days: Codes, periods: Sequence[Period]) -> npt.NDArray[np.bool_]:
    """Which days lie in one of the periods."""
    inside = np.zeros(len(days), dtype=np.bool_)
    for period in periods:
        first, last = _days([period.first, period.last])
        inside |= (days >= first) & (days <= last)
    return inside


def _days(dates: Sequence[object]) -> Codes:
    return np.asarray([np.datetime64(str(d), "D") for d in dates], dtype="datetime64[D]").astype(np.int64)


def _plain(value: Decimal) -> str:
    """A decimal without trailing zeros."""
    return f"{value.normalize():f}"
