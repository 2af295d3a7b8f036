"""One contract for every registered baseline and detector; a new plugin is covered by being registered."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.baseline.methods import BaselineMethod, baselines
from core.detect.detectors import SeriesDetector, detectors
from core.errors import ConfigError
from core.model import Baseline, ChangeType, Direction, Metric, Panel, Scores
from core.plugins import Plugin

METHODS = list(baselines)
DETECTORS = list(detectors)
PLUGINS: list[type[Plugin]] = [*METHODS, *DETECTORS]
STARTS = {"D": "2025-01-01", "h": "2025-03-01", "5min": "2025-03-01", "W-MON": "2024-01-01", "MS": "2020-01-01"}


def panel(values: object, freq: str = "D") -> Panel:
    """A panel of one metric over ``values`` [n_series, n_points]."""
    array = np.atleast_2d(np.array(values, dtype=float))
    index = pd.date_range(STARTS[freq], periods=array.shape[1], freq=freq, tz="UTC")
    series = pd.DataFrame({"metric": ["m"] * len(array), "country": [f"c{i}" for i in range(len(array))]})
    return Panel(array, index, series, {"m": Metric("m", "M", good=Direction.UP)}, freq)


def wave(points: int = 120, n: int = 4, seed: int = 1, freq: str = "D") -> Panel:
    """Weekly waves with noise, a spike, a gap, a stuck run, a step, and a flat series that moves once."""
    rng = np.random.default_rng(seed)
    t = np.arange(points)
    values = 100 + 20 * np.sin(2 * np.pi * t / 7) + rng.normal(0, 3, (n, points))
    values[0, points - 30] *= 3
    values[1 % n, points // 2 : points // 2 + 4] = np.nan
    values[2 % n, points // 2 :] += 40
    values[3 % n] = 5.0
    values[3 % n, points - 10] = 6.0
    return panel(values, freq)


def paired(detector: type[SeriesDetector], p: Panel) -> Baseline:
    """The baseline a detector is made for, over ``p``."""
    return baselines.build(detector.baseline or "trailing_mean").fit(p)


def answer(plugin: type[Plugin], p: Panel) -> tuple[np.ndarray, ...]:
    """Everything a plugin says of a panel, as arrays."""
    if issubclass(plugin, BaselineMethod):
        b = plugin().fit(p)
        return b.expected, b.lower, b.upper
    assert issubclass(plugin, SeriesDetector)
    s: Scores = plugin().score(p, paired(plugin, p))
    return s.score, s.alarm, s.change


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
class TestPlugin:
    def test_is_frozen_and_refuses_unknown_keys(self, plugin: type[Plugin]) -> None:
        with pytest.raises(ValidationError):
            plugin.model_validate({"no_such_key": 1})
        field = next(iter(plugin.model_fields), None)
        if field is not None:
            with pytest.raises(ValidationError):
                setattr(plugin(), field, getattr(plugin(), field))

    def test_schema_and_round_trip(self, plugin: type[Plugin]) -> None:
        assert plugin.model_validate_json(plugin().model_dump_json()) == plugin()
        schema = plugin.model_json_schema()
        for name, field in plugin.model_fields.items():
            assert name in schema["properties"]
            assert field.description, f"{plugin.name}.{name} has no description for its form"

    def test_says_what_it_does(self, plugin: type[Plugin]) -> None:
        assert plugin.title
        assert inspect.getdoc(plugin) not in (None, inspect.getdoc(Plugin))
        method = plugin.fit if issubclass(plugin, BaselineMethod) else plugin.score  # type: ignore[attr-defined]
        assert (inspect.getdoc(method) or "").strip()

    @pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0), (3, 1)])
    def test_small_panels_are_answered_or_declined(self, plugin: type[Plugin], shape: tuple[int, int]) -> None:
        for array in answer(plugin, panel(np.full(shape, 7.0).reshape(shape) if shape[0] else np.empty(shape))):
            assert array.shape == shape

    @pytest.mark.parametrize("freq", STARTS)
    def test_shapes_and_finiteness(self, plugin: type[Plugin], freq: str) -> None:
        p = wave(freq=freq)
        for array in answer(plugin, p):
            assert array.shape == p.shape
            if array.dtype == np.float64:
                assert not np.isinf(array).any()

    def test_nothing_but_missing_values(self, plugin: type[Plugin]) -> None:
        first, *_ = answer(plugin, panel(np.full((2, 40), np.nan)))
        assert not (np.nan_to_num(first) >= 1).any()

    def test_does_not_change_its_input(self, plugin: type[Plugin]) -> None:
        p = wave()
        before = copy.deepcopy((p.values, p.series, p.index))
        answer(plugin, p)
        np.testing.assert_array_equal(p.values, before[0])
        pd.testing.assert_frame_equal(p.series, before[1])
        pd.testing.assert_index_equal(p.index, before[2])

    def test_same_input_same_answer(self, plugin: type[Plugin]) -> None:
        for one, two in zip(answer(plugin, wave()), answer(plugin, wave()), strict=True):
            np.testing.assert_array_equal(one, two)

    @pytest.mark.parametrize("freq", ["D", "h"])
    def test_the_future_never_changes_the_past(self, plugin: type[Plugin], freq: str) -> None:
        p = wave(points=150, freq=freq)
        whole = answer(plugin, p)
        for point in (0, 13, 50, 75, 121, 148):
            for full, cut in zip(whole, answer(plugin, p.until(point)), strict=True):
                np.testing.assert_array_equal(full[:, : point + 1], cut)

    def test_series_do_not_influence_each_other(self, plugin: type[Plugin]) -> None:
        p = wave()
        alone = Panel(p.values[2:3], p.index, p.series.iloc[2:3].reset_index(drop=True), p.metrics, p.freq)
        for full, one in zip(answer(plugin, p), answer(plugin, alone), strict=True):
            if full.dtype == np.float64:
                np.testing.assert_allclose(full[2:3], one, rtol=1e-12)

    def test_an_unknown_parameter_is_named(self, plugin: type[Plugin]) -> None:
        registry = baselines if issubclass(plugin, BaselineMethod) else detectors
        with pytest.raises(ConfigError, match=f"{plugin.name}.*colour"):
            registry.build(plugin.name, {"colour": 1})


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
class TestBaseline:
    def test_band_holds_the_expectation_and_is_never_of_no_width(self, method: type[BaselineMethod]) -> None:
        b = method().fit(wave())
        answered = np.isfinite(b.lower)
        assert answered.any()
        assert (b.lower[answered] < b.expected[answered]).all()
        assert (b.expected[answered] < b.upper[answered]).all()

    def test_the_judged_point_never_trains_its_own(self, method: type[BaselineMethod]) -> None:
        p = wave()
        b = method().fit(p)
        changed = p.values.copy()
        changed[:, -1] = 1e6
        again = method().fit(Panel(changed, p.index, p.series, p.metrics, p.freq))
        np.testing.assert_array_equal(b.expected, again.expected)
        for point in (40, 119):
            used = b.trained_on(0, point)
            assert len(used)
            assert (used < point).all()
            assert np.isfinite(p.values[0, used]).all()

    def test_short_history_is_declined_in_words(self, method: type[BaselineMethod]) -> None:
        p = panel(np.array([[np.nan, np.nan], [np.nan, np.nan]]))
        b = method().fit(p)
        assert np.isnan(b.expected).all()
        assert [a.series for a in b.abstentions] == [0, 1]
        assert all("needs" in a.reason and "has 0" in a.reason for a in b.abstentions)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
class TestDetector:
    def test_alarms_are_scores_on_or_over_one(self, detector: type[SeriesDetector]) -> None:
        p = wave()
        s = detector().score(p, paired(detector, p))
        np.testing.assert_array_equal(s.alarm, np.nan_to_num(s.score) >= 1 - 1e-9)
        assert (np.nan_to_num(s.score) >= 0).all()
        for change, fired in zip(s.change.flat, s.alarm.flat, strict=True):
            assert isinstance(change, ChangeType) if fired else change is None

    def test_baseline_it_asks_for_exists(self, detector: type[SeriesDetector]) -> None:
        assert detector.baseline == "" or detector.baseline in baselines

    def test_declining_the_last_point_is_said(self, detector: type[SeriesDetector]) -> None:
        p = panel([[5.0, 6.0, 7.0], [5.0, 6.0, np.nan]])
        s = detector().score(p, paired(detector, p))
        declined = set(np.flatnonzero(np.isnan(s.score[:, -1])))
        assert {a.series for a in s.abstentions if a.point in (None, 2)} >= declined
