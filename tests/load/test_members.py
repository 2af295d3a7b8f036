"""Counting members gives the same on PostgreSQL as on DuckDB: one statement, two engines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Column, Engine, MetaData, create_engine
from sqlalchemy import Table as SqlTable
from sqlalchemy.sql import Select

from core.engine.arrow import normalised
from core.engine.sql import SQL_TYPES, SqlEngine
from core.load.members import combinations, distinct_counts, grouped, masks_of, stayed
from core.model import Segment
from tests import postgres
from tests.load import rule_oracle
from tests.load.test_rules import COLUMNS, ROWS, stored


class Postgres:
    """The part of an engine that counting needs."""

    def __init__(self, pool: Engine) -> None:
        self._pool = pool

    def fetch(self, statement: Select[Any]) -> pa.Table:
        with self._pool.connect() as connection:
            result = connection.execute(statement)
            names, rows = list(result.keys()), [tuple(r) for r in result]
        columns = [pa.array([row[i] for row in rows]) for i in range(len(names))]
        return normalised(pa.table(columns, names=names), [c.type for c in statement.selected_columns])


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Postgres, SqlTable]]:
    with postgres.running() as cluster:
        pool = create_engine(cluster.new_database())
        table = SqlTable("people", MetaData(), *(Column(n, SQL_TYPES[t]) for n, t in COLUMNS.items()))
        with pool.begin() as connection:
            table.create(connection)
            connection.execute(table.insert(), ROWS)
        yield Postgres(pool), table
        pool.dispose()


def test_both_engines_count_the_same(people: tuple[Postgres, SqlTable], tmp_path: Path) -> None:
    there, table = people
    here = SqlEngine(tmp_path)
    relation = here.relation(stored(tmp_path, ROWS, COLUMNS))
    rng = random.Random(2)
    segments = [Segment(f"s{i}", f"S {i}", rule_oracle.tree(rng)) for i in range(40)]  # type: ignore[arg-type]
    mine, yours = masks_of(segments, relation)[0], masks_of(segments, table)[0]
    names = ["t", "b", "n"]
    assert grouped(here, relation, (), list(mine.values())) == grouped(there, table, (), list(yours.values()))
    one, other = (grouped(e, r, names, list(m.values())) for e, r, m in ((here, relation, mine), (there, table, yours)))
    assert one.sizes == other.sizes
    assert sum(one.sizes) > 0
    for a, b in zip(one.columns, other.columns, strict=True):
        assert sorted(a, key=repr) == sorted(b, key=repr)
        assert sum(v.rows for v in a) == len(ROWS)
    assert distinct_counts(here, relation, names) == distinct_counts(there, table, names)
    still, was = list(mine.values()), list(yours.values())
    assert stayed(here, relation, still, still[::-1]) == stayed(there, table, was, was[::-1])
    _, words, rows = combinations(here, relation, segments)
    _, words_there, rows_there = combinations(there, table, segments)
    assert dict(zip(words.tolist(), rows.tolist(), strict=True)) == dict(
        zip(words_there.tolist(), rows_there.tolist(), strict=True)
    )
    here.close()
