"""A kept check report reads back as it was; anything else reads as nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.check import kept
from core.model import CheckReport, CheckResult, CheckStatus

REPORT = CheckReport(
    (
        CheckResult(
            check="expect_column_values_to_be_between",
            table="support",
            status=CheckStatus.FAILED,
            critical=False,
            message="support.csat should be between 0 and 5: 1 of 14 rows (7.1 %) fails.",
            column="csat",
            unexpected_count=1,
            unexpected_pct=100 / 14,
            sample=({"_row": 14, "csat": 5.2, "date": "2025-12-13"},),
            params={"min_value": 0, "max_value": 5},
            rows=14,
        ),
        CheckResult("row_rule", "revenue", CheckStatus.ERROR, True, "Could not check."),
    ),
    frozenset({"revenue"}),
    frozenset({"csat"}),
)


def test_a_report_reads_back_as_it_was(tmp_path: Path) -> None:
    kept.write(tmp_path / "checks" / "a.json", REPORT)
    assert kept.read(tmp_path / "checks" / "a.json") == REPORT
    assert [p.name for p in (tmp_path / "checks").iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 0, "results": []}'])
def test_damaged_or_older_files_read_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert kept.read(tmp_path / "a.json") is None
    assert kept.read(tmp_path / "missing.json") is None


def test_an_unknown_field_reads_as_nothing(tmp_path: Path) -> None:
    kept.write(tmp_path / "a.json", REPORT)
    document = json.loads((tmp_path / "a.json").read_text())
    document["results"][0]["later_field"] = 1
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert kept.read(tmp_path / "a.json") is None
