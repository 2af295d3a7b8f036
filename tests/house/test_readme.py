"""The README stays in step with the code."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from core.baseline.methods import baselines
from core.detect.detectors import detectors
from core.model import Direction, Metric, MetricKind, Panel
from core.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_setting_has_its_line():
    for name, field in Settings.model_fields.items():
        assert f"| `{name.upper()}` |" in README
        assert str(field.description) in README


def test_the_detector_of_the_readme_works():
    code = next(b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "class Limit" in b)
    try:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
        index = pd.date_range("2026-01-01", periods=4, freq="D", tz="UTC")
        metric = Metric("load", "Load", "", MetricKind.GAUGE, Direction.DOWN)
        series = pd.DataFrame({"metric": ["load"]})
        panel = Panel(np.array([[10.0, 99.0, 100.0, 250.0]]), index, series, {"load": metric}, "D")
        scores = detectors.build("limit").score(panel, baselines.build("previous").fit(panel))
    finally:
        detectors._plugins.pop("limit", None)
    assert scores.alarm.tolist() == [[False, False, True, True]]
    assert scores.score[0, 3] == 2.5
