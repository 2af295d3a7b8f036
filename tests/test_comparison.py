"""Detectors side by side: names, latest states, and what they could say at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from core.comparison import as_yaml, ceiling, latest, name_of, only, overlap, paired
from core.model import Metric, Panel
from core.pipeline import score
from core.playbook import BaselineUse, DetectorUse, Playbook, read_playbook

ROOT = Path(__file__).parents[1]
BAND = DetectorUse(detector="band", baseline=BaselineUse(method="trailing_mean"))


@pytest.fixture(scope="module")
def book() -> Playbook:
    book = read_playbook(ROOT / "playbooks" / "daily_kpis")
    assert isinstance(book, Playbook)
    return book


def panel(*rows: list[float]) -> Panel:
    index = pd.date_range("2026-01-01", periods=len(rows[0]), freq="D", tz="UTC", unit="us")
    names = [f"m{k}" for k in range(len(rows))]
    return Panel(np.array(rows, float), index, pd.DataFrame({"metric": names}), {n: Metric(n, n) for n in names}, "D")


def test_a_detector_is_paired_with_its_own_baseline_or_the_playbooks(book: Playbook) -> None:
    assert paired(book, DetectorUse(detector="combined")).method == "robust_seasonal"
    assert paired(book, DetectorUse(detector="change")) == book.baseline
    assert paired(book, BAND).method == "trailing_mean"


def test_a_name_says_what_was_changed() -> None:
    use = DetectorUse(detector="change", params={"pct": 20.0}, baseline=BaselineUse(method="previous"))
    assert name_of(use) == "Percentage change, pct 20.0, on Previous point"


def test_yaml_is_the_playbooks_own_key(book: Playbook) -> None:
    uses = (DetectorUse(detector="level_shift", params={"windows": (3, 9)}), BAND)
    read = [DetectorUse.model_validate(row) for row in yaml.safe_load(as_yaml(uses))["detectors"]]
    assert [u.detector for u in read] == ["level_shift", "band"]
    assert read[0].params == {"windows": [3, 9]}
    assert read[1] == BAND


def test_one_series_keeps_its_own_scores_receipt_and_abstentions(book: Playbook) -> None:
    values = panel([1.0, 2, 1, 2, 1, 2, 40], [np.nan] * 5 + [5.0, 6.0])
    baseline, scores = score(book, BAND, values)
    alone, own, kept = only(values, baseline, scores, 1)
    assert alone.shape == (1, 7)
    assert own.trained_on(0, 6).tolist() == [5]
    assert {a.series for a in kept.abstentions} == {0}
    assert latest(scores, 0).startswith("alarm, ")
    assert latest(kept, 0).startswith("abstains: ")


def test_ceiling_tells_whether_a_detector_could_fire_at_all(book: Playbook) -> None:
    quiet = panel([10.0, 11, 10, 12, 10, 11, 10, 12, 10, 11, 10, 12])
    assert ceiling(book, BAND, quiet, 0) > 1000
    assert ceiling(book, DetectorUse(detector="change", params={"side": "bad"}), quiet, 0) == 0  # no bad direction
    assert np.isnan(ceiling(book, DetectorUse(detector="missing"), panel([1.0, 2, 3]), 0))


def test_ceiling_changes_nothing_of_the_panel(book: Playbook) -> None:
    values = panel([10.0, 11, 10, 12])
    ceiling(book, BAND, values, 0)
    assert values.values.tolist() == [[10, 11, 10, 12]]


def test_overlap_forgives_one_period() -> None:
    a, b, c = (np.array(x, bool) for x in ([1, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]))
    shared = overlap([a, b, c])
    assert shared[0, 1] == shared[1, 0] == pytest.approx(2 / 3)
    assert shared[0, 0] == 1
    assert shared[0, 2] == 0
    assert np.isnan(shared[2, 2])
