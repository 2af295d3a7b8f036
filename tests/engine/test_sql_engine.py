"""The embedded engine: typed relations, normalised answers, and nothing reachable but its own folder."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import case, distinct, func, literal, select, text, tuple_
from sqlalchemy import types as sa

from core.engine.arrow import normalised
from core.engine.sql import SqlEngine
from core.errors import InputError, NotFound
from core.model import Column, ColumnType, Provenance, Table

NASTY = ["it's", 'say "hi"', "back\\", "\\' OR 1=1 --", "%(x)s", ":x", "$$", "/* */", "a\nb\tc", "ü😀", "%", "100%%"]
T = ColumnType


@pytest.fixture
def engine(tmp_path: Path) -> SqlEngine:
    return SqlEngine(tmp_path / "it's 5% odd", memory="512MB", threads=2)


def stored(engine: SqlEngine, name: str, rows: pa.Table, kinds: list[ColumnType]) -> Table:
    path = engine.folder() / f"{name}.parquet"
    pq.write_table(rows, path)
    columns = tuple(Column(n, k) for n, k in zip(rows.column_names, kinds, strict=True))
    made = Provenance(name, "test", "0", rows.num_rows, 0, dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    return Table(name, columns, path, made)


@pytest.fixture
def events(engine: SqlEngine) -> Table:
    rows = pa.table(
        {
            "ts": pa.array([dt.datetime(2025, 1, 1, h, tzinfo=dt.UTC) for h in range(12)], pa.timestamp("us", "UTC")),
            "day": pa.array([dt.date(2025, 1, 1 + h) for h in range(12)]),
            "Größe in %": pa.array(NASTY),
            "n": pa.array([2**62 + h for h in range(12)]),
            "x": pa.array([h / 3 for h in range(12)]),
            "ok": pa.array([h % 2 == 0 for h in range(12)]),
        }
    )
    return stored(engine, 'my "events"', rows, [T.TIMESTAMP, T.DATE, T.TEXT, T.INTEGER, T.NUMBER, T.BOOLEAN])


def test_rows_come_back_with_their_types(engine: SqlEngine, events: Table) -> None:
    rows = engine.fetch(select(engine.relation(events)))
    utc = pa.timestamp("us", tz="UTC")
    assert rows.schema.types == [utc, pa.date32(), pa.string(), pa.int64(), pa.float64(), pa.bool_()]
    assert rows.equals(pq.read_table(events.path))


@pytest.mark.parametrize("word", NASTY)
def test_literals_arrive_unchanged(word: str, engine: SqlEngine, events: Table) -> None:
    e = engine.relation(events)
    found = engine.fetch(select(e.c["Größe in %"], literal(word).label("said")).where(e.c["Größe in %"] == word))
    assert found.to_pylist() == [{"Größe in %": word, "said": word}]


def test_like_needs_its_escape_stated(engine: SqlEngine, events: Table) -> None:
    e = engine.relation(events)
    column = e.c["Größe in %"]
    assert engine.fetch(select(func.count()).where(column.contains("%", autoescape=True)))[0].to_pylist() == [3]


def test_aggregates_are_int64_and_float64(engine: SqlEngine, events: Table) -> None:
    e = engine.relation(events)
    small = e.c.n - 2**62
    rows = engine.fetch(
        select(
            func.count().label("rows"),
            func.sum(small).label("total"),
            func.avg(small).label("mean"),
            func.count(distinct(e.c.ok)).label("kinds"),
            func.sum(case((e.c.ok, 1), else_=0)).label("oks"),
            (func.sum(e.c.x) / func.nullif(func.count(), 0)).label("ratio"),
        )
    )
    assert [str(t) for t in rows.schema.types] == ["int64", "int64", "double", "int64", "int64", "double"]
    assert rows.to_pylist() == [
        {"rows": 12, "total": 66, "mean": 5.5, "kinds": 2, "oks": 6, "ratio": pytest.approx(11 / 6)}
    ]


def test_windows_joins_and_tuples(engine: SqlEngine, events: Table) -> None:
    e = engine.relation(events)
    before = select(e.c.day, func.lag(e.c.x).over(order_by=e.c.ts).label("previous")).cte("before")
    joined = select(e.c.x, before.c.previous).join(before, before.c.day == e.c.day).order_by(e.c.ts).limit(2)
    assert engine.fetch(joined).to_pylist() == [{"x": 0.0, "previous": None}, {"x": 1 / 3, "previous": 0.0}]
    keys = select(func.count()).where(tuple_(e.c.ok, e.c.x).in_([(True, 0.0)]))
    assert engine.fetch(keys)[0].to_pylist() == [1]


def test_no_rows_keep_their_types(engine: SqlEngine, events: Table) -> None:
    e = engine.relation(events)
    rows = engine.fetch(select(e.c.ts, e.c.n, func.sum(e.c.n).over().label("s")).where(e.c.n < 0))
    assert rows.num_rows == 0
    assert rows.schema.types == [pa.timestamp("us", tz="UTC"), pa.int64(), pa.int64()]


def test_many_threads_share_one_engine(engine: SqlEngine, events: Table) -> None:
    def ask(number: int) -> object:
        e = engine.relation(events)
        return (
            engine.fetch(select(func.count().label("n"), literal(number).label("me")))[1].to_pylist()[0]
            if number % 2
            else (engine.fetch(select(func.max(e.c.x)))[0].to_pylist()[0])
        )

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == [n if n % 2 else 11 / 3 for n in range(200)]


ATTACKS = [
    "* FROM read_csv('/etc/passwd')",
    "* FROM read_text('/etc/passwd')",
    "* FROM read_blob('../secret.parquet')",
    "* FROM '/etc/passwd'",
    "* FROM glob('/etc/*')",
    "* FROM read_parquet('https://127.0.0.1:1/x.parquet')",
    "* FROM events_frame",
    "getenv('HOME')",
    "* FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "1; SET enable_external_access = true",
    "1; COPY (SELECT 1) TO '/tmp/telltale-out.csv'",
    "1; ATTACH '/tmp/telltale-x.db' AS x",
    "1; INSTALL httpfs",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_can_be_reached(attack: str, engine: SqlEngine, tmp_path: Path) -> None:
    events_frame = pa.table({"a": [1]})  # a Python variable that a replacement scan would find
    pq.write_table(events_frame, tmp_path / "secret.parquet")
    with pytest.raises(InputError):
        engine.fetch(select(text(attack)))
    assert not Path("/tmp/telltale-out.csv").exists()


def test_only_selects_are_run(engine: SqlEngine) -> None:
    with pytest.raises(InputError, match="Only SELECT"):
        engine.fetch(text("DROP TABLE x"))  # type: ignore[arg-type]


def test_a_vanished_file_is_said(engine: SqlEngine, events: Table) -> None:
    events.path.unlink()
    with pytest.raises(NotFound, match="stored data of table"):
        engine.relation(events)


def test_a_wrong_column_is_an_input_error(engine: SqlEngine, events: Table) -> None:
    with pytest.raises(InputError, match="nope"):
        engine.fetch(select(text("nope")).select_from(engine.relation(events)))


def test_normalised_reads_declared_types() -> None:
    wide = pa.table({"a": pa.array([1, 2]).cast(pa.decimal128(38, 0)), "b": pa.array([1, 2], pa.int32())})
    assert normalised(wide).schema.types == [pa.int64(), pa.int64()]
    assert normalised(wide, [sa.Double(), sa.Double()]).schema.types == [pa.float64(), pa.float64()]
    naive = pa.table({"t": pa.array([dt.datetime(2025, 1, 1)], pa.timestamp("ns"))})
    assert normalised(naive)["t"].to_pylist() == [dt.datetime(2025, 1, 1, tzinfo=dt.UTC)]
