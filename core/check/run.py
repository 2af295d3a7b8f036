"""Runs a suite with Great Expectations over the loaded tables and says what its failures block."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core.check import words
from core.check.expectation import ROW, expectation, predicate
from core.check.spec import CheckSpec
from core.check.workspace import SAMPLE, Workspace, load_gx, workspace
from core.model import CheckReport, CheckResult, CheckStatus, Dataset, Json, JsonObject, Table
from core.ports import Engine

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult

ROW_NUMBER = "_row"  # key of a sample row's 1-based number among the loaded rows

Progress = Callable[[int, int, str], None]  # done, of how many, what is checked now


_warm = threading.Event()


def warm() -> None:
    """Great Expectations is loaded and has answered once, so that the next run starts at once."""
    load_gx()
    with workspace():
        pass
    _warm.set()


def is_warm() -> bool:
    """Whether checks would start at once."""
    return _warm.is_set()


def run_checks(
    specs: Sequence[CheckSpec],
    dataset: Dataset,
    engine: Engine,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> CheckReport:
    """One result per spec, in the order of ``specs``, and what the failures block.

    Abstains: a check that could not run (no such table or column, wrong type) has status ``error``.
    Raises: ProviderError when the tables cannot be read at all.
    """
    if not specs:
        return CheckReport()
    rows = {name: _row_count(table, engine) for name, table in dataset.tables.items()}
    results: list[CheckResult] = []
    with workspace() as space:
        for together in _batches(specs, 1 if progress else TOGETHER):
            if progress:
                progress(len(results), len(specs), words.expected(together[0]))
            table = dataset.tables.get(together[0].table)
            if table is None:
                results += [_no_table(spec, dataset) for spec in together]
            else:
                results += _checked(together, table, rows[table.name], space, now)
    _warm.set()
    if progress:
        progress(len(specs), len(specs), "")
    return gate(specs, results)


def gate(specs: Sequence[CheckSpec], results: Sequence[CheckResult]) -> CheckReport:
    """The results with what they block.

    A failed check blocks its ``blocks``; a failed freshness or volume check, and a critical check that
    failed or could not run, block their whole table.
    """
    tables: set[str] = set()
    metrics: set[str] = set()
    for spec, result in zip(specs, results, strict=True):
        failed = result.status is CheckStatus.FAILED
        if failed:
            metrics.update(spec.blocks)
        if (failed and spec.dimension in ("timeliness", "volume")) or (
            spec.critical and result.status is not CheckStatus.PASSED
        ):
            tables.add(spec.table)
    return CheckReport(tuple(results), frozenset(tables), frozenset(metrics))


def to_rows(report: CheckReport) -> list[JsonObject]:
    """The results as JSON objects, one per check."""
    return [
        {
            "check": r.check,
            "table": r.table,
            "column": r.column,
            "status": r.status.value,
            "critical": r.critical,
            "dimension": r.dimension,
            "message": r.message,
            "observed": r.observed,
            "rows": r.rows,
            "unexpected_count": r.unexpected_count,
            "unexpected_pct": r.unexpected_pct,
            "sample": list(r.sample),
            "params": r.params,
        }
        for r in report.results
    ]


def _row_count(table: Table, engine: Engine) -> int:
    counted: sa.Select[Any] = sa.select(sa.func.count().label("n")).select_from(engine.relation(table))
    return int(engine.fetch(counted).column("n")[0].as_py())


def _no_table(spec: CheckSpec, dataset: Dataset) -> CheckResult:
    known = ", ".join(dataset.tables) or "none"
    return _error(spec, f"there is no table {spec.table} (tables: {known})")


def _error(spec: CheckSpec, why: str) -> CheckResult:
    message = f"Could not check that {words.expected(spec)}: {why}."
    return CheckResult(
        check=spec.check,
        table=spec.table,
        status=CheckStatus.ERROR,
        critical=spec.critical,
        message=message,
        column=spec.column,
        dimension=spec.dimension,
        params=_params(spec),
    )


TOGETHER = 16  # checks of one table that Great Expectations judges in one pass when nobody watches the progress


_PLACE = "telltale_place"


def _batches(specs: Sequence[CheckSpec], most: int) -> Iterator[list[CheckSpec]]:
    """Neighbouring checks of one table, at most ``most`` at a time."""
    for _name, same in groupby(specs, key=lambda spec: spec.table):
        rest = list(same)
        while rest:
            yield rest[:most]
            rest = rest[most:]


def _checked(specs: Sequence[CheckSpec], table: Table, rows: int, space: Workspace, now: datetime) -> list[CheckResult]:
    """The checks judged in one pass; each by itself when the pass as a whole cannot be made."""
    from great_expectations import ExpectationSuite
    from great_expectations.exceptions.exceptions import GreatExpectationsError

    try:
        made = [expectation(spec, table, now) for spec in specs]
        for place, one in enumerate(made):
            one.meta = {_PLACE: place}  # results come back in an order of Great Expectations' own
        suite = ExpectationSuite(name=f"suite-{uuid.uuid4().hex}", expectations=made)
        outcomes = space.batch(table).validate(suite, result_format=_RESULT_FORMAT).results
    except (GreatExpectationsError, sa.exc.SQLAlchemyError, ValueError, TypeError):
        outcomes = []
    placed = {_place(o): o for o in outcomes if not _raised(o.exception_info or {})}
    if set(placed) != set(range(len(specs))):
        return [_check(spec, table, rows, space, now) for spec in specs]
    return [_guarded(spec, table, rows, space, placed[i]) for i, spec in enumerate(specs)]


def _place(outcome: ExpectationValidationResult) -> int:
    config = outcome.expectation_config
    return _int((config.meta or {}).get(_PLACE, -1)) if config else -1


def _guarded(
    spec: CheckSpec, table: Table, rows: int, space: Workspace, outcome: ExpectationValidationResult
) -> CheckResult:
    try:
        return _judged(spec, table, rows, space, outcome)
    except (sa.exc.SQLAlchemyError, ValueError, TypeError) as exc:
        return _error(spec, _why(spec, table, str(exc)))


def _check(spec: CheckSpec, table: Table, rows: int, space: Workspace, now: datetime) -> CheckResult:
    from great_expectations.exceptions.exceptions import GreatExpectationsError

    try:
        outcome = space.batch(table).validate(expectation(spec, table, now), result_format=_RESULT_FORMAT)
        if raised := _raised(outcome.exception_info or {}):
            return _error(spec, _why(spec, table, raised))
        return _judged(spec, table, rows, space, outcome)
    except (GreatExpectationsError, sa.exc.SQLAlchemyError, ValueError, TypeError) as exc:
        return _error(spec, _why(spec, table, str(exc)))


_RESULT_FORMAT = {
    "result_format": "SUMMARY",
    "partial_unexpected_count": SAMPLE,
    "unexpected_index_column_names": [ROW],
}


def _judged(
    spec: CheckSpec, table: Table, rows: int, space: Workspace, outcome: ExpectationValidationResult
) -> CheckResult:
    seen: Mapping[str, object] = outcome.result
    by_row = "element_count" in seen or predicate(spec, table) is not None
    judged = rows if by_row else 0
    if "element_count" in seen:
        judged = _int(seen["element_count"]) - _int(seen.get("missing_count"))
    wrong = _int(seen.get("unexpected_count", seen.get("observed_value"))) if by_row else 0
    pct = 100 * wrong / judged if judged else 0.0
    found = _sample(spec, table, space, seen) if wrong else []
    numbers = [_int(row[ROW]) + 1 for row in found]
    observed = words.counted(wrong, judged, pct, numbers) if by_row else _observed(spec, table, seen, space)
    return CheckResult(
        check=spec.check,
        table=spec.table,
        status=CheckStatus.PASSED if outcome.success else CheckStatus.FAILED,
        critical=spec.critical,
        message=_sentence(words.expected(spec), observed),
        column=spec.column,
        dimension=spec.dimension,
        observed=observed,
        unexpected_count=wrong,
        unexpected_pct=pct,
        sample=tuple(_json_row(row) for row in found),
        params=_params(spec),
        rows=judged,
    )


def _sample(spec: CheckSpec, table: Table, space: Workspace, seen: Mapping[str, object]) -> list[dict[str, object]]:
    wrong = predicate(spec, table)
    if wrong is None and spec.columns:
        wrong = space.duplicates(table, spec.columns)
    if wrong is None:
        listed = seen.get("partial_unexpected_index_list")
        numbers = [_int(entry[ROW]) for entry in listed] if isinstance(listed, list) else []
        wrong = sa.column(ROW).in_(numbers)
    return space.rows_where(table, wrong)


def _observed(spec: CheckSpec, table: Table, seen: Mapping[str, object], space: Workspace) -> str:
    if spec.check == "freshness":
        return f"the newest is {words.value(space.newest(table, spec.column or ''))}"
    if spec.check in ("expect_table_columns_to_match_set", "expect_column_to_exist"):
        return words.columns_seen(spec, table)
    if spec.check == "expect_table_row_count_to_be_between":
        return f"it has {words.value(seen.get('observed_value'))}"
    return f"it is {words.value(seen.get('observed_value'))}"


def _sentence(expected: str, observed: str) -> str:
    return f"{expected}: {observed}."


def _why(spec: CheckSpec, table: Table, raised: str) -> str:
    """The cause for people: a missing column by name, else the first line of what was raised."""
    asked = [spec.column] if spec.column else list(spec.columns)
    asked += spec.rule.columns if spec.check == "row_rule" else ()
    missing = [name for name in asked if table.column(name) is None]
    if missing:
        return f"{table.name} has no column {', '.join(missing)} (columns: {', '.join(c.name for c in table.columns)})"
    lines = [line.strip() for line in raised.splitlines() if line.strip()]
    return (lines[0] if lines else "unknown cause")[:300].rstrip(".")


def _raised(info: Mapping[str, object]) -> str:
    """The first exception message of a result, whose ``exception_info`` is flat or keyed by metric."""
    entries = [info] if "raised_exception" in info else [e for e in info.values() if isinstance(e, Mapping)]
    raised = [str(e.get("exception_message")) for e in entries if e.get("raised_exception")]
    return raised[0] if raised else ""


def _params(spec: CheckSpec) -> JsonObject:
    params: dict[str, Json] = dict(spec.params)
    if spec.columns:
        params["column_list"] = list(spec.columns)
    if spec.mostly is not None:
        params["mostly"] = spec.mostly
    return params


def _json_row(row: Mapping[str, object]) -> JsonObject:
    return {ROW_NUMBER: _int(row[ROW]) + 1} | {k: _json(v) for k, v in row.items() if k != ROW}


def _json(cell: object) -> Json:
    if isinstance(cell, float) and not math.isfinite(cell):
        return None if math.isnan(cell) else str(cell)
    if cell is None or isinstance(cell, bool | int | float | str):
        return cell
    if isinstance(cell, date | time):
        return cell.isoformat()
    return float(cell) if isinstance(cell, Decimal) else str(cell)


def _int(number: object) -> int:
    return int(str(number)) if number is not None else 0
