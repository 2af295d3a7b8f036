"""Order events, invoices and the policy's text, as checks that a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.check.dataset import DatasetCheck, dataset_checks
from core.model import CheckResult, CheckStatus, Dataset, Json, JsonObject, Table

SHOWN = 3  # reasons in the sentence
AHEAD = timedelta(minutes=5)


@dataset_checks.register("order_events", "Order events, invoices and policy")
class OrderEvents(DatasetCheck):
    """Every row was loaded, no event is from the future, and the policy is readable."""

    def check(self, dataset: Dataset, now: datetime) -> tuple[CheckResult, ...]:
        """One result for each file, one for the events' times and one for the policy."""
        rejects = dataset.documents.get("rejects")
        rows = rejects if isinstance(rejects, Mapping) else {}
        given = [t for t in dataset.tables.values() if t.provenance.rows_in]
        repeats = dataset.documents.get("duplicates")
        results = [
            _loaded(t, _objects(rows.get(t.name)), repeats if t.name == "events" and isinstance(repeats, int) else 0)
            for t in given
        ]
        return (*results, _times(dataset.tables["events"], now), _policy(dataset.documents))


def _loaded(table: Table, examples: list[JsonObject], repeats: int) -> CheckResult:
    """Repeats are no fault of the data: an event may be told twice, and counts once."""
    rows, rejected = table.provenance.rows_in, table.provenance.rejected_rows - repeats
    shown = "; ".join(f"line {r.get('line')}: {r.get('reason')}" for r in examples[:SHOWN])
    more = f" and {rejected - SHOWN:,} more" if rejected > SHOWN else ""
    again = f" {repeats:,} repeats counted once." if repeats else ""
    message = (
        f"{table.name}: {rejected:,} of {rows:,} rows rejected: {shown}{more}."
        if rejected
        else f"{table.name}: all {rows:,} rows read."
    )
    return _result("every_row_is_valid", table.name, message + again, rejected, rows, examples)


def _times(events: Table, now: datetime) -> CheckResult:
    at = pq.read_table(events.path, columns=["occurred_at", "event_id", "order_id"])
    late = at.filter(pc.greater(at["occurred_at"], pa.scalar(now + AHEAD, pa.timestamp("us", tz="UTC"))))
    sample: list[JsonObject] = [
        {"event_id": r["event_id"], "order_id": r["order_id"], "occurred_at": r["occurred_at"].isoformat()}
        for r in late.slice(0, 20).to_pylist()
    ]
    message = (
        f"events: {late.num_rows:,} more than 5 minutes after {now:%Y-%m-%d %H:%M} UTC; they were not judged."
        if late.num_rows
        else "events: none is from the future."
    )
    return _result("event_is_not_from_the_future", "events", message, late.num_rows, at.num_rows, sample, "timeliness")


def _policy(documents: Mapping[str, Json]) -> CheckResult:
    errors, warnings = _texts(documents.get("policy_errors")), _texts(documents.get("policy_warnings"))
    message = (
        f"{errors[0]} The last good policy stays."
        if errors
        else f"policy: readable, {len(warnings)} unused keys: {'; '.join(warnings[:SHOWN])}"
        if warnings
        else "policy: readable, every key is used."
    )
    return _result("policy_is_valid", "policies", message, len(errors) or len(warnings), 0, [], "schema")


def _result(
    check: str,
    table: str,
    message: str,
    bad: int,
    rows: int,
    sample: Sequence[JsonObject],
    dimension: str = "validity",
) -> CheckResult:
    return CheckResult(
        check=check,
        table=table,
        status=CheckStatus.FAILED if bad else CheckStatus.PASSED,
        critical=False,
        message=message,
        dimension=dimension,
        observed=f"{bad:,} unexpected",
        unexpected_count=bad,
        unexpected_pct=100 * bad / rows if rows else 0.0,
        sample=tuple(sample[:20]),
        rows=rows,
    )


def _objects(rows: Json) -> list[JsonObject]:
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list | tuple) else []


def _texts(rows: Json) -> list[str]:
    return [str(r) for r in rows] if isinstance(rows, list | tuple) else []
