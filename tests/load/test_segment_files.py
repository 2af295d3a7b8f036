"""segments.yaml, uploaded snapshots, and the loader of a folder (PU-03, PU-05, PU-28)."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.context import Context
from core.engine.sql import SqlEngine
from core.errors import InputError
from core.load.loaders import loaders
from core.load.segments import parse_segment, read_yaml, slug, write_yaml
from core.load.snapshot_files import parse_snapshots
from core.model import Dataset, Segment, SegmentWatch, Snapshot
from core.segments import segment_doc, segment_of, snapshot_doc, snapshot_of
from core.service.tools import generate
from core.settings import Settings

DEMO = Path(__file__).parents[2] / "data" / "segment_drift"
LAST = datetime(2026, 1, 8, 2, tzinfo=UTC)
RULES = {"logicalOperator": "AND", "rules": [{"field": "ltv", "operator": ">", "value": 1000}]}
HIGH, TRIAL = Segment("high-value", "High-value", RULES), Segment("trial", "Trial", RULES)
HEAD = "segment,ts,size,conv_rate,velocity_in,velocity_out,attr_distributions\n"


class Clock:
    def now(self) -> datetime:
        return LAST


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    engine = SqlEngine(tmp_path / "tables")
    yield Context(Settings(_env_file=None, telltale_home=tmp_path), Clock(), engine, http=None, ledger=None)
    engine.close()


def load(ctx: Context, files: dict[str, Path | bytes], now: datetime = LAST, **documents: object) -> Dataset:
    return loaders.build("segments").load(files, documents, ctx, now)


def snapshots_of(dataset: Dataset) -> list[Snapshot]:
    return [snapshot_of(d) for d in dataset.documents["snapshots"]]


# --- segments.yaml ----------------------------------------------------------------------------------


def test_segments_survive_yaml() -> None:
    watch = SegmentWatch(False, 0.1, None, 1.0, 0.3, ("plan",), 10, None)
    full = replace(HIGH, owner="ana", watch=watch, is_active=False, normal_since={"size_jump": LAST})
    odd = replace(TRIAL, name='Größe: "50 %" #1', definition={**RULES, "rules": [*RULES["rules"]] * 2})
    assert read_yaml(write_yaml([full, odd])) == (full, odd)


def test_dates_in_yaml_stay_text() -> None:
    text = "- name: New\n  definition:\n    rules: [{field: since, operator: '>', value: 2026-01-01}]\n"
    assert read_yaml(text)[0].definition["rules"] == [{"field": "since", "operator": ">", "value": "2026-01-01"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("segments: [", "not valid YAML"),
        ("segments: 3", "segments: expected a list"),
        ("segmnts: []", "segmnts: there is no such field"),
        ("- name: A", "segments[0].definition: is missing"),
        ("- &a {name: A, definition: {rules: [{field: x, operator: is_null}]}}\n- *a", "references (*name)"),
        (write_yaml([HIGH, replace(TRIAL, name="High-value")]), "segments[1].name: 'High-value' is already the name"),
        (write_yaml([HIGH, replace(TRIAL, id="high-value")]), "segments[1].id: 'high-value' is already the id"),
        (write_yaml([HIGH]).replace("ltv", "''"), "segments[0].definition.rules[0].field"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError, match=".*".join(map(re.escape, ["segments.yaml", said]))):
        read_yaml(text)


@pytest.mark.parametrize(
    ("name", "expected"), [("High value (EU)", "high-value-eu"), ("–", "segment"), ("a" * 99, "a" * 80)]
)
def test_an_id_is_made_of_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected
    assert parse_segment({"name": name, "definition": RULES}).segment().id == expected


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_segments_or_refused(text: str | bytes) -> None:
    with suppress(InputError):
        assert all(isinstance(s, Segment) for s in read_yaml(text))


# --- uploaded snapshots -----------------------------------------------------------------------------


def test_good_rows_are_loaded_and_bad_ones_say_why() -> None:
    shares = json.dumps({"platform": {"ios": 0.6, 'say "hi", ok': 0.4}}).replace('"', '""')
    rows = [
        f'high-value,2026-01-05,20000,0.15,600,500,"{shares}"',
        "High-value,2026-01-06T02:00:00+01:00,11600.0,,,,",
        "nobody,2026-01-05,1,,,,",
        "trial,yesterday,1,,,,",
        "trial,2026-01-05,many,,,,",
        "trial,2026-01-05,1.5,,,,",
        "trial,2026-01-05,,,,,",
        "trial,2026-01-05,1,nan,,,",
        "trial,2026-01-05,1,,x,,",
        'trial,2026-01-05,1,,,,"{"',
        'trial,2026-01-05,1,,,,"{""a"": 1}"',
        'trial,2026-01-05,1,,,,"{""a"": {""b"": true}}"',
        "trial,2026-01-05",
        "trial,2026-01-07,-5,1.5,,,",
    ]
    parsed = parse_snapshots((HEAD + "\n".join(rows) + "\n").encode(), [HIGH, TRIAL], name="s.csv")
    assert parsed.rows_in == len(rows)
    first, second, third = parsed.snapshots
    assert first == Snapshot(
        "high-value",
        datetime(2026, 1, 5, tzinfo=UTC),
        20000,
        {"platform": {"ios": 0.6, 'say "hi", ok': 0.4}},
        0.15,
        600,
        500,
        "s.csv",
    )
    assert (second.ts, second.size, second.conv_rate) == (datetime(2026, 1, 6, 1, tzinfo=UTC), 11600, None)
    assert (third.size, third.conv_rate) == (-5, 1.5)  # for the checks to judge
    assert [(r.line, r.column) for r in parsed.rejects] == [
        (4, "segment"),
        (5, "ts"),
        (6, "size"),
        (7, "size"),
        (8, "size"),
        (9, "conv_rate"),
        (10, "velocity_in"),
        (11, "attr_distributions"),
        (12, "attr_distributions"),
        (13, "attr_distributions"),
        (14, None),
    ]
    assert parsed.rejects[2].reason == "size is 'many'; expected a whole number"


def test_the_later_row_of_a_day_counts() -> None:
    rows = "trial,2026-01-05T01:00:00Z,1,,,,\ntrial,2026-01-05T09:00:00Z,2,,,,\n"
    parsed = parse_snapshots((HEAD + rows).encode(), [TRIAL], name="s.csv")
    assert [s.size for s in parsed.snapshots] == [2]
    assert [(r.line, r.reason) for r in parsed.rejects] == [(2, "line 3 has the same segment and day")]


def test_json_is_read_like_csv() -> None:
    kept = Snapshot("trial", LAST, 5, {"plan": {"pro": 1.0}}, 0.5, 1, 0, "s.json")
    document = [snapshot_doc(kept), {"segment": "trial"}, 3, {**snapshot_doc(kept), "sise": 3}]
    for content in (document, {"snapshots": document}):
        parsed = parse_snapshots(json.dumps(content).encode(), [TRIAL], name="s.json")
        assert parsed.snapshots == (kept,)
        assert [r.line for r in parsed.rejects] == [2, 3, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "column segment, ts, size is missing"),
        (b"segment,ts\n", "column size is missing"),
        (HEAD.replace("size,", "size,weight,").encode(), "column 'weight' is not known"),
        (HEAD.replace("size,", "size,size,").encode(), "a column is there twice"),
        ((HEAD + 'trial,"x').encode(), "not valid CSV"),
        (b"[1", "not valid JSON"),
        (b'{"a": 1}', "expected a list"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_no_snapshot_file_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_snapshots(content, [TRIAL], name="s.csv")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.text(max_size=8), min_size=7, max_size=7), max_size=6))
def test_every_row_is_loaded_or_rejected(rows: list[list[str]]) -> None:
    frame = pd.DataFrame(rows, columns=HEAD.strip().split(","))
    kept = [r for r in rows if any(c.strip() for c in r)]
    try:
        parsed = parse_snapshots(
            frame.to_csv(index=False, quoting=csv.QUOTE_ALL).encode("utf-8", "replace"), [TRIAL], name="s.csv"
        )
    except InputError:
        return
    assert parsed.rows_in == len(kept)


# --- the loader -------------------------------------------------------------------------------------


def test_the_demo_day_is_complete_and_nothing_is_added(ctx: Context) -> None:
    dataset = load(ctx, {name: DEMO / name for name in ("people.csv", "segments.yaml", "snapshots.csv")})
    assert [segment_of(d).id for d in dataset.documents["segments"]] == [
        "high-value",
        "trial",
        "churned",
        "power",
        "enterprise",
    ]
    assert len(snapshots_of(dataset)) == 40
    assert dataset.tables["people"].provenance.rejected_rows == 0


def test_the_next_day_is_counted_in_the_people_table(ctx: Context) -> None:
    """PU-05: and what is counted is what the generator said of its last day, by its own arithmetic."""
    files: dict[str, Path | bytes] = {p.name: p for p in DEMO.iterdir() if p.suffix in (".csv", ".yaml")}
    found = snapshots_of(load(ctx, files, LAST + timedelta(days=1)))
    last = {s.segment: s for s in found if s.ts == LAST}
    added = {s.segment: s for s in found if s.ts == LAST + timedelta(days=1)}
    assert set(added) == set(last)
    for name, counted in added.items():
        assert counted.size == last[name].size
        assert counted.conv_rate == pytest.approx(last[name].conv_rate, abs=1e-6)
        assert set(counted.shares) == {"plan", "platform", "country"}
        for attribute, shares in counted.shares.items():
            assert shares == pytest.approx(last[name].shares[attribute], abs=1e-5)
    assert added["high-value"].velocity_out is None


def test_people_alone_are_counted_for_the_judged_day(ctx: Context) -> None:
    off = replace(TRIAL, watch=SegmentWatch(monitoring=False))
    people = b"id,ltv\n1,500\n2,1500\n3,2500\n"
    dataset = load(ctx, {"people.csv": people}, segments=[segment_doc(HIGH), segment_doc(off)])
    assert [(s.segment, s.size, s.ts) for s in snapshots_of(dataset)] == [("high-value", 2, LAST)]
    assert any("'converted'" in str(r) for r in dataset.documents["remarks"])


def test_an_old_people_file_says_nothing_of_today(ctx: Context) -> None:
    files: dict[str, Path | bytes] = {p.name: p for p in DEMO.iterdir() if p.suffix in (".csv", ".yaml")}
    assert len(snapshots_of(load(ctx, files, LAST + timedelta(days=3)))) == 40


def test_missing_files_are_what_the_store_holds(ctx: Context) -> None:
    kept = Snapshot("trial", LAST, 5, {})
    dataset = load(ctx, {}, segments=[segment_doc(TRIAL)], snapshots=[snapshot_doc(kept)])
    assert (dict(dataset.tables), snapshots_of(dataset)) == ({}, [kept])
    assert load(ctx, {}).documents == {"segments": [], "snapshots": [], "remarks": []}


def test_a_bad_row_of_the_folder_stops_the_run_with_its_place(ctx: Context) -> None:
    files = {"snapshots.csv": (HEAD + "trial,2026-01-05,many,,,,\n").encode()}
    with pytest.raises(InputError, match=r"snapshots.csv line 2: size is 'many'; expected a whole number"):
        load(ctx, files, segments=[segment_doc(TRIAL)])


# --- the generator ----------------------------------------------------------------------------------


def test_the_committed_demo_is_what_seed_1_gives(tmp_path: Path) -> None:
    for path in generate("segment_drift", 1, tmp_path):
        assert path.read_bytes() == (DEMO / path.name).read_bytes(), path.name


@pytest.mark.parametrize("seed", [1, 7])
def test_the_story_by_an_independent_calculation(tmp_path: Path, seed: int) -> None:
    """PU-28: all four types for high-value on the third-last day, held; every other segment is quiet."""
    generate("segment_drift", seed, tmp_path)
    frame = pd.read_csv(tmp_path / "snapshots.csv")
    assert frame.groupby("segment").size().to_dict() == dict.fromkeys(frame.segment.unique(), 8)
    assert frame.ts.nunique() == 8
    for name, rows in frame.groupby("segment"):
        shares = [json.loads(cell) for cell in rows.attr_distributions]
        assert all(abs(sum(s.values()) - 1) < 1e-6 for day in shares for s in day.values())
        old, new = slice(0, 5), slice(5, 8)
        churn = rows.velocity_out / rows["size"]
        moved = [
            max(abs(rows["size"].iloc[new] / rows["size"].iloc[old].median() - 1)),
            max(distance(shares[0][a], day[a]) for day in shares[5:] for a in day),
            max(abs(rows.conv_rate.iloc[new] / rows.conv_rate.iloc[old].median() - 1)),
            max(churn.iloc[new] / churn.iloc[old].median() - 1),
        ]
        if name == "high-value":
            assert rows["size"].tolist() == [20000] * 5 + [11600] * 3
            assert moved == pytest.approx([0.42, 0.40, 1 / 3, 2 / 3], abs=1e-9)
            assert all("android" not in day["platform"] for day in shares[5:])
        else:
            assert rows["size"].min() >= 10_000
            assert rows["size"].max() <= 29_999
            assert all(m < limit / 2 for m, limit in zip(moved, (0.15, 0.20, 0.25, 0.30), strict=True)), (name, moved)


def distance(p: dict[str, float], q: dict[str, float]) -> float:
    return 0.5 * sum(abs(p.get(v, 0) - q.get(v, 0)) for v in {*p, *q})
