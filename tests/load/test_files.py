"""Whole files through ``load_file``: what was understood, what was loaded, what was rejected and why."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import random
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.errors import InputError, TooLarge
from core.load import Loaded, LoadOptions, load_file, rejects_csv
from core.model import ColumnType

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
T = ColumnType


def load(content: bytes | str, folder: Path, name: str = "x.csv", **options: object) -> Loaded:
    body = content.encode() if isinstance(content, str) else content
    loaded = load_file(body, name=name, folder=folder, now=NOW, options=LoadOptions.model_validate(options))
    report = loaded.report
    assert report.rows_in == report.rows_loaded + report.rows_rejected
    assert pq.ParquetFile(loaded.table.path).metadata.num_rows == report.rows_loaded
    return loaded


def rows(loaded: Loaded) -> list[dict[str, object]]:
    return list(pq.read_table(loaded.table.path).to_pylist())


def types(loaded: Loaded) -> dict[str, ColumnType]:
    return {c.name: c.type for c in loaded.table.columns}


def test_clean_csv_is_typed(tmp_path: Path) -> None:
    loaded = load("date,region,orders,rate,ok\n2025-01-01,EU,5,0.5,true\n2025-01-02,US,6,.25,false\n", tmp_path)
    assert types(loaded) == {
        "date": T.DATE, "region": T.TEXT, "orders": T.INTEGER, "rate": T.NUMBER, "ok": T.BOOLEAN,
    }  # fmt: skip
    assert rows(loaded)[1] == {"date": dt.date(2025, 1, 2), "region": "US", "orders": 6, "rate": 0.25, "ok": False}
    assert loaded.table.name == "x"
    assert loaded.table.provenance.read_at == NOW


def test_json_has_exactly_the_promised_keys(tmp_path: Path) -> None:
    report = load("a,b\n1,2\n3\n", tmp_path).report.to_json()
    assert set(report) == {
        "encoding", "delimiter", "header_row", "columns", "time_column", "rows_loaded", "rows_rejected", "rejects",
        "guesses",
    }  # fmt: skip
    assert report["rejects"] == [{"line": 3, "reason": "1 cell where 2 were expected"}]
    assert report["columns"] == [{"name": "a", "type": "integer"}, {"name": "b", "type": "integer"}]


def test_german_export(tmp_path: Path) -> None:
    text = (
        "Datum;Größe;Umsatz;Anteil\n13.02.2025;groß;1.234,50;12,5%\n14.02.2025;klein;99,10;7%\n15.02.2025;x;1.000;8%\n"
    )
    loaded = load(text.encode("latin-1"), tmp_path)
    assert loaded.report.encoding == "cp1252"
    assert loaded.report.delimiter == ";"
    assert [r["Umsatz"] for r in rows(loaded)] == [1234.5, 99.1, 1000.0]
    assert [r["Anteil"] for r in rows(loaded)] == [12.5, 7.0, 8.0]
    assert rows(loaded)[0]["Datum"] == dt.date(2025, 2, 13)
    assert "Day first assumed in column 'Datum': 13.02.2025 cannot be month first." in loaded.report.guesses
    assert "'Anteil' is read as decimal comma, percent sign." in loaded.report.guesses


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_give_the_same_rows(encoding: str, tmp_path: Path) -> None:
    loaded = load("id\tcity\n1\tKöln\n2\tŁódź\n3\t東京\n".encode(encoding), tmp_path)
    assert rows(loaded) == [{"id": 1, "city": "Köln"}, {"id": 2, "city": "Łódź"}, {"id": 3, "city": "東京"}]


def test_cyrillic_code_page(tmp_path: Path) -> None:
    text = "дата,город\n2025-01-01,Москва и область\n2025-01-02,Санкт-Петербург\n2025-01-03,Новосибирск город\n"
    loaded = load(text.encode("cp1251"), tmp_path)
    assert rows(loaded)[1]["город"] == "Санкт-Петербург"
    assert "The text was read as cp1251." in loaded.report.guesses


def test_nul_characters_are_removed_and_said(tmp_path: Path) -> None:
    loaded = load(b"a,b\n1,\x002\n3,4\n" + b"5,6\n" * 50, tmp_path)
    assert rows(loaded)[0] == {"a": 1, "b": 2}
    assert "1 NUL character was removed." in loaded.report.guesses


def test_one_damaged_byte_does_not_change_the_encoding(tmp_path: Path) -> None:
    loaded = load("a,b\n1,Köln\n2,Łódź\n3,Zürich\n".encode() + b"4,x\xffy\n", tmp_path)
    assert loaded.report.encoding == "utf-8"
    assert rows(loaded)[1]["b"] == "Łódź"
    assert "1 damaged character is shown as �." in loaded.report.guesses


def test_headers_repeated_or_empty_get_names(tmp_path: Path) -> None:
    loaded = load("x,X,,x\n1,2,3,4\n5,6,7,8\n", tmp_path)
    assert [c.name for c in loaded.table.columns] == ["x", "X_2", "column_3", "x_3"]
    assert "Column 2 is called 'X_2' because 'X' appears more than once." in loaded.report.guesses
    assert "Column 3 has no name in the header; it is called 'column_3'." in loaded.report.guesses


def test_lines_are_physical_lines(tmp_path: Path) -> None:
    loaded = load('a,b\r\n1,"two\r\nlines"\r\n\r\n3,4,5\r\n6,x\r\n', tmp_path)
    assert rows(loaded)[0]["b"] == "two\r\nlines"
    assert [(r.line, r.text) for r in loaded.report.rejects] == [(5, "3,4,5")]
    assert loaded.report.rows_in == 3


def test_preamble_and_footer(tmp_path: Path) -> None:
    body = "".join(f"2025-01-{d:02},EU,{d}\n" for d in range(1, 15))
    loaded = load(f"Report 2025\nmade by X, yesterday\n\ndate,region,value\n{body}Total: 14 rows\n", tmp_path)
    assert loaded.report.header_row == 4
    assert loaded.report.rows_loaded == 14
    assert [(r.line, r.reason) for r in loaded.report.rejects] == [(19, "1 cell where 3 were expected")]
    assert loaded.report.frequency == "D"


def test_short_rows_are_rejected_unless_the_file_makes_a_habit_of_them(tmp_path: Path) -> None:
    rare = load("a,b,c\n" + "1,2,3\n" * 30 + "4,5\n", tmp_path)
    assert [r.line for r in rare.report.rejects] == [32]
    habit = load("a,b,c\n1,2,3\n4,5\n6,7\n8,9,1\n", tmp_path)
    assert habit.report.rows_rejected == 0
    assert "Rows often leave out trailing cells in this file: missing trailing cells are empty." in habit.report.guesses


def test_a_stray_quote_takes_no_other_row_with_it(tmp_path: Path) -> None:
    loaded = load("a,b\n" + "1,x\n" * 5 + '2,"open\n' + "3,y\n" * 5 + '4,"z"tail\n' + "5,w\n" + '6,"end\n', tmp_path)
    assert [(r.line, r.reason) for r in loaded.report.rejects] == [
        (7, "text follows a closing quote"),
        (13, "text follows a closing quote"),
        (15, "a quote is opened and never closed"),
    ]
    assert loaded.report.rows_loaded == 11


def test_every_line_with_an_open_quote_stays_quick_and_conserved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of 5,000 rows could be loaded\. The first: line 2"):
        load("a,b\n" + '1,"x\n' * 5_000, tmp_path)


def test_numbers_out_of_range_are_rejected_with_their_line(tmp_path: Path) -> None:
    body = "".join(f"{i},{i}.5\n" for i in range(60))
    loaded = load(f"id,v\n{body}60,1e400\n61,NA\n62,-inf\n", tmp_path)
    assert [(r.line, r.column) for r in loaded.report.rejects] == [(62, "v"), (64, "v")]
    assert loaded.report.rejects[0].reason == (
        "v is '1e400'; expected a number such as 12.5; it is not a finite number"
    )
    assert rows(loaded)[-1] == {"id": 61, "v": None}


def test_identifiers_stay_text(tmp_path: Path) -> None:
    loaded = load("zip,card,n\n0012,12345678901234567890,1\n0113,12345678901234567891,2\n", tmp_path)
    assert types(loaded) == {"zip": T.TEXT, "card": T.TEXT, "n": T.INTEGER}
    assert rows(loaded)[0]["zip"] == "0012"
    assert rows(loaded)[0]["card"] == "12345678901234567890"


def test_one_late_leading_zero_keeps_the_whole_column(tmp_path: Path) -> None:
    body = "".join(f"{i},{i}\n" for i in range(1, 40_000))
    loaded = load(f"id,n\n{body}007,1\n", tmp_path)
    # one stray value of 40,000 is a reject; it never silently becomes 7
    assert [(r.line, r.text) for r in loaded.report.rejects] == [(40_001, "007,1")]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1,234.50", "$2.00"], [1234.5, 2.0]),
        (["(12.00)", "15.00"], [-12.0, 15.0]),
        (["1 234", "12"], [1234, 12]),
        (["1'234.5", "2.5"], [1234.5, 2.5]),
        (["1.234,5 €", "7,25 €"], [1234.5, 7.25]),
        (["12%", "3%"], [12, 3]),
        (["+5", "-6"], [5, -6]),
        (["1e3", "2.5E-1"], [1000.0, 0.25]),
        (["9223372036854775807", "1"], ["9223372036854775807", "1"]),
    ],
)
def test_ways_to_write_a_number(cells: list[str], expected: list[object], tmp_path: Path) -> None:
    loaded = load("k;v\n" + "".join(f'a;"{c}"\n' for c in cells), tmp_path)
    assert [r["v"] for r in rows(loaded)] == expected


@pytest.mark.parametrize("cell", ["1_000", "0x1F", "1.2.3", "--5", "1e", "１２"])
def test_what_looks_like_a_number_to_a_parser_but_is_not(cell: str, tmp_path: Path) -> None:
    loaded = load("k,v\n" + "a,1\n" * 30 + f"b,{cell}\n", tmp_path)
    assert [r.line for r in loaded.report.rejects] == [32]


@pytest.mark.parametrize(
    ("cells", "kind", "first"),
    [
        (["2025-01-05", "2025-01-06"], T.DATE, dt.date(2025, 1, 5)),
        (["2025/1/5", "2025/1/6"], T.DATE, dt.date(2025, 1, 5)),
        (["13/02/2025", "01/03/2025"], T.DATE, dt.date(2025, 2, 13)),
        (["02/13/2025", "03/01/2025"], T.DATE, dt.date(2025, 2, 13)),
        (["13.2.25", "14.2.25"], T.DATE, dt.date(2025, 2, 13)),
        (["5 Jan 2025", "6 January 2025"], T.DATE, dt.date(2025, 1, 5)),
        (["Jan 5, 2025", "Feb 6, 2025"], T.DATE, dt.date(2025, 1, 5)),
        (["20250105", "20250106"], T.DATE, dt.date(2025, 1, 5)),
        (["2025-01", "2025-02"], T.DATE, dt.date(2025, 1, 1)),
        (["2025-01-05T10:00Z", "2025-01-05T12:00+0200"], T.TIMESTAMP, dt.datetime(2025, 1, 5, 10, tzinfo=dt.UTC)),
        (["2025-01-05 10:00", "2025-01-06"], T.TIMESTAMP, dt.datetime(2025, 1, 5, 10, tzinfo=dt.UTC)),
        (["2025-01-05 10:00:01,5", "2025-01-06 1:00:00"], T.TIMESTAMP,
         dt.datetime(2025, 1, 5, 10, 0, 1, 500_000, tzinfo=dt.UTC)),
        (["1/13/2025 3:05 PM", "1/14/2025 4:05 AM"], T.TIMESTAMP, dt.datetime(2025, 1, 13, 15, 5, tzinfo=dt.UTC)),
        (["1736071200", "1736074800"], T.TIMESTAMP, dt.datetime(2025, 1, 5, 10, tzinfo=dt.UTC)),
        (["1736071200000", "1736074800000"], T.TIMESTAMP, dt.datetime(2025, 1, 5, 10, tzinfo=dt.UTC)),
    ],
)  # fmt: skip
def test_ways_to_write_a_date(cells: list[str], kind: ColumnType, first: object, tmp_path: Path) -> None:
    loaded = load("ts,v\n" + "".join(f'"{c}",1\n' for c in cells), tmp_path)
    assert types(loaded)["ts"] is kind
    assert rows(loaded)[0]["ts"] == first
    assert loaded.report.time_column == "ts"


def test_days_that_do_not_exist_and_another_format_are_rejected(tmp_path: Path) -> None:
    body = "".join(f"{i % 28 + 1:02}/02/2025,{i}\n" for i in range(60))
    loaded = load(f"date,v\n{body}2025-03-01,5\n31/02/2025,6\n", tmp_path)
    assert [(r.line, r.reason) for r in loaded.report.rejects] == [
        (62, "date is '2025-03-01'; expected a date such as 31/01/2025"),
        (63, "date is '31/02/2025'; expected a date such as 31/01/2025"),
    ]


def test_dates_that_could_be_either_say_so_and_can_be_stated(tmp_path: Path) -> None:
    text = "when,v\n01/02/2025,1\n02/02/2025,2\n03/02/2025,3\n"
    guessed = load(text, tmp_path)
    assert rows(guessed)[0]["when"] == dt.date(2025, 2, 1)
    assert any("without proof" in g for g in guessed.report.guesses)
    stated = load(text, tmp_path, day_first=False)
    assert rows(stated)[0]["when"] == dt.date(2025, 1, 2)
    assert stated.table.path != guessed.table.path


def test_stated_types_win_and_reject_what_does_not_fit(tmp_path: Path) -> None:
    loaded = load("id,v\n001,1\n002,2\n003,x\n", tmp_path, types={"id": "integer", "v": "integer"})
    assert [r["id"] for r in rows(loaded)] == [1, 2]
    assert loaded.report.rejects[0].reason == "v is 'x'; expected a whole number such as 1250"
    with pytest.raises(InputError, match=r"x\.csv: there is no column 'nope'\. Columns: id, v\."):
        load("id,v\n1,2\n", tmp_path, types={"nope": "text"})


def test_other_stated_options(tmp_path: Path) -> None:
    loaded = load("junk|junk\na|b\n'1|5'|2\n", tmp_path, delimiter="|", quote="'", header_row=2)
    assert rows(loaded) == [{"a": "1|5", "b": 2}]
    assert rows(load("1,2\n3,4\n", tmp_path, header_row=0))[0] == {"column_1": 1, "column_2": 2}
    with pytest.raises(InputError, match="the time column 'v' is integer"):
        load("t,v\n2025-01-01,1\n", tmp_path, time_column="v")
    with pytest.raises(InputError, match="unknown encoding 'klingon'"):
        load("a,b\n1,2\n", tmp_path, encoding="klingon")


def test_other_shapes(tmp_path: Path) -> None:
    assert rows(load("value\n1\n\n2\n", tmp_path)) == [{"value": 1}, {"value": 2}]
    headless = load("2025-01-01,5,EU\n2025-01-02,6,US\n", tmp_path)
    assert headless.report.header_row is None
    assert headless.report.rows_loaded == 2
    assert [c.name for c in load("country,2019,2020\nDE,1,2\nFR,2,3\n", tmp_path).table.columns][1] == "2019"
    assert rows(load("a,b,\n1,2,\n3,4,\n", tmp_path)) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert rows(load("a,b\r1,2\r3,4\r", tmp_path)) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    empty_row = load("a,b\n1,2\n,\n3,4\n", tmp_path)
    assert [r.reason for r in empty_row.report.rejects] == ["the row holds no value"]


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "a,b\n1,2\n")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n \n", "no rows were found"),
        (b"a,b,c\n", "there is a header (line 1) but no row below it"),
        (random.Random(1).randbytes(5_000), "this is binary data, not text"),
        (b"%PDF-1.7 and so on", "this is a PDF document"),
        (_zip("a.csv"), "this is a zip archive, not a workbook"),
        (_zip("xl/workbook.xml"), "the workbook cannot be read"),
        (b"PK\x03\x04 cut off", "the zip or Excel file is damaged"),
        (b"PAR1 not really", "the Parquet file is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "the workbook cannot be read"),
        (gzip.compress(b"a,b\n1,2\n" * 900, mtime=0)[:-20], "the gzip data is cut off"),
        (b"\x1f\x8bnot gzip", "the gzip data is damaged"),
    ],
)
def test_what_is_no_table_is_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load(content, tmp_path, name="gift.csv")
    assert refused.value.message.startswith("gift.csv: ")
    assert message in refused.value.message
    assert list(tmp_path.iterdir()) == []


def test_gzip_loads_and_a_bomb_does_not(tmp_path: Path) -> None:
    two_members = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    assert rows(load(two_members, tmp_path, name="x.csv.gz")) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    with pytest.raises(TooLarge, match="expands more than 200 times"):
        load(gzip.compress(b"\0" * (40 << 20)), tmp_path)
    with pytest.raises(TooLarge, match=r"limit of 0 MiB|limit of 1 MiB"):
        load_file(b"a,b\n" + b"1,2\n" * 300_000, name="x.csv", folder=tmp_path, now=NOW, max_bytes=1 << 20)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv: there is no such file"):
        load_file(tmp_path / "gone.csv", name="gone.csv", folder=tmp_path, now=NOW)


def test_more_rejects_than_shown_are_all_in_the_csv(tmp_path: Path) -> None:
    loaded = load("a,b\n" + "1,2\n" * 12_000 + "=cmd(),2,3\n" * 10_050, tmp_path)
    assert loaded.report.rows_rejected == 10_050
    assert len(loaded.report.rejects) == 10_000
    lines = rejects_csv(loaded.report).splitlines()
    assert len(lines) == 1 + 10_050
    assert lines[1] == '12002,,3 cells where 2 were expected,"\'=cmd(),2,3"'


def test_same_content_and_options_have_one_stored_file(tmp_path: Path) -> None:
    first, second = load("a,b\n1,2\n", tmp_path), load("a,b\n1,2\n", tmp_path, name="other.csv")
    assert first.table.path == second.table.path
    assert [p.suffix for p in tmp_path.iterdir()] == [".parquet"]


def test_progress_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    load_file(b"a,b\n1,2\n", name="x", folder=tmp_path, now=NOW, progress=lambda share, what: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
