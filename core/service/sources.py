"""Uploaded data as named sources: what was understood, what the analyst corrected, and a playbook made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from core.access import Principal, require
from core.baseline.measure import MetricSpec
from core.check.spec import CheckSpec
from core.errors import InputError, NotFound
from core.load.file import Progress, load_file
from core.load.glimpse import First
from core.load.options import LoadOptions
from core.load.report import Loaded
from core.model import Column, ColumnType, Dataset, Direction, MetricKind, Provenance, Run, Table
from core.pipeline import Files, folder_files
from core.playbook import BaselineUse, DetectorUse, Playbook, TableSpec
from core.service.columns import dimensions_of, flags_among
from core.service.workbench import Workbench
from core.store.records import NamedSource

NUMERIC = {ColumnType.INTEGER, ColumnType.NUMBER}
TIMES = {ColumnType.DATE, ColumnType.TIMESTAMP}
_MEAN = re.compile(
    r"rate|ratio|pct|percent|share|avg|average|mean|csat|nps|score|price|latency|duration|time|mins?$|_ms$|p\d\d|temperature|level|cpu|utili",
    re.I,
)
_DURATION = re.compile(r"latency|duration|time|mins?$|_ms$|seconds?$|hours?$|p\d\d", re.I)
_GOOD_DOWN = re.compile(
    r"refund|error|fail|ticket|latency|churn|cost|cancel|complain|bounce|incident|late|delay|response|defect|return|p\d\d|duration|downtime|wait",
    re.I,
)
_GOOD_UP = re.compile(
    r"revenue|sales|gross|net|profit|margin|sign.?up|user|customer|session|order|conver|csat|nps|visit|click|booking|ride|trip|purchase|subscri|uptime|success",
    re.I,
)
_ID = re.compile(r"(^|_)(id|key|code|zip|uuid|phone|index|number|no)$", re.I)


class Strict(BaseModel):
    """Immutable configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredTable(Strict):
    """One loaded file of a source: where its Parquet copy is, and how it was read."""

    name: str
    file: str
    parquet: str
    sha256: str
    columns: Mapping[str, ColumnType]
    time: str
    rows: int
    rejected_rows: int
    read_at: datetime
    options: LoadOptions = LoadOptions()
    query: str = Field("", description="The SELECT that answered this table; empty for a file")

    @classmethod
    def of(cls, loaded: Loaded, time: str, options: LoadOptions, query: str = "") -> StoredTable:
        """The stored form of a loaded file."""
        t = loaded.table
        return cls(
            name=t.name,
            file=t.provenance.uri.removeprefix("upload:"),
            parquet=t.path.name,
            sha256=t.provenance.sha256,
            columns={c.name: c.type for c in t.columns},
            time=time,
            rows=t.provenance.rows,
            rejected_rows=t.provenance.rejected_rows,
            read_at=t.provenance.read_at,
            options=options,
            query=query,
        )

    def table(self, folder: Path) -> Table:
        """The table it stands for. Raises: InputError when the stored copy is gone."""
        path = folder / self.parquet
        if not path.exists():
            raise InputError(f"{self.file}: its stored copy is gone.", hint="Upload the file again.")
        provenance = Provenance(self.name, self.file, self.sha256, self.rows, self.rejected_rows, self.read_at)
        return Table(self.name, tuple(Column(n, t) for n, t in self.columns.items()), path, provenance)


class SourceDefinition(Strict):
    """A named source: its tables, metrics, dimensions and how it is judged. Saved as JSON, shown as a form."""

    name: str
    title: str
    tables: tuple[StoredTable, ...] = Field(min_length=1)
    freq: str = "D"
    metrics: tuple[MetricSpec, ...] = Field(min_length=1)
    dimensions: tuple[str, ...] = ()
    country: str | None = None
    baseline: BaselineUse = BaselineUse()
    detectors: tuple[DetectorUse, ...] = (DetectorUse(detector="combined"),)
    checks: tuple[CheckSpec, ...] = ()

    def playbook(self) -> Playbook:
        """The source as a playbook on the one pipeline."""
        return Playbook(
            name=self.name,
            title=self.title,
            purpose="Uploaded data",
            tables={t.name: TableSpec(file=t.file, time=t.time, columns=t.columns) for t in self.tables},
            freq=self.freq,
            metrics=self.metrics,
            dimensions=self.dimensions,
            country=self.country,
            baseline=self.baseline,
            detectors=self.detectors,
            checks=self.checks,
        )

    def dataset(self, folder: Path) -> Dataset:
        """The stored tables."""
        return Dataset({t.name: t.table(folder) for t in self.tables})


def resolve(wb: Workbench, name: str, files: Files, *, tenant: str) -> tuple[Playbook, Dataset | Files]:
    """A playbook with its files, or the tenant's saved source with its dataset. Raises: NotFound."""
    if name in wb.playbooks:
        playbook = wb.playbooks[name]
        return playbook, {**folder_files(playbook, wb.data / name), **files}
    definition = get(wb, tenant, name)
    for table, data in files.items():
        if data is None:
            raise InputError(f"{name}: the file of table '{table}' is missing.", field=table)
        definition = replace_file(wb, definition, table, data)
    return definition.playbook(), definition.dataset(wb.ctx.engine.folder())


def get(wb: Workbench, tenant: str, name: str) -> SourceDefinition:
    """A saved source. Raises: NotFound listing what there is."""
    return _definition(wb, tenant, _newest(wb, tenant, name))


def version_key(wb: Workbench, tenant: str, name: str) -> str:
    """Changes whenever the source is saved again. Raises: NotFound listing what there is."""
    return f"{tenant}/{name}/{_newest(wb, tenant, name).version}"


def _newest(wb: Workbench, tenant: str, name: str) -> NamedSource:
    with wb.store.read() as books:
        try:
            return books.sources.get(tenant, name)
        except NotFound:
            listed = ", ".join([*wb.playbooks, *(s.name for s in books.sources.list(tenant))])
    raise NotFound(f"There is no playbook or source '{name}'.", hint=f"Known: {listed}.", field="source")


def _definition(wb: Workbench, tenant: str, saved: NamedSource) -> SourceDefinition:
    """The saved definition, read once per version."""
    key = (tenant, saved.name, saved.version)
    found = wb.definitions.get(key, lambda: SourceDefinition.model_validate(saved.definition))
    assert isinstance(found, SourceDefinition)
    return found


def save(wb: Workbench, who: Principal, definition: SourceDefinition) -> SourceDefinition:
    """Keeps a source under its name; the earlier version stays in the store. Raises: InputError, Forbidden."""
    require(who, "incidents:write")
    if definition.name in wb.playbooks:
        raise InputError(f"'{definition.name}' is the name of a playbook; choose another.", field="name")
    definition.playbook()
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.sources.save(who.tenant, definition.name, definition.model_dump(mode="json"), actor=who.user, now=now)
        books.audit.append(
            who.tenant,
            "person",
            "source_saved",
            {
                "source": definition.name,
                "tables": [t.sha256[:12] for t in definition.tables],
                "metrics": [m.name for m in definition.metrics],
                "actor": who.user,
            },
            now,
            correlation_id=definition.name,
        )
    return definition


def delete(wb: Workbench, who: Principal, name: str) -> None:
    """The source is out of sight until :func:`undelete`; its runs and versions stay. Raises: NotFound, Forbidden."""
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.sources.delete(who.tenant, name, now)
        books.audit.append(
            who.tenant, "person", "source_deleted", {"source": name, "actor": who.user}, now, correlation_id=name
        )


def undelete(wb: Workbench, who: Principal, name: str) -> None:
    """A deleted source is back as it was. Raises: NotFound, Forbidden."""
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.sources.undelete(who.tenant, name)
        books.audit.append(
            who.tenant, "person", "source_restored", {"source": name, "actor": who.user}, now, correlation_id=name
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved source with its newest run, if it ever ran."""

    definition: SourceDefinition
    version: int
    saved_at: datetime
    run: Run | None


def listing(wb: Workbench, who: Principal, *, deleted: bool = False) -> tuple[Saved, ...]:
    """Every saved source of the person's tenant, newest first; with ``deleted`` those that can be brought back."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = []
        for s in books.sources.list(who.tenant, deleted=deleted):
            runs = books.runs.list(who.tenant, s.name, limit=1)
            definition = SourceDefinition.model_validate(s.definition)
            found.append(Saved(definition, s.version, s.saved_at, runs[0] if runs else None))
    return tuple(sorted(found, key=lambda s: s.saved_at, reverse=True))


def is_id(column: str) -> bool:
    """Whether a column's name says that it identifies rather than measures."""
    return bool(_ID.search(column))


def read(
    wb: Workbench,
    data: Path | bytes,
    name: str,
    options: LoadOptions | None = None,
    progress: Progress | None = None,
    first: First | None = None,
) -> Loaded:
    """An uploaded file as a table with a report of what was understood. Raises: InputError, TooLarge."""
    return load_file(
        data,
        name=name,
        folder=wb.ctx.engine.folder(),
        now=wb.ctx.clock.now(),
        options=options,
        max_bytes=wb.ctx.settings.telltale_max_upload_mb * 1024 * 1024,
        progress=progress,
        first=first,
    )


def replace_file(wb: Workbench, definition: SourceDefinition, table: str, data: Path | bytes) -> SourceDefinition:
    """The definition with one file read anew, the same way as before.

    Raises: InputError naming the columns that the new file lacks.
    """
    old = next((t for t in definition.tables if t.name == table), None)
    if old is None:
        raise NotFound(f"{definition.title} has no table '{table}'.", field="table")
    loaded = read(wb, data, old.file, old.options)
    needed = columns_of(definition, old)
    have = {c.name for c in loaded.table.columns}
    if missing := sorted((needed & set(old.columns)) - have):
        raise InputError(
            f"{old.file}: column {', '.join(missing)} is missing.", hint=f"It has {', '.join(sorted(have))}."
        )
    fresh = StoredTable.of(Loaded(replace(loaded.table, name=table), loaded.report), old.time, old.options)
    return definition.model_copy(update={"tables": tuple(fresh if t.name == table else t for t in definition.tables)})


def columns_of(definition: SourceDefinition, table: StoredTable) -> set[str]:
    """The columns of a table that its source cannot do without."""
    measured = {c for m in definition.metrics if m.table == table.name for c in (m.column, m.over) if c}
    return {table.time, *definition.dimensions} & set(table.columns) | measured


@dataclass(frozen=True, slots=True)
class Proposal:
    """A first definition for uploaded files, and why it is as it is."""

    definition: SourceDefinition
    reasons: tuple[str, ...]


def propose(wb: Workbench, title: str, files: Sequence[tuple[Loaded, LoadOptions]]) -> Proposal:
    """Metrics, dimensions and frequency guessed from the loaded files; every guess can be corrected.

    Raises: InputError when no file has a time column or no column can be measured.
    """
    reasons: list[str] = []
    tables, metrics, dimensions, freqs = [], [], [], []
    for loaded, options in files:
        time = loaded.report.time_column
        if time is None:
            raise InputError(
                f"{loaded.table.provenance.uri.removeprefix('upload:')}: no time column was found.",
                hint="Choose one, or give a column with dates such as 2025-12-31.",
                field="time_column",
            )
        tables.append(StoredTable.of(loaded, time, options))
        freqs.append(loaded.report.frequency)
        numeric = [c.name for c in loaded.table.columns if c.type in NUMERIC and c.name != time]
        flags = flags_among(wb.ctx.engine, loaded.table, [n for n in numeric if not _ID.search(n)])
        measures = [n for n in numeric if not _ID.search(n) and n not in flags]
        metrics += [guess_metric(n, loaded.table.name) for n in measures]
        dimensions += dimensions_of(wb.ctx.engine, loaded.table, time)
        if flags:
            reasons.append(f"{', '.join(flags)} hold only 0 and 1, so they are not measured unless you mark them.")
        if skipped := sorted(set(numeric) - set(measures) - set(flags)):
            reasons.append(f"{', '.join(skipped)} look like identifiers, so they are not measured.")
        if not measures:
            metrics.append(
                MetricSpec(name=f"{loaded.table.name}_rows", label="Rows", table=loaded.table.name, agg="count")
            )
            reasons.append(f"{loaded.table.name} has no number to measure, so its rows are counted.")
    freq = coarsest([f for f in freqs if f])
    reasons.append(f"Values are gathered per {PERIODS.get(freq, freq)}.")
    definition = SourceDefinition(
        name=slug(title),
        title=title,
        tables=tuple(tables),
        freq=freq,
        metrics=_unique(metrics),
        dimensions=tuple(dict.fromkeys(dimensions)),
    )
    return Proposal(definition, tuple(reasons))


PERIODS = {"h": "hour", "D": "day", "W": "week", "MS": "month", "YS": "year"}


def coarsest(freqs: Sequence[str]) -> str:
    """The coarsest of the frequencies that charts and baselines work on: h, D, W, MS or YS."""
    order = list(PERIODS)
    known = [{"W-MON": "W"}.get(f, f) for f in freqs]
    ranks = [order.index(f) if f in order else 0 for f in known]
    return order[max(ranks)] if ranks else "D"


def guess_metric(column: str, table: str) -> MetricSpec:
    """How a column is measured, from its name: rates and durations average, the rest adds up."""
    averaged = bool(_MEAN.search(column))
    good = Direction.DOWN if _GOOD_DOWN.search(column) else Direction.UP if _GOOD_UP.search(column) else Direction.NONE
    kind = MetricKind.SUM
    if averaged:
        kind = MetricKind.DURATION if _DURATION.search(column) else MetricKind.GAUGE
    return MetricSpec(
        name=slug(column),
        label=column.replace("_", " "),
        table=table,
        column=column,
        agg="mean" if averaged else "sum",
        kind=kind,
        good=good,
        system=table,
    )


def _unique(metrics: Sequence[MetricSpec]) -> tuple[MetricSpec, ...]:
    """Metrics with names that differ: a name used twice gets its table in front."""
    names = [m.name for m in metrics]
    return tuple(
        m.model_copy(update={"name": slug(f"{m.table}_{m.name}")}) if names.count(m.name) > 1 else m for m in metrics
    )


def slug(text: str) -> str:
    """Lower case letters, digits and underscores; never empty."""
    return re.sub(r"[^\w]+", "_", text.lower()).strip("_")[:60] or "source"
