"""Embedded DuckDB behind SQLAlchemy: loaded tables are Parquet files, statements are SQLAlchemy Core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, QueuePool, column, create_engine, func, literal_column
from sqlalchemy import Engine as Pool
from sqlalchemy import types as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import FromClause, Select
from sqlalchemy.sql.selectable import SelectBase

from core.engine.arrow import normalised
from core.engine.duck import connect, quoted_text
from core.errors import InputError, NotFound, ProviderError
from core.model import ColumnType, Table

SQL_TYPES: dict[ColumnType, sa.TypeEngine[Any]] = {
    ColumnType.INTEGER: sa.BigInteger(),
    ColumnType.NUMBER: sa.Double(),
    ColumnType.BOOLEAN: sa.Boolean(),
    ColumnType.DATE: sa.Date(),
    ColumnType.TIMESTAMP: sa.DateTime(timezone=True),
    ColumnType.TEXT: sa.Text(),
}


class SqlEngine:
    """The default engine. One instance serves every thread of the process."""

    def __init__(self, folder: Path, *, memory: str = "2GB", threads: int | None = None) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._root = connect(self._folder, memory=memory, threads=threads)
        self._pool = self._open()

    def _open(self) -> Pool:
        from duckdb_sqlalchemy import ConnectionWrapper

        # Every pooled connection is a cursor of one database, so memory and thread limits are shared.
        return create_engine(
            "duckdb://",
            creator=lambda: ConnectionWrapper(self._root.cursor()),
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=56,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )

    def folder(self) -> Path:
        """Where loaded tables are kept as ``<sha256>.parquet``."""
        return self._folder

    def relation(self, table: Table) -> FromClause:
        """The stored table under its own name, with typed columns.

        Raises: NotFound when its Parquet file is gone (load the source again).
        """
        if not table.path.is_file():
            raise NotFound(f"The stored data of table '{table.name}' is gone.", hint="Load its source again.")
        columns = [column(c.name, SQL_TYPES[c.type]) for c in table.columns]
        # The path is ours (a content hash), so it stands inline: no parameter, one cached compilation per file.
        path: ColumnElement[str] = literal_column(quoted_text(str(table.path.resolve())))
        return func.read_parquet(path).table_valued(*columns, name=table.name)

    def fetch(self, statement: Select[tuple[object, ...]]) -> pa.Table:
        """The rows of one SELECT with normalised types: int64, float64, UTC timestamps, dates, text, booleans.

        Raises: InputError when it is not a SELECT or does not fit the tables, ProviderError when it fails.
        """
        if not isinstance(statement, SelectBase):
            raise InputError("Only SELECT statements are run on loaded tables.")
        from duckdb import Error as DuckError

        try:
            with self._pool.connect() as connection:
                result = connection.execution_options(duckdb_arrow=True).execute(statement)
                rows: pa.Table = result.arrow  # type: ignore[attr-defined]  # added by duckdb_arrow=True
        except (SQLAlchemyError, DuckError) as exc:
            raise _refusal(exc) from exc
        return normalised(rows, [c.type for c in statement.selected_columns])

    def close(self) -> None:
        """Releases every connection."""
        self._pool.dispose()
        self._root.close()


def _refusal(exc: Exception) -> InputError | ProviderError:
    import duckdb

    cause = getattr(exc, "orig", None) or exc
    first = str(cause).splitlines()[0]
    wrong = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.PermissionException)
    if isinstance(
        cause, (*wrong, duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException)
    ):
        return InputError(f"The query does not fit the table: {first}")
    memory = isinstance(cause, duckdb.OutOfMemoryException)
    return ProviderError(f"The query failed: {first}", retryable=memory, reason="memory" if memory else "query")
