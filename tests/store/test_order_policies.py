"""Versions of order policies and invoice adjustments, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import Conflict, NotFound
from core.store.books import Store
from core.store.order_policies import StoredAdjustment

NOW = datetime(2025, 8, 18, 14, tzinfo=UTC)
CREDIT = StoredAdjustment("ADJ-1", "I-1", "ORD-1", 700, 70, -630, "why", "WAITING", NOW)


def test_versions_count_up_for_each_tenant(store: Store) -> None:
    with store.begin() as books:
        assert books.order_policies.current("a") is None
        assert [books.order_policies.add("a", f"v{i}", "", "ana", NOW).version for i in (1, 2)] == [1, 2]
        assert books.order_policies.add("b", "other", "", "ben", NOW, restored_from=0).version == 1
    with store.read() as books:
        assert books.order_policies.current("a") == books.order_policies.get("a", 2)
        assert [p.text for p in books.order_policies.list("a")] == ["v2", "v1"]
        assert books.order_policies.get("b", 1).restored_from == 0
        with pytest.raises(NotFound):
            books.order_policies.get("b", 2)


def test_an_adjustment_is_kept_once_and_decided_once(store: Store) -> None:
    with store.begin() as books:
        assert [books.adjustments.add("a", CREDIT) for _ in range(2)] == [True, False]
        assert books.adjustments.add("b", CREDIT)
    with store.begin() as books:
        done = books.adjustments.decide("a", "ADJ-1", "APPROVED", "ana", "seen", NOW)
        assert (done.state, done.decided_by) == ("APPROVED", "ana")
        with pytest.raises(Conflict):
            books.adjustments.decide("a", "ADJ-1", "REJECTED", "ben", "no", NOW)
        with pytest.raises(NotFound):
            books.adjustments.decide("a", "ADJ-2", "APPROVED", "ana", "", NOW)
    with store.read() as books:
        assert [a.state for a in books.adjustments.list("a")] == ["APPROVED"]
        assert [a.state for a in books.adjustments.list("b", ("WAITING",))] == ["WAITING"]
