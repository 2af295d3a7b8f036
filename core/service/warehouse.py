"""A SELECT on the warehouse as a source: asked once to set it up, and again at every run."""

from __future__ import annotations

from dataclasses import replace

from core.access import Principal, require
from core.errors import ConfigError, InputError
from core.load.options import LoadOptions
from core.load.report import Loaded
from core.load.sql import load_select
from core.service import sources
from core.service.sources import SourceDefinition, StoredTable
from core.service.uploads import Upload
from core.service.workbench import Workbench


def configured(wb: Workbench) -> bool:
    """Whether there is a warehouse to ask."""
    return wb.ctx.settings.telltale_warehouse_url is not None


def ask(wb: Workbench, who: Principal, table: str, query: str) -> Upload:
    """The answer of one SELECT, to be looked at and saved like an uploaded file.

    Raises: InputError for a statement that is refused, ConfigError without a warehouse, ProviderError, Forbidden.
    """
    require(who, "tools:manage")
    name = sources.slug(table)
    return Upload(name, 0, LoadOptions(), _select(wb, name, query, None), query)


def refreshed(wb: Workbench, who: Principal, definition: SourceDefinition) -> SourceDefinition:
    """The source with its queries asked anew and saved; a source of files stays as it is.

    Raises: InputError when a column that the source needs is gone; ProviderError when the warehouse fails.
    """
    require(who, "incidents:write")
    if not any(t.query for t in definition.tables):
        return definition
    tables = tuple(_again(wb, definition, t) if t.query else t for t in definition.tables)
    return sources.save(wb, who, definition.model_copy(update={"tables": tables}))


def _again(wb: Workbench, definition: SourceDefinition, old: StoredTable) -> StoredTable:
    loaded = _select(wb, old.name, old.query, old.time)
    gone = set(old.columns) - {c.name for c in loaded.table.columns}
    if needed := sorted(gone & sources.columns_of(definition, old)):
        raise InputError(f"{old.name}: the query no longer answers column {', '.join(needed)}.", field="query")
    return StoredTable.of(loaded, old.time, old.options, old.query)


def _select(wb: Workbench, table: str, query: str, time: str | None) -> Loaded:
    url = wb.ctx.settings.telltale_warehouse_url
    if url is None:
        raise ConfigError("There is no warehouse.", hint="Set TELLTALE_WAREHOUSE_URL.", field="TELLTALE_WAREHOUSE_URL")
    loaded = load_select(
        url.get_secret_value(),
        query,
        table=table,
        folder=wb.ctx.engine.folder(),
        now=wb.ctx.clock.now(),
        time_column=time,
    )
    provenance = replace(loaded.table.provenance, uri=f"query:{table}")
    return Loaded(replace(loaded.table, provenance=provenance), loaded.report)
