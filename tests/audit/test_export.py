from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from core.audit.export import COLUMNS, csv_text, jsonl, safe_cell
from tests.audit.test_chain import LINE


def test_json_lines_hold_every_field() -> None:
    (line,) = jsonl([replace(LINE, agent='a"\n')]).splitlines()
    row = json.loads(line)
    assert set(row) == set(COLUMNS)
    assert (row["agent"], row["decision"], row["timestamp"]) == (
        'a"\n',
        {"a": [True, None], "b": 1},
        "2025-12-14T09:00:00+00:00",
    )


def test_csv_reads_back_and_runs_no_formula() -> None:
    text = csv_text([replace(LINE, agent="=HYPERLINK(1)", action='say "x",\ny', approved_by=None)])
    (row,) = list(csv.DictReader(io.StringIO(text, newline="")))
    assert (row["agent"], row["action"], row["approved_by"]) == ("'=HYPERLINK(1)", 'say "x",\ny', "")
    assert json.loads(row["decision"]) == {"a": [True, None], "b": 1}


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", " =1", "\ufeff=1", "＝1", "－1+1", "\n=1"]
)
def test_formulas_are_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "-1", "+12.5", "-1e-9", "a=b", "2025-12-13", "x@y.z", "it's"])
def test_ordinary_cells_stay(text: str) -> None:
    assert safe_cell(text) == text
