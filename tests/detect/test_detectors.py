"""What each detector fires on, and on which side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.model import Baseline, ChangeType, Direction, MetricKind, Panel, Scores

Make = Callable[..., Panel]
Against = Callable[..., Baseline]


def season(points: int, seed: int = 0, noise: float = 2.0) -> np.ndarray:
    """A weekly pattern with noise."""
    rng = np.random.default_rng(seed)
    week = np.array([100.0, 110, 105, 100, 120, 60, 50])
    return week[np.arange(points) % 7] + rng.normal(0, noise, points)


def run(name: str, panel: Panel, baseline: Baseline | None = None, **params: object) -> Scores:
    cls = detectors.get(name)
    fitted = baseline or baselines.build(cls.baseline or "trailing_mean").fit(panel)
    return detectors.build(name, params).score(panel, fitted)


@pytest.mark.parametrize(
    ("value", "good", "score"),
    [
        (85.0, Direction.UP, 1.0),  # exactly 15 % down counts
        (85.1, Direction.UP, 14.9 / 15),
        (130.0, Direction.UP, 0.0),  # the good way
        (130.0, Direction.DOWN, 2.0),
        (130.0, Direction.NONE, 0.0),  # no bad direction: never fires
    ],
)
def test_change_in_the_bad_direction(make: Make, against: Against, value: float, good: Direction, score: float) -> None:
    p = make([[value]], good=good)
    s = run("change", p, against(p, 100.0))
    assert s.score[0, 0] == pytest.approx(score)
    assert bool(s.alarm[0, 0]) is (score >= 1)


def test_change_from_a_baseline_of_zero_needs_the_absolute_move(make: Make, against: Against) -> None:
    p = make([[0.0, 0.9, 1.0, 3.0]], good=Direction.DOWN)
    np.testing.assert_allclose(run("change", p, against(p, 0.0)).score, [[0, 0.9, 1, 3]])
    np.testing.assert_allclose(run("change", p, against(p, 0.0), zero_baseline_abs=3).score, [[0, 0.3, 1 / 3, 1]])


def test_small_counts_also_need_an_absolute_move(make: Make, against: Against) -> None:
    p = make([[3.0, 4.0]], good=Direction.DOWN, kind=MetricKind.SUM, name="failures")
    base = against(p, 2.0)
    assert run("change", p, base).alarm.tolist() == [[False, True]]
    assert run("change", p, base, small_count_metrics=()).alarm.tolist() == [[True, True]]
    assert run("change", p, base, small_count_metrics=("failures",), small_count_abs=1).alarm.tolist() == [[True, True]]
    assert run("change", p, against(p, 10.0), small_count_below=10, side="both").alarm.tolist() == [[True, True]]


def test_change_of_a_negative_baseline_keeps_its_direction(make: Make, against: Against) -> None:
    p = make([[-150.0, -50.0]], good=Direction.UP)
    assert run("change", p, against(p, -100.0)).alarm.tolist() == [[True, False]]


def test_change_abs_and_sides(make: Make, against: Against) -> None:
    p = make([[95.0, 105.0]])
    base = against(p, 100.0)
    fired = {
        side: run("change_abs", p, base, amount=5, side=side).alarm[0].tolist()
        for side in ("bad", "both", "up", "down")
    }
    assert fired == {"bad": [True, False], "both": [True, True], "up": [False, True], "down": [True, False]}


def test_band_scores_in_half_widths(make: Make, against: Against) -> None:
    p = make([[10.0, 12.0, 7.0, np.nan]])
    s = run("band", p, against(p, 10.0, half=2.0))
    np.testing.assert_allclose(s.score[0, :3], [0, 1, 1.5])
    assert np.isnan(s.score[0, 3])
    assert s.change[0].tolist() == [None, ChangeType.SPIKE, ChangeType.DIP, None]
    assert [(a.series, a.reason) for a in s.abstentions] == [(0, "no value at this point")]


def test_rounding_on_a_flat_series_is_quiet_and_a_real_move_is_not(make: Make) -> None:
    flat = np.full(60, 0.1 + 0.2)
    flat[40] += 1e-15
    flat[50] = 0.31
    for name in ("band", "combined"):
        s = run(name, make([flat]))
        assert np.nan_to_num(s.score[0, :50]).max() < 1, name
        assert s.score[0, 50] >= 1, name


def test_combined_finds_a_spike_a_dip_and_nothing_else(make: Make) -> None:
    values = season(200)
    values[120] *= 1.4
    values[150] *= 0.6
    s = run("combined", make([values]))
    assert {120, 150} <= set(np.flatnonzero(s.alarm[0]))
    assert s.alarm.sum() <= 3
    assert s.change[0, 120] is ChangeType.SPIKE
    assert s.change[0, 150] is ChangeType.DIP


def test_combined_does_not_take_the_weekend_for_a_dip(make: Make) -> None:
    many = np.stack([season(365, seed) for seed in range(30)])
    alarms = run("combined", make(many)).alarm
    assert alarms.sum() < 1.0 * 30  # fewer than one a series-year, although weekends here are twice as noisy


@pytest.mark.parametrize(("factor", "change"), [(1.1, ChangeType.STEP_UP), (0.9, ChangeType.STEP_DOWN)])
def test_small_steps_are_found_by_their_sums(make: Make, factor: float, change: ChangeType) -> None:
    values = season(200)
    values[150:] *= factor
    s = run("level_shift", make([values]))
    fired = np.flatnonzero(s.alarm[0])
    assert len(fired)
    assert 150 <= fired[0] < 160
    assert set(s.change[0, fired[fired < 160]]) == {change}


def test_level_shift_finds_a_trend_that_has_begun(make: Make) -> None:
    values = season(260)
    values[150:] *= np.linspace(1, 1.8, 110)
    fired = np.flatnonzero(run("level_shift", make([values])).alarm[0])
    assert len(fired)
    assert 150 < fired[0] < 200


def test_a_new_level_stops_alarming(make: Make) -> None:
    values = season(250)
    values[150:] += 200
    fired = np.flatnonzero(run("combined", make([values])).alarm[0])
    assert 150 in fired
    assert fired[-1] < 180


def test_stuck_values(make: Make) -> None:
    values = season(120)
    values[90:100] = values[89]
    for name in ("missing", "combined"):
        s = run(name, make([values]))
        assert ChangeType.STUCK in set(s.change[0, 91:100]), name
    counts = np.random.default_rng(1).integers(0, 2, 200).astype(float)  # equal neighbours are usual here
    assert not run("missing", make([counts])).alarm.any()


def test_a_gap_is_missing_only_where_data_is_usual(make: Make) -> None:
    values = season(90)
    values[6::7] = np.nan  # never any data on Sundays
    values[80] = np.nan
    for name in ("missing", "combined"):
        s = run(name, make([values]))
        assert np.flatnonzero([c is ChangeType.MISSING for c in s.change[0]]).tolist() == [80], name


def test_short_history_is_declined_with_counts(make: Make) -> None:
    s = run("combined", make([[1.0, 2, 3, 4, 5]]))
    assert np.isnan(s.score).all()
    assert [a.reason for a in s.abstentions] == ["needs 14 earlier points, has 4"]


def test_sensitivity_moves_the_cut(make: Make) -> None:
    p = make([season(200)])
    low, high = run("combined", p, sensitivity=0.5), run("combined", p, sensitivity=2.0)
    np.testing.assert_allclose(low.score * 4, high.score)
    assert low.alarm.sum() < high.alarm.sum()


def test_hourly_spike(make: Make) -> None:
    rng = np.random.default_rng(3)
    hours = np.arange(24 * 21)
    values = 50 + 30 * np.sin(2 * np.pi * hours / 24) + rng.normal(0, 2, len(hours))
    values[400] += 40
    fired = np.flatnonzero(run("combined", make([values], freq="h")).alarm[0])
    assert 400 in fired
    assert len(fired) <= 6
