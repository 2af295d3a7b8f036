"""The inbox on both databases: kept once, claimed by one, given back when its worker died."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.model import Severity
from core.store.books import Store
from core.store.fix_templates import StoredTemplate
from core.store.received import NewAlert, Outcome
from tests.store.conftest import CANARY

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
LATER = NOW + timedelta(seconds=61)


def new(key: str, tenant: str = "acme") -> NewAlert:
    alert = {"alert_id": key, "resolved": False}
    return NewAlert(tenant, key, "s", key, f"t {CANARY}", Severity.HIGH, alert, {"raw": CANARY}, NOW, "ana")


def claim(store: Store, now: datetime = NOW, limit: int = 10):
    with store.begin() as books:
        return books.received.claim(now, 60, limit)


def test_an_alert_is_kept_once_and_its_deliveries_counted(store: Store) -> None:
    with store.begin() as books:
        assert books.received.add([new("a"), new("b"), new("a")]) == {("acme", "a"), ("acme", "b")}
    with store.begin() as books:
        assert books.received.add([new("a"), new("a", "other")]) == {("other", "a")}
    with store.read() as books:
        assert {r.alert_id: r.deliveries for r in books.received.list("acme")} == {"a": 3, "b": 1}
        row = books.received.list("other")[0]
        assert books.received.get("acme", row.id) is None
        kept = books.received.get("other", row.id)
    assert kept is not None
    assert CANARY not in str(kept)


def test_a_batch_belongs_to_one_worker_until_its_lease_ends(store: Store) -> None:
    with store.begin() as books:
        later = replace(new("x", "other"), received_at=NOW + timedelta(seconds=1))
        books.received.add([*(new(str(n)) for n in range(3)), later])
    first = claim(store, limit=2)
    assert [r.tenant for r in first] == ["acme", "acme"]
    assert len({r.batch for r in first}) == 1
    second, third = claim(store), claim(store)
    assert {second[0].tenant, third[0].tenant} == {"acme", "other"}
    assert claim(store) == ()
    again = claim(store, LATER)
    assert again[0].batch in {first[0].batch, second[0].batch, third[0].batch}
    assert again[0].attempts == 2


def test_a_finished_batch_waits_for_its_repeats(store: Store) -> None:
    with store.begin() as books:
        books.received.add([new("a")])
    (row,) = claim(store)
    with store.begin() as books:
        books.received.add([new("a")])
    with store.begin() as books:
        assert row.batch is not None
        books.received.finish(row.batch, "run-1", {row.id: Outcome("INC-1", "notify_team")}, NOW)
    with store.begin() as books:
        (again,) = books.received.again()
        assert (again.deliveries, again.counted, again.incident_id) == (2, 1, "INC-1")
        books.received.counted(again.id, 2)
    with store.begin() as books:
        assert books.received.again() == ()
        books.received.add([new("a")])
    with store.begin() as books:
        assert [r.counted for r in books.received.again()] == [2]
        assert books.received.waiting() == 0


def test_many_senders_and_workers_at_once(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.add(lambda books: books.received.add([new(str(n % 40))])), range(120)))
        batches = list(pool.map(lambda _: claim(store, limit=7), range(12)))
    ids = [r.id for batch in batches for r in batch]
    assert len(ids) == len(set(ids)) == 40
    with store.read() as books:
        assert sum(r.deliveries for r in books.received.list("acme", limit=100)) == 120


def test_refused_bodies_are_kept_beside(store: Store) -> None:
    with store.begin() as books:
        books.received.reject("acme", '{"id":\0', f"not JSON {CANARY}", "ana", NOW)
    with store.read() as books:
        (row,) = books.received.list("acme", states=("rejected",))
        assert (row.note, books.received.counts("acme")) == ("not JSON [secret]", (("rejected", "", "", 1, 1),))
    assert claim(store) == ()


def test_of_equal_snapshots_the_first_and_last_stay(store: Store) -> None:
    moments = [NOW + timedelta(hours=n) for n in range(6)]
    for at, columns in zip(moments, ("a", "a", "a", "b", "b", "a"), strict=True):
        with store.begin() as books:
            books.schemas.save("acme", "w", at, [columns])
    with store.read() as books:
        kept = books.schemas.list("acme", "w")
        assert books.schemas.list("other", "w") == ()
    assert [(s.taken_at, s.columns) for s in kept] == [
        (moments[5], ["a"]), (moments[4], ["b"]), (moments[3], ["b"]), (moments[2], ["a"]), (moments[0], ["a"]),
    ]  # fmt: skip


def test_fix_templates_are_a_tenants_own(store: Store) -> None:
    row = StoredTemplate("lock", {"action_type": "x"}, NOW, "ana")
    with store.begin() as books:
        books.fix_templates.set("acme", row)
        books.fix_templates.set("acme", StoredTemplate("lock", {"action_type": "y"}, NOW, "bob"))
    with store.begin() as books:
        assert [(t.template, t.saved_by) for t in books.fix_templates.list("acme")] == [({"action_type": "y"}, "bob")]
        assert books.fix_templates.list("other") == ()
        assert books.fix_templates.remove("acme", "lock")
        assert not books.fix_templates.remove("acme", "lock")
