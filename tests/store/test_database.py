from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, select

from core.errors import ConfigError, Conflict, StoreError
from core.store.books import Store
from core.store.database import newest
from core.store.records import Schedule
from core.store.tables import Row
from tests.store.conftest import CANARY
from tests.store.samples import INCIDENT, MESSAGE, NOW, RUN

ROOT = Path(__file__).parents[2]


def test_migrations_build_exactly_the_tables(store: Store, url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Row.metadata) == []
        assert context.get_current_heads() == (newest(),)
    engine.dispose()


def test_opening_an_existing_store_keeps_what_is_there(store: Store, url: str) -> None:
    with store.begin() as books:
        books.runs.save(RUN)
    second = Store.open(url)
    second.ping()
    with second.read() as books:
        assert books.runs.get("acme", "run-1") == RUN
    second.close()


def test_processes_may_start_at_once(url: str) -> None:
    script = "import sys; from core.store.books import Store; Store.open(sys.argv[1]).ping()"
    command = [sys.executable, "-W", "error::UserWarning", "-c", script, url]
    starts = [
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=60)[1] for process in starts]
    assert errors == ["", ""]


def test_a_block_that_raises_changes_nothing(store: Store) -> None:
    def fail() -> None:
        with store.begin() as books:
            books.runs.save(RUN)
            books.audit.append("acme", "ana", "run", {}, NOW)
            raise Conflict("no")

    with pytest.raises(Conflict):
        fail()
    with store.read() as books:
        assert books.runs.list("acme") == ()
        assert books.audit.count("acme") == 0


def test_reading_waits_for_no_writer(store: Store) -> None:
    with store.begin() as writing:
        writing.runs.save(RUN)
        with store.read() as books:
            assert books.runs.list("acme") == ()


def test_times_come_back_in_utc_and_naive_ones_are_refused(store: Store) -> None:
    berlin = datetime(2025, 12, 14, 10, 0, 0, 1, tzinfo=timezone(timedelta(hours=1)))
    with store.begin() as books:
        books.runs.save(replace(RUN, as_of=berlin))
        back = books.runs.get("acme", "run-1").as_of
    assert back == berlin
    assert back is not None
    assert back.tzinfo is UTC
    with pytest.raises(StoreError), store.begin() as books:
        books.runs.save(replace(RUN, id="run-2", as_of=datetime(2025, 12, 14)))


@pytest.mark.parametrize("bad", ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://u:pw-secret@h/db"])
def test_an_unusable_url_is_named_without_its_password(bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Store.open(bad)
    assert "pw-secret" not in str(caught.value)


def test_a_database_that_cannot_be_reached_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store.open(f"sqlite:///{tmp_path}")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Store.open(f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql://u:pw-secret@127.0.0.1:1/db?connect_timeout=2")
    assert "pw-secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError):
        Store.open(f"sqlite:///{path}")


def test_sqlite_is_durable_and_checked(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'x.db'}")
    with store._transactions.session() as session:
        pragmas = {
            name: session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}
    store.close()


def test_secrets_are_in_no_table_op21(store: Store, url: str) -> None:
    leak = f"see https://x/{CANARY}?a=1"
    with store.begin() as books:
        books.runs.save(replace(RUN, headline=leak, report={leak: [leak]}))
        books.incidents.add(replace(INCIDENT, title=leak, body={"n": {"t": leak}}))
        queued = books.outbox.enqueue(
            replace(MESSAGE, recipient=leak, subject=leak, text=leak, payload={"url": leak}), "acme", "ana", NOW
        )
        books.outbox.lease_due(NOW, "w", 60)
        books.outbox.mark_retry(queued.id, "w", NOW, leak)
        books.outbox.lease_due(NOW, "w", 60)
        books.outbox.mark_failed(queued.id, "w", leak)
        books.sources.save("acme", "sales", {"uri": leak}, "ana", NOW)
        books.schedules.set("acme", Schedule("kpi", "0 9 * * *", "UTC", True, "ana", NOW))
        books.schedules.claim("acme", "kpi", NOW, NOW)
        books.schedules.finish("acme", "kpi", NOW, NOW, ok=False, note=leak)
        books.check_runs.add("acme", "sales", NOW, [leak], leak.encode())
        books.audit.append("acme", leak, leak, {"k": leak, leak: 1}, NOW, approved_by=leak, correlation_id=leak)
        assert books.audit.verify("acme").ok
    cells = list(_cells(url))
    assert len(cells) > 80
    assert [cell for cell in cells if CANARY in cell] == []
    assert any("[secret]" in cell for cell in cells)


def _cells(url: str) -> Iterator[str]:
    """Every value of every table, as text."""
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        for table in metadata.tables.values():
            for row in connection.execute(select(table)):
                yield from (v.decode() if isinstance(v, bytes) else str(v) for v in row)
    engine.dispose()
