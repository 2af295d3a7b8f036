"""The store and its books: everything the workbench remembers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import StoreError
from core.redaction import Redactor
from core.store import database
from core.store.incidents import Incidents
from core.store.outbox import Outbox
from core.store.runs import Runs
from core.store.trail import Trail


class Books:
    """All books over one transaction: what is written through them is kept together or not at all."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self.runs = Runs(session, redactor)
        self.incidents = Incidents(session, redactor)
        self.outbox = Outbox(session, redactor)
        self.audit = Trail(session, redactor)


class Store:
    """The state store on SQLite or PostgreSQL; safe to share between threads."""

    def __init__(self, engine: Engine, redactor: Redactor) -> None:
        self._engine = engine
        self._redactor = redactor

    @classmethod
    def open(cls, url: str, redactor: Redactor | None = None) -> Store:
        """The store at ``url`` with its schema at head.

        ``redactor`` (without ``pii``) takes secrets out of every text and JSON that is kept.
        Raises: ConfigError for an unusable URL, StoreError when the database cannot be reached.
        """
        with _mapped("The state store cannot be opened."):
            engine = database.connect(url)
            database.upgrade(engine)
        return cls(engine, redactor or Redactor(()))

    def close(self) -> None:
        """Every pooled connection is closed."""
        self._engine.dispose()

    def ping(self) -> None:
        """Returns when the database answers. Raises: StoreError."""
        with _mapped("The state store does not answer."), self._engine.connect() as connection:
            connection.execute(select(1))

    @contextmanager
    def begin(self) -> Iterator[Books]:
        """One writing transaction: committed at the end of the block, rolled back when the block raises.

        Raises: StoreError when the database fails.
        """
        with _mapped("The state store failed; nothing was changed."), Session(self._engine) as session, session.begin():
            yield Books(session, self._redactor)

    @contextmanager
    def read(self) -> Iterator[Books]:
        """One reading transaction over a consistent view; it waits for nobody, and writing in it is refused."""
        with _mapped("The state store failed."), Session(database.reading(self._engine)) as session, session.begin():
            yield Books(session, self._redactor)


@contextmanager
def _mapped(message: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as exc:  # the driver's own come from opening the file
        raise StoreError(message, hint="Try again; if it stays, check TELLTALE_DATABASE_URL.") from exc
