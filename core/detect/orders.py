"""Orders that broke their promise, are about to, or report trouble themselves; one finding for each cause."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from pydantic import Field

from core.detect.events import EventDetector, Scene, event_detectors
from core.detect.order_fields import Matched, matches
from core.detect.order_limits import MINUTE, Calendar
from core.detect.order_stages import STAGES, Delivery, Mask, Timed, deliveries, scan_limit, timed
from core.detect.order_states import NONE, Orders, Report, future_events, orders_at, reports_at
from core.model import ChangeType, Direction, Finding, Json, JsonObject, Severity, Sighting
from core.orders import OrderPolicy, Reason, policy_of

AHEAD = timedelta(minutes=5)  # a sender's clock may be so much ahead
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
class _Board:
    """What a judgement looks at."""

    orders: Orders
    policy: OrderPolicy
    calendar: Calendar
    now: int
    cancelled: Mask
    place: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Crowd:
    """How many orders have each reason, and which reasons each order has."""

    orders: Mapping[Reason, int]
    reasons: Mapping[int, set[Reason]]

    @classmethod
    def of(cls, causes: Sequence[Cause]) -> _Crowd:
        reasons: dict[int, set[Reason]] = {}
        for c in causes:
            reasons.setdefault(c.order, set()).add(c.reason)
        return cls(Counter(r for found in reasons.values() for r in found), reasons)


@event_detectors.register("order_sla", "Orders against their promises")
class OrderSla(EventDetector):
    """Judges pick, pack, ship and delivery of every order, its reported exceptions and the policy's own rules.

    A promise is broken when the time is strictly longer. Source: acceptance E2-08 to E2-14.
    """

    missing_scan_factor: Decimal = Field(
        Decimal("1.5"), ge=1, description="A pack scan is missing after so many times the pack limit"
    )
    quality_shown: int = Field(200, ge=0, description="Findings on the quality of single orders' events")

    def detect(self, scene: Scene) -> Sighting:
        """Findings by reason; predictions as a document; what was judged and is in order."""
        table, documents = scene.dataset.tables["events"], scene.dataset.documents
        policy, zone = policy_of(documents["policies"]), str(documents.get("timezone") or "UTC")
        board = _board(orders_at(scene.engine, table, scene.now), policy, zone, scene.now)
        stages = [timed(s, board.orders, board.calendar, board.now, board.cancelled) for s in STAGES]
        delivery = deliveries(board.orders, board.calendar, board.now, board.cancelled)
        causes = [
            *(c for t in stages for c in _stage_causes(t)),
            *self._scan_causes(board, stages[1]),
            *_delivery_causes(board, delivery),
            *_failed_causes(board),
            *_reported_causes(board, reports_at(scene.engine, table, scene.now)),
            *_rule_causes(board, matches(scene.engine, table, policy.order_rules, scene.now, zone)),
        ]
        kept = [c for c in causes if not _settled(c, board, scene)]
        crowd = _Crowd.of(kept)
        findings = [self._finding(c, board, crowd) for c in kept]
        findings.sort(key=lambda f: (f.priority, f.subject))
        quality, more = self._quality(board, stages, scene)
        out = {(f.subject, f.type) for f in findings}
        predictions = list(_predictions(board, stages))
        return Sighting(
            tuple([*findings, *quality]),
            frozenset(_healthy(board, stages, scene, out)),
            (*_notes(documents), *more, _counted(board, findings, predictions)),
            {"predictions": predictions},
        )

    def _scan_causes(self, board: _Board, pack: Timed) -> Iterator[Cause]:
        """Orders that were picked and never scanned as packed, whether or not they went on."""
        limits = [scan_limit(limit, board.policy, self.missing_scan_factor) for limit in pack.limits]
        allowed = np.asarray([int(m * MINUTE) for m, _ in limits], dtype=np.int64)[pack.which]
        open_ = (pack.start != NONE) & (pack.end == NONE) & ~board.cancelled
        elapsed = np.where(open_, board.now - np.where(open_, pack.start, 0), 0)
        for i in np.flatnonzero(open_ & (elapsed > allowed)).tolist():
            longest, text = limits[pack.which[i]]
            actual, limit = int(elapsed[i]) / MINUTE, float(longest)
            yield Cause(
                i, Reason.MISSING_SCAN, "scan_minutes", "MISSING_SCAN", int(pack.start[i]), None, actual, limit,
                f"picked, but not scanned as packed for {_min(actual)} (limit {_min(limit)})",
                {**pack.limits[pack.which[i]].receipt(), "sla_minutes": limit, "text": text, "stage": "scan"},
            )  # fmt: skip

    def _finding(self, c: Cause, board: _Board, crowd: _Crowd) -> Finding:
        order, carrier = str(board.orders.ids[c.order]), str(board.orders.carrier[c.order])
        rule = board.policy.reasons[c.reason]
        end = board.now if c.end is None else c.end
        return Finding(
            id=_id(order, c),
            kind="breach" if c.limit is not None else "alert",
            detector=self.name,
            metric=c.metric,
            label=order,
            system=carrier or "warehouse",
            labels={"order": order, "reason": str(c.reason), "label": c.label, "carrier": carrier},
            start=_time(c.start),
            end=_time(end),
            observed=c.actual,
            expected=None,
            lower=None,
            upper=c.limit,
            unit="min" if c.limit is not None else "",
            score=1.0 if not c.limit or c.actual is None else c.actual / c.limit,
            severity=rule.severity,
            direction=Direction.UP if c.limit is not None else Direction.NONE,
            bad=True,
            change=ChangeType.STEP_UP,
            baseline="policy",
            change_abs=c.delay if c.limit is not None else None,
            change_pct=100 * c.delay / c.limit if c.limit else None,
            summary=f"{order}: {c.summary}",
            type=str(c.reason),
            subject=order,
            details={
                **c.details,
                "fact": c.fact,
                "started_at": _time(c.start).isoformat(),
                "ended_at": None if c.end is None else _time(c.end).isoformat(),
                "open": c.end is None and c.limit is not None,
                "actual_minutes": c.actual,
                "sla_minutes": c.limit,
                "delay_minutes": c.delay,
                "client_visible": rule.client_visible,
                "same_reason": crowd.orders[c.reason] - 1,
                "also": [str(r) for r in board.policy.reasons if r in crowd.reasons[c.order] and r is not c.reason],
            },
            priority=board.policy.priority(c.reason),
        )

    def _quality(self, board: _Board, stages: Sequence[Timed], scene: Scene) -> tuple[list[Finding], tuple[str, ...]]:
        """Events that cannot be judged, as suppressed findings: they make no incident."""
        ids, at = board.orders.ids, board.orders.at
        found = [(str(e.order_id), e.event_type, f"{e.event_type} is in the future") for e in
                 future_events(scene.engine, scene.dataset.tables["events"], scene.now + AHEAD)]  # fmt: skip
        for t in stages:
            what = f"{t.stage.name} ended before it began"
            found += [(str(order), t.stage.name, what) for order in ids[t.reversed]]
        no_pick = (at["pack_completed"] != NONE) & (at["pick_completed"] == NONE)
        found += [(str(order), "pack", "packed without a pick") for order in ids[no_pick]]
        hidden = len(found) - self.quality_shown
        more = (f"{hidden:,} more orders have events that contradict each other",) if hidden > 0 else ()
        return [self._suspect(*f, scene.now) for f in found[: self.quality_shown]], more

    def _suspect(self, order: str, stage: str, what: str, now: datetime) -> Finding:
        return Finding(
            id=hashlib.sha256(f"quality {order} {stage} {what}".encode()).hexdigest()[:12],
            kind="quality",
            detector=self.name,
            metric=f"{stage}_events",
            label=order,
            system="events",
            labels={"order": order, "stage": stage},
            start=now,
            end=now,
            observed=None,
            expected=None,
            lower=None,
            upper=None,
            unit="",
            score=1.0,
            severity=Severity.LOW,
            direction=Direction.NONE,
            bad=False,
            change=ChangeType.MISSING,
            baseline="policy",
            change_abs=None,
            change_pct=None,
            summary=f"{order}: {what}; {stage} was not judged",
            suppressed_by=f"data quality: {what}",
            type="quality",
            subject=order,
            details={"stage": stage},
            priority=len(Reason),
        )


def _board(orders: Orders, policy: OrderPolicy, zone: str, now: datetime) -> _Board:
    at = orders.at
    cancelled = (at["order_cancelled"] != NONE) & (at["order_cancelled"] >= at["order_paid"])
    place = {str(order): i for i, order in enumerate(orders.ids)}
    return _Board(orders, policy, Calendar.of(orders, policy, zone), _micros(now), cancelled, place)


# --- Causes -----------------------------------------------------------------------------------


def _stage_causes(t: Timed) -> Iterator[Cause]:
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
            f"{name} {done} {_min(actual)}, {_min(round(actual - allowed, 6))} over its limit of {_min(allowed)}",
            {**limit.receipt(), "stage": name},
        )  # fmt: skip


def _delivery_causes(board: _Board, d: Delivery) -> Iterator[Cause]:
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
            f"{done} {_min(late)} after the {days} of {d.service[i]} delivery",
            {"stage": "delivery", "text": f"{days} of {d.service[i]} delivery", "service": d.service[i],
             "business_days": int(d.days[i])},
        )  # fmt: skip


def _failed_causes(board: _Board) -> Iterator[Cause]:
    """Failed attempts that no delivery followed."""
    failed, delivered = board.orders.at[FAILED], board.orders.at["delivered"]
    for i in np.flatnonzero((failed != NONE) & (delivered < failed) & ~board.cancelled).tolist():
        yield Cause(
            i, Reason.CARRIER_ISSUE, FAILED, "CUSTOMER_UNAVAILABLE", int(failed[i]), int(failed[i]), None, None,
            "a delivery attempt failed", {"stage": "delivery", "text": "delivery_failed"},
        )  # fmt: skip


def _reported_causes(board: _Board, reports: Sequence[Report]) -> Iterator[Cause]:
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


def _rule_causes(board: _Board, found: Sequence[Matched]) -> Iterator[Cause]:
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


def _settled(c: Cause, board: _Board, scene: Scene) -> bool:
    """Whether a person resolved exactly this cause."""
    past = scene.past.get((str(board.orders.ids[c.order]), str(c.reason)))
    if past is None or past.get("resolved_by") in (None, "system"):
        return False
    receipt = past.get("baseline_receipt")
    facts = receipt.get("facts") if isinstance(receipt, Mapping) else None
    return isinstance(facts, Sequence) and c.fact in facts


# --- What else is said ------------------------------------------------------------------------


def _predictions(board: _Board, stages: Sequence[Timed]) -> Iterator[JsonObject]:
    """Open stages that will break their promise within the horizon, soonest first."""
    sla = board.policy.sla
    if not sla.enable_predictive_alerts:
        return
    horizon = int(sla.predictive_horizon_minutes * MINUTE)
    found: list[tuple[int, str, int, Timed]] = []
    for t in stages:
        left = t.allowed - t.elapsed
        soon = np.flatnonzero(t.open & (left >= 0) & (left <= horizon)).tolist()
        found += [(int(left[i]), str(board.orders.ids[i]), i, t) for i in soon]
    for rest, order, i, t in sorted(found, key=lambda f: f[:2]):
        limit, ahead = t.limits[t.which[i]], -(-rest // MINUTE)
        yield {
            **limit.receipt(),
            "order_id": order,
            "stage": t.stage.name,
            "reason": str(t.stage.reason),
            "text": f"will breach in {ahead} min",
            "minutes_left": rest / MINUTE,
            "breach_at": _time(board.now + rest).isoformat(),
            "started_at": _time(int(t.start[i])).isoformat(),
            "carrier": str(board.orders.carrier[i]),
            "receipt": limit.text,
        }


def _healthy(
    board: _Board, stages: Sequence[Timed], scene: Scene, out: set[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """What was judged and is in order: each order's stages, and of open incidents whatever their reason."""
    for t in stages:
        reason = str(t.stage.reason)
        ids = board.orders.ids[t.judged & ~t.breach]
        yield from (key for order in ids if (key := (order, reason)) not in out)
    for order, kind in scene.open:
        if order in board.place and (order, kind) not in out:
            yield order, kind


def _notes(documents: Mapping[str, Json]) -> Iterator[str]:
    for key, start in (("policy_errors", "the last good policy stays: "), ("policy_warnings", "")):
        found = documents.get(key)
        yield from (f"{start}{text}" for text in (found if isinstance(found, list) else ()))


def _counted(board: _Board, findings: Sequence[Finding], predictions: Sequence[JsonObject]) -> str:
    orders = len({f.subject for f in findings})
    out = f"{orders:,} with an exception, {len(predictions):,} about to break a promise"
    return f"{len(board.orders):,} order{'' if len(board.orders) == 1 else 's'} judged: {out}"


# --- Words ------------------------------------------------------------------------------------


def _min(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".") + " min"


def _words(label: str) -> str:
    return label.replace("_", " ").lower()


def _time(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _id(order: str, c: Cause) -> str:
    return hashlib.sha256(json.dumps(["order_sla", order, c.reason, c.fact]).encode()).hexdigest()[:12]
