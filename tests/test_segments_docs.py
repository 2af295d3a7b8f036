"""Segments and snapshots survive their JSON form."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from core.model import Segment, SegmentWatch, Snapshot
from core.segments import segment_doc, segment_of, snapshot_doc, snapshot_of

AT = datetime(2026, 1, 5, 2, tzinfo=UTC)
RULES = {"logicalOperator": "AND", "rules": [{"field": "ltv", "operator": ">", "value": 1000}]}


def test_a_full_segment_survives_json() -> None:
    watch = SegmentWatch(False, 0.1, 0.2, 1.0, 0.0, ("platform",), 10, 20)
    segment = Segment("s", "S", RULES, "ana", watch, False, {"size_jump": AT}, AT, AT)
    assert segment_of(json.loads(json.dumps(segment_doc(segment)))) == segment


def test_what_is_left_to_the_playbook_is_left_out() -> None:
    segment = Segment("s", "S", RULES)
    assert segment_doc(segment)["baseline"] == {"monitoringEnabled": True}
    assert segment_of(segment_doc(segment)) == segment


def test_a_snapshot_survives_json_and_keeps_what_is_not_tracked() -> None:
    for snapshot in (
        Snapshot("s", AT, 10, {"platform": {"ios": 0.4, "web": 0.6}}, 0.1, 3, 2, "people.csv"),
        Snapshot("s", AT, 0, {}),
    ):
        assert snapshot_of(json.loads(json.dumps(snapshot_doc(snapshot)))) == snapshot
