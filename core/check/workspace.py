"""The tables of a run as Great Expectations sees them: views over Parquet in a private DuckDB."""

from __future__ import annotations

import logging
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import sqlalchemy as sa
from pyarrow import types
from sqlalchemy.sql import ColumnElement

from core.check.expectation import ROW
from core.errors import ProviderError
from core.model import Table

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
    from great_expectations.datasource.fluent.interfaces import Batch
    from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

SAMPLE = 20

# Great Expectations keeps its project in process-wide state, so one run at a time uses it.
_TURN = threading.Lock()

# Without these its results are fetched after the connection went back to the pool, which DuckDB answers
# with nothing: every check would look failed. The extensions stay off so that nothing is downloaded.
_ENGINE_KWARGS: Mapping[str, object] = {
    "isolation_level": "AUTOCOMMIT",
    "pool_reset_on_return": None,
    "skip_autocommit_rollback": True,
    "connect_args": {"config": {"autoinstall_known_extensions": False, "autoload_known_extensions": False}},
}


class Workspace:
    """Tables opened for checking."""

    def __init__(self, source: SQLDatasource) -> None:
        self._source = source
        self._engine: sa.Engine = source.get_execution_engine().engine
        self._batches: dict[str, Batch] = {}

    def batch(self, table: Table) -> Batch:
        """The table as a Great Expectations batch, with NaN as missing and every time in UTC."""
        if table.name not in self._batches:
            view = f"t{len(self._batches)}"
            with self._engine.connect() as connection:
                connection.exec_driver_sql(_view(view, table))
            asset = self._source.add_table_asset(view, table_name=view)
            self._batches[table.name] = asset.add_batch_definition_whole_table("all").get_batch()
        return self._batches[table.name]

    def rows_where(self, table: Table, wrong: ColumnElement[bool]) -> list[dict[str, object]]:
        """The first rows for which ``wrong`` is true, in file order, with their 0-based row number."""
        view = self._view(table)
        found: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(view).where(wrong)
        with self._engine.connect() as connection:
            rows = connection.execute(found.order_by(sa.column(ROW)).limit(SAMPLE))
            return [dict(row) for row in rows.mappings()]

    def _view(self, table: Table) -> sa.TableClause:
        return sa.table(f"t{list(self._batches).index(table.name)}")

    def newest(self, table: Table, column: str) -> object:
        """The newest time in ``column``, None when there is none."""
        view = self._view(table)
        newest: sa.Select[Any] = sa.select(sa.func.max(sa.try_cast(sa.column(column), sa.TIMESTAMP()))).select_from(
            view
        )
        with self._engine.connect() as connection:
            return connection.execute(newest).scalar()

    def duplicates(self, table: Table, columns: tuple[str, ...]) -> ColumnElement[bool]:
        """True for rows whose values in ``columns`` (not all missing) appear more than once."""
        view = self._view(table)
        keys: list[sa.ColumnClause[Any]] = [sa.column(name) for name in columns]
        times = sa.func.count().over(partition_by=keys).label("times")
        row = sa.column(ROW, sa.BigInteger())
        counted = sa.select(row, times).select_from(view).where(sa.or_(*(key.is_not(None) for key in keys)))
        inner = counted.subquery()
        repeated = sa.select(inner.c[ROW]).where(inner.c.times > 1).order_by(inner.c[ROW]).limit(SAMPLE)
        return sa.column(ROW).in_(repeated)


@contextmanager
def workspace() -> Iterator[Workspace]:
    """A private, in-memory workspace that is gone afterwards. Waits for its turn.

    Raises: ProviderError when Great Expectations or DuckDB cannot be started.
    """
    load_gx()
    from great_expectations.datasource.fluent.interfaces import TestConnectionError

    with _TURN:
        context = _context()
        try:
            source: SQLDatasource = context.data_sources.add_sql(  # type: ignore[call-arg]  # built at run time
                "tables", connection_string=f"duckdb:///:memory:{uuid.uuid4().hex}", kwargs=dict(_ENGINE_KWARGS)
            )
        except TestConnectionError as exc:
            raise ProviderError(f"Checks could not be started: {exc}", retryable=False, reason="checks") from exc
        try:
            yield Workspace(source)
        finally:
            source.get_execution_engine().engine.dispose()
            source.get_engine().dispose()


def load_gx() -> ModuleType:
    """Great Expectations, quiet: 4-7 s of CPU the first time, nothing afterwards."""
    # it imports `sre_constants` and `sre_parse`, which Python 3.11 announces as deprecated
    warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
    import great_expectations

    # what it logs are the exceptions that we report as results with status `error`
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    return great_expectations


def _context() -> EphemeralDataContext:
    gx = load_gx()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context: EphemeralDataContext = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _view(view: str, table: Table) -> str:
    """SQL that shows the Parquet file with its row numbers, NaN as NULL and times in UTC."""
    replaced = []
    for field in pq.read_schema(table.path):
        name = '"' + field.name.replace('"', '""') + '"'
        if types.is_floating(field.type):
            replaced.append(f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}")
        elif types.is_null(field.type):  # a column without any value has no type that SQLAlchemy knows
            replaced.append(f"CAST({name} AS VARCHAR) AS {name}")
        elif types.is_timestamp(field.type) and field.type.tz:
            replaced.append(f"make_timestamp(epoch_us({name})) AS {name}")
    columns = f"* REPLACE ({', '.join(replaced)})" if replaced else "*"
    path = str(table.path).replace("'", "''")
    # names are quoted, the path is ours and quoted; a view takes no bound parameters
    return f"CREATE VIEW {view} AS SELECT {columns} FROM read_parquet('{path}', file_row_number=true)"  # noqa: S608 - our names
