"""Tables held as Parquet files, measured by the embedded engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest

from core.engine.sql import SqlEngine
from core.model import Column, ColumnType, Dataset, Provenance, Table

KINDS = {"i": ColumnType.INTEGER, "f": ColumnType.NUMBER, "b": ColumnType.BOOLEAN, "M": ColumnType.TIMESTAMP}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> SqlEngine:
    return SqlEngine(tmp_path_factory.mktemp("tables"), memory="500MB", threads=1)


@pytest.fixture(scope="module")
def dataset(engine: SqlEngine) -> Callable[..., Dataset]:
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
