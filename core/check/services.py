"""Rows of the service tables that were set aside, as failed checks that a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.check.dataset import DatasetCheck, dataset_checks
from core.model import CheckResult, CheckStatus, Dataset, Json, JsonObject

SHOWN = 3  # reasons in the sentence


@dataset_checks.register("service_tables", "Rows of the service tables")
class ServiceTables(DatasetCheck):
    """Every row of a table was loaded; none was set aside."""

    def check(self, dataset: Dataset, now: datetime) -> tuple[CheckResult, ...]:  # noqa: ARG002  (part of the contract)
        """One result for each table that has a file; a failed one names lines and reasons."""
        rejects = dataset.documents.get("rejects")
        rows = rejects if isinstance(rejects, Mapping) else {}
        given = [t for t in dataset.tables.values() if t.provenance.rows_in]
        return tuple(
            _result(t.name, t.provenance.rows_in, t.provenance.rejected_rows, _objects(rows.get(t.name))) for t in given
        )


def _objects(rows: Json) -> list[JsonObject]:
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, (list, tuple)) else []


def _result(table: str, rows: int, rejected: int, examples: list[JsonObject]) -> CheckResult:
    shown = "; ".join(f"line {r.get('line')}: {r.get('reason')}" for r in examples[:SHOWN])
    more = f" and {rejected - SHOWN:,} more" if rejected > SHOWN else ""
    message = (
        f"{table}.csv: {rejected:,} of {rows:,} rows rejected: {shown}{more}."
        if rejected
        else f"{table}.csv: all {rows:,} rows loaded."
    )
    return CheckResult(
        check="every_row_is_valid",
        table=table,
        status=CheckStatus.FAILED if rejected else CheckStatus.PASSED,
        critical=False,
        message=message,
        observed=f"{rejected:,} rejected",
        unexpected_count=rejected,
        unexpected_pct=100 * rejected / rows,
        sample=tuple(examples[:20]),
        rows=rows,
    )
