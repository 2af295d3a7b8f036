"""Rows in are rows loaded plus rows rejected, and both readers answer alike, whatever the file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.load import Loaded, LoadOptions, load_file
from core.load import file as file_module
from core.load.rows import Dialect, is_blank, records
from core.load.staging import is_regular

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
BOUNDED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def load(content: bytes, folder: Path) -> Loaded | None:
    """The loaded table, or None where the loader refuses the file with a message that names it."""
    try:
        loaded = load_file(content, name="x.csv", folder=folder, now=NOW)
    except InputError as refused:
        if not refused.message.startswith("x.csv: "):
            raise
        return None
    report = loaded.report
    assert report.rows_in == report.rows_loaded + report.rows_rejected
    assert len(report.rejects) == report.rows_rejected
    assert pq.ParquetFile(loaded.table.path).metadata.num_rows == report.rows_loaded
    return loaded


@BOUNDED
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        load(content, Path(folder))


@BOUNDED
@given(st.text(alphabet='ab1,;"\n\r\t .-/:%é\0', max_size=200))
def test_any_text_of_troublesome_characters(content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        load(content.encode(), Path(folder))


_CELL = st.text(st.characters(blacklist_categories=("Cs", "Cc"), max_codepoint=0x2FFF), max_size=12)


@BOUNDED
@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6), _CELL, st.floats(allow_nan=False, allow_infinity=False)),
        min_size=1,
        max_size=20,
    )
)
def test_a_well_formed_file_comes_back_cell_by_cell(table: list[tuple[int, str, float]]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(
        [("key", "words", "size"), *[(i, f"w {s}", repr(x)) for i, s, x in table]]
    )
    options = LoadOptions.model_validate(
        {"types": {"words": "text", "size": "number"}, "delimiter": ",", "encoding": "utf-8"}
    )
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_file(out.getvalue().encode(), name="x.csv", folder=Path(folder), now=NOW, options=options)
        stored = pq.read_table(loaded.table.path)
    assert stored["key"].to_pylist() == [i for i, _, _ in table]
    assert stored["words"].to_pylist() == [f"w {s}" for _, s, _ in table]
    assert stored["size"].to_pylist() == [x for _, _, x in table]


@BOUNDED
@given(st.text(alphabet='a,"\n', max_size=120))
def test_every_physical_line_belongs_to_one_record(text: str) -> None:
    lines = text.splitlines(keepends=True)
    found = list(records(lines, Dialect(",")))
    starts = [line for line, _, _ in found]
    assert starts == sorted(set(starts))
    assert starts[:1] == ([1] if lines else [])
    assert all(1 <= s <= len(lines) for s in starts)


def _nasty(rng: random.Random) -> bytes:
    """A table of one of many shapes with flaws sprinkled over it."""
    width = rng.randint(1, 6)
    delimiter = rng.choice(",;\t|")
    rows = [[f"col {i}" for i in range(width)]]
    kinds = [rng.choice(["int", "num", "date", "dmy", "text", "bool"]) for _ in range(width)]
    rows += [[_cell(rng, k) for k in kinds] for _ in range(rng.randint(1, 40))]
    lines = [delimiter.join(r) for r in rows]
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(lines))
        flaw = rng.choice(
            ["", '"', delimiter, "\0", '"a\nb"', "1e400", delimiter * 3, "Total", "#", " ", "é", "\ufeff"]
        )
        place = rng.randint(0, len(lines[at]))
        lines[at] = lines[at][:place] + flaw + lines[at][place:] if rng.random() < 0.7 else flaw
    text = rng.choice(["\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n"])
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]), errors="replace")


def _cell(rng: random.Random, kind: str) -> str:
    if rng.random() < 0.05:
        return rng.choice(["", "NA", "null", "n/a", "?", "-", "abc"])
    made = {
        "int": str(rng.randint(-999, 99_999)),
        "num": f"{rng.uniform(-1e4, 1e4):.3f}",
        "date": f"2025-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        "dmy": f"{rng.randint(1, 28)}/{rng.randint(1, 12)}/2025",
        "text": rng.choice(["EU", "US", "a b", "007", "Köln"]),
        "bool": rng.choice(["true", "false"]),
    }
    return made[kind]


def test_eighty_nasty_files(tmp_path: Path) -> None:
    rng = random.Random(20250601)
    loaded = [load(_nasty(rng), tmp_path) for _ in range(80)]
    # most are loaded in spite of their flaws; a refusal is for files without one usable row
    assert sum(one is not None for one in loaded) > 60


def test_both_readers_give_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    quick_reads: list[bool] = []
    quick = file_module._quick

    def counted(*given: Any) -> Any:
        read = quick(*given)
        quick_reads.append(read is not None)
        return read

    monkeypatch.setattr(file_module, "_quick", counted)
    for number in range(25):
        kinds = [rng.choice(["int", "num", "date", "dmy", "text", "bool"]) for _ in range(rng.randint(2, 6))]
        cells = [[_cell(rng, k) if rng.random() < 0.9 else "" for k in kinds] for _ in range(rng.randint(3, 60))]
        text = "\n".join(",".join(r) for r in [[f"c{i}" for i in range(len(kinds))], *cells]) + "\n"
        first = load(text.encode(), tmp_path / f"quick{number}")
        with monkeypatch.context() as patched:
            patched.setattr(file_module, "_simple", lambda *a: False)
            second = load(text.encode(), tmp_path / f"careful{number}")
        assert (first is None) == (second is None)
        if first and second:
            assert first.table.columns == second.table.columns
            assert first.report.rejects == second.report.rejects
            assert first.report.guesses == second.report.guesses
            assert pq.read_table(first.table.path).equals(pq.read_table(second.table.path))
    assert sum(quick_reads) > 2


def test_reading_in_bulk_gives_the_same_table_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    bulk: list[bool] = []

    def asked(*given: Any) -> bool:
        bulk.append(is_regular(*given))
        return bulk[-1]

    monkeypatch.setattr(file_module, "_simple", lambda *a: False)
    for number in range(20):
        content = _nasty(rng)
        monkeypatch.setattr("core.load.file.is_regular", asked)
        first = load(content, tmp_path / f"bulk{number}")
        monkeypatch.setattr("core.load.file.is_regular", lambda *a: False)
        second = load(content, tmp_path / f"careful{number}")
        assert (first is None) == (second is None)
        if first and second:
            assert first.report == second.report
            assert pq.read_table(first.table.path).equals(pq.read_table(second.table.path))
    assert sum(bulk) > 5


def test_rows_keep_the_order_of_the_file_around_rejects(tmp_path: Path) -> None:
    lines = [f"{i},{i / 4},x" for i in range(300_000)]
    lines[1_000] += ",y"
    lines[250_000] = "250000,oops,x"
    loaded = load("\n".join(["id,size,word", *lines]).encode(), tmp_path)
    assert loaded is not None
    assert [r.line for r in loaded.report.rejects] == [1_002, 250_002]
    ids = pq.read_table(loaded.table.path)["id"].to_pylist()
    assert ids == [i for i in range(300_000) if i not in (1_000, 250_000)]


def test_blank_lines_are_no_rows() -> None:
    assert is_blank([])
    assert is_blank([" "])
    assert not is_blank(["", ""])
