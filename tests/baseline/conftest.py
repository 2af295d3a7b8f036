"""A small engine over DuckDB, enough to measure tables held as Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import FromClause, Select, create_engine, text

from core.model import Column, ColumnType, Dataset, Provenance, Table

KINDS = {"i": ColumnType.INTEGER, "f": ColumnType.NUMBER, "b": ColumnType.BOOLEAN, "M": ColumnType.TIMESTAMP}


class DuckEngine:
    """One in-memory DuckDB; a relation is the Parquet file of its table."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._db = create_engine("duckdb:///:memory:")

    def folder(self) -> Path:
        return self._folder

    def relation(self, table: Table) -> FromClause:
        names = ", ".join(f'"{c.name}"' for c in table.columns)
        from sqlalchemy import column

        query = text(f"SELECT {names} FROM read_parquet('{table.path}')")
        return query.columns(*(column(c.name) for c in table.columns)).subquery(table.name)

    def fetch(self, statement: Select[tuple[object, ...]]) -> pa.Table:
        with self._db.connect() as connection:
            result = connection.execute(statement)
            return pa.Table.from_pandas(pd.DataFrame(result.fetchall(), columns=list(result.keys())))

    def close(self) -> None:
        self._db.dispose()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckEngine]:
    duck = DuckEngine(tmp_path_factory.mktemp("tables"))
    yield duck
    duck.close()


@pytest.fixture(scope="module")
def dataset(engine: DuckEngine) -> Callable[..., Dataset]:
    """Builds a Dataset from frames given by table name."""
    number = iter(range(10_000))

    def build(**frames: pd.DataFrame) -> Dataset:
        tables = {}
        for name, frame in frames.items():
            path = engine.folder() / f"{next(number)}.parquet"
            frame.to_parquet(path, index=False)
            columns = tuple(Column(str(c), KINDS.get(t.kind, ColumnType.TEXT)) for c, t in frame.dtypes.items())
            source = Provenance(name, f"{name}.csv", "0" * 64, len(frame), 0, datetime(2026, 1, 1, tzinfo=UTC))
            tables[name] = Table(name, columns, path, source)
        return Dataset(tables)

    return build
