"""Opening the database: connection rules per product, schema to head, foreign errors mapped."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from core.errors import ConfigError, StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 30
READ_ONLY = "telltale_read_only"
_MIGRATION_TURN = 7_355_608  # any fixed number: the advisory lock of schema upgrades


def connect(url: str) -> Engine:
    """An engine whose writing transactions are durable and, on SQLite, take turns from their first statement.

    Raises: ConfigError for anything but a SQLite file or PostgreSQL; StoreError when the file's folder cannot be made.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return create_engine(parsed, pool_size=10, max_overflow=20, pool_pre_ping=True, hide_parameters=True)


def _parsed(url: str) -> URL:
    hint = "Expected sqlite:///path/to/file.db or postgresql+psycopg://user:password@host/database."
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("TELLTALE_DATABASE_URL is not a database URL.", hint=hint) from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    in_memory = parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}
    if in_memory or parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigError(f"The state store cannot use '{parsed.drivername}' like this.", hint=hint)
    return parsed


def _sqlite(url: URL) -> Engine:
    assert url.database is not None
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"The folder of the state store cannot be made: {exc.strerror}.") from exc
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, pool_size=10, max_overflow=20, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")  # approvals, audit and outbox survive a power cut
    connection.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """The first switch of a new file ignores the busy timeout, so two starting processes retry by hand."""
    for attempt in range(100):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    read_only = bool(connection.get_execution_options().get(READ_ONLY))
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: one consistent view, no waiting, writes refused."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{READ_ONLY: True})
    return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")


def upgrade(engine: Engine) -> None:
    """The schema is at head; processes that start at once take turns, and the later ones find it done."""
    if _is_at_head(engine):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _MIGRATION_TURN})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest() -> str:
    """The revision of the last migration, told by the files' names: Alembic is slow to import."""
    return max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _is_at_head(engine: Engine) -> bool:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest()]
