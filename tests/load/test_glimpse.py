"""The first look at a large text: early, cheap, and never in the way of the judgement that follows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from core.load import file
from core.load.file import load_file
from core.load.glimpse import Glimpse
from core.load.report import Loaded
from core.service.previews import gathered

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def loaded(text: str, folder: Path, seen: list[pd.DataFrame], measure: str | None = "sold") -> Loaded:
    def look(glimpse: Glimpse) -> None:
        assert glimpse.time == "at"
        seen.append(glimpse.hourly(measure))

    return load_file(text.encode(), name="shop.csv", folder=folder, now=NOW, first=look)


def rows(n: int) -> list[str]:
    return [f"2025-03-{1 + i // 24:02d} {i % 24:02d}:{m:02d}:00,{i}.5,x{m}" for i in range(n) for m in (0, 30)]


def test_sums_per_hour_before_the_rows_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "FROM_LINES", 10)
    seen: list[pd.DataFrame] = []
    table = loaded("\n".join(["at,sold,shop", *rows(100)]), tmp_path, seen)
    assert table.report.rows_loaded == 200
    (hours,) = seen
    assert len(hours) == 100
    assert hours["total"].tolist() == [2 * (i + 0.5) for i in range(100)]
    assert set(hours["cells"]) == {2}
    assert hours["ts"].iloc[25] == pd.Timestamp("2025-03-02 01:00", tz="UTC")
    days, freq = gathered(hours, mean=False)
    assert freq == "D"
    assert days["value"].iloc[0] == sum(2 * (i + 0.5) for i in range(24))
    assert gathered(hours, mean=True)[0]["value"].iloc[0] == 12.0


def test_flaws_are_passed_over_and_still_rejected_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "FROM_LINES", 10)
    seen: list[pd.DataFrame] = []
    good = [line for _ in range(150) for line in rows(48)]
    text = "\n".join(["at,sold,shop", *good, "2025-03-01 05:00:00,nothing,x", "2025-03-01 06:00:00,1", *rows(2)])
    report = loaded(text, tmp_path, seen).report
    assert (report.rows_in, report.rows_rejected) == (len(good) + 6, 2)
    assert seen[0]["cells"].sum() == len(good) + 4


def test_small_files_are_not_looked_at_twice(tmp_path: Path) -> None:
    seen: list[pd.DataFrame] = []
    loaded("\n".join(["at,sold,shop", *rows(10)]), tmp_path, seen)
    assert seen == []


def test_without_a_number_the_rows_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "FROM_LINES", 10)
    seen: list[pd.DataFrame] = []
    loaded("\n".join(["at,sold,shop", *rows(30)]), tmp_path, seen, None)
    assert seen[0]["total"].tolist() == [2.0] * 30
