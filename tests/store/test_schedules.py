from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core.store.books import Store
from core.store.records import Schedule
from tests.store.samples import NOW, SOON, at_once

NINE = Schedule("kpi", "0 9 * * *", "Europe/Berlin", True, "ana", NOW)
SLOT = NOW.replace(minute=0, second=0, microsecond=0)
NEXT = SLOT + timedelta(days=1)


def claim(store: Store, slot: object = SLOT, at: object = NOW) -> bool:
    with store.begin() as books:
        return books.schedules.claim("acme", "kpi", slot, at, lease_s=60)  # type: ignore[arg-type]


def test_a_schedule_is_what_was_set_last(store: Store) -> None:
    with store.begin() as books:
        assert books.schedules.get("acme", "kpi") is None
        books.schedules.set("acme", NINE)
        later = replace(NINE, cron="0 8 * * 1-5", enabled=False, updated_at=SOON)
        books.schedules.set("acme", later)
        assert books.schedules.get("acme", "kpi") == later
        assert books.schedules.list("acme") == (later,)
        assert books.schedules.list("other") == ()


def test_of_twenty_replicas_one_runs_a_slot(store: Store) -> None:
    outcomes = at_once(20, lambda _: claim(store))
    assert sorted(map(str, outcomes)) == ["False"] * 19 + ["True"]


def test_a_finished_slot_is_never_run_again(store: Store) -> None:
    assert claim(store)
    with store.begin() as books:
        books.schedules.finish("acme", "kpi", SLOT, SOON, ok=False, note="revenue.csv is missing")
    assert not claim(store, at=NEXT)
    with store.read() as books:
        (slot,) = books.schedules.history("acme", "kpi")
    assert (slot.slot, slot.finished_at, slot.ok, slot.note) == (SLOT, SOON, False, "revenue.csv is missing")


def test_two_runs_of_one_job_never_overlap(store: Store) -> None:
    assert claim(store)
    assert not claim(store, NEXT, at=NOW + timedelta(seconds=59))
    with store.begin() as books:
        assert books.schedules.claim("acme", "drift", NEXT, NOW)
        assert books.schedules.claim("other", "kpi", NEXT, NOW)
        books.schedules.finish("acme", "kpi", SLOT, NOW, ok=True)
    assert claim(store, NEXT, at=NOW + timedelta(seconds=59))


def test_a_run_that_died_gives_way_when_its_lease_ends(store: Store) -> None:
    assert claim(store)
    assert claim(store, NEXT, at=NOW + timedelta(seconds=60))
    with store.read() as books:
        assert [(s.slot, s.ok) for s in books.schedules.history("acme")] == [(NEXT, None), (SLOT, None)]
