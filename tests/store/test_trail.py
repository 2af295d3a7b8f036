from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from core.errors import StoreError
from core.store.books import Store
from tests.store.samples import NOW, at_once


def write(store: Store, count: int, tenant: str = "acme") -> None:
    with store.begin() as books:
        for i in range(count):
            books.audit.append(tenant, "daily_kpis", "run", {"light": "red", "n": i, "x": 0.1}, NOW)


def tamper(url: str, *statements: str) -> None:
    """What an intruder with the database password does: the triggers go first."""
    engine = create_engine(url)
    drops = ["DROP TRIGGER audit_append_only ON audit"]
    if engine.dialect.name == "sqlite":
        drops = ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"]
    with engine.begin() as connection:
        for statement in (*drops, *statements):
            connection.execute(text(statement))
    engine.dispose()


def test_lines_are_chained_and_come_back(store: Store) -> None:
    with store.begin() as books:
        first = books.audit.append("acme", "ana", "login", {}, NOW)
        second = books.audit.append(
            "acme", "ana", "send", {"to": "ops"}, NOW, incident_id="INC-1", approved_by="bo", correlation_id="run-1"
        )
    assert (first.seq, second.seq, second.prev_hash) == (1, 2, first.hash)
    with store.read() as books:
        assert books.audit.list("acme") == (second, first)
        assert books.audit.verify("acme").ok
        assert books.audit.verify("nobody").ok


def test_tenants_have_chains_of_their_own(store: Store) -> None:
    write(store, 3)
    write(store, 2, "other")
    with store.read() as books:
        assert (books.audit.count("acme"), books.audit.count("other")) == (3, 2)
        assert books.audit.verify("acme").entries == 3


def test_the_same_event_is_written_once(store: Store) -> None:
    with store.begin() as books:
        first = books.audit.append("acme", "ana", "send", {}, NOW, event_id="send:42")
        assert books.audit.append("acme", "ana", "send", {}, NOW, event_id="send:42") == first
        assert books.audit.count("acme") == 1


def test_twenty_threads_make_one_chain(store: Store) -> None:
    outcomes = at_once(20, lambda _: write(store, 3))
    assert outcomes == [None] * 20
    with store.read() as books:
        check = books.audit.verify("acme")
    assert (check.ok, check.entries) == (True, 60)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET action = 'x' WHERE seq = 1", "DELETE FROM audit WHERE seq = 1"]
)
def test_the_database_refuses_edits(store: Store, url: str, statement: str) -> None:
    write(store, 2)
    engine = create_engine(url)
    with pytest.raises(Exception, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "bad_seq", "why"),
    [
        ("UPDATE audit SET action = 'other' WHERE seq = 3", 3, "changed"),
        ("UPDATE audit SET decision = '{}' WHERE seq = 1", 1, "changed"),
        ("UPDATE audit SET approved_by = 'me' WHERE seq = 5", 5, "changed"),
        ("UPDATE audit SET hash = prev_hash WHERE seq = 2", 2, "changed"),
        ("UPDATE audit SET prev_hash = hash WHERE seq = 4", 4, "does not follow"),
        ("DELETE FROM audit WHERE seq = 3", 3, "missing"),
        ("DELETE FROM audit WHERE seq >= 4", 4, "removed"),
        ("DELETE FROM audit", 1, "removed"),
    ],
)
def test_an_edited_row_is_named(store: Store, url: str, statement: str, bad_seq: int, why: str) -> None:
    write(store, 5)
    tamper(url, statement)
    with store.read() as books:
        check = books.audit.verify("acme")
    assert (check.ok, check.bad_seq) == (False, bad_seq)
    assert why in check.why


def test_the_list_obeys_every_filter(store: Store) -> None:
    with store.begin() as books:
        books.audit.append("acme", "ana", "send", {}, NOW, incident_id="INC-1", correlation_id="r1")
        books.audit.append("acme", "bo", "run", {}, NOW + timedelta(hours=1))
        listed = books.audit.list
        assert [e.seq for e in listed("acme", agent="ana")] == [1]
        assert [e.seq for e in listed("acme", action="run")] == [2]
        assert [e.seq for e in listed("acme", incident_id="INC-1")] == [1]
        assert [e.seq for e in listed("acme", correlation_id="r1")] == [1]
        assert [e.seq for e in listed("acme", since=NOW + timedelta(minutes=1))] == [2]
        assert [e.seq for e in listed("acme", limit=1)] == [2]


def test_lines_with_strange_characters_still_verify(store: Store) -> None:
    with store.begin() as books:
        books.audit.append("acme", "a\x00b\ud800", "ü", {"k\x00": ["\ud83d", 1e-300, -0.0, 2**60]}, NOW)
        assert books.audit.verify("acme").ok


def test_nothing_is_written_in_a_reading_transaction(store: Store) -> None:
    with pytest.raises(StoreError), store.read() as books:
        books.audit.append("acme", "ana", "login", {}, NOW)
    write(store, 1)
    with store.read() as books:
        assert books.audit.count("acme") == 1
