"""Every cached read of the pages, in one file. Keys are content hashes and parameters, never frames or uploads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core import comparison, pipeline, views
from core.audit import reading
from core.audit.chain import ChainCheck
from core.audit.report import stamp
from core.baseline.measure import MetricSpec
from core.bootstrap import background, workbench
from core.charts import Mark
from core.check.spec import CheckSpec
from core.detect.find import find, group_runs
from core.model import (
    AuditEntry,
    Baseline,
    Bools,
    Decision,
    Delivery,
    DeliveryState,
    Explanation,
    Finding,
    Incident,
    IncidentStatus,
    MetricKind,
    Panel,
    Run,
    Scores,
    Severity,
    Table,
    Trace,
)
from core.playbook import BaselineUse, DetectorUse, Playbook
from core.service import checks, previews, runs, sources
from core.service.workbench import Workbench
from core.store.ledger import StoreLedger
from core.store.records import DayUsage, Schedule, Slot
from ui import auth

Edits = Mapping[str, bytes]


def bench() -> Workbench:
    """The process's workbench."""
    return workbench()


def content_key(name: str, edits: Edits) -> str:
    """Changes whenever the data behind a playbook or source changes; no two tenants share one."""
    wb, tenant = bench(), auth.current().tenant
    parts = [tenant]
    parts += [hashlib.sha256(v).hexdigest() + k for k, v in sorted(edits.items())]
    if name in wb.playbooks:
        for table, path in sorted(pipeline.folder_files(wb.playbooks[name], wb.data / name).items()):
            assert isinstance(path, Path)
            stat = path.stat()
            parts.append(f"{table}:{stat.st_mtime_ns}:{stat.st_size}")
    else:
        parts.append(sources.version_key(wb, tenant, name))
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def trace(name: str, edits: Edits, as_of: datetime | None) -> Trace:
    """What a run would find now (rules wording). Raises: WorkbenchError for people.

    Right after a start its checks may be ``pending``; they run beside the pages then.
    """
    key = content_key(name, edits)
    found = _trace(name, key, as_of, edits)
    if found.checks.pending:
        _trace.clear(name, key, as_of, edits)
    return found


@st.cache_resource(max_entries=48, show_spinner=False)
def _trace(name: str, key: str, as_of: datetime | None, _edits: Edits) -> Trace:
    soon = background().checks_soon()
    return runs.preview(bench(), name, files=dict(_edits), as_of=as_of, tenant=auth.current().tenant, wait=not soon)


def playbook(name: str) -> Playbook:
    """The playbook behind a name, built in or made from a saved source."""
    wb = bench()
    return wb.playbooks[name] if name in wb.playbooks else sources.get(wb, auth.current().tenant, name).playbook()


def names() -> dict[str, str]:
    """Every playbook and saved source: name to title."""
    wb = bench()
    with wb.store.read() as books:
        kept = books.sources.list(auth.current().tenant)
    saved = {s.name: str(s.definition["title"]) for s in kept if isinstance(s.definition, dict)}
    return {**{n: p.title for n, p in wb.playbooks.items()}, **saved}


def panel(name: str, edits: Edits, dimension: str | None = None) -> Panel:
    """All periods of a source, in total or per value of one dimension."""
    return _panel(name, content_key(name, edits), dimension, edits)


@st.cache_resource(max_entries=32, show_spinner=False)
def _panel(name: str, key: str, dimension: str | None, _edits: Edits) -> Panel:
    wb = bench()
    book, loaded = runs.dataset(wb, name, dict(_edits), tenant=auth.current().tenant)
    return pipeline.gauge(book, loaded, wb.ctx, (dimension,) if dimension else ()).panel


def divisors(name: str, edits: Edits, metric: str, dimension: str) -> Panel:
    """What a ratio is divided by, per value of a dimension: the weight of each part."""
    return _divisors(name, content_key(name, edits), metric, dimension, edits)


@st.cache_resource(max_entries=32, show_spinner=False)
def _divisors(name: str, key: str, metric: str, dimension: str, _edits: Edits) -> Panel:
    wb = bench()
    book, loaded = runs.dataset(wb, name, dict(_edits), tenant=auth.current().tenant)
    spec = next(m for m in book.metrics if m.name == metric)
    weight = spec.model_copy(update={"column": spec.over, "over": None, "agg": "sum", "kind": MetricKind.SUM})
    return pipeline.gauge(book.model_copy(update={"metrics": (weight,)}), loaded, wb.ctx, (dimension,)).panel


def scored(name: str, edits: Edits, use: DetectorUse, dimension: str | None = None) -> tuple[Panel, Baseline, Scores]:
    """One detector over the whole history of a source."""
    return _scored(name, content_key(name, edits), use.model_dump_json(), dimension, edits)


@st.cache_resource(max_entries=64, show_spinner=False)
def _scored(name: str, key: str, use: str, dimension: str | None, _edits: Edits) -> tuple[Panel, Baseline, Scores]:
    series = _panel(name, key, dimension, _edits)
    return series, *pipeline.score(playbook(name), DetectorUse.model_validate_json(use), series)


def history(name: str, edits: Edits, use: DetectorUse, dimension: str | None = None) -> tuple[Finding, ...]:
    """Everything the detector would have found over the whole history, adjacent points joined."""
    series, baseline, scores = scored(name, edits, use, dimension)
    found = find(series, baseline, scores, window=range(series.shape[1]), playbook=name)
    return group_runs(found)


def latest_run(name: str, of: Trace) -> Run | None:
    """The newest kept run over the same content and period as this trace."""
    wanted = sorted(p.sha256 for p in of.dataset.provenance)
    with bench().store.read() as books:
        for kept in books.runs.list(auth.current().tenant, playbook=name, limit=5):
            if kept.as_of == of.as_of and kept.status == "completed":
                run = books.runs.get(kept.tenant, kept.id)
                rows = run.report["provenance"]
                seen = (
                    sorted(str(p["sha256"]) for p in rows if isinstance(p, Mapping)) if isinstance(rows, list) else []
                )
                if seen == wanted:
                    return run
    return None


def explanation_of(run: Run | None, of: Trace) -> Explanation:
    """The kept run's explanation (a model may have worded it), else the preview's."""
    return (run and reading.explanation_of(run.report)) or of.explanation


def decision_of(run: Run | None, of: Trace) -> Decision:
    """The kept run's decision, else the preview's."""
    return (run and reading.decision_of(run.report)) or of.decision


def dates(name: str, edits: Edits) -> list[str]:
    """The periods that can be judged, latest first."""
    series = panel(name, edits)
    freq = series.freq
    return [stamp(t.to_pydatetime(), freq) for t in series.index[:0:-1]]


def table_frame(table: Table, last: int | None = None) -> pd.DataFrame:
    """The rows of a loaded table, or its last ones in file order."""
    relation = bench().ctx.engine.relation(table)
    frame: pd.DataFrame = bench().ctx.engine.fetch(relation.select()).to_pandas()
    return frame if last is None else frame.tail(last)


def fitted(name: str, edits: Edits, use: BaselineUse, dimension: str | None = None) -> tuple[Panel, Baseline]:
    """One baseline over the whole history of a source."""
    return _fitted(name, content_key(name, edits), use.model_dump_json(), dimension, edits)


@st.cache_resource(max_entries=64, show_spinner=False)
def _fitted(name: str, key: str, use: str, dimension: str | None, _edits: Edits) -> tuple[Panel, Baseline]:
    series = _panel(name, key, dimension, _edits)
    return series, pipeline.fit(playbook(name), BaselineUse.model_validate_json(use), series)


def alarms(name: str, edits: Edits, uses: Sequence[DetectorUse], dimension: str | None = None) -> Bools:
    """Where any of the detectors fired, for every series and period."""
    found = [scored(name, edits, use, dimension)[2].alarm for use in uses]
    return np.asarray(np.logical_or.reduce(found))


def marks(name: str, edits: Edits) -> tuple[Mark, ...]:
    """What else happened: unusual activity, failing rows of the latest kept check run, public holidays."""
    book = playbook(name)
    with bench().store.read() as books:
        kept = books.check_runs.list(auth.current().tenant, source=name, limit=1)
    failed = views.check_marks(kept[0].results, book.time) if kept else ()
    return failed + _marks(name, content_key(name, edits), edits)


@st.cache_resource(max_entries=32, show_spinner=False)
def _marks(name: str, key: str, _edits: Edits) -> tuple[Mark, ...]:
    book, series = playbook(name), _panel(name, key, None, _edits)
    baseline = pipeline.fit(book, book.baseline, series)
    fired = alarms(name, _edits, book.detectors)
    return views.activity_marks(series, baseline, fired) + views.holiday_marks(
        series.index, book.country or str(baseline.params.get("country") or "")
    )


def moves(name: str, edits: Edits, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What changed most in a time range, over all metrics and all dimension values."""
    return _moves(name, content_key(name, edits), start, end, edits)


@st.cache_resource(max_entries=64, show_spinner=False)
def _moves(name: str, key: str, start: pd.Timestamp, end: pd.Timestamp, _edits: Edits) -> pd.DataFrame:
    splits = (None, *playbook(name).dimensions)
    return views.moves({d or "": _panel(name, key, d, _edits) for d in splits}, start, end, top=15)


def saved(*, deleted: bool = False) -> tuple[sources.Saved, ...]:
    """Every saved source with its newest run, or the deleted ones."""
    return sources.listing(bench(), auth.current(), deleted=deleted)


def rows_page(table: Table, number: int, size: int) -> pd.DataFrame:
    """One page of a loaded table's rows."""
    return _rows_page(table.path.name, number, size, table)


@st.cache_data(max_entries=32, show_spinner=False)
def _rows_page(path: str, number: int, size: int, _table: Table) -> pd.DataFrame:
    return previews.page(bench().ctx.engine, _table, number, size)


def span(table: Table, column: str) -> tuple[datetime, datetime] | None:
    """The first and last time in a loaded table's column."""
    return _span(table.path.name, column, table)


@st.cache_data(max_entries=256, show_spinner=False)
def _span(path: str, column: str, _table: Table) -> tuple[datetime, datetime] | None:
    return previews.period(bench().ctx.engine, _table, column)


def outline(table: Table, column: str, metric: MetricSpec, freq: str) -> Panel:
    """One metric over a whole loaded table, for a first look."""
    return _outline(table.path.name, table.name, column, metric.model_dump_json(), freq, table)


@st.cache_resource(max_entries=64, show_spinner=False)
def _outline(path: str, name: str, column: str, metric: str, freq: str, _table: Table) -> Panel:
    return previews.outline(bench().ctx.engine, _table, column, MetricSpec.model_validate_json(metric), freq)


def ceiling(name: str, edits: Edits, use: DetectorUse, i: int) -> float:
    """The largest score any value of the latest point of a series could have, in multiples of the threshold."""
    return _ceiling(name, content_key(name, edits), use.model_dump_json(), i, edits)


@st.cache_resource(max_entries=256, show_spinner=False)
def _ceiling(name: str, key: str, use: str, i: int, _edits: Edits) -> float:
    series = _panel(name, key, None, _edits)
    return comparison.ceiling(playbook(name), DetectorUse.model_validate_json(use), series, i)


def incidents(
    statuses: Sequence[IncidentStatus], severities: Sequence[Severity], playbook: str | None, text: str
) -> tuple[Incident, ...]:
    """The incidents that match every given filter, newest first."""
    with bench().store.read() as books:
        found = books.incidents.list(
            auth.current().tenant, statuses=statuses, severities=severities, playbook=playbook, text=text, limit=1000
        )
    return tuple(sorted(found, key=lambda i: i.created_at, reverse=True))


def incident_counts() -> Mapping[IncidentStatus, int]:
    """How many incidents are in each state."""
    with bench().store.read() as books:
        return books.incidents.counts(auth.current().tenant)


def suggested(name: str, edits: Edits) -> tuple[CheckSpec, ...]:
    """The suite that a source's data suggests now. Raises: WorkbenchError when it cannot be loaded."""
    return _suggested(name, content_key(name, edits), edits)


@st.cache_resource(max_entries=16, show_spinner="Looking at the data")
def _suggested(name: str, key: str, _edits: Edits) -> tuple[CheckSpec, ...]:
    wb = bench()
    book, loaded = runs.dataset(wb, name, dict(_edits), tenant=auth.current().tenant)
    return checks.suggested(wb, loaded, book.time)


def check_history(name: str) -> tuple[checks.Outcome, ...]:
    """The kept check runs of a source, newest first."""
    return checks.history(bench(), auth.current(), name)


def newest_run(name: str) -> Run | None:
    """The newest kept run of a source that was not refused, with its report."""
    tenant = auth.current().tenant
    with bench().store.read() as books:
        done = next((r for r in books.runs.list(tenant, playbook=name, limit=20) if r.light is not None), None)
        return books.runs.get(tenant, done.id) if done else None


def outbox(state: DeliveryState | None = None, limit: int = 200) -> tuple[Delivery, ...]:
    """Messages that were sent, wait or were given up, newest first."""
    with bench().store.read() as books:
        return books.outbox.list(auth.current().tenant, state=state, limit=limit)


def schedule(name: str) -> tuple[Schedule | None, tuple[Slot, ...]]:
    """When a source runs by the clock, if somebody set it, and the slots it has run."""
    tenant = auth.current().tenant
    with bench().store.read() as books:
        return books.schedules.get(tenant, name), books.schedules.history(tenant, name, limit=20)


def run_list(name: str | None, limit: int = 200) -> tuple[Run, ...]:
    """Kept runs without their reports, newest first."""
    with bench().store.read() as books:
        return books.runs.list(auth.current().tenant, playbook=name, limit=limit)


def run_report(run_id: str) -> Run:
    """One kept run with its report. Raises: NotFound."""
    with bench().store.read() as books:
        return books.runs.get(auth.current().tenant, run_id)


def trail(
    agent: str | None,
    action: str | None,
    incident_id: str | None,
    correlation_id: str | None,
    since: datetime | None,
    limit: int,
) -> tuple[AuditEntry, ...]:
    """Audit lines that match every given filter, newest first."""
    with bench().store.read() as books:
        return books.audit.list(
            auth.current().tenant,
            agent=agent,
            action=action,
            incident_id=incident_id,
            correlation_id=correlation_id,
            since=since,
            limit=limit,
        )


def trail_length() -> int:
    """How many audit lines there are."""
    with bench().store.read() as books:
        return books.audit.count(auth.current().tenant)


@st.cache_data(ttl=300, max_entries=8, show_spinner="Checking every line…")
def chain(tenant: str, round_: int) -> ChainCheck:
    """Whether the audit is intact, as of at most five minutes ago."""
    with bench().store.read() as books:
        return books.audit.verify(tenant)


def model_use(days: int = 30) -> tuple[DayUsage, ...]:
    """What the language model was used for, day by day, latest first."""
    ledger = bench().ctx.ledger
    return ledger.usage(days) if isinstance(ledger, StoreLedger) else ()
