"""The books of segments and snapshots."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Conflict, NotFound
from core.model import Segment, SegmentWatch, Snapshot
from core.store.books import Store
from core.store.segments import CURRENT

NOW = datetime(2026, 1, 8, 2, tzinfo=UTC)
RULES = {"logicalOperator": "AND", "rules": [{"field": "ltv", "operator": ">", "value": 1000}]}
SEGMENT = Segment("high-value", "High-value", RULES, "ana", SegmentWatch(size_change=0.1))
SNAPSHOT = Snapshot("high-value", NOW, 20000, {"platform": {"ios": 0.45, "web": 0.55}}, 0.15, 600, 500, "people.csv")


def test_a_segment_comes_back_as_it_was_kept_and_belongs_to_one_tenant(store: Store) -> None:
    with store.begin() as books:
        kept = books.segments.add("acme", SEGMENT, NOW)
    assert kept == replace(SEGMENT, created_at=NOW, updated_at=NOW)
    with store.read() as books:
        assert books.segments.get("acme", "high-value") == kept
        assert books.segments.list("other") == ()
        with pytest.raises(NotFound, match="no segment 'high-value'"):
            books.segments.get("other", "high-value")


def test_names_and_ids_are_unique_within_a_tenant(store: Store) -> None:
    with store.begin() as books:
        books.segments.add("acme", SEGMENT, NOW)
        books.segments.add("acme", replace(SEGMENT, id="trial", name="Trial"), NOW)
        books.segments.add("other", SEGMENT, NOW)
        for double in (replace(SEGMENT, id="x"), replace(SEGMENT, name="X")):
            with pytest.raises(Conflict):
                books.segments.add("acme", double, NOW)
        with pytest.raises(Conflict, match="High-value"):
            books.segments.save("acme", replace(SEGMENT, id="trial"), NOW)
        assert [s.name for s in books.segments.list("acme")] == ["High-value", "Trial"]


def test_saving_keeps_when_it_was_created_and_always_moves_the_update_on(store: Store) -> None:
    with store.begin() as books:
        books.segments.add("acme", SEGMENT, NOW)
        kept = books.segments.save("acme", replace(SEGMENT, owner="bo"), NOW)
        assert kept.created_at == NOW
        assert kept.updated_at == NOW + timedelta(microseconds=1)
        assert books.segments.get("acme", "high-value") == kept


def test_the_second_snapshot_of_a_day_replaces_the_first(store: Store) -> None:
    with store.begin() as books:
        assert books.snapshots.save("acme", [SNAPSHOT, replace(SNAPSHOT, ts=NOW - timedelta(days=1))]) == 0
    later = replace(SNAPSHOT, ts=NOW + timedelta(hours=9), size=11600, conv_rate=None, velocity_in=None)
    with store.begin() as books:
        assert books.snapshots.save("acme", [later, replace(later, segment="trial")]) == 1
    with store.read() as books:
        assert [s.size for s in books.snapshots.list("acme", "high-value")] == [20000, 11600]
        assert books.snapshots.list("acme", "high-value")[-1] == later
        assert len(books.snapshots.list("acme")) == 3
        assert books.snapshots.list("other") == ()
        assert books.snapshots.latest("acme") == {"high-value": later, "trial": replace(later, segment="trial")}
        assert books.snapshots.list("acme", since=NOW) == tuple(books.snapshots.list("acme"))[1:]
        assert len(books.snapshots.list("acme", "high-value", limit=1)) == 1


def test_deleting_a_segment_takes_its_snapshots_and_nothing_else(store: Store) -> None:
    with store.begin() as books:
        books.segments.add("acme", SEGMENT, NOW)
        books.segments.add("other", SEGMENT, NOW)
        books.snapshots.save("acme", [SNAPSHOT, replace(SNAPSHOT, segment="trial")])
        books.snapshots.save("other", [SNAPSHOT])
        assert books.segments.delete("acme", "high-value") == 1
        with pytest.raises(NotFound):
            books.segments.delete("acme", "high-value")
        assert [s.segment for s in books.snapshots.list("acme")] == ["trial"]
        assert len(books.snapshots.list("other")) == 1


def test_snapshots_are_kept_for_400_days(store: Store) -> None:
    days = (0, 400, 401)
    with store.begin() as books:
        books.snapshots.save("acme", [replace(SNAPSHOT, ts=NOW - timedelta(days=d)) for d in days])
        for key in (CURRENT, "2024-12-03", "2024-12-05"):
            books.people_tables.save("acme", key, {"key": key}, "ana", NOW)
        assert books.snapshots.forget("acme", NOW) == 1
        assert [s.ts for s in books.snapshots.list("acme")] == [NOW - timedelta(days=400), NOW]
        assert books.people_tables.before("acme", "2024-12-05") is None
        assert books.people_tables.before("acme", "2026-01-01") == {"key": "2024-12-05"}
        assert books.people_tables.current("acme") == {"key": CURRENT}


def test_the_people_table_of_a_day_is_the_last_one_saved(store: Store) -> None:
    with store.begin() as books:
        for body in ({"n": 1}, {"n": 2}):
            books.people_tables.save("acme", "2026-01-07", body, "ana", NOW)
        assert books.people_tables.before("acme", "2026-01-08") == {"n": 2}
        assert books.people_tables.before("acme", "2026-01-07") is None
        assert books.people_tables.before("other", "2026-01-08") is None
        books.people_tables.save("acme", CURRENT, {"n": 3}, "ana", NOW)
        books.people_tables.drop_current("acme")
        assert books.people_tables.current("acme") is None


def test_many_snapshots_are_kept_at_once(store: Store) -> None:
    many = [replace(SNAPSHOT, segment=f"s{i}", ts=NOW - timedelta(days=d)) for i in range(200) for d in range(7)]
    with store.begin() as books:
        assert books.snapshots.save("acme", many) == 0
        assert books.snapshots.save("acme", many) == 1400
        assert len(books.snapshots.list("acme")) == 1400
        newest = books.snapshots.newest("acme", 2)
        assert len(newest) == 400
        assert {s.ts for s in newest} == {NOW, NOW - timedelta(days=1)}
        assert books.snapshots.newest("other", 2) == ()
