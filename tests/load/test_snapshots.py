"""Snapshots counted in a people table equal an independent count, row by row (PU-04, PU-05)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.engine.sql import SqlEngine
from core.load.file import load_file
from core.load.snapshots import MOST_TEXTS, NONE, OTHER, VALUES_KEPT, People, count
from core.model import Segment, SegmentWatch, Table
from tests.load import rule_oracle

AT = datetime(2026, 1, 8, 2, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SqlEngine]:
    engine = SqlEngine(tmp_path)
    yield engine
    engine.close()


def loaded(engine: SqlEngine, frame: pd.DataFrame) -> Table:
    content = frame.to_csv(index=False).encode()
    return load_file(content, name="people.csv", folder=engine.folder(), now=AT).table


def everybody(seed: int, rows: int = 400) -> pd.DataFrame:
    rng = random.Random(seed)
    return pd.DataFrame(
        {
            "id": rng.sample(range(1000, 1000 + 2 * rows), rows),
            "ltv": [rng.choice([None, 10.5, 900.0, 1500.0, 2500.0]) for _ in range(rows)],
            "sessions": [rng.randint(0, 40) for _ in range(rows)],
            "plan": [rng.choice(["free", "pro", "team", None]) for _ in range(rows)],
            "newsletter": [rng.choice(["true", "false"]) for _ in range(rows)],
            "email": [f"p{i}@example.com" for i in range(rows)],
            "converted": [rng.choice(["true", "false", None]) for _ in range(rows)],
        }
    )


def segment(name: str, *rules: dict[str, object], how: str = "AND", **watch: Any) -> Segment:
    return Segment(name, name, {"logicalOperator": how, "rules": list(rules)}, watch=SegmentWatch(**watch))


RICH = segment("rich", {"field": "ltv", "operator": ">", "value": 1000})
BUSY = segment(
    "busy",
    {"field": "sessions", "operator": ">=", "value": 20},
    {"rules": [{"field": "plan", "operator": "!=", "value": "free"}, {"field": "ltv", "operator": "not_null"}]},
    how="OR",
)
NOBODY = segment("nobody", {"field": "sessions", "operator": ">", "value": 1000})


def members(frame: pd.DataFrame, of: Segment) -> pd.DataFrame:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return frame[[rule_oracle.matches(of.definition, row) for row in rows]]


@pytest.mark.parametrize("seed", range(4))
def test_every_part_of_a_snapshot_is_what_counting_by_hand_gives(engine: SqlEngine, seed: int) -> None:
    now, before = everybody(seed), everybody(seed + 100)
    done = count(engine, People(loaded(engine, now)), [RICH, BUSY, NOBODY], AT, before=loaded(engine, before))
    assert done.failed == {}
    for snapshot, of in zip(done.snapshots, (RICH, BUSY, NOBODY), strict=True):
        held, has = members(before, of), members(now, of)
        assert (snapshot.segment, snapshot.ts, snapshot.size) == (of.id, AT, len(has))
        assert snapshot.velocity_in == len(set(has.id) - set(held.id))
        assert snapshot.velocity_out == len(set(held.id) - set(has.id))
        assert set(snapshot.shares) == {"plan", "newsletter"} | ({"ltv"} & set(snapshot.shares))
        for attribute in ("plan", "newsletter"):
            expected = has[attribute].fillna(NONE).value_counts(normalize=True).to_dict()
            assert snapshot.shares[attribute] == pytest.approx(expected)
        known = has.converted.dropna()
        assert snapshot.conv_rate == (pytest.approx((known == "true").mean()) if len(known) else None)


def test_numbers_that_say_who_converted_are_averaged(engine: SqlEngine) -> None:
    frame = everybody(1).assign(converted=lambda f: (f.sessions % 3 == 0).astype(int))
    (snapshot,) = count(engine, People(loaded(engine, frame)), [RICH], AT).snapshots
    assert snapshot.conv_rate == pytest.approx(members(frame, RICH).converted.mean())


def test_what_the_table_does_not_hold_is_not_tracked_and_said(engine: SqlEngine) -> None:
    frame = everybody(2).drop(columns=["id", "converted"])
    done = count(engine, People(loaded(engine, frame)), [RICH], AT, before=loaded(engine, frame))
    snapshot = done.snapshots[0]
    assert (snapshot.conv_rate, snapshot.velocity_in, snapshot.velocity_out) == (None, None, None)
    assert any("'converted'" in note for note in done.notes)
    assert any("no id column" in note for note in done.notes)


def test_without_an_earlier_table_movement_is_unknown(engine: SqlEngine) -> None:
    table = loaded(engine, everybody(2))
    assert count(engine, People(table), [RICH], AT).snapshots[0].velocity_in is None
    gone = replace(table, path=table.path.with_name("gone.parquet"))
    assert count(engine, People(table), [RICH], AT, before=gone).snapshots[0].velocity_out is None


def test_an_id_that_stands_for_two_people_says_nothing_of_movement(engine: SqlEngine) -> None:
    frame = everybody(3)
    double = pd.concat([frame, frame.head(1)])
    done = count(engine, People(loaded(engine, double)), [RICH], AT, before=loaded(engine, frame))
    assert done.snapshots[0].velocity_in is None
    assert any("'id' does not name each person once" in note for note in done.notes)


def test_a_segment_that_does_not_fit_fails_alone(engine: SqlEngine) -> None:
    odd = segment("odd", {"field": "nowhere", "operator": ">", "value": 1})
    done = count(engine, People(loaded(engine, everybody(4))), [RICH, odd, BUSY], AT)
    assert [s.segment for s in done.snapshots] == ["rich", "busy"]
    assert "nowhere" in done.failed["odd"]


def test_an_older_table_without_a_rules_column_only_hides_movement(engine: SqlEngine) -> None:
    frame = everybody(5)
    before = loaded(engine, frame.drop(columns="ltv"))
    some = segment("some", {"field": "sessions", "operator": ">", "value": 5})
    done = count(engine, People(loaded(engine, frame)), [RICH, some], AT, before=before)
    assert done.snapshots[0].velocity_in is None
    assert done.snapshots[1].velocity_in == 0
    assert any("earlier people table" in note for note in done.notes)


def test_only_columns_that_group_people_are_attributes(engine: SqlEngine) -> None:
    rows = 1000
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "few": [f"v{i % 40}" for i in range(rows)],
            "many": [f"v{i % (MOST_TEXTS + 1)}" for i in range(rows)],
            "level": [i % 5 for i in range(rows)],
            "amount": [i % 37 for i in range(rows)],
            "when": ["2026-01-01 10:00:00"] * rows,
        }
    )
    whole = segment("whole", {"field": "id", "operator": "not_null"})
    (plain,) = count(engine, People(loaded(engine, frame)), [whole], AT).snapshots
    assert set(plain.shares) == {"few", "level"}
    assert len(plain.shares["few"]) == VALUES_KEPT + 1
    assert plain.shares["few"][OTHER] == pytest.approx(0.25)
    assert plain.shares["level"] == {str(i): pytest.approx(0.2) for i in range(5)}
    watched = replace(whole, watch=SegmentWatch(critical_attributes=("amount",)))
    done = count(engine, People(loaded(engine, frame)), [watched], AT, tracked={"many", "vanished"})
    assert set(done.snapshots[0].shares) == {"few", "level", "amount", "many"}
    assert any("'vanished'" in note for note in done.notes)


def test_more_segments_than_fit_one_statement(engine: SqlEngine) -> None:
    frame = everybody(6)
    many = [segment(f"s{i}", {"field": "sessions", "operator": "<", "value": i % 41}) for i in range(230)]
    done = count(engine, People(loaded(engine, frame)), many, AT)
    assert [s.size for s in done.snapshots] == [int((frame.sessions < i % 41).sum()) for i in range(230)]
