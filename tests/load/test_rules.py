"""Segment rules: strict to read, and SQL selects exactly the rows that the rules mean (PU-01, PU-02)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Select, create_engine, func, select
from sqlalchemy import Table as SqlTable
from sqlalchemy.sql import FromClause

from core.engine.sql import SQL_TYPES, SqlEngine
from core.errors import InputError
from core.load.rules import condition, parse_rules
from core.model import Column as ModelColumn
from core.model import ColumnType, Provenance, Table
from tests import postgres
from tests.load import rule_oracle

TYPES = {
    "int": ColumnType.INTEGER,
    "num": ColumnType.NUMBER,
    "text": ColumnType.TEXT,
    "bool": ColumnType.BOOLEAN,
    "date": ColumnType.DATE,
    "time": ColumnType.TIMESTAMP,
}
COLUMNS = {"key": ColumnType.INTEGER, **{name: TYPES[kind] for name, kind in rule_oracle.KINDS.items()}}
ROWS = [{"key": i, **row} for i, row in enumerate(rule_oracle.rows(random.Random(5), 120))]
TREES_PER_EXAMPLE = 200


@pytest.fixture(scope="module")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqlEngine, Table]]:
    engine = SqlEngine(tmp_path_factory.mktemp("tables"))
    yield engine, stored(engine.folder(), ROWS, COLUMNS)
    engine.close()


def stored(folder: Path, rows: list[dict[str, object]], columns: dict[str, ColumnType]) -> Table:
    arrow = {
        ColumnType.INTEGER: pa.int64(),
        ColumnType.NUMBER: pa.float64(),
        ColumnType.TEXT: pa.string(),
        ColumnType.BOOLEAN: pa.bool_(),
        ColumnType.DATE: pa.date32(),
        ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }
    path = folder / "people.parquet"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([(n, arrow[t]) for n, t in columns.items()])), path)
    provenance = Provenance("people", "people.csv", "0", len(rows), 0, datetime(2026, 1, 1, tzinfo=UTC))
    return Table("people", tuple(ModelColumn(n, t) for n, t in columns.items()), path, provenance)


def membership(relation: FromClause, trees: list[dict[str, Any]]) -> Select[Any]:
    """One row per person: which of the trees select this person."""
    masks = [func.coalesce(condition(parse_rules(t), relation), False).label(f"t{i}") for i, t in enumerate(trees)]
    return select(relation.c.key, *masks).order_by(relation.c.key)


def differing(trees: list[dict[str, Any]], got: list[tuple[Any, ...]]) -> list[tuple[dict[str, Any], int]]:
    return [
        (tree, key)
        for key, *masks in got
        for tree, mask in zip(trees, masks, strict=True)
        if mask != rule_oracle.matches(tree, ROWS[key])
    ]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_ten_thousand_random_trees_select_what_they_mean(duck: tuple[SqlEngine, Table], seed: int) -> None:
    engine, table = duck
    rng = random.Random(seed)
    trees = [rule_oracle.tree(rng) for _ in range(TREES_PER_EXAMPLE)]
    got = engine.fetch(membership(engine.relation(table), trees))
    assert differing(trees, list(zip(*(c.to_pylist() for c in got.columns), strict=True)))[:1] == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.running() as cluster:
        yield cluster


def test_postgresql_selects_the_same(cluster: postgres.Cluster) -> None:
    people = SqlTable("people", MetaData(), *(Column(n, SQL_TYPES[t]) for n, t in COLUMNS.items()))
    rng = random.Random(11)
    engine = create_engine(cluster.new_database())
    try:
        with engine.begin() as connection:
            people.create(connection)
            connection.execute(people.insert(), [{people.c[k].key: v for k, v in row.items()} for row in ROWS])
            for _ in range(10):
                trees = [rule_oracle.tree(rng) for _ in range(100)]
                got = [tuple(row) for row in connection.execute(membership(people, trees))]
                assert len(got) == len(ROWS)
                assert differing(trees, got)[:1] == []
    finally:
        engine.dispose()


def test_null_never_matches_a_comparison(tmp_path: Path) -> None:
    """The rows of PU-02."""
    engine = SqlEngine(tmp_path)
    cells = [(1500, 3), (1000, 1), (2400, 7), (5000, 8), (None, 2)]
    rows: list[dict[str, object]] = [
        {"key": i, "ltv": ltv, "last_active_days": days} for i, (ltv, days) in enumerate(cells, 1)
    ]
    table = stored(tmp_path, rows, dict.fromkeys(("key", "ltv", "last_active_days"), ColumnType.INTEGER))
    relation = engine.relation(table)
    rules = [rule("ltv", ">", 1000), rule("last_active_days", "<=", 7)]
    for tree, expected in (
        ({"rules": rules}, [1, 3]),
        ({"rules": [rule("ltv", "!=", 1000)]}, [1, 3, 4]),
        ({"rules": [rule("ltv", "not_in", [1000])]}, [1, 3, 4]),
        ({"rules": [rule("ltv", "is_null")]}, [5]),
    ):
        query = select(relation.c.key).where(condition(parse_rules(tree), relation)).order_by(relation.c.key)
        assert engine.fetch(query).column("key").to_pylist() == expected
    engine.close()


def rule(field: str, how: str, *value: object) -> dict[str, object]:
    return {"field": field, "operator": how, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"rules": []}, "definition.rules"),
        ({}, "definition.rules"),
        ("ltv > 3", "definition"),
        ({"logicalOperator": "XOR", "rules": [rule("n", "is_null")]}, "definition.logicalOperator"),
        ({"rules": [rule("n", "=>", 1)]}, "definition.rules[0].operator"),
        ({"rules": [{**rule("n", ">", 1), "not": True}]}, "definition.rules[0].not"),
        ({"rules": [rule("n", ">")]}, "definition.rules[0].value"),
        ({"rules": [rule("n", ">", None)]}, "definition.rules[0].value"),
        ({"rules": [rule("n", ">", True)]}, "definition.rules[0].value"),
        ({"rules": [rule("n", ">", float("nan"))]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "==", 2**70)]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "==", {"$gt": 1})]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "==", [1])]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "in", 1)]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "in", [])]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "in", [[1]])]}, "definition.rules[0].value"),
        ({"rules": [rule("t", "contains", "")]}, "definition.rules[0].value"),
        ({"rules": [rule("t", "==", "a\0")]}, "definition.rules[0].value"),
        ({"rules": [rule("n", "is_null", 1)]}, "definition.rules[0].value"),
        ({"rules": [rule("", "is_null")]}, "definition.rules[0].field"),
        ({"rules": [rule("n", "is_null"), {"rules": []}]}, "definition.rules[1].rules"),
        ({"rules": [{"rules": [{"rules": [rule("n", "is_null")]}]}]}, "definition.rules[0].rules[0].field"),
        ({"rules": [rule("n", "is_null")] * 201}, "definition"),
    ],
)
def test_a_malformed_tree_is_refused_by_path(document: object, field: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_rules(document)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (rule("nobody", ">", 1), "field"),
        (rule("t", ">", 5), "operator"),
        (rule("t", "<=", "a"), "operator"),
        (rule("b", ">", 1), "operator"),
        (rule("n", "contains", "1"), "operator"),
        (rule("t", "==", 5), "value"),
        (rule("n", "==", "5"), "value"),
        (rule("n", "==", True), "value"),
        (rule("n", "in", [1, "2"]), "value"),
        (rule("b", "==", 1), "value"),
        (rule("d", ">", "yesterday"), "value"),
        (rule("d", ">", 20260101), "value"),
        (rule("at", "<", "2026-13-01"), "value"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_refused_by_path(
    duck: tuple[SqlEngine, Table], bad: dict[str, object], part: str
) -> None:
    engine, table = duck
    tree = parse_rules({"rules": [rule("n", "is_null"), {"logicalOperator": "OR", "rules": [bad]}]})
    with pytest.raises(InputError) as caught:
        condition(tree, engine.relation(table))
    assert caught.value.field == f"definition.rules[1].rules[0].{part}"


def test_values_are_bound_and_names_quoted(duck: tuple[SqlEngine, Table]) -> None:
    engine, table = duck
    evil = "'; DROP TABLE people; --"
    sql = condition(parse_rules({"rules": [rule('odd "name" %s', "==", evil)]}), engine.relation(table))
    text = str(sql.compile())
    assert "DROP" not in text
    assert '"odd ""name""' in text


def test_the_document_of_a_tree_reads_back_equal() -> None:
    rng = random.Random(3)
    for _ in range(50):
        tree = parse_rules(rule_oracle.tree(rng))
        assert parse_rules(tree.doc()) == tree
