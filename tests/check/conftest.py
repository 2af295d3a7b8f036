"""Tables for check tests: frames written as Parquet, read by the real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from core.engine.sql import SqlEngine
from core.model import Column, ColumnType, Dataset, Provenance, Table

NOW = datetime(2025, 12, 14, 9, tzinfo=UTC)
MakeDataset = Callable[..., Dataset]


def column_type(values: pd.Series) -> ColumnType:
    kinds = {"b": ColumnType.BOOLEAN, "i": ColumnType.INTEGER, "f": ColumnType.NUMBER, "M": ColumnType.TIMESTAMP}
    return kinds.get(values.dtype.kind, ColumnType.TEXT)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    engine = SqlEngine(tmp_path_factory.mktemp("tables o'clock :x {y} 100%"))
    yield engine
    engine.close()


@pytest.fixture
def dataset(engine: SqlEngine, request: pytest.FixtureRequest) -> MakeDataset:
    def make(**frames: pd.DataFrame) -> Dataset:
        return Dataset({name: _table(name, frame, engine.folder()) for name, frame in frames.items()})

    return make


def _table(name: str, frame: pd.DataFrame, folder: Path) -> Table:
    path = folder / f"{name}-{id(frame)}.parquet"
    frame.to_parquet(path, index=False)
    columns = tuple(Column(c, column_type(frame[c])) for c in frame.columns)
    return Table(name, columns, path, Provenance(name, f"{name}.csv", "0" * 64, len(frame), 0, NOW))
