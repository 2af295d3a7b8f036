"""Checks on demand: suggest a suite, run it and keep the outcome, edit and save it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.access import Principal, require
from core.check.run import Progress, run_checks, to_rows
from core.check.spec import CheckSpec
from core.check.suggest import suggest
from core.errors import InputError
from core.model import CheckStatus, Dataset, Json, JsonObject
from core.pipeline import Files
from core.service import runs, sources
from core.service.workbench import Workbench
from core.store.records import CheckRun


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kept check run, ready to show. ``rows`` are the results as :func:`core.check.run.to_rows` words them."""

    id: str
    source: str
    ran_at: datetime
    rows: tuple[JsonObject, ...]
    blocked_tables: tuple[str, ...] = ()
    blocked_metrics: tuple[str, ...] = ()
    edited: bool = False  # over this session's edited data or suite

    def count(self, status: CheckStatus) -> int:
        """How many checks ended with ``status``."""
        return sum(row["status"] == status.value for row in self.rows)


def suggested(wb: Workbench, dataset: Dataset, time: Mapping[str, str]) -> tuple[CheckSpec, ...]:
    """A first suite for every table of the dataset, read off its data."""
    now = wb.ctx.clock.now()
    return tuple(
        spec
        for name, table in dataset.tables.items()
        for spec in suggest(table, wb.ctx.engine, time_column=time.get(name), now=now)
    )


def with_suggested(wb: Workbench, definition: sources.SourceDefinition) -> sources.SourceDefinition:
    """The definition with a suggested suite where it has none; an empty or mistyped column blocks its metrics.

    A failed range blocks nothing: an unusual value is what the detectors are there to report.
    """
    if definition.checks:
        return definition
    dataset = definition.dataset(wb.ctx.engine.folder())
    specs = suggested(wb, dataset, {t.name: t.time for t in definition.tables})
    return definition.model_copy(update={"checks": tuple(_blocking(s, definition) for s in specs)})


def _blocking(spec: CheckSpec, definition: sources.SourceDefinition) -> CheckSpec:
    if spec.dimension not in ("completeness", "schema") or spec.column is None:
        return spec
    metrics = tuple(m.name for m in definition.metrics if m.table == spec.table and spec.column in m.columns)
    return spec.model_copy(update={"blocks": metrics})


def run(
    wb: Workbench,
    who: Principal,
    name: str,
    specs: Sequence[CheckSpec] | None = None,
    *,
    files: Files | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """The suite (or ``specs`` instead of it) over a source's data, kept with an audit entry.

    Raises: InputError when there is nothing to check or the data cannot be loaded; NotFound; Forbidden.
    """
    require(who, "incidents:write")
    playbook, dataset = runs.dataset(wb, name, files, tenant=who.tenant)
    suite = tuple(specs) if specs is not None else playbook.checks
    if not suite:
        raise InputError(f"{playbook.title} has no checks.", hint="Add suggested ones first.", field="checks")
    now = wb.ctx.clock.now()
    report = run_checks(suite, dataset, wb.ctx.engine, now=now, progress=progress)
    results: JsonObject = {
        "rows": to_rows(report),
        "blocked_tables": sorted(report.blocked_tables),
        "blocked_metrics": sorted(report.blocked_metrics),
        "edited": bool(files) or (specs is not None and suite != playbook.checks),
    }
    with wb.store.begin() as books:
        run_id = books.check_runs.add(who.tenant, name, now, results)
        counts = {s.value: sum(r.status is s for r in report.results) for s in CheckStatus}
        body: dict[str, Json] = {"source": name, "check_run": run_id, "actor": who.user, **counts}
        books.audit.append(who.tenant, "check", "checks_run", body, now, correlation_id=run_id)
        return _outcome(books.check_runs.get(who.tenant, run_id))


def history(wb: Workbench, who: Principal, name: str, limit: int = 30) -> tuple[Outcome, ...]:
    """The kept check runs of a source, newest first."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return tuple(_outcome(kept) for kept in books.check_runs.list(who.tenant, name, limit))


def get(wb: Workbench, who: Principal, run_id: str) -> Outcome:
    """One kept check run. Raises: NotFound."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return _outcome(books.check_runs.get(who.tenant, run_id))


def save_suite(wb: Workbench, who: Principal, name: str, specs: Sequence[CheckSpec]) -> sources.SourceDefinition:
    """A saved source with this suite, as a new version of it.

    Raises: InputError for a built-in playbook, whose suite is a file; NotFound; Forbidden.
    """
    require(who, "incidents:write")
    if name in wb.playbooks:
        raise InputError(f"The suite of {wb.playbooks[name].title} is its checks.yaml.", field="checks")
    definition = sources.get(wb, who.tenant, name)
    return sources.save(wb, who, definition.model_copy(update={"checks": tuple(specs)}))


def _outcome(kept: CheckRun) -> Outcome:
    body = kept.results if isinstance(kept.results, Mapping) else {}
    rows = body.get("rows")
    return Outcome(
        kept.id,
        kept.source,
        kept.ran_at,
        tuple(r for r in rows if isinstance(r, Mapping)) if isinstance(rows, list | tuple) else (),
        _names(body.get("blocked_tables")),
        _names(body.get("blocked_metrics")),
        bool(body.get("edited")),
    )


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else ()
