"""Which column says when, and how regular its steps are."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from core.load import load_file
from core.load.timeline import regularity

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize(
    ("step", "frequency"),
    [(HOUR, "h"), (DAY, "D"), (7 * DAY, "W-MON"), (300, "5min"), (60, "min"), (7_000, None), (2 * DAY, None)],
)
def test_even_steps(step: int, frequency: str | None) -> None:
    assert regularity(np.arange(20, dtype=np.int64) * step)[0] == frequency


def test_months_weekdays_and_events() -> None:
    months = np.array([f"2024-{m:02}-01" for m in range(1, 13)], "datetime64[s]").astype(np.int64)
    assert regularity(months) == ("MS", "Monthly: 100% of the steps are one month.")
    weekdays = np.array([d for d in range(70) if d % 7 < 5], dtype=np.int64) * DAY
    assert regularity(weekdays)[0] == "D"
    events = np.cumsum(np.random.default_rng(1).integers(1, 9_999, 500))
    frequency, note = regularity(events)
    assert frequency is None
    assert note.startswith("Irregular")
    assert regularity(events[:2]) == (None, "Only 2 different times: no frequency can be told.")


def test_the_named_column_wins_over_the_first(tmp_path: Path) -> None:
    body = "".join(f"1990-01-0{d},2025-01-0{d},2025-02-0{d},1\n" for d in range(1, 9))
    loaded = load_file(f"birth_date,date,updated_at,v\n{body}".encode(), name="x", folder=tmp_path, now=NOW)
    assert loaded.report.time_column == "date"
    assert loaded.report.frequency == "D"


def test_no_time_column(tmp_path: Path) -> None:
    report = load_file(b"a,b\n1,2\n", name="x", folder=tmp_path, now=NOW).report
    assert (report.time_column, report.frequency, report.frequency_note) == (
        None,
        None,
        "No column holds dates or times.",
    )
