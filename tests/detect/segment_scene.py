"""Segments and snapshots for drift tests, and the scene they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from core.check.snapshots import SnapshotChecks
from core.detect.events import EventDetector, Scene, event_detectors
from core.model import (
    CheckReport,
    Column,
    ColumnType,
    Dataset,
    Finding,
    Json,
    JsonObject,
    Provenance,
    Segment,
    SegmentWatch,
    Sighting,
    Snapshot,
    Table,
)
from core.ports import Engine
from core.segments import segment_doc, snapshot_doc

START = datetime(2025, 1, 1, 2, tzinfo=UTC)
PLATFORM = {"ios": 0.45, "android": 0.40, "web": 0.15}
SHIFTED = {"ios": 0.78, "android": 0.0, "web": 0.22}
FOUR = ("size_jump", "distribution_shift", "conversion_anomaly", "inactivity_creep")


def day(number: int) -> datetime:
    """Day 1, 2, ... at 02:00."""
    return START + timedelta(days=number - 1)


def segment(name: str = "high-value", **watch: object) -> Segment:
    """A watched segment."""
    return Segment(name, name.title(), {"rules": []}, "Ann", SegmentWatch(**watch))  # type: ignore[arg-type]


def snapshot(number: int, size: int = 20_000, name: str = "high-value", **changes: object) -> Snapshot:
    """One segment on one day: usual shares, 15 % conversion, 3 % churn."""
    usual = Snapshot(name, day(number), size, {"platform": PLATFORM}, 0.15, size * 3 // 100, size * 3 // 100)
    return replace(usual, **changes)  # type: ignore[arg-type]


def sizes(*values: int, name: str = "high-value", **changes: object) -> tuple[Snapshot, ...]:
    """One snapshot a day of these sizes."""
    return tuple(snapshot(i, v, name, **changes) for i, v in enumerate(values, start=1))


def demo(name: str = "high-value", last: int = 8) -> tuple[Snapshot, ...]:
    """Scenario 1: usual until day 5, then all four measures move and stay."""
    moved = {"shares": {"platform": SHIFTED}, "conv_rate": 0.10, "velocity_out": 580}
    return tuple(
        snapshot(i, 20_000 if i < 6 else 11_600, name, **(moved if i >= 6 else {})) for i in range(1, last + 1)
    )


def dataset(segments: Sequence[Segment], snapshots: Sequence[Snapshot], *, columns: Sequence[str] = ()) -> Dataset:
    """Documents, and a people table with these columns when there are any."""
    origin = Provenance("people", "people.csv", "0" * 64, 1, 0, START)
    people = Table("people", tuple(Column(c, ColumnType.TEXT) for c in columns), Path("people.parquet"), origin)
    documents: dict[str, Json] = {
        "segments": [segment_doc(s) for s in segments],
        "snapshots": [snapshot_doc(s) for s in snapshots],
    }
    return Dataset({"people": people} if columns else {}, documents)


def scene(
    segments: Sequence[Segment],
    snapshots: Sequence[Snapshot],
    now: datetime | None = None,
    *,
    columns: Sequence[str] = (),
    open_: Mapping[tuple[str, str], JsonObject] | None = None,
    past: Mapping[tuple[str, str], JsonObject] | None = None,
) -> Scene:
    """The scene an hour after the last snapshot, its checks made."""
    at = now or max(s.ts for s in snapshots) + timedelta(hours=1)
    data = dataset(segments, snapshots, columns=columns)
    checks = CheckReport(SnapshotChecks().check(data, at))
    return Scene(data, checks, at, cast("Engine", None), open_ or {}, past or {})


def detect(at: Scene, *names: str, **params: object) -> Sighting:
    """What the four detectors (or those named) say together."""
    built: list[EventDetector] = [event_detectors.build(name, dict(params)) for name in names or FOUR]
    seen = [d.detect(at) for d in built]
    return Sighting(
        tuple(f for s in seen for f in s.findings),
        frozenset(key for s in seen for key in s.healthy),
        tuple(dict.fromkeys(n for s in seen for n in s.notes)),
    )


def one(seen: Sighting, kind: str = "size_jump") -> Finding:
    """The one finding of a type."""
    (found,) = [f for f in seen.findings if f.type == kind]
    return found


def kept(finding: Finding) -> JsonObject:
    """The body of an incident that was opened by the finding."""
    return {"baseline_receipt": {"base": finding.details["base"]}}
