"""The placebo drift test: sample sizes, causality, and the detector built on it."""

from __future__ import annotations

import numpy as np
import pytest

from core.detect.placebo import Audience, largest_shift
from core.model import Snapshot
from tests.detect.segment_scene import detect, kept, one, scene, segment, snapshot

USUAL = np.array([0.5, 0.3, 0.15, 0.05])


def counts(rng: np.random.Generator, people: int, factor: float = 1.0, windows: int = 10) -> Audience:
    """Counts of four values that only sampling moves; in the last window the third one by ``factor``."""
    rows = rng.multinomial(people, USUAL, size=windows).astype(float)
    rows[-1, 2] = round(rows[-1, 2] * factor)
    return Audience("plan", ("a", "b", "c", "d"), rows)


@pytest.mark.parametrize("people", [100, 1_000, 20_000, 1_000_000])
def test_false_alarms_stay_rare_at_any_sample_size(people: int) -> None:
    rng = np.random.default_rng(people)
    z = [abs(s.z) if (s := largest_shift([counts(rng, people)])) else 0.0 for _ in range(300)]
    assert np.mean(np.array(z) >= 3.5) <= 0.02


@pytest.mark.parametrize(("people", "factor"), [(4_000, 1.6), (4_000, 0.6), (50_000, 0.8), (1_000_000, 1.25)])
def test_a_shift_is_found_and_its_value_named(people: int, factor: float) -> None:
    rng = np.random.default_rng(3)
    found = [largest_shift([counts(rng, people, factor)]) for _ in range(40)]
    assert np.mean([s is not None and abs(s.z) >= 3.5 and s.value == "c" for s in found]) >= 0.95
    assert all(s is not None and (s.z > 0) == (factor > 1) for s in found)


def test_a_restless_past_needs_a_larger_shift() -> None:
    rng = np.random.default_rng(5)
    calm = np.tile([6_000.0, 4_000.0], (10, 1))
    restless = calm + np.outer(rng.choice([-900.0, 900.0], 10), [1.0, -1.0])
    calm[-1], restless[-1] = (7_200.0, 2_800.0), (7_200.0, 2_800.0)
    quiet, loud = (largest_shift([Audience("p", ("x", "y"), rows)]) for rows in (calm, restless))
    assert quiet is not None
    assert loud is not None
    assert abs(quiet.z) > 3.5 > abs(loud.z)
    assert quiet.placebo_p == pytest.approx(1 / 7)


def test_too_little_history_or_too_few_people_is_no_answer() -> None:
    rng = np.random.default_rng(1)
    assert largest_shift([counts(rng, 1_000, windows=4)]) is None
    assert largest_shift([counts(rng, 20)]) is None
    assert largest_shift([]) is None


def history(people: int, platforms: list[tuple[float, float]]) -> list[Snapshot]:
    return [
        snapshot(i, people, shares={"platform": {"ios": ios, "web": web}})
        for i, (ios, web) in enumerate(platforms, start=1)
    ]


STEADY = [(0.5, 0.5), (0.502, 0.498), (0.499, 0.501), (0.501, 0.499), (0.5, 0.5), (0.498, 0.502), (0.5, 0.5)]


def test_the_detector_finds_what_a_fixed_distance_does_not_and_keeps_its_base() -> None:
    moved = history(20_000, [*STEADY, (0.57, 0.43)])
    assert not detect(scene([segment()], moved), "distribution_shift").findings
    found = one(detect(scene([segment()], moved), "drift_placebo"), "distribution_shift")
    assert found.details["attribute"] == "platform"
    assert found.score > 1
    open_ = {("high-value", "distribution_shift"): kept(found)}
    still = history(20_000, [*STEADY, (0.57, 0.43), (0.57, 0.43)])
    assert one(detect(scene([segment()], still, open_=open_), "drift_placebo"), "distribution_shift")
    back = history(20_000, [*STEADY, (0.57, 0.43), (0.5, 0.5)])
    seen = detect(scene([segment()], back, open_=open_), "drift_placebo")
    assert seen.healthy == {("high-value", "distribution_shift")}


def test_a_short_history_and_a_switched_off_segment_are_listed() -> None:
    few = detect(scene([segment()], history(20_000, STEADY[:3])), "drift_placebo")
    assert "needs 4 earlier snapshots" in few.notes[0]
    off = detect(scene([segment(distribution_shift=1.0)], history(20_000, STEADY)), "drift_placebo")
    assert off.notes == ("Make-up is switched off (1 segment): High-Value",)
