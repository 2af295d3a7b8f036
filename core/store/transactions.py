"""Transactions over the store's database, with its errors mapped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import StoreError
from core.store import database


class Transactions:
    """Where sessions come from; safe to share between threads."""

    def __init__(self, url: str) -> None:
        with _mapped("The state store cannot be opened."):
            self._engine = database.connect(url)
            self._reading = database.reading(self._engine)
            database.upgrade(self._engine)

    @property
    def shares_commits(self) -> bool:
        """Whether the database itself makes the transactions that end at the same time durable at once."""
        return self._engine.dialect.name == "postgresql"

    @contextmanager
    def session(self, *, read_only: bool = False) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back when the block raises.

        Raises: StoreError when the database fails.
        """
        engine = self._reading if read_only else self._engine
        failed = "The state store cannot be read." if read_only else "The state store failed; nothing was changed."
        with _mapped(failed), Session(engine) as session, session.begin():
            yield session

    def ping(self) -> None:
        """Returns when the database answers. Raises: StoreError."""
        with _mapped("The state store does not answer."), self._reading.connect() as connection:
            connection.execute(select(1))

    def close(self) -> None:
        """Every pooled connection is closed."""
        self._engine.dispose()


@contextmanager
def _mapped(message: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as exc:  # the driver's own come from opening the file
        raise StoreError(message, hint="Try again; if it stays, check TELLTALE_DATABASE_URL.") from exc
