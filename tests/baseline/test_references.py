"""The three references of a segment (acceptance PU-07, PU-08)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.baseline.references import ReferenceRules, earlier, reference_doc, reference_of, references
from tests.detect.segment_scene import PLATFORM, day, sizes, snapshot


def test_medians_of_the_snapshots_before_and_of_the_start_of_the_window() -> None:
    history = sizes(*range(1_000, 1_020))
    previous, usual, start = references(earlier(history, day(20)))
    assert (previous.size, previous.dates) == (1_018, (day(19),))
    assert (usual.size, usual.dates) == (1_015, tuple(day(n) for n in range(13, 20)))
    assert (start.size, start.dates) == (1_007, tuple(day(n) for n in (7, 8, 9)))


@pytest.mark.parametrize(("count", "names"), [(0, 0), (1, 2), (6, 2), (7, 3)])
def test_the_window_needs_eight_snapshots_with_the_judged_one(count: int, names: int) -> None:
    assert len(references(sizes(*[10] * count))) == names


def test_untracked_measures_and_new_values() -> None:
    history = [
        snapshot(1, conv_rate=None, shares={"p": {"a": 1.0}}),
        snapshot(2, conv_rate=0.2, velocity_out=None, shares={"p": {"a": 0.6, "b": 0.4}}),
        snapshot(3, 0, conv_rate=None, shares={"p": {"a": 0.5, "b": 0.3, "c": 0.2}}),
    ]
    _, usual = references(history)
    assert (usual.conv_rate, usual.churn) == (0.2, pytest.approx(0.03))
    assert usual.shares == {"p": {"a": pytest.approx(0.6 / 0.9), "b": pytest.approx(0.3 / 0.9), "c": 0.0}}


def test_pu06_an_absent_attribute_counts_as_zero_only_where_the_source_has_it() -> None:
    history = [snapshot(1), snapshot(2, shares={}), snapshot(3, shares={})]
    assert references(history)[1].shares["platform"] == PLATFORM
    assert references(history, existing=["platform"])[1].shares["platform"] == dict.fromkeys(PLATFORM, 0.0)


def test_pu08_the_day_of_the_new_normal_counts() -> None:
    history = sizes(1, 2, 3, 4)
    assert [s.size for s in earlier(history, day(4), since=day(2).replace(hour=23))] == [2, 3]
    assert [s.size for s in earlier(history, day(4), without={day(3)})] == [1, 2]


shares = st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any)


@settings(max_examples=50, deadline=None)
@given(st.lists(shares, min_size=1, max_size=20), st.lists(st.integers(0, 10**6), min_size=20, max_size=20))
def test_receipts_are_earlier_shares_add_up_and_documents_read_back(rows: list[list[int]], people: list[int]) -> None:
    history = [
        replace(snapshot(i, people[i - 1]), shares={"p": {v: n / sum(row) for v, n in zip("abc", row, strict=True)}})
        for i, row in enumerate(rows, start=1)
    ]
    for made in references(earlier(history, day(len(rows))), ReferenceRules(before=5, window=9, oldest=2, needed=4)):
        assert all(at < day(len(rows)) for at in made.dates)
        assert sum(made.shares["p"].values()) in (pytest.approx(1.0), 0.0)
        assert reference_of(reference_doc(made)) == made


@pytest.mark.parametrize("doc", [None, 4, {}, {"size": "many"}])
def test_what_is_no_reference_is_none(doc: object) -> None:
    assert reference_of(doc) is None  # type: ignore[arg-type]
