"""Orders in Chromium: a promise is shortened, tried on the demo's orders, saved, seen in the queue, and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A workbench of its own: the policy of the demo changes for everybody who looks at it."""
    with serving(tmp_path) as running:
        yield running


def overdue(page: Page) -> int:
    figure = page.get_by_test_id("stMetric").filter(has_text="Overdue now").get_by_test_id("stMetricValue")
    return int(figure.inner_text())


def test_a_shorter_promise_is_tried_saved_seen_and_taken_back(visit: Visit, own: Server) -> None:
    """E2-07, E2-27: the effect is told before anything is saved, and a rollback undoes it."""
    page = visit("/orders", base=own.url)
    before = overdue(page)
    page.get_by_role("link", name="Order policy").click()
    editor = page.get_by_role("textbox", name="Policy (YAML)")
    expect(editor).to_have_value(re.compile(r"pick_minutes: 120"), timeout=60_000)
    editor.fill(editor.input_value().replace("pick_minutes: 120", "pick_minutes: 5"))
    editor.press("Control+Enter")
    settle(page, timeout_s=60)
    page.get_by_role("button", name="Dry run").click()
    told = page.get_by_text(re.compile(r"^(at least )?[1-9][\d,]* exceptions appear, 0 vanish; no bill changes\.$"))
    expect(told).to_be_visible(timeout=120_000)

    page.get_by_placeholder("Why, for the history").fill("a try")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_text("version 1 is in force from now on")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Orders", exact=True).click()
    expect(page.get_by_text(re.compile(r"^5 (x .* )?min · promised|^5 x .* min · promised")).first).to_be_visible(
        timeout=60_000
    )
    settle(page, timeout_s=60)
    assert overdue(page) > before

    page.goto(f"{own.url}/order_policy?policy_tab=History", wait_until="commit")
    settle(page, timeout_s=60)
    expect(page.get_by_text("a try")).to_be_visible()
    page.get_by_role("button", name="Roll back to it").click()
    expect(page.get_by_text("Rolled back to the shipped defaults: version 2")).to_be_visible(timeout=60_000)
    page.context.close()  # before its server stops
