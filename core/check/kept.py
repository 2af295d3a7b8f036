"""Check reports as files: what was checked once is not checked again after a restart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from core.model import CheckReport, CheckResult, CheckStatus

VERSION = 1  # raise it when the same content and suite would be judged or worded differently


def read(path: Path) -> CheckReport | None:
    """The report kept at ``path``; None when there is none, or it is of another version or damaged."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        if kept["version"] != VERSION:
            return None
        results = tuple(_result(row) for row in kept["results"])
        return CheckReport(results, frozenset(kept["blocked_tables"]), frozenset(kept["blocked_metrics"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, report: CheckReport) -> None:
    """Keeps the report; a reader sees the whole of it or nothing."""
    document = {
        "version": VERSION,
        "results": [
            {**{n: getattr(r, n) for n in CheckResult.__slots__}, "status": r.status.value} for r in report.results
        ],
        "blocked_tables": sorted(report.blocked_tables),
        "blocked_metrics": sorted(report.blocked_metrics),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(document), "utf-8")
    os.replace(fresh, path)


def _result(row: dict[str, Any]) -> CheckResult:
    return CheckResult(**{**row, "status": CheckStatus(row["status"]), "sample": tuple(row["sample"])})
