"""Alert files that were set aside, as failed checks that a report shows."""

from __future__ import annotations

from datetime import datetime

from core.alert import items, mapping
from core.check.dataset import DatasetCheck, dataset_checks
from core.model import CheckResult, CheckStatus, Dataset

NAME = "every_alert_is_readable"


@dataset_checks.register("alert_files", "Alert files")
class AlertFiles(DatasetCheck):
    """Every alert file was read; none was set aside."""

    def check(self, dataset: Dataset, now: datetime) -> tuple[CheckResult, ...]:  # noqa: ARG002 (part of the contract)
        """One result, with a sample of the files that were set aside."""
        rejects = [mapping(r) for r in items(dataset.documents.get("rejects"))]
        read = len(items(dataset.documents.get("alerts")))
        text = f"{read} alerts read" + "".join(f"; {r.get('file')}: {r.get('reason')}" for r in rejects[:3])
        rows = read + len(rejects)
        status = CheckStatus.FAILED if rejects else CheckStatus.PASSED
        return (
            CheckResult(
                NAME, "alerts", status, critical=False, message=f"{text}.", unexpected_count=len(rejects),
                unexpected_pct=100 * len(rejects) / rows if rows else 0.0, sample=tuple(rejects[:10]), rows=rows,
            ),
        )  # fmt: skip
