"""Taking turns and inserting once, on both databases."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core.store.tables import Row


def take_turn(session: Session, name: str) -> None:
    """Until this transaction ends, nobody else holds ``name``.

    SQLite needs nothing: its writing transactions begin with BEGIN IMMEDIATE, one at a time.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def insert_once(session: Session, table: type[Row], values: Mapping[str, object]) -> bool:
    """Inserts the row unless a unique key forbids it; says whether it was inserted.

    RETURNING tells, because psycopg reports no row count for ON CONFLICT DO NOTHING.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    key = table.__mapper__.primary_key[0]
    statement = insert(table).values(**values).on_conflict_do_nothing().returning(key)
    return session.execute(statement).first() is not None
