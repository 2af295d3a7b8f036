"""What each part added to a change, against plain arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.baseline.measure import MetricSpec
from core.model import Delta, Metric
from core.parts import adds_up, parts, rate_and_mix

ORDERS = MetricSpec(name="orders", table="sales", column="orders")
AT = datetime(2026, 4, 30, tzinfo=UTC)


def delta(value: float | None, previous: float | None, baseline: float | None, part: str = "") -> Delta:
    def less(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else a - b

    def pct(a: float | None, b: float | None) -> float | None:
        return None if a is None or not b else (a - b) / abs(b) * 100

    return Delta(
        metric=Metric("orders", "Orders"), labels={"region": part} if part else {}, at=AT, value=value,
        previous=previous, baseline=baseline, dod_abs=less(value, previous), dod_pct=pct(value, previous),
        vs_baseline_abs=less(value, baseline), vs_baseline_pct=pct(value, baseline), lower=None, upper=None,
        method="trailing_mean", previous_at=AT, trained_on=(),
    )  # fmt: skip


def test_parts_add_up_to_the_total_and_the_largest_comes_first() -> None:
    found = parts(
        ORDERS, delta(250, 310, 300), [delta(50, 100, 100, "West"), delta(200, 210, 200, "East")], [True, False],
        "baseline",
    )  # fmt: skip
    assert found.rows["part"].tolist() == ["West", "East"]
    assert found.rows["change"].tolist() == [-50, 0]
    assert found.rows["share_pct"].tolist() == [100, 0]
    assert found.rows["fired"].tolist() == [True, False]
    assert (found.change, found.added, found.residual) == (-50, -50, 0)


def test_what_a_baseline_leaves_over_is_named() -> None:
    found = parts(ORDERS, delta(250, 310, 310), [delta(250, 310, 300, "West")], [False], "baseline")
    assert (found.added, found.residual) == (-50, -10)
    assert parts(ORDERS, delta(250, 310, 310), [delta(250, 310, 300, "West")], [False], "previous").residual == 0


@pytest.mark.parametrize(
    "spec",
    [
        MetricSpec(name="rate", table="sales", column="won", over="visits"),
        MetricSpec(name="price", table="sales", column="price", agg="mean"),
        MetricSpec(name="people", table="sales", column="person", agg="distinct"),
    ],
)
def test_averages_ratios_and_distinct_counts_claim_no_contribution(spec: MetricSpec) -> None:
    found = parts(spec, delta(2, 1, 1), [delta(2, 1, 1, "West")], [False], "baseline")
    assert not adds_up(spec)
    assert (found.change, found.added, found.residual) == (1, None, None)
    assert found.rows["share_pct"].isna().all()


def test_without_a_reference_there_is_no_change_to_divide() -> None:
    found = parts(ORDERS, delta(5, None, None), [delta(5, None, None, "West")], [False], "baseline")
    assert found.change is None
    assert np.isnan(found.rows["change"].iloc[0])
    assert parts(ORDERS, delta(5, 4, 4), [], [], "baseline").rows.empty


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-10_000, 10_000)] * 2), min_size=1, max_size=30))
def test_against_the_previous_period_the_sum_is_exact(pairs: list[tuple[int, int]]) -> None:
    total = delta(sum(v for v, _ in pairs), sum(p for _, p in pairs), None)
    found = parts(
        ORDERS, total, [delta(v, p, None, f"r{k}") for k, (v, p) in enumerate(pairs)], [False] * len(pairs), "previous"
    )
    assert found.residual == 0


def test_a_shift_between_parts_with_unchanged_rates_is_all_mix() -> None:
    rates = np.array([0.10, 0.02])
    found = rate_and_mix(["web", "app"], (rates, rates), (np.array([500.0, 500.0]), np.array([200.0, 800.0])))
    assert found["rate_effect"].tolist() == [0.0, 0.0]
    assert found["mix_effect"].sum() == pytest.approx((0.2 * 0.10 + 0.8 * 0.02) - 0.06)
    assert found.set_index("part")["share_pct"].to_dict() == {"web": 20.0, "app": 80.0}


def test_a_new_part_counts_by_its_distance_from_the_total() -> None:
    before, after = np.array([0.10, np.nan]), np.array([0.10, 0.02])
    found = rate_and_mix(["web", "app"], (before, after), (np.array([500.0, np.nan]), np.array([500.0, 500.0])))
    app = found.set_index("part").loc["app"]
    assert (app["mix_effect"], app["rate_effect"]) == (0.0, pytest.approx(0.5 * (0.02 - 0.10)))
    assert found["change"].sum() == pytest.approx(0.06 - 0.10)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.integers(1, 1000)] * 4), min_size=1, max_size=8))
def test_rate_and_mix_effects_are_the_whole_change(cells: list[tuple[int, int, int, int]]) -> None:
    n0, d0, n1, d1 = np.array(cells, dtype=float).T
    found = rate_and_mix([str(i) for i in range(len(cells))], (n0 / d0, n1 / d1), (d0, d1))
    assert found["change"].sum() == pytest.approx(n1.sum() / d1.sum() - n0.sum() / d0.sum(), abs=1e-9)
