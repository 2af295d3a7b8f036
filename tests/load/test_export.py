"""Exports that a spreadsheet opens without running anything."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from core.load import write_csv
from core.load.export import neutral


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\tx", "\rx", "\nx", " =1+1", "\ufeff=1", "＝1+1", "＋1",
     "－x", "＠x", "\u00a0=1", "\"=1", "'=1", "-", "+", "=", "+1-555-0100"],
)  # fmt: skip
def test_formulas_become_text(cell: str) -> None:
    assert neutral(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "-5", "+5", "-1.5e3", "-1,234.50", "-12%", "abc", "a=b", "2025-01-01", "x@y.z"])
def test_numbers_and_words_stay(cell: str) -> None:
    assert neutral(cell) == cell


def test_csv_of_a_table() -> None:
    table = pa.table(
        {
            "=name": pa.array(["=1+1", None, 'say "hi"']),
            "n": pa.array([-1, None, 3]),
            "day": pa.array([dt.date(2025, 1, 1), None, dt.date(2025, 1, 3)]),
            "label": pa.array(["@x", "b", "b"]).dictionary_encode(),
        }
    )
    assert write_csv(table).decode().splitlines() == [
        '"\'=name","n","day","label"',
        '"\'=1+1",-1,2025-01-01,"\'@x"',
        ',,,"b"',
        '"say ""hi""",3,2025-01-03,"b"',
    ]
