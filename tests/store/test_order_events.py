"""Order events are kept once, dead letters one by one, and several callers share a commit. Source: E2-01, E2-02."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text

from core.errors import NotFound, StoreError
from core.store.books import Books, Store
from core.store.dead_letters import DeadLetter, LetterState
from core.store.order_events import SCHEMA, NewEvent
from core.store.together import Together, _Asked
from tests.store.conftest import CANARY

NOW = datetime(2025, 8, 18, 12, tzinfo=UTC)
PAID = NewEvent(
    "acme", "shopify", "e1", "o1", "order_paid", NOW, NOW + timedelta(seconds=1), "ord-1", "", 2, 12_345, 3, 0, None
)
PICKED = PAID._replace(
    source="wms",
    event_type="pick_completed",
    occurred_at=NOW + timedelta(hours=1),
    line_count=None,
    total_amount_cents=None,
    items_count=None,
    carrier="dhl",
    flags=0b1010,
    payload='{"zip":"12345"}',
)


def read(store: Store, tenant: str = "acme", since: datetime | None = None) -> list[dict]:
    with store.read() as books:
        return pa.Table.from_batches(books.order_events.read(tenant, since), SCHEMA).to_pylist()


def add(store: Store, *events: NewEvent) -> frozenset[tuple[str, str, str]]:
    return store.add(lambda books: books.order_events.add(events))


def test_an_event_is_kept_once_and_read_back_as_it_was(store: Store) -> None:
    """E2-01."""
    assert add(store, PAID, PICKED) == {("acme", "shopify", "e1"), ("acme", "wms", "e1")}
    assert add(store, PAID._replace(order_id="other"), PICKED) == frozenset()
    assert read(store) == [
        {
            "source": "shopify",
            "event_id": "e1",
            "order_id": "o1",
            "event_type": "order_paid",
            "occurred_at": NOW,
            "received_at": NOW + timedelta(seconds=1),
            "correlation_id": "ord-1",
            "carrier": "",
            "line_count": 2,
            "total_amount_cents": 12_345,
            "items_count": 3,
            "rush": False,
            "oversized": False,
            "hazmat": False,
            "fragile": False,
            "payload": None,
        },
        {
            "source": "wms",
            "event_id": "e1",
            "order_id": "o1",
            "event_type": "pick_completed",
            "occurred_at": NOW + timedelta(hours=1),
            "received_at": NOW + timedelta(seconds=1),
            "correlation_id": "ord-1",
            "carrier": "dhl",
            "line_count": None,
            "total_amount_cents": None,
            "items_count": None,
            "rush": False,
            "oversized": True,
            "hazmat": False,
            "fragile": True,
            "payload": '{"zip":"12345"}',
        },
    ]


def test_of_equal_events_in_one_batch_the_first_stays(store: Store) -> None:
    assert add(store, PAID, PAID._replace(order_id="o2")) == {("acme", "shopify", "e1")}
    assert [row["order_id"] for row in read(store)] == ["o1"]


def test_many_events_go_in_several_statements(store: Store) -> None:
    many = [PAID._replace(event_id=f"e{i}") for i in range(1203)]
    assert len(add(store, *many[:700])) == 700
    assert len(add(store, *many)) == 503
    with store.read() as books:
        assert books.order_events.count("acme") == 1203
    assert len(read(store)) == 1203


def test_tenants_share_ids_and_nothing_else(store: Store) -> None:
    """E2-04."""
    assert len(add(store, PAID, PAID._replace(tenant="other"))) == 2
    assert len(read(store)) == len(read(store, "other")) == 1
    assert read(store, "third") == []
    with store.read() as books:
        assert books.order_events.count("other") == 1
        assert books.order_events.mark("third") is None
        before = books.order_events.mark("acme")
    add(store, PICKED)
    with store.read() as books:
        assert (books.order_events.mark("acme") or 0) > (before or 0)


def test_a_moment_reads_whole_orders(store: Store) -> None:
    """What began before it still belongs to an order of which something happened since."""
    quiet = PAID._replace(order_id="o2", event_id="e2")
    foreign = PICKED._replace(tenant="other", order_id="o2")
    add(store, PAID, PICKED, quiet, foreign)
    assert [r["event_type"] for r in read(store, since=NOW + timedelta(hours=1))] == ["order_paid", "pick_completed"]
    assert len(read(store, since=NOW)) == 3
    assert read(store, since=NOW + timedelta(hours=1, microseconds=1)) == []


def test_one_event_told_by_many_at_once_is_stored_once(store: Store) -> None:
    """E2-02: the batches overlap and come in opposite orders, which on PostgreSQL would wait for each other."""
    many = [PAID._replace(event_id=f"e{i:03}") for i in range(200)]
    ready = threading.Barrier(4)

    def tell(turn: int) -> int:
        ready.wait()
        return len(add(store, *(many if turn % 2 else many[::-1])))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, range(4))) == 200
    assert len(read(store)) == 200


def test_secrets_are_not_kept(store: Store) -> None:
    add(store, PAID._replace(payload=f'{{"key":"{CANARY}"}}'))
    store.add(lambda books: books.dead_letters.add([replace(LETTER, document={"k": CANARY}, error=CANARY)]))
    assert read(store)[0]["payload"] == '{"key":"[secret]"}'
    with store.read() as books:
        letter = books.dead_letters.get("acme", LETTER.id)
    assert (letter.document, letter.error) == ({"k": "[secret]"}, "[secret]")


# --- dead letters -----------------------------------------------------------------------------------

LETTER = DeadLetter(
    "DLQ-1", "acme", "wms", "e1", "ord-1", {"a": [1, None]}, "busy", "", LetterState.PENDING, 1, NOW, NOW, NOW
)


def letters(store: Store, *states: LetterState) -> list[str]:
    with store.read() as books:
        return [letter.id for letter in books.dead_letters.page("acme", states)[0]]


def test_a_letter_is_kept_once_and_paged_newest_first(store: Store) -> None:
    """E2-06."""
    later = replace(LETTER, id="DLQ-2", created_at=NOW + timedelta(seconds=1), state=LetterState.FAILED)
    foreign = replace(LETTER, tenant="other")
    with store.begin() as books:
        assert books.dead_letters.add([LETTER, LETTER, later, foreign]) == 3
        assert books.dead_letters.add([replace(LETTER, attempts=9)]) == 0
        assert books.dead_letters.add([]) == 0
    with store.read() as books:
        assert books.dead_letters.get("acme", "DLQ-1") == LETTER
        assert books.dead_letters.page("acme", offset=1, limit=1) == ((LETTER,), 2)
        assert (books.dead_letters.depth(), books.dead_letters.depth("acme")) == (3, 2)
        with pytest.raises(NotFound):
            books.dead_letters.get("third", "DLQ-1")
    assert letters(store) == ["DLQ-2", "DLQ-1"]
    assert letters(store, LetterState.FAILED) == ["DLQ-2"]


def test_only_a_pending_letter_falls_due(store: Store) -> None:
    failed = replace(LETTER, id="DLQ-2", state=LetterState.FAILED, next_retry_at=None)
    with store.begin() as books:
        books.dead_letters.add([LETTER, failed])
    with store.read() as books:
        assert books.dead_letters.due(NOW - timedelta(microseconds=1), 10) == ()
        assert books.dead_letters.due(NOW, 10) == (LETTER,)
        assert len(books.dead_letters.undone("acme", 10)) == 2
        assert books.dead_letters.undone("other", 10) == ()


def test_of_two_attempts_at_once_one_counts_and_processed_is_final(store: Store) -> None:
    with store.begin() as books:
        books.dead_letters.add([LETTER])
        once = replace(LETTER, attempts=2)
        assert books.dead_letters.save(once, 1)
        assert not books.dead_letters.save(once, 1)
        assert books.dead_letters.save(replace(once, attempts=3, state=LetterState.PROCESSED), 2)
        assert not books.dead_letters.save(replace(once, attempts=4), 3)
        assert books.dead_letters.depth() == 0


# --- shared commits ---------------------------------------------------------------------------------


def test_who_waits_shares_the_next_commit(store: Store) -> None:
    """While the first commits, nine others queue up: they need one more transaction, not nine."""
    begun, entered, go = [], threading.Event(), threading.Event()
    together = Together[Books](lambda: (begun.append(1), store.begin())[1])

    def slow(books: Books) -> int:
        entered.set()
        go.wait(20)
        return len(books.order_events.add([PAID]))

    def tell(i: int) -> int:
        return together.run(lambda books: len(books.order_events.add([PAID._replace(event_id=f"x{i % 8}")])))

    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(together.run, slow)
        assert entered.wait(20)
        others = [pool.submit(tell, i) for i in range(9)]
        while len(together._waiting) < 9:
            pass
        go.set()
        assert first.result() == 1
        assert sum(other.result() for other in others) == 8
    assert len(begun) == 2
    assert len(read(store)) == 9


def test_nobody_fails_for_somebody_else(store: Store, url: str) -> None:
    """A row that the database refuses fails its own caller, also in a shared transaction."""
    together = Together[Books](store.begin)
    bad = PAID._replace(order_id=None)  # type: ignore[arg-type]
    together._waiting += (asked := [_asked(bad), _asked(PAID._replace(event_id="e2"))])
    assert together.run(lambda books: len(books.order_events.add([PAID]))) == 1
    assert isinstance(asked[0].error, StoreError)
    assert (asked[1].answer, asked[1].error) == (1, None)
    with pytest.raises(StoreError):
        together.run(lambda books: books.order_events.add([bad]))
    assert [row["event_id"] for row in read(store)] == ["e2", "e1"]
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM order_events")).scalar() == 2
    engine.dispose()


def _asked(event: NewEvent) -> _Asked[Books]:
    return _Asked(lambda books: len(books.order_events.add([event])))
