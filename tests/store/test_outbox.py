from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import Conflict, NotFound
from core.model import Delivery, DeliveryState
from core.store.books import Store
from core.store.records import Leased
from tests.store.samples import MESSAGE, NOW, SOON, at_once

ROOT = Path(__file__).parents[2]
LATER = NOW + timedelta(hours=1)


def enqueue(store: Store, **changes: object) -> Delivery:
    with store.begin() as books:
        return books.outbox.enqueue(replace(MESSAGE, **changes), "acme", "ana", NOW)  # type: ignore[arg-type]


def lease(store: Store, owner: str = "w1", at: object = NOW, limit: int = 10) -> tuple[Leased, ...]:
    with store.begin() as books:
        return books.outbox.lease_due(at, owner, 60, limit)  # type: ignore[arg-type]


def test_a_queued_message_is_leased_as_it_was_written(store: Store) -> None:
    queued = enqueue(store)
    assert (queued.state, queued.attempts, queued.created_by) == (DeliveryState.QUEUED, 0, "ana")
    (leased,) = lease(store)
    assert (leased.tenant, leased.notification, leased.delivery.id) == ("acme", MESSAGE, queued.id)
    assert (leased.delivery.state, leased.delivery.attempts) == (DeliveryState.SENDING, 1)
    with store.read() as books:
        assert books.outbox.payload("acme", queued.id) == MESSAGE
        with pytest.raises(NotFound):
            books.outbox.payload("other", queued.id)


def test_a_second_identical_message_asks_first_op18(store: Store) -> None:
    first = enqueue(store)
    with pytest.raises(Conflict, match="queued or sent"):
        enqueue(store)
    with store.begin() as books:
        assert books.outbox.find_sent("acme", MESSAGE.dedup_key) == first
        again = books.outbox.enqueue(MESSAGE, "acme", "ana", SOON, again=True)
        assert books.outbox.find_sent("acme", MESSAGE.dedup_key) == again
        assert books.outbox.find_sent("other", MESSAGE.dedup_key) is None


def test_twenty_threads_queue_one_message(store: Store) -> None:
    outcomes = at_once(20, lambda _: enqueue(store))
    assert sum(isinstance(o, Delivery) for o in outcomes) == 1
    assert sum(isinstance(o, Conflict) for o in outcomes) == 19


def test_twenty_workers_lease_every_message_once(store: Store) -> None:
    queued = {enqueue(store, dedup_key=f"k{i}").id for i in range(30)}

    def work(i: int) -> list[str]:
        taken: list[str] = []
        while batch := lease(store, f"w{i}", limit=2):
            taken += [leased.delivery.id for leased in batch]
        return taken

    taken = [delivery for part in at_once(20, work) for delivery in part]  # type: ignore[union-attr]
    assert sorted(taken) == sorted(queued)


def test_a_sent_message_is_never_leased_again(store: Store) -> None:
    queued = enqueue(store)
    lease(store)
    with store.begin() as books:
        assert books.outbox.mark_sent(queued.id, "<id@host>", SOON)
        assert not books.outbox.mark_sent(queued.id, "<id@host>", SOON)
        sent = books.outbox.get("acme", queued.id)
    assert (sent.state, sent.sent_at, sent.reference) == (DeliveryState.SENT, SOON, "<id@host>")
    assert lease(store, at=LATER) == ()


def test_a_retry_waits_for_its_time(store: Store) -> None:
    queued = enqueue(store)
    lease(store)
    with store.begin() as books:
        assert books.outbox.mark_retry(queued.id, "w1", SOON, "451 try later")
        assert books.outbox.get("acme", queued.id).error == "451 try later"
    assert lease(store, at=SOON - timedelta(microseconds=1)) == ()
    assert lease(store, at=SOON)[0].delivery.attempts == 2


def test_a_failed_message_stays_visible_and_may_be_queued_again(store: Store) -> None:
    queued = enqueue(store)
    lease(store)
    with store.begin() as books:
        assert books.outbox.mark_failed(queued.id, "w1", "550 no such user")
        assert books.outbox.find_sent("acme", MESSAGE.dedup_key) is None
    assert lease(store, at=LATER) == ()
    assert enqueue(store).id != queued.id
    with store.read() as books:
        assert [d.id for d in books.outbox.list("acme", state=DeliveryState.FAILED)] == [queued.id]
        assert len(books.outbox.list("acme", run_id="run-1")) == 2
        assert books.outbox.list("acme", incident_id="INC-none") == ()


def test_a_worker_that_lost_its_lease_cannot_undo_the_new_one(store: Store) -> None:
    queued = enqueue(store)
    lease(store, "slow")
    assert lease(store, "quick", at=LATER)[0].delivery.id == queued.id
    with store.begin() as books:
        assert not books.outbox.mark_retry(queued.id, "slow", LATER, "late")
        assert not books.outbox.mark_failed(queued.id, "slow", "late")
        assert books.outbox.mark_sent(queued.id, "really sent by slow", LATER)


def test_a_killed_worker_loses_nothing(store: Store, url: str) -> None:
    queued = enqueue(store)
    script = """
import os, signal, sys
from datetime import datetime
from core.store.books import Store
with Store.open(sys.argv[1]).begin() as books:
    (leased,) = books.outbox.lease_due(datetime.fromisoformat(sys.argv[2]), "doomed", 60)
print(leased.delivery.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    arguments = [sys.executable, "-c", script, url, NOW.isoformat()]
    worker = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    assert (worker.returncode, worker.stdout.strip()) == (-signal.SIGKILL, queued.id)
    assert lease(store, at=NOW + timedelta(seconds=59)) == ()
    (again,) = lease(store, at=NOW + timedelta(seconds=60))
    assert (again.delivery.id, again.delivery.attempts, again.notification) == (queued.id, 2, MESSAGE)
