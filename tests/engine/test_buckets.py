"""Start of the hour, day, week, month, in UTC and elsewhere."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from core.engine.buckets import time_bucket
from core.engine.sql import SqlEngine
from core.errors import InputError
from core.model import Column, ColumnType, Provenance, Table


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def bucketed(
    folder: Path, moments: list[dt.datetime], freq: str, zone: str = "UTC", kind: str = "ts"
) -> list[dt.datetime]:
    engine = SqlEngine(folder, memory="256MB", threads=1)
    path = engine.folder() / "t.parquet"
    pq.write_table(
        pa.table({"ts": pa.array(moments, pa.timestamp("us", "UTC")), "day": [m.date() for m in moments]}), path
    )
    columns = (Column("ts", ColumnType.TIMESTAMP), Column("day", ColumnType.DATE))
    table = Table("t", columns, path, Provenance("t", "", "", len(moments), 0, utc(2025, 1, 1)))
    e = engine.relation(table)
    bucket = time_bucket(e.c[kind], freq, zone)
    # grouped by the same expression, as a measure does it
    rows = engine.fetch(select(bucket.label("b"), func.count()).group_by(bucket).order_by(bucket))
    assert str(rows.schema.types[0]) == "timestamp[us, tz=UTC]"
    return list(rows["b"].to_pylist())


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("h", utc(2025, 1, 1, 13)),
        ("D", utc(2025, 1, 1)),
        ("W-MON", utc(2024, 12, 30)),
        ("MS", utc(2025, 1, 1)),
    ],
)
def test_utc(freq: str, expected: dt.datetime, tmp_path: Path) -> None:
    assert bucketed(tmp_path, [utc(2025, 1, 1, 13, 59, 59)], freq) == [expected]


@pytest.mark.parametrize(
    ("freq", "expected"), [("D", utc(2025, 1, 1)), ("W-MON", utc(2024, 12, 30)), ("MS", utc(2025, 1, 1))]
)
def test_a_date_keeps_its_calendar_in_every_zone(freq: str, expected: dt.datetime, tmp_path: Path) -> None:
    assert bucketed(tmp_path, [utc(2025, 1, 1)], freq, "America/New_York", "day") == [expected]


def test_a_day_is_the_local_calendar_day(tmp_path: Path) -> None:
    moments = [utc(2025, 3, 29, 22, 59), utc(2025, 3, 29, 23), utc(2025, 3, 30, 21, 59), utc(2025, 3, 30, 22)]
    assert bucketed(tmp_path, moments, "D", "Europe/Berlin") == [utc(2025, 3, 29), utc(2025, 3, 30), utc(2025, 3, 31)]


def test_the_repeated_hour_is_two_hours(tmp_path: Path) -> None:
    moments = [utc(2025, 10, 26, 0, 30), utc(2025, 10, 26, 1, 30), utc(2025, 10, 26, 2, 30)]
    hours = [m.replace(minute=0) for m in moments]
    assert bucketed(tmp_path, moments, "h", "Europe/Berlin") == hours


def test_hours_of_half_hour_zones_begin_at_the_local_hour(tmp_path: Path) -> None:
    assert bucketed(tmp_path, [utc(2025, 1, 1, 0, 40)], "h", "Asia/Kolkata") == [utc(2025, 1, 1, 0, 30)]


def test_unknown_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no frequency 'Q'; expected one of h, D, W-MON, MS"):
        bucketed(tmp_path, [utc(2025, 1, 1)], "Q")
    with pytest.raises(InputError, match="Unknown time zone 'Mars'"):
        bucketed(tmp_path, [utc(2025, 1, 1)], "D", "Mars")
