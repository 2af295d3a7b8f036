"""The detector of data incidents: alerts grouped into incidents, each judged by the rule of its kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

from pydantic import Field

from core.alert import Alert, alert_of, is_missing, items, mapping
from core.detect.alert_beside import contradictions, history
from core.detect.alert_groups import Group, Member, OpenIncidents, demanded_by_hand, earlier, grouped, lead_doc, ordered
from core.detect.alert_signals import Limits, Signal, judged
from core.detect.events import EventDetector, Scene, event_detectors
from core.model import ChangeType, Direction, Finding, Json, JsonObject, Severity, Sighting


@event_detectors.register("data_alert", "Received alerts")
class DataAlert(EventDetector):
    """One finding for each incident among the alerts; a resolved alert says that its incident is in order.

    Source: acceptance DI-05 to DI-10.
    """

    window_minutes: float = Field(60, gt=0, description="Alerts on one thing within this time are one incident")
    history_hours: float = Field(24, gt=0, description="Similar alerts are counted over this time")
    resolution_days: float = Field(90, gt=0, description="Mean resolution and recurrence are taken over this time")
    recurring_from: int = Field(3, ge=1, description="Occurrences from which an alert counts as recurring")
    low_ratio: float = Field(1.0, gt=0, description="Overrun: actual over expected, strictly more is LOW")
    medium_ratio: float = Field(1.2, gt=0, description="Overrun from which it is MEDIUM")
    high_ratio: float = Field(2.0, gt=0, description="Overrun from which it is HIGH")
    critical_ratio: float = Field(3.0, gt=0, description="Overrun from which it is CRITICAL")
    critical_waiting: int = Field(10, ge=1, description="Downstream waiting from which a HIGH overrun is CRITICAL")
    benign_tolerance: float = Field(0.10, ge=0, description="Share of the historical average that counts as the same")
    proven_repeats: int = Field(4, ge=1, description="Dismissed repeats, none real, that prove a recurrence harmless")
    pattern_minutes: float = Field(60, ge=0, description="A stated time of day fits within this many minutes")
    normal_work: tuple[str, ...] = Field(
        ("normal_processing", "scheduled_processing", "scheduled_maintenance", "planned_maintenance", "batch_window",
         "expected_load"),
        description="Types of work that are normal",
    )  # fmt: skip

    def detect(self, scene: Scene) -> Sighting:
        """A finding for each group of firing alerts, and what resolved alerts ended."""
        documents = scene.dataset.documents
        alerts = [alert_of(doc) for doc in items(documents.get("alerts"))]
        firing = [a for a in alerts if not a.resolved]
        window = timedelta(minutes=self.window_minutes)
        known = OpenIncidents(scene.open, window)
        findings = tuple(self._finding(group, scene, known) for group in grouped(firing, window))
        ended = frozenset((a.entity, a.kind) for a in alerts if a.resolved)
        notes = [str(n) for n in items(documents.get("notes"))]
        notes += [f"{a.alert_id}: {n}" for a in alerts for n in a.notes]
        notes += [
            f"{a.alert_id}: removed before anything was judged: {', '.join(a.removed)}" for a in alerts if a.removed
        ]
        notes += [f"resolved by {a.source}: {a.title}" for a in alerts if a.resolved]
        return Sighting(findings, ended, tuple(notes))

    def _limits(self) -> Limits:
        return Limits(
            self.low_ratio, self.medium_ratio, self.high_ratio, self.critical_ratio, self.critical_waiting,
            self.benign_tolerance, self.proven_repeats, self.pattern_minutes, self.history_hours,
            self.resolution_days, self.recurring_from, self.normal_work,
        )  # fmt: skip

    def _finding(self, group: Group, scene: Scene, open_ones: OpenIncidents) -> Finding:
        documents, lead, limits = scene.dataset.documents, group.lead, self._limits()
        contexts = mapping(documents.get("contexts"))
        past = [mapping(p) for p in items(documents.get("history"))]
        edges = items(documents.get("edges"))
        signals = {a.key: judged(a, contexts, past, edges, limits) for a in (lead, *group.others)}
        signal = signals[lead.key]
        severity = max(signals[a.key].severity or a.severity for a in (lead, *group.others))
        benign = all(s.benign for s in signals.values()) and not lead.correlated and severity < Severity.CRITICAL
        subject, kind, source, known = _place(group, open_ones)
        members = ordered([*known, *group.members])
        disagree = [c for a in (lead, *group.others) for c in contradictions(a, contexts, limits)]
        details: dict[str, Json] = {
            "alert": lead_doc(group),
            "members": [m.as_json() for m in members],
            "alert_ids": [[a.source, a.alert_id] for a in (lead, *group.others)],
            "candidate": _candidate(members, lead),
            "rule": signal.rule,
            "facts": [asdict(f) for f in signal.facts],
            "values": signal.values,
            "benign": benign,
            "severities": {a.alert_id: (signals[a.key].severity or a.severity).name for a in (lead, *group.others)},
            "contradictions": list(dict.fromkeys(disagree)),
            "history": history(lead, past, limits),
            "contexts": {name: _told(b) for name, b in contexts.items()},
            "manual": demanded_by_hand(group),
            "limits": json.loads(json.dumps(asdict(limits))),
        }
        return _finding(group, signal, severity, subject, kind, source, details)


def _place(group: Group, known: OpenIncidents) -> tuple[str, str, str, tuple[Member, ...]]:
    """Subject, type, source and members so far of the incident: the open one that it belongs to, else its own."""
    lead, key = group.lead, known.of(group)
    if key is None:
        return lead.entity, lead.kind, lead.source, ()
    body = known.bodies[key]
    return *key, str(mapping(body.get("metrics")).get("source") or lead.source), earlier(body)


def _candidate(members: Sequence[Member], lead: Alert) -> Json:
    """The earliest thing that came before the alert it is judged by; what came after is no cause. Source: DI-10."""
    before = [m for m in members if m.at is not None and m.at < lead.at and m.role != "lead"]
    return before[0].as_json() if before else None


def _told(block: Json) -> JsonObject:
    """A context block without its data: where it came from, how old it is, or why it is missing."""
    row = mapping(block)
    kept: dict[str, Json] = {k: row.get(k) for k in ("status", "source", "fetched_at", "age_s", "reason")}
    return {**kept, "status": "missing" if is_missing(block) else "ok"}


def _finding(
    group: Group,
    signal: Signal,
    severity: Severity,
    subject: str,
    kind: str,
    source: str,
    details: Mapping[str, Json],
) -> Finding:
    lead, value = group.lead, signal.values
    observed, expected = value.get("actual_minutes"), value.get("expected_minutes")
    if signal.rule == "benign":
        observed, expected = value.get("value"), value.get("historical_avg")
    observed = observed if isinstance(observed, int | float) else None
    expected = expected if isinstance(expected, int | float) else None
    text = json.dumps([lead.source, lead.alert_id, subject, kind])
    change = None if observed is None or expected is None else observed - expected
    times = [m.at for m in group.members if m.at is not None] or [lead.at]
    return Finding(
        id=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12],
        kind="alert",
        detector=DataAlert.name,
        metric=signal.rule,
        label=lead.entity,
        system=lead.source,
        labels={"source": source, "alert_id": lead.alert_id},
        start=min(times),
        end=lead.at,
        observed=observed,
        expected=expected,
        lower=None,
        upper=None,
        unit="min" if signal.rule == "overrun" else "",
        score=float(severity),
        severity=severity,
        direction=Direction.NONE,
        bad=True,
        change=ChangeType.STEP_UP,
        baseline="stored incidents",
        change_abs=change,
        change_pct=100 * change / expected if change is not None and expected else None,
        summary=lead.title,
        type=kind,
        subject=subject,
        details=details,
    )
