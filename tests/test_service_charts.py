"""Charts of services: gaps stay gaps, limits and marks are drawn, the sparkline begins at zero."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from altair.utils import schemapi

from core import service_charts
from core.charts import DARK, LIGHT, Mark

AT = datetime(2026, 1, 5, 9, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    """Altair checks every chart against its schema here."""
    schemapi.enable_debug_mode()
    yield
    schemapi.disable_debug_mode()


def rows(*values: tuple[float, float | None]) -> list[dict[str, object]]:
    return [{"ts": (AT - timedelta(minutes=ago)).isoformat(), "error_rate": v, "p99_ms": 100.0} for ago, v in values]


def frame(*values: tuple[float, float | None]) -> pd.DataFrame:
    return service_charts.minutes_frame(rows(*values), "error_rate", 0.05, (AT - timedelta(minutes=5), AT))


def test_a_minute_without_data_is_a_gap_and_never_zero() -> None:
    found = frame((5, 0.01), (3, 0.06), (0, None))
    assert len(found) == 6
    assert found["value"].isna().tolist() == [False, True, False, True, True, True]
    assert found["over"].tolist() == [False, False, True, False, False, False]


def test_a_limit_that_is_met_exactly_is_not_over() -> None:
    assert not frame((0, 0.05))["over"].any()


def test_times_of_another_zone_are_the_same_minute() -> None:
    odd = [{"ts": "2026-01-05T11:00:10+02:00", "error_rate": 0.5}]
    found = service_charts.minutes_frame(odd, "error_rate", None, (AT - timedelta(minutes=1), AT))
    assert found["value"].tolist()[-1] == 0.5
    assert not found["over"].any()


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_the_chart_draws_line_limit_window_and_marks(palette: service_charts.Palette) -> None:
    marks = (Mark(AT - timedelta(minutes=2), "v2"), Mark(AT - timedelta(hours=9), "long ago"))
    drawn = service_charts.per_minute(
        frame((4, 0.01), (1, 0.09)), measure="error_rate", limit=0.05, palette=palette, marks=marks,
        window=(AT - timedelta(minutes=3), AT),
    ).to_dict()  # fmt: skip
    kinds = [layer["mark"]["type"] for layer in drawn["layer"]]
    assert kinds == ["rect", "line", "rule", "point", "circle", "rule", "text"]
    told = [r["label"] for data in drawn["datasets"].values() for r in data if "label" in r]
    assert set(told) == {"v2"}  # a mark outside the span is left out


def test_a_chart_without_any_value_still_draws() -> None:
    drawn = service_charts.per_minute(frame(), measure="p99_ms", limit=None, palette=LIGHT).to_dict()
    assert drawn["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 1.0]


def test_shares_name_the_dominant_error_in_red() -> None:
    errors = pd.DataFrame({"error_type": ["A", "B"], "count": [9, 1], "share": [0.9, 0.1]})
    drawn = service_charts.shares(errors, palette=LIGHT).to_dict()
    assert drawn["layer"][0]["encoding"]["color"]["condition"]["value"] == LIGHT.bad


def test_the_sparkline_breaks_at_gaps_and_dots_the_last_known_minute() -> None:
    drawn = service_charts.sparkline([0.0, 0.1, None, 0.2, None], limit=0.05, palette=LIGHT, over=True)
    path = re.findall(r'<path d="([^"]+)" stroke="' + LIGHT.muted, drawn)
    assert path[0].count("M") == 2
    assert f'fill="{LIGHT.bad}"' in drawn
    assert service_charts.sparkline([None, None], limit=1, palette=LIGHT, over=False) == ""
