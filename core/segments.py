"""Segments and snapshots as JSON documents, the same in the store, in reports, over HTTP and in a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from core.model import Json, JsonObject, Segment, SegmentWatch, Snapshot

THRESHOLDS: Mapping[str, str] = {
    "sizeChangePercent": "size_change",
    "distributionShift": "distribution_shift",
    "conversionAnomaly": "conversion_anomaly",
    "inactivityCreep": "inactivity_creep",
}


def segment_doc(segment: Segment) -> dict[str, Json]:
    """The segment under the names of its JSON form; ``segment_of`` reads it back equal."""
    return {
        "id": segment.id,
        "name": segment.name,
        "definition": segment.definition,
        "owner": segment.owner,
        "baseline": watch_doc(segment.watch),
        "is_active": segment.is_active,
        "normal_since": {kind: at.isoformat() for kind, at in segment.normal_since.items()},
        "created_at": segment.created_at.isoformat() if segment.created_at else None,
        "updated_at": segment.updated_at.isoformat() if segment.updated_at else None,
    }


def watch_doc(watch: SegmentWatch) -> dict[str, Json]:
    """How a segment is watched; what is left to the playbook is left out."""
    doc: dict[str, Json] = {"monitoringEnabled": watch.monitoring}
    for key, name in THRESHOLDS.items():
        if (limit := getattr(watch, name)) is not None:
            doc[key] = limit
    if watch.critical_attributes:
        doc["criticalAttributes"] = list(watch.critical_attributes)
    expected = {"min": watch.expected_min, "max": watch.expected_max}
    if any(v is not None for v in expected.values()):
        doc["expectedSize"] = {k: v for k, v in expected.items() if v is not None}
    return doc


def segment_of(doc: Json) -> Segment:
    """The segment of a document that ``segment_doc`` made (what people write is read by ``core.load.segments``)."""
    d = _object(doc)
    since = _object(d.get("normal_since") or {})
    return Segment(
        id=str(d["id"]),
        name=str(d["name"]),
        definition=_object(d["definition"]),
        owner=str(d.get("owner") or ""),
        watch=watch_of(d.get("baseline")),
        is_active=bool(d.get("is_active", True)),
        normal_since={kind: datetime.fromisoformat(str(at)) for kind, at in since.items()},
        created_at=_moment(d.get("created_at")),
        updated_at=_moment(d.get("updated_at")),
    )


def watch_of(doc: Json) -> SegmentWatch:
    """The watch of a segment document's ``baseline``."""
    d = _object(doc or {})
    expected = _object(d.get("expectedSize") or {})
    attributes = cast("list[str]", d.get("criticalAttributes") or [])
    limits = {name: cast("float | None", d.get(key)) for key, name in THRESHOLDS.items()}
    return SegmentWatch(
        monitoring=bool(d.get("monitoringEnabled", True)),
        critical_attributes=tuple(attributes),
        expected_min=cast("int | None", expected.get("min")),
        expected_max=cast("int | None", expected.get("max")),
        **limits,
    )


def snapshot_doc(snapshot: Snapshot) -> dict[str, Json]:
    """The snapshot under the names of its JSON form; ``snapshot_of`` reads it back equal."""
    return {
        "segment_id": snapshot.segment,
        "ts": snapshot.ts.isoformat(),
        "size": snapshot.size,
        "attr_distributions": {a: dict(shares) for a, shares in snapshot.shares.items()},
        "conv_rate": snapshot.conv_rate,
        "velocity_in": snapshot.velocity_in,
        "velocity_out": snapshot.velocity_out,
        "source": snapshot.source,
    }


def snapshot_of(doc: Json) -> Snapshot:
    """The snapshot of a document that ``snapshot_doc`` made."""
    d = _object(doc)
    shares = cast("Mapping[str, Mapping[str, float]]", d.get("attr_distributions") or {})
    return Snapshot(
        segment=str(d["segment_id"]),
        ts=datetime.fromisoformat(str(d["ts"])),
        size=cast("int", d["size"]),
        shares={a: dict(values) for a, values in shares.items()},
        conv_rate=cast("float | None", d.get("conv_rate")),
        velocity_in=cast("int | None", d.get("velocity_in")),
        velocity_out=cast("int | None", d.get("velocity_out")),
        source=str(d.get("source") or ""),
    )


def _object(doc: Json) -> JsonObject:
    assert isinstance(doc, Mapping), "expected a JSON object"
    return doc


def _moment(text: Json) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
