"""Ranking of services and changes: each against its own past, and nothing from the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.explain.ranking import (
    NONE,
    Change,
    Symptom,
    alarmed,
    fused,
    largest,
    moved,
    ranked_changes,
    surprise,
    unexplained,
)

ONSET = datetime(2026, 6, 18, 15, 0, tzinfo=UTC)
OWNERS = ["a", "a", "b", "b", "c"]


def noise(points: int = 200, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = 100 + rng.normal(0, 3, (len(OWNERS), points))
    values[4] += 40 * (rng.random(points) < 0.2)  # c is restless all day long
    return values


def test_a_move_counts_against_the_series_own_past() -> None:
    values = noise()
    values[2, 180:] += 30  # less than the usual jumps of c
    seen = moved(values, 180)
    best = largest(OWNERS, seen.score)
    assert max(best, key=best.get) == "b"
    assert seen.p[2] == min(seen.p)
    assert max(alarmed(OWNERS, seen.p), key=alarmed(OWNERS, seen.p).get) == "b"


def test_points_after_the_window_change_nothing() -> None:
    values = noise()
    later = values.copy()
    later[:, 184:] = 1e9
    np.testing.assert_array_equal(moved(values, 180).score, moved(later, 180).score)
    counts = np.random.default_rng(1).poisson(4, (3, 40)).astype(float)
    longer = np.hstack([counts, np.full((3, 5), 1e6)])
    errors = np.array([True, False, False])
    np.testing.assert_array_equal(surprise(counts[:, :33], 30, 3, errors), surprise(longer[:, :33], 30, 3, errors))


def test_missing_values_and_short_histories_are_answered() -> None:
    seen = moved(np.full((2, 30), np.nan), 20)
    np.testing.assert_array_equal(seen.score, [0, 0])
    assert np.isfinite(moved(noise(12), 8).score).all()
    np.testing.assert_array_equal(moved(noise(12), 0).score, np.zeros(len(OWNERS)))
    assert np.isfinite(surprise(np.zeros((2, 3)), 0, 3, np.array([True, False]))).all()


def test_new_errors_and_vanished_success_lines_surprise_bursts_do_not() -> None:
    counts = np.zeros((4, 43))
    counts[0] = 5  # every minute
    counts[1, ::9] = 6  # now and then
    counts[2, 40:] = 4  # a new error
    counts[3] = 5
    counts[0, 40:] = 0  # the steady line falls silent
    scored = surprise(counts, 40, 3, np.array([False, False, True, False]))
    assert scored[2] > scored[0] > scored[1]
    assert scored[3] == pytest.approx(0, abs=0.5)


def test_the_deepest_sick_service_is_to_blame() -> None:
    scores = {"site": 9.0, "search": 8.5, "database": 0.5, "elsewhere": 20.0}
    calls = [("site", "search"), ("search", "database"), ("other", "elsewhere")]
    left = unexplained(scores, calls, "site")
    assert max(left, key=left.get) == "search"
    assert "elsewhere" not in left


def test_one_loud_source_does_not_outvote_the_others() -> None:
    loud = {"x": 1e9, "a": 1.0, "b": 0.5}
    one, two = {"a": 3.0, "b": 1.0, "x": 0.0}, {"a": 2.0, "b": 1.0, "x": 0.5}
    assert fused([(loud, 1), (one, 1), (two, 1)])[0][0] == "a"
    assert fused([({"a": 1.0, "b": 1.0}, 1)]) == [("a", 1 / 1.5), ("b", 1 / 1.5)]  # ties share their rank


def change(id: str, minutes: float | None, text: str, service: str = "pay", diff: str = "") -> Change:
    return Change(id, service, None if minutes is None else ONSET - timedelta(minutes=minutes), text, diff=diff)


LINES = (("catalog call failed: context deadline exceeded", 1.0),)


def first(*changes: Change, lines: tuple[tuple[str, float], ...] = LINES, surge: bool = False) -> str:
    return ranked_changes(changes, Symptom("pay", ONSET, lines, surge=surge))[0][0]


def test_what_a_change_touched_counts_more_than_when() -> None:
    deadline = change("deadline", 40, "central call budget", diff="-ctx = deadline(5s)\n+ctx = deadline(300ms)")
    latest = change("latest", 1, "restyle the cart badge")
    assert first(deadline, latest) == "deadline"


@pytest.mark.parametrize("minutes", [-0.1, None])
def test_a_change_after_the_onset_or_never_live_cannot_be_it(minutes: float | None) -> None:
    guilty = change("x", minutes, "deadline of the catalog call", diff="-deadline: 5\n+deadline: 1")
    assert [name for name, _ in ranked_changes([guilty], Symptom("pay", ONSET, LINES))] == [NONE]


def test_a_rival_stands_for_what_nobody_recorded() -> None:
    harmless = change("docs", 5, "docs: describe the cart")
    assert first(harmless) == NONE
    risky = change("risky", 5, "tune the cache ttl", diff="-ttl = 60\n+ttl = 1")
    outside = (("node throttling: cpu contended by a neighbour", 1.0),)
    assert first(risky) == "risky"
    assert first(risky, lines=outside, surge=True) == NONE


def test_a_changed_value_counts_also_behind_a_key() -> None:
    same = change("same", 5, "agent defaults", diff="-level: info\n+level: debug")
    other = change("other", 5, "agent defaults", diff="-level: info\n+colour: blue")
    assert first(other, same, lines=()) == "same"
