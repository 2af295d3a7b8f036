"""DP-12: runbooks are found offline by signal, word and likeness; what does not fit is not shown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.explain import runbooks
from core.explain.runbooks import search
from core.model import JsonObject

POOL: JsonObject = {
    "runbook_id": "RB-001",
    "title": "Database connection pool exhaustion",
    "content": "# Symptoms\n\nRequests wait for a connection. **Raise** `max_connections` of the pool step by step.",
    "service": "payment-service",
    "incident_type": "error_rate",
    "tags": ["database", "pool", "timeout"],
    "signals": ["DatabaseConnectionTimeout"],
    "url": "https://wiki.example.com/pool",
}
ROLLBACK: JsonObject = {
    "runbook_id": "RB-002",
    "title": "Roll back a deployment",
    "content": "Find the previous version. Deploy it. Watch the error rate for ten minutes.",
    "tags": "deployment, rollback",
    "signals": "deployment",
}
SCALING: JsonObject = {
    "runbook_id": "RB-003",
    "title": "Autoscaling for traffic surges",
    "content": "Add replicas when requests rise. The database keeps its limits.",
    "tags": ["traffic", "capacity"],
    "signals": ["traffic_surge"],
}
ALL = (POOL, ROLLBACK, SCALING)


def ids(hits: Sequence[runbooks.Hit]) -> list[str]:
    return [h.runbook_id for h in hits]


def test_dp12_a_named_signal_comes_before_every_likeness() -> None:
    hits = search(ALL, "roll back the deployment to the previous version", ["databaseconnectiontimeout"])
    assert ids(hits)[:2] == ["RB-001", "RB-002"]
    assert hits[0].score == 1.0
    assert hits[0].matched[0] == "signals"
    assert "signals" not in hits[1].matched


def test_dp12_words_are_weighed_by_field() -> None:
    """'database' stands in title and tags of one runbook and only in the content of another."""
    hits = search(ALL, "database")
    assert ids(hits) == ["RB-001", "RB-003"]
    assert hits[0].score == pytest.approx((3 + 2) / 6)
    assert hits[0].matched == ("title", "tags")
    assert hits[1].matched == ("content",)
    assert 1 / 6 <= hits[1].score < hits[0].score


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("pol", ["RB-001"]),  # 3 letters: one edit
        ("pxxl", []),  # 4 letters: two edits are too many
        ("exahustino", ["RB-001"]),  # longer: two swaps
        ("exhxxxtion", []),
        ("to", []),  # too short and too common
        ("zzzzzz", []),
        ("", []),
    ],
)
def test_dp12_a_typing_error_is_forgiven_within_its_bounds(typed: str, found: list[str]) -> None:
    assert ids(search(ALL, typed)) == found


def test_dp12_an_error_type_is_read_as_its_words() -> None:
    assert runbooks.words("HTTPConnectionError of the payment_service") == (
        "http",
        "connection",
        "error",
        "payment",
        "service",
    )
    assert ids(search(ALL, "PoolExhaustedException"))[0] == "RB-001"


def test_dp12_likeness_counts_where_it_is_better_than_words() -> None:
    alone = {"runbook_id": "RB-9", "title": "", "content": "latency"}
    assert search((alone, *ALL), "latency")[0].score == pytest.approx(1.0)  # cosine 1, words 1/6


def test_dp12_top_five_of_many() -> None:
    many = [{"runbook_id": f"RB-{n:03}", "title": "Cache misses", "content": "warm it"} for n in range(9)]
    assert ids(search(many, "cache")) == [f"RB-{n:03}" for n in range(5)]


def test_dp12_the_snippet_shows_the_matching_passage_without_marks() -> None:
    long = {"runbook_id": "RB-7", "title": "x", "content": "filler text " * 60 + "then **restart** the broker. " * 20}
    snippet = search([long], "broker")[0].snippet
    assert len(snippet) <= 200
    assert "restart the broker" in snippet
    assert snippet.startswith("…")
    assert search(ALL, "connections")[0].snippet.startswith("Symptoms Requests wait")


def test_no_runbooks_no_hits() -> None:
    assert search((), "anything", ["x"]) == ()


@given(text=st.text(max_size=80), titles=st.lists(st.text(max_size=40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_dp12_every_hit_has_a_score_and_a_reason(text: str, titles: list[str]) -> None:
    books = [{"runbook_id": f"RB-{n}", "title": t, "content": t * 9} for n, t in enumerate(titles)]
    for hit in search(books, text):
        assert 0 < hit.score <= 1
        assert hit.matched
        assert len(hit.snippet) <= 200
