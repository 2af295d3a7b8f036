"""A SELECT as a source: set up once, asked again at every run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.access import Principal
from core.adapters.clock import FixedClock
from core.bootstrap import build
from core.errors import ConfigError, Forbidden, InputError, WorkbenchError
from core.service import runs, sources, uploads, warehouse
from core.service.workbench import Workbench
from core.settings import read_settings

QUERY = "SELECT day, region, revenue FROM sales"
ADMIN = Principal("ada", "default", "admin")


def fill(path: Path, last: float) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE IF EXISTS sales")
        db.execute("CREATE TABLE sales (day TEXT, region TEXT, revenue REAL)")
        start = date(2026, 1, 1)
        rows = [(str(start + timedelta(days=i)), r, 100.0 + (i % 7)) for i in range(60) for r in ("north", "south")]
        db.executemany("INSERT INTO sales VALUES (?, ?, ?)", [*rows[:-1], (rows[-1][0], "south", last)])
    db.close()


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    fill(tmp_path / "shop.db", 103.0)
    url = SecretStr(f"sqlite:///{tmp_path / 'shop.db'}")
    update = {"telltale_home": tmp_path / "home", "telltale_warehouse_url": url, "openai_api_key": None}
    bench = build(read_settings(None).model_copy(update=update), FixedClock(datetime(2026, 3, 2, tzinfo=UTC)))
    yield bench
    bench.store.close()
    bench.ctx.engine.close()


def saved(wb: Workbench) -> str:
    draft = uploads.draft(wb, "Shop sales", [warehouse.ask(wb, ADMIN, "sales", QUERY)])
    assert draft.definition is not None
    return sources.save(wb, ADMIN, draft.definition).name


def test_a_query_becomes_a_source_that_is_asked_again(wb, tmp_path):
    name = saved(wb)
    definition = sources.get(wb, "default", name)
    assert [t.query for t in definition.tables] == [QUERY]
    assert definition.dimensions == ("region",)
    assert runs.run(wb, ADMIN, name).light == "green"
    fill(tmp_path / "shop.db", 3.0)
    assert runs.run(wb, ADMIN, name).light in ("yellow", "red")
    assert runs.preview(wb, name).deltas[0].value == pytest.approx(103.0 + 3.0)


def test_a_column_that_is_gone_is_named(wb, tmp_path):
    name = saved(wb)
    with sqlite3.connect(tmp_path / "shop.db") as db:
        db.execute("ALTER TABLE sales RENAME COLUMN revenue TO income")
    db.close()
    with pytest.raises(WorkbenchError, match="revenue"):
        runs.run(wb, ADMIN, name)


@pytest.mark.parametrize("query", ["DELETE FROM sales", "SELECT 1; DROP TABLE sales", ""])
def test_only_one_reading_statement(wb, query):
    with pytest.raises(InputError):
        warehouse.ask(wb, ADMIN, "sales", query)


def test_only_an_administrator_asks(wb):
    with pytest.raises(Forbidden):
        warehouse.ask(wb, Principal("eve", "default", "responder"), "sales", QUERY)


def test_without_a_warehouse_the_setting_is_named(tmp_path):
    bench = build(read_settings(None).model_copy(update={"telltale_home": tmp_path}))
    with pytest.raises(ConfigError, match="TELLTALE_WAREHOUSE_URL"):
        warehouse.ask(bench, ADMIN, "sales", QUERY)
    bench.store.close()
    bench.ctx.engine.close()
