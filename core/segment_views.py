"""What the pages of segments read: each measure against its references over time, what moved, and the receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from core.baseline.references import Reference
from core.detect.drift import DriftDetector, Verdict, kept_base
from core.detect.events import Scene, event_detectors
from core.detect.makeup import movers, total_variation
from core.detect.watched import Watched
from core.model import JsonObject, Severity, Snapshot
from core.playbook import EventPlaybook

INCIDENT = "incident"  # the base that an open incident was judged against
MOST_VALUES = 7
OTHER = "other values"
MOST_POINTS = 120


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of the newest snapshot against one reference. ``share`` is the relative change or the distance.

    Where nothing can be compared ``note`` says why and ``reference`` is empty.
    """

    type: str
    measure: str
    reference: str = ""
    dates: tuple[datetime, ...] = ()
    base: float | None = None
    observed: float | None = None
    share: float | None = None  # None: from zero
    threshold: float = 0.0
    ratio: float | None = None
    severity: Severity | None = None
    attribute: str = ""
    note: str = ""


def detectors_of(playbook: EventPlaybook) -> tuple[DriftDetector, ...]:
    """The playbook's drift detectors, with its parameters."""
    built = (event_detectors.build(use.detector, dict(use.params)) for use in playbook.events)
    return tuple(d for d in built if isinstance(d, DriftDetector))


def comparisons(detectors: Iterable[DriftDetector], item: Watched, scene: Scene) -> tuple[Comparison, ...]:
    """Every measure of the newest snapshot against every reference, or why not."""
    return tuple(line for detector in detectors for line in _lines(detector, item, scene))


def _lines(detector: DriftDetector, item: Watched, scene: Scene) -> list[Comparison]:
    limit = detector.threshold_of(item.segment)
    bare = Comparison(detector.type, detector.noun, observed=measured(detector.type, item.judged), threshold=limit)
    if detector.is_off(item.segment):
        return [replace(bare, note="switched off for this segment")]
    if why := detector.untracked(item.judged):
        return [replace(bare, note=why)]
    found = [
        _line(detector, name, verdict, limit)
        for name, reference in references_of(detector, item, scene)
        if (verdict := detector.verdict(item, item.judged, reference, name == INCIDENT)) is not None
    ]
    return found or [replace(bare, note="not enough history: two snapshots are needed")]


def references_of(detector: DriftDetector, item: Watched, scene: Scene) -> list[tuple[str, Reference]]:
    """What the newest snapshot is compared with, by name; the base of the open incident comes first."""
    kept = kept_base(scene.open.get((item.segment.id, detector.type)))
    own = [(r.name, r) for r in detector.against(item, detector.before(item, scene))]
    return own if kept is None else [(INCIDENT, kept), *own]


def _line(detector: DriftDetector, name: str, verdict: Verdict, limit: float) -> Comparison:
    change = verdict.change
    relative = change.expected != 0 and detector.type != "distribution_shift"
    share = (change.observed - change.expected) / change.expected if relative else change.amount
    return Comparison(
        type=detector.type,
        measure=detector.noun,
        reference=name,
        dates=verdict.reference.dates,
        base=change.expected,
        observed=change.observed,
        share=share,
        threshold=limit,
        ratio=None if change.from_zero else verdict.ratio,
        severity=None if verdict.small else verdict.severity,
        attribute=str(change.told.get("attribute") or ""),
        note="small sample: not judged" if verdict.small and verdict.severity is not None else "",
    )


def speaking(lines: Sequence[Comparison], kind: str = "size_jump") -> str:
    """The reference that decides for a measure: the open incident's, else the one with the largest ratio."""
    own = [line for line in lines if line.type == kind and line.reference]
    kept = next((line.reference for line in own if line.reference == INCIDENT), None)
    return kept or max(own, key=lambda line: line.ratio or 0.0, default=Comparison(kind, "")).reference


def track(detector: DriftDetector, item: Watched, scene: Scene, reference: str) -> pd.DataFrame:
    """One measure over time against one kind of reference, as it was known at each snapshot.

    Shape: columns ts (UTC, no zone), value, expected, lower, upper and alarm; at most the newest 120 snapshots. The
    base of an open incident holds from its first drifting snapshot on, the median of the snapshots before until then.
    """
    body = scene.open.get((item.segment.id, detector.type))
    kept, since = kept_base(body), _since(body)
    rows = []
    for end in range(max(1, len(item.history) - MOST_POINTS + 1), len(item.history) + 1):
        seen = Watched(item.segment, item.history[:end], item.columns)
        base = _base(detector, seen, scene, reference, kept if since and seen.judged.ts >= since else None)
        rows.append(_point(detector, seen, base))
    return pd.DataFrame(rows)


def _base(
    detector: DriftDetector, seen: Watched, scene: Scene, reference: str, kept: Reference | None
) -> Reference | None:
    if reference == INCIDENT and kept is not None:
        return kept
    wanted = "reference" if reference == INCIDENT else reference
    return next((r for r in detector.against(seen, detector.before(seen, scene)) if r.name == wanted), None)


def _point(detector: DriftDetector, seen: Watched, base: Reference | None) -> dict[str, object]:
    verdict = detector.verdict(seen, seen.judged, base) if base is not None else None
    row: dict[str, object] = {"ts": _naive(seen.judged.ts), "value": measured(detector.type, seen.judged)}
    if verdict is None:
        return {**row, "expected": None, "lower": None, "upper": None, "alarm": False}
    limit = detector.threshold_of(seen.segment)
    lower, upper = detector.band(verdict.change.expected, min(limit, 1.0))
    return {
        **row,
        "expected": verdict.change.expected,
        "lower": 0.0 if lower is None else lower,
        "upper": upper,
        "alarm": verdict.severity is not None and not verdict.small and limit < 1,
    }


def measured(kind: str, snapshot: Snapshot) -> float | None:
    """The figure of a snapshot that a detector judges; None where it is not tracked or is not one figure."""
    if kind == "conversion_anomaly":
        return snapshot.conv_rate
    if kind == "inactivity_creep":
        left = snapshot.velocity_out
        return left / snapshot.size if left is not None and snapshot.size else None
    return float(snapshot.size) if kind == "size_jump" else None


def _since(body: JsonObject | None) -> datetime | None:
    receipt = (body or {}).get("baseline_receipt")
    told = receipt.get("since") if isinstance(receipt, Mapping) else None
    return datetime.fromisoformat(told) if isinstance(told, str) else None


def composition(history: Sequence[Snapshot], attribute: str) -> pd.DataFrame:
    """The shares of one attribute over time; beyond the largest seven values the rest is one.

    Shape: columns ts (UTC, no zone), value, share and rank; the value that is largest on average has rank 0.
    """
    shown = history[-MOST_POINTS:]
    totals: dict[str, float] = {}
    for snapshot in shown:
        for value, share in snapshot.shares.get(attribute, {}).items():
            totals[value] = totals.get(value, 0.0) + share
    ranked = sorted(totals, key=lambda v: (-totals[v], v))
    kept = ranked[:MOST_VALUES] if len(ranked) > MOST_VALUES + 1 else ranked
    rows = []
    for snapshot in shown:
        shares = snapshot.shares.get(attribute, {})
        rows += [(_naive(snapshot.ts), v, shares.get(v, 0.0), i) for i, v in enumerate(kept)]
        if len(kept) < len(ranked):
            rest = sum(share for v, share in shares.items() if v not in kept)
            rows.append((_naive(snapshot.ts), OTHER, rest, len(kept)))
    return pd.DataFrame(rows, columns=["ts", "value", "share", "rank"])


def moved(judged: Snapshot, reference: Reference, most: int = 3) -> pd.DataFrame:
    """The largest movers of every attribute, the attribute that is furthest away first.

    Shape: columns attribute, distance, value, label, before, after and change; shares in [0, 1].
    """
    names = [name for name in judged.shares if name in reference.shares]
    distance = {name: total_variation(judged.shares[name], reference.shares[name]) for name in names}
    rows = [
        {"attribute": name, "distance": distance[name], "label": f"{name}: {one['value']}", **one}
        for name in sorted(names, key=lambda n: (-round(distance[n], 12), n))
        for one in movers(judged.shares[name], reference.shares[name], most)
    ]
    return pd.DataFrame(rows, columns=["attribute", "distance", "value", "label", "before", "after", "change"])


def flow(history: Sequence[Snapshot]) -> pd.DataFrame:
    """Who entered and who left at each snapshot that tracks it.

    Shape: columns ts (UTC, no zone), way (Entered or Left) and people, negative for Left.
    """
    rows = []
    for snapshot in history[-MOST_POINTS:]:
        if snapshot.velocity_in is not None:
            rows.append((_naive(snapshot.ts), "Entered", snapshot.velocity_in))
        if snapshot.velocity_out is not None:
            rows.append((_naive(snapshot.ts), "Left", -snapshot.velocity_out))
    return pd.DataFrame(rows, columns=["ts", "way", "people"])


def rows_of(history: Sequence[Snapshot], names: Mapping[str, str]) -> pd.DataFrame:
    """Snapshots as rows: one column a figure, and one a share (``platform=Android``)."""
    rows = [
        {
            "segment": names.get(s.segment, s.segment),
            "segment_id": s.segment,
            "ts": s.ts.astimezone(UTC).isoformat(),
            "size": s.size,
            "conv_rate": s.conv_rate,
            "velocity_in": s.velocity_in,
            "velocity_out": s.velocity_out,
            **{f"{a}={v}": share for a, shares in s.shares.items() for v, share in shares.items()},
            "source": s.source,
        }
        for s in history
    ]
    return pd.DataFrame(rows)


def _naive(ts: datetime) -> datetime:
    """The UTC time without its zone: a browser elsewhere shows the same day."""
    return ts.astimezone(UTC).replace(tzinfo=None)
