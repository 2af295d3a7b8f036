"""Attribution arithmetic: parts add up exactly, ratios split into rate and mix, the scan names the right slice."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.explain.contribution import attribute

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y", "z"]), st.integers(0, 500), st.integers(1, 900)
    ),
    min_size=1,
    max_size=30,
)


def frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["d1", "d2", "n", "d"])


@settings(deadline=None, max_examples=25)
@given(ROWS, ROWS)
def test_the_values_of_each_dimension_add_up_to_the_change(
    before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> None:
    found = attribute(frame(before), frame(after), "n", None, ["d1", "d2"])
    assert found.change == sum(int(str(r[2])) for r in after) - sum(int(str(r[2])) for r in before)
    for parts in found.parts.values():
        assert math.isclose(sum(p.contribution for p in parts), found.change, abs_tol=1e-6)
    assert abs(found.residual) < 1e-6


@settings(deadline=None, max_examples=25)
@given(ROWS, ROWS)
def test_rate_and_mix_effects_add_up_to_the_change_of_a_ratio(
    before: list[tuple[object, ...]], after: list[tuple[object, ...]]
) -> None:
    found = attribute(frame(before), frame(after), "n", "d", ["d1", "d2"])
    for parts in found.parts.values():
        total = sum((p.rate_effect or 0) + (p.mix_effect or 0) for p in parts)
        assert math.isclose(total, found.change, abs_tol=1e-9, rel_tol=1e-9)


def test_a_pure_mix_shift_has_no_rate_effect() -> None:
    before = frame([("a", "x", 50, 100), ("b", "x", 10, 100)])
    after = frame([("a", "x", 25, 50), ("b", "x", 15, 150)])
    parts = {p.where["d1"]: p for p in attribute(before, after, "n", "d", ["d1"]).parts["d1"]}
    assert parts["a"].rate_effect == pytest.approx(0)
    assert parts["b"].rate_effect == pytest.approx(0)
    assert parts["a"].mix_effect == pytest.approx(-0.25 * (0.5 - 0.3))
    assert sum(p.contribution for p in parts.values()) == pytest.approx(0.2 - 0.3)


def _grid(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cells = [
        (c, d, p) for c in ("DE", "FR", "US", "JP") for d in ("phone", "desktop") for p in ("card", "bank", "wallet")
    ]
    return pd.DataFrame(cells, columns=["country", "device", "pay"]).assign(n=rng.integers(400, 2000, len(cells)))


@pytest.mark.parametrize(
    "where", [{"country": "DE"}, {"device": "phone", "pay": "card"}, {"country": "US", "pay": "bank"}]
)
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_scan_names_the_slice_that_moved(where: dict[str, str], factor: float) -> None:
    before = _grid()
    hit = np.logical_and.reduce([before[k] == v for k, v in where.items()])
    noisy = np.random.default_rng(1).poisson(before["n"])
    after = before.assign(n=np.where(hit, noisy * factor, noisy).round())
    found = attribute(before, after, "n", None, ["country", "device", "pay"])
    assert dict(found.slices[0].where) == where
    assert found.slices[0].surprise > 0


def test_uniform_growth_has_no_cause() -> None:
    before = _grid()
    assert attribute(before, before.assign(n=before["n"] * 2), "n", None, ["country", "device", "pay"]).causes == 0


def test_two_causes_are_both_named_and_do_not_overlap() -> None:
    before = _grid()
    hit = (before["country"] == "DE") | ((before["country"] == "US") & (before["pay"] == "card"))
    after = before.assign(n=np.where(hit, before["n"] // 2, before["n"]))
    found = attribute(before, after, "n", None, ["country", "device", "pay"])
    assert [dict(s.where) for s in found.slices[: found.causes]] == [
        {"country": "DE"},
        {"country": "US", "pay": "card"},
    ]


def test_of_two_values_the_one_that_fell_is_blamed_even_when_it_is_the_larger() -> None:
    before, after = frame([("a", "x", 6000, 1), ("b", "x", 4000, 1)]), frame([("a", "x", 3000, 1), ("b", "x", 4000, 1)])
    found = attribute(before, after, "n", None, ["d1"])
    assert [dict(s.where) for s in found.slices[: found.causes]] == [{"d1": "a"}]


def test_failures_are_counted_where_most_succeed() -> None:
    before = frame([(c, "x", 990, 1000) for c in "abcdefgh"])
    after = frame([(c, "x", 900 if c == "c" else 990, 1000) for c in "abcdefgh"])
    found = attribute(before, after, "n", "d", ["d1"])
    assert dict(found.slices[0].where) == {"d1": "c"}


def test_offsetting_parts_are_noted() -> None:
    before, after = frame([("a", "x", 100, 1), ("b", "x", 100, 1)]), frame([("a", "x", 160, 1), ("b", "x", 45, 1)])
    assert attribute(before, after, "n", None, ["d1"]).offsetting == pytest.approx(115 / 5)
    assert attribute(before, before, "n", None, ["d1"]).offsetting is None


def test_negative_amounts_still_add_up_and_rank() -> None:
    before, after = frame([("a", "x", -10, 1), ("b", "x", -20, 1)]), frame([("a", "x", -60, 1), ("b", "x", -20, 1)])
    found = attribute(before, after, "n", None, ["d1"])
    assert dict(found.slices[0].where) == {"d1": "a"}
    assert found.slices[0].share_pct == pytest.approx(100)


def test_a_mean_over_periods_is_the_reference() -> None:
    before, after = frame([("a", "x", 70, 1)]), frame([("a", "x", 25, 1)])
    assert attribute(before, after, "n", None, ["d1"], periods_before=7).change == pytest.approx(15)


def test_bad_input_is_named() -> None:
    rows = frame([("a", "x", 1, 1)])
    with pytest.raises(InputError, match="no column 'gone'"):
        attribute(rows, rows, "n", None, ["gone"])
    with pytest.raises(InputError, match="period after has no rows"):
        attribute(rows, rows.iloc[:0], "n", None, ["d1"])
