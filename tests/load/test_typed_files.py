"""Files that carry types of their own: Parquet and workbooks."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.load import Loaded, LoadOptions, load_file
from core.model import ColumnType

T = ColumnType
NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def workbook(sheets: dict[str, list[list[str | float | None]]]) -> bytes:
    """A minimal .xlsx with inline strings."""
    out = io.BytesIO()
    names = list(sheets)
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types"/>')
        main = f'<Relationship Id="r1" Type="{_REL}/officeDocument" Target="xl/workbook.xml"/>'
        book.writestr("_rels/.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{main}</Relationships>')
        listed = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(names, 1))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><sheets>{listed}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="r{i}" Type="{_REL}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(names) + 1)
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
        )
        for i, name in enumerate(names, 1):
            rows = "".join(_row(r, cells) for r, cells in enumerate(sheets[name], 1))
            book.writestr(
                f"xl/worksheets/sheet{i}.xml", f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
            )
    return out.getvalue()


def _row(number: int, cells: list[str | float | None]) -> str:
    made = []
    for letter, cell in zip("ABCDEF", cells, strict=False):
        place = f'r="{letter}{number}"'
        if isinstance(cell, str):
            made.append(f'<c {place} t="inlineStr"><is><t>{cell}</t></is></c>')
        elif cell is not None:
            made.append(f"<c {place}><v>{cell}</v></c>")
    return f'<row r="{number}">{"".join(made)}</row>'


def load(content: bytes, folder: Path, name: str, sheet: str | None = None) -> Loaded:
    return load_file(content, name=name, folder=folder, now=NOW, options=LoadOptions(sheet=sheet))


def test_workbook_with_title_and_reject(tmp_path: Path) -> None:
    rows: list[list[str | float | None]] = [["Monthly report"], [], ["day", "code", "value"]]
    rows += [[f"2025-01-{d:02}", "007", d + 0.5] for d in range(1, 13)]
    rows += [["2025-01-13", "008", "closed"]]
    loaded = load(workbook({"Data": rows}), tmp_path, "Sales 2025.xlsx")
    report = loaded.report
    assert loaded.table.name == "sales_2025"
    assert report.header_row == 3
    assert [(c.name, c.type) for c in report.columns] == [
        ("day", ColumnType.DATE),
        ("code", ColumnType.TEXT),
        ("value", ColumnType.NUMBER),
    ]
    assert (report.rows_in, report.rows_loaded) == (13, 12)
    assert [(r.line, r.column) for r in report.rejects] == [(16, "value")]


def test_the_sheet_can_be_chosen(tmp_path: Path) -> None:
    book = workbook({"Empty": [], "One": [["a"], [1.0]], "Two": [["b"], [2.0]]})
    first = load(book, tmp_path, "x.xlsx")
    assert first.report.sheets == ("Empty", "One", "Two")
    assert "Sheet 'One' was read; the others are Empty, Two." in first.report.guesses
    assert [c.name for c in load(book, tmp_path, "x.xlsx", "Two").table.columns] == ["b"]
    with pytest.raises(InputError, match=r"there is no sheet 'Three'\. Sheets: Empty, One, Two\."):
        load(book, tmp_path, "x.xlsx", "Three")
    with pytest.raises(InputError, match="holds no cells"):
        load(workbook({"Empty": []}), tmp_path, "x.xlsx")


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_parquet_types_become_ours(tmp_path: Path) -> None:
    table = pa.table(
        {
            "ts": pa.array([dt.datetime(2025, 1, 1), dt.datetime(2025, 1, 2)], pa.timestamp("ns")),
            "Small": pa.array([1, None], pa.int8()),
            "small": pa.array([1.5, float("nan")], pa.float32()),
            "money": pa.array([1, 2]).cast(pa.decimal128(30, 2)),
            "word": pa.array(["a", "b"]).dictionary_encode(),
            "list": pa.array([[1], [2, 3]]),
        }
    )
    loaded = load(parquet(table), tmp_path, "x.parquet")
    assert [c.type for c in loaded.table.columns] == [T.TIMESTAMP, T.INTEGER, T.NUMBER, T.NUMBER, T.TEXT, T.TEXT]
    assert pq.read_table(loaded.table.path).to_pylist()[1] == {
        "ts": dt.datetime(2025, 1, 2, tzinfo=dt.UTC), "Small": None, "small_2": None, "money": 2.0, "word": "b",
        "list": "[2, 3]",
    }  # fmt: skip
    assert any("'list' holds list" in g for g in loaded.report.guesses)


def test_parquet_rows_with_an_infinite_number_are_rejected(tmp_path: Path) -> None:
    loaded = load(parquet(pa.table({"k": [1, 2, 3], "v": [1.0, float("inf"), 3.0]})), tmp_path, "x.parquet")
    assert (loaded.report.rows_in, loaded.report.rows_loaded) == (3, 2)
    assert [(r.line, r.column) for r in loaded.report.rejects] == [(2, "v")]
