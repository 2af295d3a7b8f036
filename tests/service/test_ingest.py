"""Taking events under faults: retries by themselves, files, what is counted, and processes killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core import telemetry
from core.access import Principal
from core.errors import InputError, TooLarge
from core.load.correlation import correlation_id
from core.model import Json
from core.service import dead_letters, exceptions, ingest
from core.service.workbench import Known, Workbench
from core.store.books import Store
from core.store.dead_letters import LetterState
from tests import postgres
from tests.service.conftest import NOW, Hand

ROOT = Path(__file__).parents[2]
COUNTS = ("ingest_success_total", "ingest_errors_total", "cache_hits_total", "cache_misses_total")


def paid(number: int, **more: Json) -> dict[str, Json]:
    told: dict[str, Json] = {
        "source": "shopify",
        "event_type": "order_paid",
        "event_id": f"e{number}",
        "order_id": f"SO-{number}",
        "occurred_at": "2026-01-05T07:00:00+01:00",
    }
    return told | more


def events(wb: Workbench) -> int:
    with wb.store.read() as books:
        return books.order_events.count("default")


def letters(wb: Workbench, who: Principal) -> list[tuple[LetterState, int]]:
    return [(letter.state, letter.attempts) for letter in dead_letters.page(wb, who).items]


@pytest.fixture
def broken(wb: Workbench) -> Callable[[bool], None]:
    """Makes the database itself refuse every order event, or take them again."""

    def make(refuse: bool) -> None:
        engine = create_engine(wb.ctx.settings.database_url)
        body = "BEFORE INSERT ON order_events BEGIN SELECT RAISE(ABORT, 'no'); END"
        with engine.begin() as connection:
            connection.execute(text(f"CREATE TRIGGER broken {body}" if refuse else "DROP TRIGGER broken"))
        engine.dispose()

    return make


def test_everything_an_event_says_is_stored(wb: Workbench, who: Principal) -> None:
    """E2-01, E2-03."""
    told = paid(1, fragile=True, hazmat=False, line_count=2, carrier="dhl", payload={"zip": "12345"}, channel="web")
    done = ingest.one(wb, who, told)
    assert done.status is ingest.Status.STORED
    assert done.correlation_id == correlation_id("default", "SO-1") != correlation_id("acme", "SO-1")
    with wb.store.read() as books:
        (batch,) = books.order_events.read("default")
    (row,) = batch.to_pylist()
    assert row["occurred_at"] == NOW - timedelta(hours=2)
    assert row["received_at"] == NOW
    assert json.loads(row["payload"]) == {"zip": "12345", "channel": "web"}
    assert (row["fragile"], row["hazmat"], row["line_count"], row["items_count"]) == (True, False, 2, None)
    assert (row["carrier"], row["correlation_id"]) == ("dhl", done.correlation_id)


def test_what_comes_and_is_refused_is_counted(wb: Workbench, who: Principal) -> None:
    """E2-31."""
    before = {name: telemetry.value(name) for name in COUNTS}
    timed = telemetry.value("ingest_latency_seconds_count")
    ingest.batch(wb, who, [paid(1), paid(2), paid(2), {}])
    ingest.batch(wb, who, [paid(2), paid(3)])
    grown = {name: telemetry.value(name) - before[name] for name in COUNTS}
    assert grown == dict(zip(COUNTS, (3, 1, 1, 4), strict=True))
    assert telemetry.value("ingest_latency_seconds_count") == timed + 2
    assert telemetry.value("dlq_depth") == 1
    exceptions.gauges(wb)
    assert telemetry.value("active_exceptions") == 0


def test_a_key_is_known_for_its_time_and_the_store_for_ever(wb: Workbench, who: Principal, clock: Hand) -> None:
    """E2-01: also after 24 h."""
    ingest.one(wb, who, paid(1))
    for hours, hit in ((23.9, 1), (0.2, 0)):
        clock.forward(hours=hours)
        before = telemetry.value("cache_hits_total")
        assert ingest.one(wb, who, paid(1)).status is ingest.Status.DUPLICATE
        assert telemetry.value("cache_hits_total") - before == hit
    assert events(wb) == 1


def test_the_longest_unused_keys_are_forgotten_first() -> None:
    known = Known(2)
    known.remember(["a", "b"], NOW)
    known.remember(["a", "c"], NOW)
    before = NOW - timedelta(seconds=1)
    assert known.among(["a", "b", "c"], before) == {"a", "c"}
    assert known.among(["a"], NOW) == frozenset()


def test_a_refused_event_is_tried_again_three_times_and_then_by_hand(
    wb: Workbench, who: Principal, clock: Hand, broken: Callable[[bool], None]
) -> None:
    """E2-06: after 1, 2 and 4 seconds and a little."""
    broken(True)
    done = ingest.batch(wb, who, [paid(1), paid(2), {}])
    assert [str(o.status) for o in done] == ["queued", "queued", "rejected"]
    assert events(wb) == 0
    waiting = [(LetterState.PENDING, 1)] * 2
    assert sorted(letters(wb, who)) == [(LetterState.FAILED, 1), *waiting]
    for attempts, wait in ((2, 1.0), (3, 2.0), (4, 4.0)):
        clock.forward(seconds=wait - 0.001)
        assert dead_letters.tick(wb) == 0
        clock.forward(seconds=wait / 4 + 0.001)
        assert dead_letters.tick(wb) == 2
        state = LetterState.PENDING if attempts < 4 else LetterState.FAILED
        assert sorted(letters(wb, who)) == sorted([(LetterState.FAILED, 1), *[(state, attempts)] * 2])
    clock.forward(days=1)
    assert dead_letters.tick(wb) == 0
    broken(False)
    states = sorted(letter.state for letter in dead_letters.replay(wb, who))
    assert states == [LetterState.FAILED, LetterState.PROCESSED, LetterState.PROCESSED]
    assert (events(wb), telemetry.value("dlq_depth")) == (2, 1)
    assert ingest.one(wb, who, paid(1)).status is ingest.Status.DUPLICATE


def test_a_due_letter_becomes_an_event(
    wb: Workbench, who: Principal, clock: Hand, broken: Callable[[bool], None]
) -> None:
    broken(True)
    told = paid(1, rush=True, total_amount_cents=5, carrier="ups", payload={"a": [1, "ä"]})
    ingest.one(wb, who, told, "shopify")
    broken(False)
    clock.forward(seconds=2)
    assert (dead_letters.tick(wb), dead_letters.tick(wb)) == (1, 0)
    assert letters(wb, who) == [(LetterState.PROCESSED, 2)]
    with wb.store.read() as books:
        (batch,) = books.order_events.read("default")
    (row,) = batch.to_pylist()
    assert (row["rush"], row["total_amount_cents"], row["carrier"]) == (True, 5, "ups")
    assert json.loads(row["payload"]) == {"a": [1, "ä"]}
    assert row["correlation_id"] == correlation_id("default", "SO-1")


def test_the_wait_doubles_up_to_a_minute(wb: Workbench) -> None:
    for attempts, least in ((1, 1), (2, 2), (6, 32), (7, 60), (60, 60)):
        waits = [ingest.wait(wb, attempts).total_seconds() for _ in range(50)]
        assert least <= min(waits) <= max(waits) <= min(60.0, least * 1.25)
    assert len({ingest.wait(wb, 2) for _ in range(50)}) > 1


def test_a_file_comes_again_and_adds_what_was_missing(wb: Workbench, who: Principal) -> None:
    """E2-05."""
    lines = [json.dumps(paid(i)) for i in range(2500)] + ["nothing", json.dumps(paid(1, event_type="lost"))]
    done = ingest.upload(wb, who, "events.jsonl", "\n".join(lines).encode())
    assert (done.stored, done.duplicates, done.queued, done.errors) == (2500, 0, 0, 2)
    assert [(o.place, o.field) for o in done.rejected] == [(2501, "event"), (2502, "event_type")]
    done = ingest.upload(wb, who, "events.jsonl", "\n".join([*lines, json.dumps(paid(9999))]).encode())
    assert (done.stored, done.duplicates, done.errors) == (1, 2500, 2)
    assert len(letters(wb, who)) == 2


def test_of_a_file_full_of_errors_the_first_are_shown(wb: Workbench, who: Principal) -> None:
    done = ingest.upload(wb, who, "events.jsonl", b"\n".join(b"%d" % i for i in range(1500)))
    assert (done.errors, len(done.rejected), done.rejected[-1].place) == (1500, 1000, 1000)
    assert dead_letters.page(wb, who).total == 1000


def test_a_file_that_is_none_is_refused_as_a_whole(wb: Workbench, who: Principal) -> None:
    with pytest.raises(InputError, match=r"events\.xlsx: expected a file called"):
        ingest.upload(wb, who, "events.xlsx", b"x")
    settings = wb.ctx.settings.model_copy(update={"telltale_max_upload_mb": 1})
    object.__setattr__(wb.ctx, "settings", settings)
    with pytest.raises(TooLarge):
        ingest.upload(wb, who, "events.csv", b"x" * (1024 * 1024 + 1))


# --- killed at any moment ---------------------------------------------------------------------------

NURSERY = """
import os, sys, threading
from types import SimpleNamespace
from core.access import Principal
from core.adapters.clock import SystemClock
from core.service import ingest
from core.service.workbench import Known
from core.settings import Settings
from core.store.books import Store

def work(url, acks, turn):
    context = SimpleNamespace(clock=SystemClock(), settings=Settings(_env_file=None))
    wb = SimpleNamespace(store=Store.open(url), ctx=context, known_events=Known(100))
    who = Principal("a", "acme", "admin")
    out = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def tell(thread):
        for i in range(100_000):
            ids = [f"{turn - again}-{thread}-{i * 7 + k}" for k in range(7) for again in (0, 1)]
            done = ingest.batch(wb, who, [{"source": "wms", "event_type": "pick_completed", "event_id": e,
                "order_id": e[-2:], "occurred_at": "2025-08-18T10:00:00Z"} for e in ids])
            assert all(o.status in ("stored", "duplicate") for o in done)
            os.write(out, "".join(f"{o.event_id} {o.status}\\n" for o in done).encode())
    for thread in range(3):
        threading.Thread(target=tell, args=(thread,)).start()

for line in sys.stdin:
    url, acks, turn = line.split()
    pid = os.fork()
    if not pid:
        work(url, acks, int(turn))
        break
    print(pid, flush=True)
    os.waitpid(pid, 0)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    with postgres.running() as cluster:
        yield cluster.new_database()


def test_kill_9_loses_no_acknowledged_event_and_stores_none_twice(address: str, tmp_path: Path) -> None:
    """Issue 6: three threads tell new events and those of their forerunner, who was killed at a random moment."""
    store, acks, rounds = Store.open(address), tmp_path / "acks", 8
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    try:
        for turn in range(1, rounds + 1):
            before = acks.stat().st_size if acks.exists() else 0
            nursery.stdin.write(f"{address} {acks} {turn}\n")
            nursery.stdin.flush()
            pid = int(nursery.stdout.readline())
            deadline = time.monotonic() + 60
            while not acks.exists() or acks.stat().st_size == before:  # it works: now any moment will do
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.15))
            os.kill(pid, signal.SIGKILL)
    finally:
        nursery.stdin.close()
        nursery.wait(60)
        nursery.stdout.close()
    told = [line.split() for line in acks.read_text().splitlines()]
    acknowledged = {name for name, status in told}
    with store.read() as books:
        kept = [e for batch in books.order_events.read("acme") for e in batch.column("event_id").to_pylist()]
    store.close()
    stored = [name for name, status in told if status == "stored"]
    assert len(kept) == len(set(kept))
    assert acknowledged <= set(kept)
    assert len(stored) == len(set(stored))
    assert len(acknowledged) > 20 * rounds
