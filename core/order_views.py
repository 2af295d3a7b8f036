"""What the pages of orders show: how far orders got and how fast, which are late or soon will be, one order in full."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import bindparam, select

from core.detect.order_limits import MINUTE, Calendar
from core.detect.order_stages import STAGES, Delivery, Mask, Timed, deliveries, timed
from core.detect.order_states import FLAGS, NONE, Orders, Stamps, orders_at
from core.model import Dataset, JsonObject
from core.orders import OrderPolicy, policy_of
from core.ports import Engine

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OrderBoard:
    """Every order at a moment, its stages against their promises. ``place`` finds an order by its id."""

    at: datetime
    zone: str
    policy: OrderPolicy
    orders: Orders
    stages: tuple[Timed, ...]
    delivery: Delivery
    cancelled: Mask
    last: Stamps  # the latest event of each order, microseconds
    place: Mapping[str, int] = field(repr=False)

    @property
    def began(self) -> Stamps:
        """When each order was paid; its first known event where that is missing. Units: microseconds."""
        paid = self.orders.at["order_paid"]
        first = np.min(np.stack([np.where(t == NONE, np.iinfo(np.int64).max, t) for t in self.orders.at.values()]), 0)
        return np.where(paid == NONE, first, paid)


def order_board(engine: Engine, dataset: Dataset, now: datetime) -> OrderBoard:
    """All orders of a dataset as they stand at ``now``."""
    policy, zone = policy_of(dataset.documents["policies"]), str(dataset.documents.get("timezone") or "UTC")
    orders = orders_at(engine, dataset.tables["events"], now)
    calendar, micros = Calendar.of(orders, policy, zone), to_micros(now)
    at = orders.at
    cancelled = (at["order_cancelled"] != NONE) & (at["order_cancelled"] >= at["order_paid"])
    return OrderBoard(
        at=now,
        zone=zone,
        policy=policy,
        orders=orders,
        stages=tuple(timed(s, orders, calendar, micros, cancelled) for s in STAGES),
        delivery=deliveries(orders, calendar, micros, cancelled),
        cancelled=cancelled,
        last=np.max(np.stack(list(at.values())), 0),
        place={str(order): i for i, order in enumerate(orders.ids)},
    )


# --- Funnel -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel: how many orders reached it, how long that took, and who waits for it. Units: minutes."""

    name: str
    reached: int
    median: float | None
    p90: float | None
    limit: float | None  # the promise without factors; None where it is in days
    limit_text: str
    judged: int  # those whose time counts
    late: int  # took longer than promised, or have by now
    open: int  # on the way to it now
    overdue: int  # of these, over their promise
    used: tuple[float, float] | None = None  # share of the promise that half, and 9 in 10, of the orders took


def funnel(board: OrderBoard, since: datetime | None = None) -> tuple[Step, ...]:
    """Paid, picked, packed, shipped, delivered: the orders that were paid from ``since`` on, or all.

    An order that has a later scan counts as having reached the earlier steps, or the funnel would widen downwards.
    """
    inside = since_mask(board, since)
    ends = [board.orders.at["order_paid"], *(t.end for t in board.stages), board.orders.at["delivered"]]
    reached = [np.logical_or.reduce([e != NONE for e in ends[n:]]) & inside for n in range(len(ends))]
    paid = int(reached[0].sum())
    steps = [Step("Paid", paid, None, None, None, "", 0, 0, 0, 0)]
    names = ("Picked", "Packed", "Shipped")
    for name, t, here in zip(names, board.stages, reached[1:4], strict=True):
        base = float(getattr(board.policy.sla, t.stage.minutes))
        steps.append(_step(name, t, here, inside, base))
    return (*steps, _delivered(board, reached[4], inside))


def _step(name: str, t: Timed, reached: Mask, inside: Mask, base: float) -> Step:
    done = t.judged & ~t.open & inside
    took = t.elapsed[done] / MINUTE
    return Step(
        name=name,
        reached=int(reached.sum()),
        median=float(np.median(took)) if len(took) else None,
        p90=float(np.quantile(took, 0.9)) if len(took) else None,
        limit=base,
        limit_text=f"{duration(base)} before factors",
        judged=int((t.judged & inside).sum()),
        late=int((t.breach & inside).sum()),
        open=int((t.open & inside).sum()),
        overdue=int((t.breach & t.open & inside).sum()),
        used=_used(t.elapsed[done], t.allowed[done]),
    )


def _delivered(board: OrderBoard, reached: Mask, inside: Mask) -> Step:
    d, at, sla = board.delivery, board.orders.at["delivered"], board.policy.sla
    done, late = d.judged & (at != NONE) & inside, d.judged & (d.late > 0) & inside
    took = (at[done] - d.shipped[done]) / MINUTE
    waiting = d.judged & (at == NONE) & inside
    return Step(
        name="Delivered",
        reached=int(reached.sum()),
        median=float(np.median(took)) if len(took) else None,
        p90=float(np.quantile(took, 0.9)) if len(took) else None,
        limit=None,
        limit_text=f"{sla.carrier_delivery_days} / {sla.express_delivery_days} / {sla.overnight_delivery_days} "
        "business days",
        judged=int((d.judged & inside).sum()),
        late=int(late.sum()),
        open=int(waiting.sum()),
        overdue=int((late & waiting).sum()),
        used=_used(at[done] - d.shipped[done], at[done] - d.shipped[done] - d.late[done]),
    )


def _used(took: Stamps, allowed: Stamps) -> tuple[float, float] | None:
    if not len(took):
        return None
    half, most = np.quantile(took / np.maximum(allowed, 1), (0.5, 0.9))
    return float(half), float(most)


def since_mask(board: OrderBoard, since: datetime | None) -> Mask:
    """Orders that began at or after ``since``; all without it."""
    return np.ones(len(board.orders), dtype=np.bool_) if since is None else board.began >= to_micros(since)


# --- Queue ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open stage of an order. Units: minutes; ``left`` is negative when the promise is broken."""

    order_id: str
    stage: str
    reason: str
    left: float
    limit: float | None
    text: str  # the receipt of its limit
    due: datetime
    carrier: str
    flags: tuple[str, ...]

    @property
    def told(self) -> str:
        """How it stands, in words: ``breaches in 12 min`` or ``overdue by 3 h``."""
        if self.left < 0:
            return f"overdue by {duration(-self.left)}"
        return f"breaches in {duration(-(-self.left // 1))}"


def queue(board: OrderBoard) -> list[Waiting]:
    """Every open stage and delivery: overdue ones first, the longest overdue on top; then the soonest to break."""
    rows = [row for t in board.stages for row in _open_stage(board, t)]
    rows += _open_deliveries(board)
    return sorted(rows, key=lambda w: (w.left, w.order_id))


def _open_stage(board: OrderBoard, t: Timed) -> Iterator[Waiting]:
    for i in np.flatnonzero(t.open).tolist():
        limit = t.limits[t.which[i]]
        yield Waiting(
            order_id=str(board.orders.ids[i]),
            stage=t.stage.name,
            reason=str(t.stage.reason),
            left=int(t.allowed[i] - t.elapsed[i]) / MINUTE,
            limit=float(limit.minutes),
            text=limit.text,
            due=to_time(int(t.start[i] + t.allowed[i])),
            carrier=str(board.orders.carrier[i]),
            flags=_flags(board, i),
        )


def _open_deliveries(board: OrderBoard) -> Iterator[Waiting]:
    d, now = board.delivery, to_micros(board.at)
    for i in np.flatnonzero(d.judged & (board.orders.at["delivered"] == NONE)).tolist():
        left = -int(d.late[i])
        yield Waiting(
            order_id=str(board.orders.ids[i]),
            stage="delivery",
            reason="CARRIER_ISSUE",
            left=left / MINUTE,
            limit=None,
            text=f"{d.days[i]} business days, {d.service[i]}",
            due=to_time(now + left),
            carrier=str(board.orders.carrier[i]),
            flags=_flags(board, i),
        )


def _flags(board: OrderBoard, i: int) -> tuple[str, ...]:
    return tuple(f for f in FLAGS if board.orders.flags[f][i])


# --- One order --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage of one order against its promise. Units: minutes."""

    name: str
    state: str  # done | late | open | overdue | waiting | not judged
    start: datetime | None
    end: datetime | None
    actual: float | None
    limit: float | None
    text: str

    @property
    def over(self) -> bool:
        """Whether its promise is broken."""
        return self.state in ("late", "overdue")


def stages_of(board: OrderBoard, order_id: str) -> tuple[StageLine, ...]:
    """Pick, pack, ship and delivery of an order; empty when there is no such order."""
    i = board.place.get(order_id)
    if i is None:
        return ()
    return (*(_line(t, i) for t in board.stages), _delivery_line(board, i))


def _line(t: Timed, i: int) -> StageLine:
    limit, judged = t.limits[t.which[i]], bool(t.judged[i])
    start, end = int(t.start[i]), int(t.end[i])
    return StageLine(
        name=t.stage.name,
        state=_state(judged, bool(t.open[i]), bool(t.breach[i]), start),
        start=None if start == NONE else to_time(start),
        end=None if end == NONE else to_time(end),
        actual=int(t.elapsed[i]) / MINUTE if judged else None,
        limit=float(limit.minutes) if start != NONE else None,
        text=limit.text if start != NONE else "",
    )


def _delivery_line(board: OrderBoard, i: int) -> StageLine:
    d, end = board.delivery, int(board.orders.at["delivered"][i])
    start, judged = int(d.shipped[i]), bool(d.judged[i])
    until = to_micros(board.at) if end == NONE else end
    days = f"{d.days[i]} business day{'' if d.days[i] == 1 else 's'}, {d.service[i]}"
    return StageLine(
        name="delivery",
        state=_state(judged, end == NONE, bool(d.late[i] > 0), start),
        start=None if start == NONE else to_time(start),
        end=None if end == NONE else to_time(end),
        actual=(until - start) / MINUTE if judged else None,
        limit=(until - start - int(d.late[i])) / MINUTE if judged else None,
        text=days if start != NONE else "",
    )


def _state(judged: bool, is_open: bool, late: bool, start: int) -> str:
    if not judged:
        return "waiting" if start == NONE else "not judged"
    if is_open:
        return "overdue" if late else "open"
    return "late" if late else "done"


@dataclass(frozen=True, slots=True)
class Told:
    """One event of an order. ``since`` is the minutes since the one before; None for the first."""

    at: datetime
    since: float | None
    source: str
    event_type: str
    event_id: str
    carrier: str
    payload: JsonObject


def events_of(engine: Engine, dataset: Dataset, order_id: str) -> list[Told]:
    """Every event of an order by its time."""
    e = engine.relation(dataset.tables["events"])
    statement = select(e).where(e.c.order_id == bindparam("order", order_id)).order_by(e.c.occurred_at, e.c.event_id)
    found: list[Told] = []
    for row in engine.fetch(statement).to_pylist():
        at = row["occurred_at"].astimezone(UTC)
        since = (at - found[-1].at).total_seconds() / 60 if found else None
        payload = json.loads(row["payload"]) if row["payload"] else {}
        found.append(Told(at, since, row["source"], row["event_type"], row["event_id"], row["carrier"] or "", payload))
    return found


# --- Words ------------------------------------------------------------------------------------


def duration(minutes: float) -> str:
    """Minutes as people say them: ``42 min``, ``3 h 5 min``, ``2 days 4 h``."""
    total = round(minutes) if minutes >= 1 else 0
    if total < 60:
        return f"{total} min" if total or not minutes else "under 1 min"
    if total < 60 * 48:
        hours, rest = divmod(total, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(total, 1440)
    return f"{days:,} days {rest // 60} h" if rest // 60 else f"{days:,} days"


def money(cents: int) -> str:
    """Cents as people write money: ``1,234.05``, with a true minus."""
    units, rest = divmod(abs(cents), 100)
    return f"{'−' if cents < 0 else ''}{units:,}.{rest:02d}"


def to_micros(at: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def to_time(micros: int) -> datetime:
    """Microseconds since 1970 as a moment."""
    return EPOCH + timedelta(microseconds=micros)
