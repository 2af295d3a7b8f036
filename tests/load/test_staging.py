"""Reading in bulk gives what reading record by record gives: rows, lines, reasons and texts."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.load import staging
from core.load.layout import Layout
from core.load.rejects import RejectList
from core.load.rows import Dialect, file_records
from core.load.staging import is_regular, stage, stage_in_bulk
from core.load.text import Text, readable
from core.model import Reject

WIDTH = 3


def shape(*, pad: bool = False, skip: int = 0, width: int = WIDTH) -> Layout:
    names = tuple("abcdefgh"[:width])
    return Layout(None, skip, names, names, pad, ragged=True)


def compared(text: str, dialect: Dialect, layout: Layout) -> tuple[int, pa.Table, list[Reject]] | None:
    """What both readers say, after making sure that it is the same; None where only one may read."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        path = room / "source"
        path.write_bytes(text.encode())
        if not text or not is_regular(readable(path, b"", "x"), dialect, layout):
            return None
        slow, fast = RejectList(room / "slow.csv"), RejectList(room / "fast.csv")
        rows_in = stage(file_records(path, dialect, layout.skip), layout, room / "slow.parquet", slow)
        assert stage_in_bulk(path, dialect, layout, room / "fast.parquet", fast) == rows_in
        assert fast.first == slow.first
        table = pq.read_table(room / "slow.parquet")
        assert pq.read_table(room / "fast.parquet").to_pylist() == table.to_pylist()
        assert table.num_rows + slow.count == rows_in
        return rows_in, table, slow.first


@pytest.fixture(params=[16, 1 << 23])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches so short that records cross them, and one that holds the whole file."""
    monkeypatch.setattr(staging, "BLOCK", request.param)


_PIECE = st.sampled_from(
    ["a", "1", ",", ",", ";", '"', '"', '""', '","', "\n", "\n", " ", "NA", "null", "é", "\ufeff",
     "'", "\\", "\t", "x,y,z\n"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(_PIECE, max_size=40).map("".join),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([Dialect(","), Dialect(";"), Dialect(",", "'"), Dialect("\t"), Dialect(",", None), Dialect(" ")]),
    st.booleans(),
    st.integers(0, 2),
    st.integers(2, 4),
    st.sampled_from([8, 64, 1 << 23]),
)
def test_any_text(text: str, end: str, dialect: Dialect, pad: bool, skip: int, width: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(staging, "BLOCK", size)
        compared(text.replace("\n", end), dialect, shape(pad=pad, skip=skip, width=width))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "", "NA", '"b"', '"c,d"', '"e ""f"" g"', '"two\nlines"', "5\" pipe",
                                  '"x', 'y"', '"z"t', " "]),
                 min_size=2, max_size=4),
        max_size=25,
    ),
    st.sampled_from([16, 1 << 23]),
)  # fmt: skip
def test_rows_with_quotes_of_every_kind(rows: list[list[str]], size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(staging, "BLOCK", size)
        compared("\n".join(",".join(r) for r in rows), Dialect(","), shape())


def _flawed(rng: random.Random) -> Iterable[str]:
    flaws = [
        "",
        " ",
        "a,b",
        "a,b,c,d",
        "a,b,c,,",
        ",,",
        "NA,,null",
        '"open,1,2',
        '"a"b,1,2',
        'a,"x\ny",2',
        '"q,1",2,3',
        "\ufeffa,b,c",
    ]
    for i in range(600):
        yield rng.choice(flaws) if rng.random() < 0.05 else f'{i},"w, ""{i}""",{i / 8}'


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("seed", range(6))
def test_longer_files_with_flaws_here_and_there(seed: int) -> None:
    found = compared("\n".join(_flawed(random.Random(seed))), Dialect(","), shape())
    assert found is not None
    rows_in, table, rejects = found
    assert table.num_rows > 300
    assert len(rejects) > 5
    assert rows_in < 600  # blank lines are no rows


@pytest.mark.usefixtures("block")
def test_what_each_flaw_becomes() -> None:
    text = 'a,b,c\n1,"x\ny",3\n\n1,2\n,NA,\n4,"5""",6,\n"7,8,9\n\ufeff1, NA,"NA"'
    found = compared(text, Dialect(","), shape(skip=1))
    assert found is not None
    assert [(r.line, r.reason, r.text) for r in found[2]] == [
        (5, "2 cells where 3 were expected", "1,2"),
        (6, "the row holds no value", ",NA,"),
        (8, "text follows a closing quote", '"7,8,9'),
    ]
    assert [list(row.values()) for row in found[1].to_pylist()] == [
        [2, "1", "x\ny", "3"], [7, "4", '5"', "6"], [9, "\ufeff1", " NA", None],
    ]  # fmt: skip


def test_after_a_thousand_unclosed_quotes_both_stop_believing_in_quoted_line_breaks() -> None:
    found = compared('1,"x,2\n' * 1_200 + '1,"two\nlines",2\n', Dialect(","), shape())
    assert found is not None
    assert found[1].num_rows in (0, 1)


def test_a_cell_too_long_is_rejected_by_both() -> None:
    found = compared("1,2,3\n1," + "x" * 140_000 + ",3\n4,5,6\n", Dialect(","), shape())
    assert found is not None
    assert [r.line for r in found[2]] == [2]


@pytest.mark.parametrize(
    ("dialect", "uniform", "width"),
    [
        (Dialect(",", '"', "\\"), True, 3),
        (Dialect("§"), True, 3),
        (Dialect('"'), True, 3),
        (Dialect(","), False, 3),
        (Dialect(","), True, 1),
    ],
)
def test_what_is_left_to_the_careful_reader(dialect: Dialect, uniform: bool, width: int) -> None:
    text = Text(Path("x"), "utf-8", 1, False, uniform)
    assert not is_regular(text, dialect, shape(width=width))
