"""The downloadable Great Expectations page: complete, inert, and alone."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from core.check.html import alone, report_html
from core.check.run import run_checks, to_rows
from core.check.spec import CheckSpec
from core.engine.sql import SqlEngine
from tests.check.conftest import NOW, MakeDataset

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>"
REFRESH = '"><meta http-equiv=refresh content="0;url=https://x">'


@pytest.fixture
def page(dataset: MakeDataset, engine: SqlEngine) -> str:
    support = pd.DataFrame({"csat": [4.5, 7.25, 4.0], "note": ["fine", ATTACK, REFRESH], "<b>": [1, 2, -3]})
    revenue = pd.DataFrame({"gross": [10, 20], "refunds": [1, 2], "net": [9, 99]})
    rule = {"left": "net", "op": "~=", "right": {"minus": ["gross", "refunds"]}, "tolerance": 1}
    rows = [
        ("expect_column_values_to_be_between", "support", "csat", {"min_value": 0, "max_value": 5}),
        ("expect_column_values_to_be_between", "support", "<b>", {"min_value": 0}),
        ("expect_column_values_to_be_in_set", "support", "note", {"value_set": ["fine"]}),
        ("expect_column_values_to_not_be_null", "support", "gone", {}),
        ("expect_column_values_to_match_regex", "support", "note", {"regex": "^f"}),
        ("expect_column_values_to_be_of_type", "support", "note", {"type_": "number"}),
        ("expect_column_mean_to_be_between", "support", "csat", {"min_value": 0}),
        ("expect_table_row_count_to_be_between", "support", None, {"min_value": 3}),
        ("expect_table_columns_to_match_set", "support", None, {"column_set": ["csat"]}),
        ("row_rule", "revenue", None, rule),
    ]
    specs = [
        CheckSpec.model_validate({"check": check, "table": table, "column": column, "params": params})
        for check, table, column, params in rows
    ]
    specs.append(CheckSpec(check="expect_compound_columns_to_be_unique", table="revenue", columns=("gross", "net")))
    report = run_checks(specs, dataset(support=support, revenue=revenue), engine, now=NOW)
    return report_html(to_rows(report), title="Daily KPIs", at=NOW).decode()


def test_failing_checks_and_errors_are_named(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert (
        "revenue should have net = gross - refunds (± 1) in every row: 1 of 2 rows, 50.00 %, does not (row 2)." in text
    )
    assert "1 unexpected values found" in text
    assert "7.25" in text
    assert "support has no column gone" in text
    assert "support: Overview" in text
    assert "revenue: Overview" in text


def test_opening_it_fetches_and_runs_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|img|iframe|object|form|base)\b", page, re.IGNORECASE)
    assert not re.search(r"\s(src|on\w+)=\"", page)
    assert not re.search(r"url\(|@import", page)
    assert all(target.startswith("#") for target in re.findall(r"href=\"([^\"]*)\"", page))


def test_data_cannot_become_markup(page: str) -> None:
    assert ATTACK not in page
    assert REFRESH not in page
    assert page.count("<meta") == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert not re.search("[\ue000-\ue004]", page)
    assert "<b>" not in page


def test_alone_removes_what_would_be_fetched() -> None:
    given = (
        '<head><link rel="stylesheet" href="https://x"><script src="https://x"></script></head>'
        '<body><img src="https://x"><a href="https://x">t</a><a href="#s">s</a><p onclick="x()">p</p></body>'
    )
    left = alone(given)
    assert "https://" not in left
    assert "onclick" not in left
    assert '<a href="#s">s</a>' in left
