"""Playbook tables (OP-01, OP-05): complete and well-formed, or an error naming file, row and column."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.load import Loaded, load_strict
from core.model import ColumnType

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
COLUMNS = {"date": ColumnType.DATE, "gross": ColumnType.NUMBER, "orders": ColumnType.INTEGER}
GOOD = "date,gross,orders,note\n2025-01-02,1.5,2,x\n\n2025-01-01,5,6.0,\n"


def load(text: str | Path, folder: Path) -> Loaded:
    source = text.encode() if isinstance(text, str) else text
    return load_strict(
        source, table="revenue", columns=COLUMNS, time="date", folder=folder, now=NOW, name="revenue.csv"
    )


def test_rows_are_sorted_and_extra_columns_kept(tmp_path: Path) -> None:
    loaded = load(GOOD, tmp_path)
    assert pq.read_table(loaded.table.path).to_pylist() == [
        {"date": dt.date(2025, 1, 1), "gross": 5.0, "orders": 6, "note": None},
        {"date": dt.date(2025, 1, 2), "gross": 1.5, "orders": 2, "note": "x"},
    ]
    assert loaded.table.name == "revenue"
    assert loaded.report.time_column == "date"
    assert loaded.report.rows_in == loaded.report.rows_loaded == 2


def test_a_path_and_its_bytes_give_the_same_stored_table(tmp_path: Path) -> None:
    path = tmp_path / "revenue.csv"
    path.write_text(GOOD, encoding="utf-8")
    from_path, from_bytes = load(path, tmp_path / "t"), load(GOOD, tmp_path / "t")
    assert from_path.table.path == from_bytes.table.path
    assert from_path.table.provenance.uri == str(path)
    assert from_bytes.table.provenance.uri == "upload:revenue.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,gross\n2025-01-01,1\n", "revenue.csv: column 'orders' missing. Found: date, gross."),
        ("date\n2025-01-01\n", "revenue.csv: columns 'gross', 'orders' missing. Found: date."),
        ("date,gross,orders\n2025-01-01,,3\n",
         "revenue.csv: line 2, column 'gross': blank; expected a number such as 1250.5."),
        ("date,gross,orders\n2025-01-01,abc,3\n",
         "revenue.csv: line 2, column 'gross': 'abc'; expected a number such as 1250.5."),
        ("date,gross,orders\n\n2025-01-01,inf,3\n",
         "revenue.csv: line 3, column 'gross': 'inf' is not a finite number; expected a number such as 1250.5."),
        ("date,gross,orders\n2025-01-01,1e999,nan\n",
         "revenue.csv: line 2, column 'gross': '1e999' is not a finite number; expected a number such as 1250.5; "
         "line 2, column 'orders': 'nan' is not a finite number; expected a whole number such as 1250."),
        ("date,gross,orders\n2025-01-01,1_0,2.5\n",
         "revenue.csv: line 2, column 'gross': '1_0'; expected a number such as 1250.5; "
         "line 2, column 'orders': '2.5'; expected a whole number such as 1250."),
        ("date,gross,orders\n01/02/2025,1,2\n",
         "revenue.csv: line 2, column 'date': '01/02/2025'; expected a date such as 2025-01-31."),
        ("date,gross,orders\n2025-02-30,1,2\n",
         "revenue.csv: line 2, column 'date': '2025-02-30'; expected a date such as 2025-01-31."),
        ("date,gross,orders\n2025-01-01,1,2\n2025-01-02,1,2\n2025-01-01,3,4\n",
         "revenue.csv: column 'date': 2025-01-01 is in line 2 and again in line 4; expected once."),
        ("date,gross,orders\n2025-01-01,1,2,3\n", "revenue.csv: line 2: 4 cells where 3 were expected."),
        ('date,gross,orders\n2025-01-01,1,"2\n', "revenue.csv: line 2: a quote is opened and never closed."),
        ("date,gross,orders\n", "revenue.csv: there is a header but no row below it."),
    ],
)  # fmt: skip
def test_flaws_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load(text, tmp_path)
    assert str(refused.value) == message


def test_many_flaws_show_five_and_the_total(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load("date,gross,orders\n" + "".join(f"2025-01-{d:02},x,1\n" for d in range(1, 13)), tmp_path)
    assert refused.value.message.count("expected a number") == 5
    assert refused.value.message.endswith("... 12 such cells or rows in all.")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"revenue\.csv: there is no such file"):
        load(tmp_path / "revenue.csv", tmp_path)
