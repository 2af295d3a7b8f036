"""Hardened embedded DuckDB: it sees one folder, no network, no extensions, no other file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect(folder: Path, *, memory: str = "2GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory database that may read and write files below ``folder`` only.

    Its session time zone is UTC and its configuration is locked, so no statement can widen its reach.
    Use one ``cursor()`` per thread.
    """
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "temp_directory": str(folder / ".spill"),
    }
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute(f"SET allowed_directories = [{quoted_text(f'{folder}/')}]")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def quoted_text(value: str) -> str:
    """``value`` as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def quoted_name(value: str) -> str:
    """``value`` as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'
