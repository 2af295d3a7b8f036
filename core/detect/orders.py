"""Orders that broke their promise, are about to, or report trouble themselves; one finding for each cause."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
from pydantic import Field

from core.detect.events import EventDetector, Scene, event_detectors
from core.detect.order_causes import (
    Board,
    Cause,
    board_of,
    delivery_causes,
    failed_causes,
    min_text,
    reported_causes,
    rule_causes,
    stage_causes,
    time_of,
)
from core.detect.order_fields import matches
from core.detect.order_limits import MINUTE
from core.detect.order_stages import STAGES, Timed, deliveries, scan_limit, timed
from core.detect.order_states import NONE, future_events, orders_at, reports_at
from core.model import ChangeType, Direction, Finding, Json, JsonObject, Severity, Sighting
from core.orders import Reason, policy_of

AHEAD = timedelta(minutes=5)  # a sender's clock may be so much ahead


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
        board = board_of(orders_at(scene.engine, table, scene.now), policy, zone, scene.now)
        stages = [timed(s, board.orders, board.calendar, board.now, board.cancelled) for s in STAGES]
        delivery = deliveries(board.orders, board.calendar, board.now, board.cancelled)
        causes = [
            *(c for t in stages for c in stage_causes(t)),
            *self._scan_causes(board, stages[1]),
            *delivery_causes(board, delivery),
            *failed_causes(board),
            *reported_causes(board, reports_at(scene.engine, table, scene.now)),
            *rule_causes(board, matches(scene.engine, table, policy.order_rules, scene.now, zone)),
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

    def _scan_causes(self, board: Board, pack: Timed) -> Iterator[Cause]:
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
                f"picked, but not scanned as packed for {min_text(actual)} (limit {min_text(limit)})",
                {**pack.limits[pack.which[i]].receipt(), "sla_minutes": limit, "text": text, "stage": "scan"},
            )  # fmt: skip

    def _finding(self, c: Cause, board: Board, crowd: _Crowd) -> Finding:
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
            start=time_of(c.start),
            end=time_of(end),
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
                "started_at": time_of(c.start).isoformat(),
                "ended_at": None if c.end is None else time_of(c.end).isoformat(),
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

    def _quality(self, board: Board, stages: Sequence[Timed], scene: Scene) -> tuple[list[Finding], tuple[str, ...]]:
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


def _settled(c: Cause, board: Board, scene: Scene) -> bool:
    """Whether a person resolved exactly this cause."""
    past = scene.past.get((str(board.orders.ids[c.order]), str(c.reason)))
    if past is None or past.get("resolved_by") in (None, "system"):
        return False
    receipt = past.get("baseline_receipt")
    facts = receipt.get("facts") if isinstance(receipt, Mapping) else None
    return isinstance(facts, Sequence) and c.fact in facts


# --- What else is said ------------------------------------------------------------------------


def _predictions(board: Board, stages: Sequence[Timed]) -> Iterator[JsonObject]:
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
            "breach_at": time_of(board.now + rest).isoformat(),
            "started_at": time_of(int(t.start[i])).isoformat(),
            "carrier": str(board.orders.carrier[i]),
            "receipt": limit.text,
        }


def _healthy(
    board: Board, stages: Sequence[Timed], scene: Scene, out: set[tuple[str, str]]
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


def _counted(board: Board, findings: Sequence[Finding], predictions: Sequence[JsonObject]) -> str:
    orders = len({f.subject for f in findings})
    out = f"{orders:,} with an exception, {len(predictions):,} about to break a promise"
    return f"{len(board.orders):,} order{'' if len(board.orders) == 1 else 's'} judged: {out}"


# --- Words ------------------------------------------------------------------------------------


def _id(order: str, c: Cause) -> str:
    return hashlib.sha256(json.dumps(["order_sla", order, c.reason, c.fact]).encode()).hexdigest()[:12]
