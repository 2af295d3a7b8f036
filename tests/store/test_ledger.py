from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from core.errors import BudgetExceeded, NotFound
from core.ports import Ledger
from core.store.books import Store
from core.store.ledger import StoreLedger
from tests.store.samples import at_once

MORNING = datetime(2025, 12, 14, 9, tzinfo=UTC)


class Watch:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.time = MORNING

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def ledger(store: Store, watch: Watch) -> StoreLedger:
    return store.ledger(watch, tokens_per_day=1000, usd_per_day=1.0)


def test_the_store_keeps_the_port(ledger: StoreLedger) -> None:
    port: Ledger = ledger
    port.settle(port.reserve(1, 0.1), 1, 0.1)


def test_the_budget_holds_to_the_token_and_the_cent(ledger: StoreLedger) -> None:
    ledger.reserve(1000, 0.5)
    with pytest.raises(BudgetExceeded, match="1000 tokens"):
        ledger.reserve(1, 0.0)
    with pytest.raises(BudgetExceeded, match="1 USD"):
        ledger.reserve(0, 0.500001)
    ledger.reserve(0, 0.5)


def test_settling_gives_back_what_was_not_used(ledger: StoreLedger) -> None:
    reservation = ledger.reserve(1000, 1.0)
    ledger.settle(reservation, 300, 0.2)
    ledger.settle(reservation, 999, 0.9)
    ledger.reserve(700, 0.8)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(1, 0.0)
    with pytest.raises(NotFound):
        ledger.settle("unknown", 1, 0.0)


def test_twenty_threads_share_one_budget(ledger: StoreLedger) -> None:
    outcomes = at_once(20, lambda _: ledger.reserve(100, 0.01))
    assert sum(isinstance(o, str) for o in outcomes) == 10
    assert sum(isinstance(o, BudgetExceeded) for o in outcomes) == 10


def test_a_dead_process_gives_its_reservation_back(ledger: StoreLedger, watch: Watch) -> None:
    late = ledger.reserve(1000, 0.0)
    watch.time += timedelta(minutes=10)
    ledger.reserve(600, 0.0)
    ledger.settle(late, 400, 0.0)
    with pytest.raises(BudgetExceeded):
        ledger.reserve(1, 0.0)


def test_the_budget_renews_at_midnight_utc(ledger: StoreLedger, watch: Watch) -> None:
    watch.time = datetime(2025, 12, 14, 23, 59, 59, tzinfo=UTC)
    ledger.settle(ledger.reserve(1000, 1.0), 1000, 1.0)
    watch.time += timedelta(seconds=1)
    ledger.reserve(1000, 1.0)


def test_an_answer_is_remembered_for_an_hour(ledger: StoreLedger, watch: Watch) -> None:
    assert ledger.recall("k") is None
    ledger.remember("k", "first")
    ledger.remember("k", 'second """ \\ \x00')
    watch.time += timedelta(minutes=59, seconds=59)
    assert ledger.recall("k") == 'second """ \\ \x00'
    watch.time += timedelta(seconds=1)
    assert ledger.recall("k") is None


def test_usage_adds_up_by_day(ledger: StoreLedger, watch: Watch) -> None:
    ledger.settle(ledger.reserve(100, 0.1), 90, 0.05)
    watch.time += timedelta(days=1)
    ledger.settle(ledger.reserve(100, 0.1), 80, 0.000001)
    ledger.settle(ledger.reserve(100, 0.1), 0, 0.0, failure="timeout")
    ledger.settle(ledger.reserve(100, 0.1), 10, None)
    ledger.reserve(100, 0.1)
    ledger.remember("k", "answer")
    ledger.recall("k")
    today, yesterday = ledger.usage()
    assert (today.day, today.calls, today.tokens, today.usd) == (date(2025, 12, 15), 3, 90, 0.000001)
    assert (today.unpriced, today.cache_hits, today.failures) == (1, 1, {"timeout": 1})
    assert (yesterday.day, yesterday.calls, yesterday.tokens, yesterday.usd) == (date(2025, 12, 14), 1, 90, 0.05)
    assert ledger.usage(days=1) == (today,)
