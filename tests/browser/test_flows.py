"""One short flow a page, on one workbench: resolve an incident, redraw a chart, see failing rows, export the audit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import ROOT, Server, serving
from tests.load.test_typed_files import workbook

WAIT = 90_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A workbench that these flows change."""
    with serving(tmp_path_factory.mktemp("desk")) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


def run_demo(page: Page) -> None:
    """The demo's run is kept, by the start or by this click."""
    page.get_by_role("button", name="Run and save").click()
    expect(page.get_by_text("saved", exact=False).filter(has_text="UTC as run-").first).to_be_visible(timeout=WAIT)
    settle(page, timeout_s=60)


def test_the_first_page_says_that_checks_are_running_until_they_are_done(visit: Visit, desk: Server) -> None:
    page = visit("/", base=desk.url)
    expect(page.get_by_role("heading", name="8 metrics moved the wrong way")).to_be_visible()
    expect(page.get_by_text("The data checks are still running")).to_have_count(0, timeout=2 * WAIT)
    run_demo(page)
    expect(page.get_by_text("67/67 numbers verified").first).to_be_visible()


def test_incident_is_acknowledged_and_resolved(visit: Visit, desk: Server) -> None:
    run_demo(visit("/", base=desk.url))
    page = visit("/incidents", base=desk.url)
    page.get_by_role("button", name="Details").first.click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("button", name="Acknowledge").click()
    expect(drawer.get_by_text("acknowledged by local")).to_be_visible(timeout=WAIT)
    settle(page)
    drawer.get_by_role("textbox", name="Note").fill("refund job fixed")
    drawer.get_by_role("button", name="Resolve").click()
    expect(drawer.get_by_text("resolved by local")).to_be_visible(timeout=WAIT)
    settle(page)
    expect(drawer.get_by_text("refund job fixed")).to_be_visible()
    page = visit("/incidents", base=desk.url)
    page.get_by_test_id("stButtonGroup").get_by_text("Resolved", exact=True).click()
    expect(page.get_by_text("resolved", exact=True).first).to_be_visible(timeout=WAIT)


def test_explore_redraws_for_another_baseline(visit: Visit, desk: Server) -> None:
    page = visit("/explore?metric=refunds", base=desk.url)
    expect(page.get_by_role("heading", name="above its 7-day mean on 13 Dec")).to_be_visible()
    before = page.get_by_test_id("stVegaLiteChart").first.screenshot()
    page.get_by_test_id("stButtonGroup").get_by_text("Previous", exact=True).click()
    expect(page.get_by_role("heading", name="above its value the day before on 13 Dec")).to_be_visible(timeout=WAIT)
    settle(page)
    assert page.get_by_test_id("stVegaLiteChart").first.screenshot() != before


def test_checks_run_with_progress_and_show_the_failing_rows(visit: Visit, desk: Server) -> None:
    wrong = (ROOT / "data" / "daily_kpis" / "support.csv").read_text().replace(",4.58", ",9.58", 1)
    page = visit("/data", base=desk.url)
    page.get_by_test_id("stFileUploaderDropzoneInput").last.set_input_files(
        {"name": "support.csv", "mimeType": "text/csv", "buffer": wrong.encode()}
    )
    expect(page.get_by_text("Replaced: support.csv")).to_be_visible(timeout=WAIT)
    settle(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Data quality").click()
    button = page.get_by_role("button", name="Run 56 checks")
    expect(button).to_be_visible(timeout=WAIT)
    settle(page)
    button.click()
    expect(page.get_by_text("Checking ", exact=False).first).to_be_visible(timeout=WAIT)
    expect(page.get_by_text("Blocked by failing checks")).to_be_visible(timeout=WAIT)
    settle(page, timeout_s=60)
    failed = page.get_by_test_id("stMetric").filter(has_text="Failed")
    assert failed.get_by_test_id("stMetricValue").inner_text() == "1"
    rows = page.get_by_label("Rows failing check 1")
    expect(rows.first).to_be_visible()


def test_audit_is_verified_and_exported(visit: Visit, desk: Server) -> None:
    run_demo(visit("/", base=desk.url))
    page = visit("/audit", base=desk.url)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("lines, intact")).to_be_visible(timeout=WAIT)
    settle(page)
    with page.expect_download() as arriving:
        page.get_by_role("button", name="JSON Lines").click()
    lines = Path(arriving.value.path()).read_text().splitlines()
    actions = [json.loads(line)["action"] for line in lines]
    assert {"findings", "explanation", "decision"} <= set(actions)


def shop() -> list[tuple[str, float, str]]:
    """Ninety days of two shops with a weekly rhythm."""
    import pandas as pd

    days = pd.date_range("2026-01-05", periods=90)
    return [
        (f"{day:%Y-%m-%d}", 100.0 + 10 * (i % 7) + 40 * k, shop)
        for i, day in enumerate(days)
        for k, shop in enumerate(("north", "south"))
    ]


def as_xlsx(path: Path) -> None:
    path.write_bytes(workbook({"Sales": [["day", "sold", "shop"], *map(list, shop())]}))


def as_parquet(path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(shop(), columns=["day", "sold", "shop"])
    frame.assign(day=pd.to_datetime(frame["day"]).dt.date).to_parquet(path)


def as_gzip(path: Path) -> None:
    import gzip

    text = "\n".join(["day;sold;shop", *(f"{d};{v};{s}" for d, v, s in shop())])
    path.write_bytes(gzip.compress(text.encode()))


@pytest.mark.parametrize(
    ("name", "write"),
    [("excel_shop.xlsx", as_xlsx), ("parquet_shop.parquet", as_parquet), ("zipped_shop.csv.gz", as_gzip)],
)
def test_other_file_kinds_from_upload_to_saved_source_to_chart(
    visit: Visit, desk: Server, tmp_path: Path, name: str, write
) -> None:
    path = tmp_path / name
    write(path)
    page = visit("/data", base=desk.url)
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(path)
    button = page.get_by_role("button", name="Save and explore")
    expect(button).to_be_visible(timeout=WAIT)
    settle(page, timeout_s=60)
    assert (
        page.get_by_test_id("stMetric").filter(has_text="Loaded").get_by_test_id("stMetricValue").inner_text() == "180"
    )
    button.click()
    expect(page.get_by_role("heading", name="Explore", exact=True)).to_be_visible(timeout=WAIT)
    settle(page, timeout_s=60)
    assert f"source={name.split('.')[0]}" in page.url
    expect(page.get_by_role("heading", name="Sold is")).to_be_visible()
    assert page.get_by_test_id("stVegaLiteChart").locator(".marks").count() >= 1
    assert page.get_by_text("90 of 90 days").count() == 1
