"""The Data page: what is understood of a file, what is kept of it, and what a newer one changes."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import access
from core.model import Direction
from core.service import runs, sources
from core.service.workbench import Workbench

Open = Callable[..., AppTest]
DAYS = pd.date_range("2026-01-01", periods=60).strftime("%d.%m.%Y")


def shop(last: float = 1003.0) -> bytes:
    """60 days of sales in a German export: BOM, semicolons, decimal commas; the last day is given."""
    values = [1000 + i % 7 if i < 59 else last for i in range(60)]
    cells = [f"{v:.2f}".replace(".", ",") for v in values]
    lines = [
        f"{day};{cell};{'web' if i % 2 else 'store'}" for i, (day, cell) in enumerate(zip(DAYS, cells, strict=True))
    ]
    return ("\ufeffTag;Revenue;Channel\n" + "\n".join(lines) + "\n").encode()


def drop(at: AppTest, name: str, content: bytes) -> AppTest:
    uploader = next(u for u in at.file_uploader if u.label == "Drop your files here")
    uploader.upload(name, content)
    return at.run()


def press(at: AppTest, label: str) -> AppTest:
    next(b for b in at.button if b.label == label).click()
    return at.run()


def figures(at: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in at.metric}


def said(at: AppTest) -> str:
    return "\n".join(e.value for e in (*at.markdown, *at.caption, *at.error, *at.info))


def test_a_file_is_understood_and_drawn_at_once(opened: Open) -> None:
    at = drop(opened("data"), "shop.csv", shop() + b"not a day;5;web\n")
    assert not at.exception
    assert figures(at) == {"Rows in the file": "61", "Loaded": "60", "Rejected": "1", "Columns": "3"}
    assert "separated by semicolon" in said(at)
    assert "decimal comma" in said(at)
    assert len(at.get("vega_lite_chart")) == 1


def test_the_bytes_of_an_upload_are_let_go(opened: Open) -> None:
    at = drop(opened("data"), "shop.csv", shop())
    assert [u.value for u in at.file_uploader] == [[], []]
    assert at.session_state["data_draft"].uploads[0].size == len(shop())


def test_saved_with_its_guesses_it_runs_and_opens_as_the_chosen_source(opened: Open, bench: Workbench) -> None:
    press(drop(opened("data"), "shop.csv", shop(last=300)), "Save and run")
    (kept,) = sources.listing(bench, access.local(bench.tenant))
    assert kept.definition.name == "shop"
    assert [(m.column, m.agg, m.good) for m in kept.definition.metrics] == [("Revenue", "sum", Direction.UP)]
    assert kept.definition.dimensions == ("Channel",)
    assert kept.definition.checks
    assert kept.run is not None
    assert kept.run.headline.startswith("1 metric moved the wrong way: Revenue")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv: the file is empty"),
        ("head.csv", b"date,value\n", "head.csv: there is a header (line 1) but no row below it"),
        ("noise.csv", bytes(range(256)) * 20, "noise.csv: this is binary data"),
    ],
)
def test_what_cannot_be_read_is_said_by_name(opened: Open, name: str, content: bytes, message: str) -> None:
    at = drop(opened("data"), name, content)
    assert not at.exception
    assert message in "".join(e.value for e in at.error)
    assert not at.metric


def test_without_a_time_column_it_asks_for_one(opened: Open) -> None:
    at = drop(opened("data"), "towns.csv", b"town,people\nA,5\nB,6\nC,7\n")
    assert not at.exception
    assert [e.value for e in at.error] == ["towns.csv: no time column was found."]
    assert figures(at)["Loaded"] == "3"


def test_several_files_become_the_tables_of_one_source(opened: Open, bench: Workbench) -> None:
    at = opened("data")
    uploader = next(u for u in at.file_uploader if u.label == "Drop your files here")
    visits = b"day,visits\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n"
    uploader.set_value([("shop.csv", shop(), "text/csv"), ("visits.csv", visits, "text/csv")])
    press(at.run(), "Save")
    (kept,) = sources.listing(bench, access.local(bench.tenant))
    assert [t.name for t in kept.definition.tables] == ["shop", "visits"]
    assert [m.name for m in kept.definition.metrics] == ["revenue", "visits"]


def test_deleting_can_be_undone(opened: Open, bench: Workbench, saved: Callable[[str, bytes], str]) -> None:
    saved("shop", shop())
    at = press(opened("data"), "Delete")
    assert sources.listing(bench, access.local(bench.tenant)) == ()
    press(at, "Bring back shop")
    assert [s.definition.name for s in sources.listing(bench, access.local(bench.tenant))] == ["shop"]


def test_a_newer_file_shows_what_it_changed(opened: Open, bench: Workbench, saved: Callable[[str, bytes], str]) -> None:
    name, who = saved("shop", shop()), access.local(bench.tenant)
    old = runs.run(bench, who, name)
    sources.save(bench, who, sources.replace_file(bench, sources.get(bench, bench.tenant, name), "shop", shop(300)))
    new = runs.run(bench, who, name)
    at = opened("data", compare=f"{old.id}..{new.id}")
    assert not at.exception
    assert "What changed in shop" in said(at)
    assert "**New:** Revenue 300" in said(at)
    (values,) = (d.value for d in at.dataframe if "before" in d.value.columns)
    assert values.iloc[0].tolist() == ["revenue", 1003, 300]


def test_own_files_replace_a_playbooks_for_this_session_only(opened: Open, bench: Workbench) -> None:
    """OP-06, and back with Restore demo data."""
    at = opened("data")
    changed = (bench.data / "daily_kpis" / "revenue.csv").read_bytes().replace(b"17500", b"5900")
    own = next(u for u in at.file_uploader if u.label.startswith("Files of"))
    own.upload("revenue.csv", changed)
    at.run()
    assert at.session_state["edits"] == {"daily_kpis": {"revenue": changed}}
    press(at, "Restore demo data")
    assert at.session_state["edits"] == {}


def test_a_wrong_own_file_changes_nothing(opened: Open) -> None:
    at = opened("data")
    own = next(u for u in at.file_uploader if u.label.startswith("Files of"))
    own.upload("revenue.csv", b"date,gross\n2025-12-13,5\n")
    at.run()
    assert not at.session_state["edits"].get("daily_kpis")
    assert "revenue.csv" in at.error[0].value
