"""What else happened: marks on the time axis, and the strongest moves of a range."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from core import views
from core.baseline.methods import baselines
from core.model import Direction, Metric, Panel

METRICS = {
    "deploys": Metric("deploys", "Deploys", system="deploys"),
    "failures": Metric("failures", "Failed deploys", good=Direction.DOWN, system="deploys"),
    "net": Metric("net", "Net", good=Direction.UP, system="revenue"),
}


def panel(**rows: list[float]) -> Panel:
    points = len(next(iter(rows.values())))
    index = pd.date_range("2025-11-30", periods=points, freq="D", tz="UTC", unit="us")
    return Panel(np.array(list(rows.values()), float), index, pd.DataFrame({"metric": list(rows)}), METRICS, "D")


def test_unusual_activity_and_its_failures_are_marked_and_other_systems_are_not() -> None:
    days = panel(deploys=[10, 11, 10, 11, 30, 10], failures=[1, 1, 1, 1, 1, 6], net=[5, 5, 5, 5, 500, 5])
    baseline = baselines.build("trailing_mean").fit(days)
    alarm = np.zeros(days.shape, bool)
    alarm[1, 5] = alarm[2, 4] = True
    marks = views.activity_marks(days, baseline, alarm)
    assert [(m.at.day, m.kind, m.label) for m in marks] == [
        (4, "deploys", "Deploys 30 (usually 10.5)"),
        (5, "deploys", "Failed deploys 6 (usually 1)"),
    ]


def test_a_source_in_which_nothing_has_a_direction_has_no_activity() -> None:
    assert views.activity({"a": Metric("a", "A", system="x")}) == frozenset()
    assert views.activity(METRICS) == {"deploys"}


def test_failing_rows_are_marked_on_their_day() -> None:
    results = [
        {"table": "revenue", "status": "failed", "message": "net is off", "sample": [{"date": "2025-12-03", "net": 1}]},
        {"table": "revenue", "status": "passed", "message": "fine", "sample": [{"date": "2025-12-04"}]},
        {"table": "support", "status": "error", "message": "broken", "sample": [{"date": "no date"}, {}]},
    ]
    marks = views.check_marks(results, {"revenue": "date", "support": "date"})
    assert [(m.at, m.label, m.kind) for m in marks] == [(datetime(2025, 12, 3, tzinfo=UTC), "net is off", "check")]
    assert views.check_marks(None, {}) == ()


def test_holidays_of_the_country_and_of_no_other() -> None:
    index = pd.date_range("2014-11-20", "2014-12-31", freq="D", tz="UTC")
    assert [m.label for m in views.holiday_marks(index, "us")] == ["Thanksgiving Day", "Christmas Day"]
    assert [m.at.day for m in views.holiday_marks(index, "DE")] == [25, 26]
    assert views.holiday_marks(index, None) == views.holiday_marks(index, "XX") == ()


def test_moves_rank_totals_and_parts_together() -> None:
    total = panel(net=[10, 11, 10, 11, 10, 11, 12, 13])
    split = Panel(
        np.array([[5.0, 6, 5, 6, 5, 6, 50, 60]]), total.index, pd.DataFrame({"metric": ["net"], "region": ["West"]}),
        METRICS, "D",
    )  # fmt: skip
    found = views.moves({"": total, "region": split}, total.index[6], total.index[7])
    assert found[["dimension", "series"]].values.tolist() == [["region", "West"], ["", ""]]
    assert found["before"].tolist() == [5.5, 10.5]
    assert found["during"].tolist() == [55, 12.5]
    assert views.moves({"": total}, total.index[0], total.index[1]).empty
