"""Findings: ids, severities, sentences, runs, and the side-by-side table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from core.baseline.methods import baselines
from core.detect.arena import arena
from core.detect.detectors import detectors
from core.detect.find import figure, find, group_runs, period_end, severity
from core.model import Baseline, ChangeType, Direction, Panel, Scores, Severity

Make = Callable[..., Panel]
Against = Callable[..., Baseline]


def change(panel: Panel, baseline: Baseline, **params: object) -> Scores:
    return detectors.build("change", params).score(panel, baseline)


def test_a_finding_says_value_expectation_and_percent(make: Make, against: Against) -> None:
    p = make([[5600.0, 17500.0]], good=Direction.DOWN, name="refunds")
    b = against(p, 39050 / 7)
    (f,) = find(p, b, change(p, b), window=1, playbook="daily_kpis")
    assert f.summary == "Refunds (c0) 17,500 vs 5,579 expected (+213.70%)"
    assert (f.kind, f.metric, f.system, f.labels) == ("concern", "refunds", "shop", {"country": "c0"})
    assert (f.start, f.end) == (datetime(2025, 6, 3, tzinfo=UTC), datetime(2025, 6, 4, tzinfo=UTC))
    assert f.change_abs == pytest.approx(17500 - 39050 / 7)
    assert f.change_pct == pytest.approx((17500 - 39050 / 7) / (39050 / 7) * 100)
    assert (f.severity, f.bad, f.direction, f.change) == (Severity.CRITICAL, True, Direction.UP, ChangeType.SPIKE)
    assert find(p, b, change(p, b), window=range(1), playbook="daily_kpis") == ()


def test_ids_are_the_same_again_and_differ_by_what_they_name(make: Make, against: Against) -> None:
    p = make([[50.0, 50.0], [50.0, 100.0]])
    b = against(p, 100.0)

    def ids(panel: Panel, playbook: str = "a") -> list[str]:
        return [f.id for f in find(panel, b, change(panel, b), window=range(2), playbook=playbook)]

    assert ids(p) == ids(p)
    assert all(len(i) == 12 and int(i, 16) >= 0 for i in ids(p))
    assert len({*ids(p), *ids(p, "b"), *ids(make([[50.0, 50.0], [50.0, 100.0]], start="2025-07-02"))}) == 9


def test_severity_grades() -> None:
    grades = [severity(x) for x in (1.0, 1.49, 1.5, 2.99, 3.0, 50.0)]
    assert grades == [Severity.MEDIUM] * 2 + [Severity.HIGH] * 2 + [Severity.CRITICAL] * 2


def test_a_good_move_is_of_low_severity(make: Make, against: Against) -> None:
    p = make([[400.0]], good=Direction.UP)
    b = against(p, 100.0)
    (f,) = find(p, b, change(p, b, side="both"), window=0, playbook="x")
    assert (f.severity, f.bad, f.direction) == (Severity.LOW, False, Direction.UP)


def test_a_baseline_of_zero_has_no_percentage(make: Make, against: Against) -> None:
    p = make([[2.0]], good=Direction.DOWN, name="incidents")
    b = against(p, 0.0)
    (f,) = find(p, b, change(p, b), window=0, playbook="x")
    assert f.change_pct is None
    assert f.summary == "Incidents (c0) 2 vs 0 expected (n/a, baseline 0)"


def test_missing_data_is_a_quality_finding(make: Make) -> None:
    values = np.sin(np.arange(60.0)) * 5 + 100
    values[50] = np.nan
    p = make([values], name="visits")
    b = baselines.build("trailing_mean").fit(p)
    (f,) = find(p, b, detectors.build("missing").score(p, b), window=range(60), playbook="x")
    assert (f.kind, f.change, f.observed, f.bad) == ("quality", ChangeType.MISSING, None, True)
    assert f.summary.startswith("Visits (c0) missing, ")


def test_neighbouring_points_of_one_series_become_one_finding(make: Make, against: Against) -> None:
    p = make([[100, 70, 40, 70, 100, 70], [100, 70, 100, 100, 100, 100.0]])
    b = against(p, 100.0)
    points = find(p, b, change(p, b), window=range(6), playbook="x")
    runs = group_runs(points)
    assert [(f.labels["country"], f.start.day, f.end.day, f.observed) for f in runs] == [
        ("c0", 3, 6, 40.0),
        ("c0", 7, 8, 70.0),
        ("c1", 3, 4, 70.0),
    ]
    assert runs[0].id == points[0].id
    assert runs[0].severity is max(f.severity for f in points)
    assert group_runs(runs) == runs
    assert len(group_runs([points[0], replace(points[1], detector="band")])) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17500, "17,500"),
        (5578.57, "5,579"),
        (0.0388, "0.0388"),
        (3.82, "3.82"),
        (86.5, "86.5"),
        (0, "0"),
        (-2.5, "-2.5"),
    ],
)
def test_figures_as_people_read_them(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("freq", "start", "end"),
    [
        ("h", "2025-06-02 05:00", "2025-06-02 06:00"),
        ("W-MON", "2025-06-02", "2025-06-09"),
        ("MS", "2025-02-01", "2025-03-01"),
    ],
)
def test_a_period_ends_where_the_next_begins(make: Make, freq: str, start: str, end: str) -> None:
    p = make([[1.0]], freq=freq, start=start)
    assert period_end(p.index[0], freq) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_arena_counts_and_agreement(make: Make, against: Against) -> None:
    p = make([[100, 50, 50, 100, 84, 100.0]])
    b = against(p, 100.0, half=40)
    a, c = arena(p, [(b, change(p, b)), (b, detectors.build("band").score(p, b))])
    assert (a.detector, a.alarms, a.alarm_points, a.judged_points) == ("change", 2, 3, 6)
    assert (c.detector, c.alarms, c.alarm_points) == ("band", 1, 2)
    assert a.agreement == pytest.approx(2 / 3)
    assert c.agreement == 1.0
    assert a.alarms_per_series_year == pytest.approx(2 / (6 / 365.25))
    assert a.largest_score == pytest.approx(50 / 15)
    assert a.note == ""


def test_arena_says_when_a_detector_cannot_fire(make: Make) -> None:
    p = make([[1.0, 2, 3, 4, 5]])
    b = baselines.build("robust_seasonal").fit(p)
    (row,) = arena(p, [(b, detectors.build("combined").score(p, b))])
    assert row.note == "cannot fire on this history: needs 14 earlier points, has 4"
    assert (row.alarms, row.largest_score, row.agreement) == (0, None, None)
