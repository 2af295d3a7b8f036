"""OP-02, OP-08 to OP-11: the acceptance table of daily_kpis through measure, trailing_mean, deltas and change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from core.baseline.deltas import deltas
from core.baseline.measure import Measured, MetricSpec, measure
from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.model import Dataset, Delta, Direction
from core.ports import Engine

DAYS = """
2025-11-30|101200  5100 340|52000 2550 .0490|180 42 4.58|14 1 0
2025-12-01|100500  5200 335|51500 2525 .0490|175 41 4.60|13 1 0
2025-12-02|102100  5150 342|53000 2620 .0494|182 43 4.57|14 1 0
2025-12-03|101800  5300 338|52800 2605 .0493|178 44 4.55|15 1 0
2025-12-04|103000  5250 350|54000 2680 .0496|185 43 4.56|14 1 0
2025-12-05|104200  5400 356|55200 2760 .0500|190 45 4.54|16 2 0
2025-12-06|103600  5350 349|54800 2725 .0497|188 44 4.55|15 1 0
2025-12-07|104000  5450 351|55500 2775 .0500|192 46 4.53|14 1 0
2025-12-08|104800  5500 358|56500 2810 .0497|195 45 4.54|16 2 0
2025-12-09|105100  5600 360|57200 2860 .0500|198 47 4.52|15 1 0
2025-12-10|105600  5700 362|58000 2900 .0500|200 46 4.53|16 2 0
2025-12-11|106200  5650 365|59000 2960 .0502|205 48 4.51|17 2 0
2025-12-12|106900  5800 370|60000 3020 .0503|210 49 4.50|18 2 0
2025-12-13|105300 17500 320|60500 2350 .0388|360 86 3.82|20 6 2
"""
GOOD = {
    "revenue": {"gross": "up", "refunds": "down", "net": "up", "new_customers": "up"},
    "traffic": {"sessions": "up", "signups": "up", "conversion_rate": "up"},
    "support": {"tickets_opened": "down", "avg_first_response_mins": "down", "csat": "up"},
    "deploys": {"deploys": "none", "failures": "down", "incident_count": "down"},
}
SPECS = [
    MetricSpec(name=m, table=t, column=m, good=Direction(g), system=t) for t, ms in GOOD.items() for m, g in ms.items()
]
GOLDEN = {  # value, prev, sum of the 7 days 12-06..12-12, dod % and vs7d % to 2 decimals
    "gross": (105300, 106900, 736200, -1.50, 0.12),
    "refunds": (17500, 5800, 39050, 201.72, 213.70),
    "net": (87800, 101100, 697150, -13.16, -11.84),
    "new_customers": (320, 370, 2515, -13.51, -10.93),
    "sessions": (60500, 60000, 401000, 0.83, 5.61),
    "signups": (2350, 3020, 20050, -22.19, -17.96),
    "conversion_rate": (0.0388, 0.0503, 0.3499, -22.86, -22.38),
    "tickets_opened": (360, 210, 1388, 71.43, 81.56),
    "avg_first_response_mins": (86, 49, 325, 75.51, 85.23),
    "csat": (3.82, 4.50, 31.68, -15.11, -15.59),
    "deploys": (20, 18, 111, 11.11, 26.13),
    "failures": (6, 2, 11, 200.00, 281.82),
    "incident_count": (2, 0, 0, None, None),
}
CONCERNS = {
    "refunds", "signups", "conversion_rate", "tickets_opened",
    "avg_first_response_mins", "csat", "failures", "incident_count",
}  # fmt: skip
Build = Callable[..., Dataset]


def tables(shift: int = 0, shuffle: int | None = None) -> dict[str, pd.DataFrame]:
    """The acceptance table as four frames, optionally moved by days and in another row order."""
    out: dict[str, pd.DataFrame] = {}
    rows = [line.split("|") for line in DAYS.split("\n") if line]
    for k, (table, metrics) in enumerate(GOOD.items(), start=1):
        columns = [c for c in metrics if c != "net"]
        frame = pd.DataFrame([[float(v) for v in r[k].split()] for r in rows], columns=columns)
        if table == "revenue":
            frame["net"] = frame["gross"] - frame["refunds"]
        frame.insert(0, "date", pd.to_datetime([r[0] for r in rows], utc=True) + pd.Timedelta(days=shift))
        out[table] = frame if shuffle is None else frame.sample(frac=1, random_state=shuffle + k)
    return out


def measured(engine: Engine, data: Dataset) -> Measured:
    return measure(engine, data, SPECS, time=dict.fromkeys(GOOD, "date"), freq="D", align="inner")


def judged(engine: Engine, data: Dataset) -> dict[str, Delta]:
    panel = measured(engine, data).panel
    return {d.metric.name: d for d in deltas(panel, baselines.build("trailing_mean").fit(panel), panel.shape[1] - 1)}


@pytest.mark.parametrize(("shift", "shuffle"), [(0, None), (0, 3), (400, None), (400, 11)])
def test_op09_goldens(engine: Engine, dataset: Build, shift: int, shuffle: int | None) -> None:
    found = judged(engine, dataset(**tables(shift, shuffle)))
    assert set(found) == set(GOLDEN)
    for name, (value, previous, total, dod, versus) in GOLDEN.items():
        delta, base = found[name], total / 7
        assert delta.value == value
        assert delta.previous == previous
        assert delta.baseline == pytest.approx(base, rel=1e-9, abs=1e-12)
        assert delta.dod_abs == pytest.approx(value - previous, rel=1e-9)
        assert delta.vs_baseline_abs == pytest.approx(value - base, rel=1e-9)
        if dod is None:
            assert delta.dod_pct is None  # OP-10
            assert delta.vs_baseline_pct is None
        else:
            assert delta.dod_pct == pytest.approx((value - previous) / previous * 100, rel=1e-9)
            assert delta.vs_baseline_pct == pytest.approx((value - base) / base * 100, rel=1e-9)
            assert round(delta.dod_pct, 2) == dod
            assert round(delta.vs_baseline_pct, 2) == versus
        days = [str((t - pd.Timedelta(days=shift)).date()) for t in delta.trained_on]
        assert days == [f"2025-12-{d:02d}" for d in range(6, 13)]


def test_op02_only_days_of_all_tables_and_the_others_listed(engine: Engine, dataset: Build) -> None:
    frames = tables()
    frames["traffic"] = frames["traffic"].drop(index=[2])
    frames["support"] = frames["support"].drop(index=[13])
    result = measured(engine, dataset(**frames))
    assert result.panel.shape == (13, 12)
    gone = {name: [str(d) for d in days] for name, days in result.dropped.items()}
    assert gone == {
        "revenue": ["2025-12-02", "2025-12-13"],
        "traffic": ["2025-12-13"],
        "support": ["2025-12-02"],
        "deploys": ["2025-12-02", "2025-12-13"],
    }


def fired(engine: Engine, data: Dataset, point: int, **params: object) -> set[str]:
    panel = measured(engine, data).panel
    rule = {"small_count_metrics": ("failures", "incident_count"), **params}
    scores = detectors.build("change", rule).score(panel, baselines.build("trailing_mean").fit(panel))
    return {panel.metric(i).name for i in np.flatnonzero(scores.alarm[:, point])}


def test_op11_concerns_of_the_demo_day(engine: Engine, dataset: Build) -> None:
    data = dataset(**tables())
    assert fired(engine, data, 13) == CONCERNS
    assert fired(engine, data, 12) == set()
    assert fired(engine, data, 12, small_count_abs=0.1) == {"failures"}
    assert fired(engine, data, 13, pct=200.0) == {"refunds", "failures", "incident_count"}


def test_op08_the_first_day_has_no_reference(engine: Engine, dataset: Build) -> None:
    panel = measured(engine, dataset(**tables())).panel
    first = deltas(panel, baselines.build("trailing_mean").fit(panel), 0)[0]
    assert (first.value, first.previous, first.baseline, first.trained_on) == (101200, None, None, ())
    assert first.history == (101200,)
    third = deltas(panel, baselines.build("trailing_mean").fit(panel), 2)[0]
    assert third.baseline == pytest.approx((101200 + 100500) / 2)
