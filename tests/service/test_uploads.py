"""From files to a definition and back: drafts, corrections, metrics as a form, pages of rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from core import access
from core.access import Principal
from core.adapters.clock import FixedClock
from core.bootstrap import build
from core.errors import Forbidden, InputError, NotFound
from core.load.options import LoadOptions
from core.model import Direction, MetricKind
from core.service import checks, measures, previews, sources, uploads
from core.service.workbench import Workbench
from core.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = pd.date_range("2026-01-01", periods=40).strftime("%Y-%m-%d")
ROWS = "".join(f"{d},{i},{10 * i + 5},{i % 2 == 0},{'ab'[i % 2]}\n" for i, d in enumerate(DAYS))
CSV = f"day,orders,visits,late,shop\n{ROWS}".encode()


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    bench = build(Settings(_env_file=None, telltale_home=tmp_path), FixedClock(NOW))
    yield bench
    bench.store.close()


def definition(wb: Workbench) -> sources.SourceDefinition:
    made = uploads.draft(wb, "Shop", [uploads.receive(wb, "shop.csv", CSV)]).definition
    assert made is not None
    return made


def test_metrics_go_through_the_form_unchanged(wb: Workbench) -> None:
    d = definition(wb)
    assert measures.from_rows(measures.to_rows(d), d) == d.metrics


def test_a_divisor_makes_a_ratio(wb: Workbench) -> None:
    d = definition(wb)
    frame = measures.to_rows(d)
    frame.loc["orders", ["over", "good", "unit"]] = ["visits", "up", "%"]
    ratio = measures.from_rows(frame, d)[0]
    assert (ratio.over, ratio.kind, ratio.good, ratio.unit) == ("visits", MetricKind.RATIO, Direction.UP, "%")


@pytest.mark.parametrize(("over", "row"), [("orders", "orders"), ("shop_id", "orders"), ("visits", "shop_rows")])
def test_a_divisor_that_cannot_be_is_refused(wb: Workbench, over: str, row: str) -> None:
    d = definition(wb)
    frame = measures.to_rows(d).astype({"over": object})
    frame.loc[row, "over"] = over
    frame.loc[row, "use"] = True
    with pytest.raises(InputError, match="divisor"):
        measures.from_rows(frame, d)


def test_nothing_marked_is_refused(wb: Workbench) -> None:
    d = definition(wb)
    with pytest.raises(InputError, match="No metric is marked"):
        measures.from_rows(measures.to_rows(d).assign(use=False), d)


def test_the_same_file_is_read_another_way_from_its_kept_original(wb: Workbench) -> None:
    content = b"when,amount\n01/02/2026,5\n02/02/2026,6\n03/02/2026,7\n"
    first = uploads.receive(wb, "a.csv", content)
    uploads.keep_original(wb, content, first.table.provenance.sha256)
    months = uploads.reread(wb, first, LoadOptions(day_first=False))
    days = uploads.reread(wb, first, LoadOptions(day_first=True))
    spans = [previews.period(wb.ctx.engine, u.table, "when") for u in (months, days)]
    assert spans[0] == (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert spans[1] == (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))
    assert days.table.provenance.uri == "upload:a.csv"


def test_an_original_that_is_gone_is_said(wb: Workbench) -> None:
    with pytest.raises(NotFound, match=r"shop\.csv: the original is no longer kept"):
        uploads.reread(wb, uploads.receive(wb, "shop.csv", CSV), LoadOptions())


def test_equal_file_names_become_numbered_tables(wb: Workbench) -> None:
    second = CSV.replace(b"orders", b"sales")
    made = uploads.draft(wb, "Both", [uploads.receive(wb, "shop.csv", CSV), uploads.receive(wb, "shop.csv", second)])
    assert made.definition is not None
    assert [t.name for t in made.definition.tables] == ["shop", "shop_2"]


def test_irregular_times_over_a_short_span_are_gathered_per_hour(wb: Workbench) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = "".join(f"{start + timedelta(minutes=i * i % 2000):%Y-%m-%d %H:%M:%S},{i}\n" for i in range(60))
    made = uploads.draft(wb, "Events", [uploads.receive(wb, "events.csv", ("ts,value\n" + rows).encode())])
    assert made.definition is not None
    assert made.definition.freq == "h"


def test_pages_of_rows_are_in_file_order(wb: Workbench) -> None:
    table = uploads.receive(wb, "shop.csv", CSV).table
    assert previews.page(wb.ctx.engine, table, 2, 15)["orders"].tolist() == list(range(15, 30))
    assert previews.page(wb.ctx.engine, table, 3, 15)["orders"].tolist() == list(range(30, 40))


def test_an_outline_has_few_points_and_the_whole_sum(wb: Workbench) -> None:
    hours = pd.date_range("2026-01-01", periods=2000, freq="h").strftime("%Y-%m-%d %H:%M:%S")
    csv = ("ts,value\n" + "".join(f"{h},1\n" for h in hours)).encode()
    table = uploads.receive(wb, "hourly.csv", csv).table
    panel = previews.outline(wb.ctx.engine, table, "ts", sources.guess_metric("value", "hourly"), "h")
    assert panel.freq == "D"
    assert panel.values.sum() == 2000


def test_replacing_a_file_keeps_its_name(wb: Workbench) -> None:
    d = definition(wb)
    for _ in range(2):
        d = sources.replace_file(wb, d, "shop", CSV.replace(b",5,", b",6,"))
    assert d.tables[0].file == "shop.csv"
    assert d.tables[0].name == "shop"


def test_a_suggested_suite_blocks_only_what_it_cannot_measure(wb: Workbench) -> None:
    specs = checks.with_suggested(wb, definition(wb)).checks
    blocking = {(s.check, s.column) for s in specs if "orders" in s.blocks}
    assert blocking == {
        ("expect_column_values_to_not_be_null", "orders"),
        ("expect_column_values_to_be_of_type", "orders"),
    }


def test_a_viewer_changes_nothing(wb: Workbench) -> None:
    viewer = Principal(user="v", tenant=wb.tenant, role="viewer")
    sources.save(wb, access.local(wb.tenant), definition(wb))
    for change in (
        lambda: sources.delete(wb, viewer, "shop"),
        lambda: sources.undelete(wb, viewer, "shop"),
        lambda: checks.run(wb, viewer, "shop"),
        lambda: checks.save_suite(wb, viewer, "shop", ()),
    ):
        with pytest.raises(Forbidden):
            change()
    assert [s.definition.name for s in sources.listing(wb, viewer)] == ["shop"]


def test_deleting_and_bringing_back_are_audited(wb: Workbench) -> None:
    who = access.local(wb.tenant)
    sources.save(wb, who, definition(wb))
    sources.delete(wb, who, "shop")
    assert [s.definition.name for s in sources.listing(wb, who, deleted=True)] == ["shop"]
    sources.undelete(wb, who, "shop")
    with wb.store.read() as books:
        actions = [e.action for e in books.audit.list(wb.tenant)]
    assert sorted(actions) == ["source_deleted", "source_restored", "source_saved"]


def test_yes_or_no_columns_are_not_measured_unless_marked(wb: Workbench) -> None:
    rows = "".join(f"{d},{i},{i % 2},{int(i == 7)}\n" for i, d in enumerate(DAYS))
    made = uploads.draft(wb, "Shop", [uploads.receive(wb, "shop.csv", f"day,orders,label,is_odd\n{rows}".encode())])
    assert made.definition is not None
    assert [m.name for m in made.definition.metrics] == ["orders"]
    assert "label, is_odd hold only 0 and 1, so they are not measured unless you mark them." in made.reasons
    assert {"label", "is_odd"} <= set(measures.to_rows(made.definition).index)


def test_a_bare_year_says_when_and_is_gathered_per_year(wb: Workbench) -> None:
    rows = "".join(f"{year},{100 + year - 1990},{shop}\n" for year in range(1990, 2026) for shop in "ab")
    upload = uploads.receive(wb, "yearly.csv", f"year,sold,shop\n{rows}".encode())
    assert (upload.loaded.report.time_column, upload.loaded.report.frequency) == ("year", "YS")
    made = uploads.draft(wb, "Yearly", [upload]).definition
    assert made is not None
    assert ([m.name for m in made.metrics], made.freq) == (["sold"], "YS")
    panel = previews.outline(wb.ctx.engine, upload.table, "year", made.metrics[0], made.freq)
    assert panel.shape == (1, 36)
    assert panel.values[0, [0, -1]].tolist() == [200.0, 270.0]
    assert panel.index[0] == pd.Timestamp("1990-01-01", tz="UTC")


def test_a_date_says_more_than_a_year(wb: Workbench) -> None:
    rows = "".join(f"{d[:4]},{d},{i}\n" for i, d in enumerate(DAYS))
    assert uploads.receive(wb, "x.csv", f"year,created,n\n{rows}".encode()).loaded.report.time_column == "created"
