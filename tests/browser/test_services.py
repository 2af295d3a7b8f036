"""The demo in Chromium: a check, its incident, the evidence, an approved rollback, verified, mitigated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Server]:
    """A workbench that carries approved actions out (the demo's go to its sandbox)."""
    with serving(tmp_path, TELLTALE_LIVE_ACTIONS="true") as running:
        yield running


def check(page: Page) -> None:
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Check done")).to_be_visible(timeout=120_000)
    settle(page, timeout_s=60)


def badge(place: Locator, text: str) -> Locator:
    return place.locator(".stMarkdownBadge").filter(has_text=text).first


def test_from_the_check_to_a_mitigated_incident(visit: Visit, live: Server) -> None:
    """Scenario 1 (DP-01, DP-08 to DP-17, DP-25) with nothing but clicks."""
    page = visit("/services", base=live.url)
    check(page)
    expect(page.get_by_text("payment-service: error rate 12.00 %").first).to_be_visible()
    page.get_by_role("button", name="Open", exact=False).first.click()
    expect(page.get_by_role("heading", name="payment-service", exact=True)).to_be_visible(timeout=30_000)
    settle(page, timeout_s=60)
    expect(page.get_by_text("847 of 1,000 error lines (84.7 %)").first).to_be_visible()
    expect(page.get_by_text("confidence 0.92").first).to_be_visible()

    page.get_by_role("button", name="Handle the incident").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("Confidence 0.92 is the sum of")).to_be_visible(timeout=30_000)
    assert "incident=INC-" in page.url
    drawer.get_by_role("tab", name="What to do").click()
    rollback = drawer.locator("[class*=st-key-drawer_card_]").filter(has_text="Roll back payment-service")
    rollback.get_by_text("Exact request").click()
    expect(rollback.get_by_text('"v2.3.9"')).to_be_visible(timeout=30_000)
    expect(rollback.get_by_text("sandbox://demo/actions")).to_be_visible()
    rollback.get_by_placeholder("Reason; a rejection needs one").fill("as the runbook says")
    rollback.get_by_role("button", name="Approve").click()
    expect(rollback.get_by_text("Approved by local")).to_be_visible(timeout=60_000)

    expect(rollback.get_by_text("is within its limits over the last")).to_be_visible(timeout=90_000)  # the ticks' work
    expect(badge(rollback, "verified")).to_be_visible()
    expect(badge(drawer, "mitigated")).to_be_visible(timeout=30_000)
    expect(drawer.get_by_text("executed: Roll back payment-service")).to_be_visible()

    page.goto(f"{live.url}/approvals?approvals_list=Decided", wait_until="commit")
    settle(page, timeout_s=60)
    expect(page.get_by_text("n = 1", exact=True)).to_be_visible()
    expect(page.get_by_text("as the runbook says")).to_be_visible()
    page.context.close()  # before its server stops
