"""A segment written by hand, then the demo: four incidents, one opened by its link, its alert previewed and sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.adapters import mail_server
from tests.adapters.mail_server import Post
from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server.running() as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, post: Post) -> Iterator[Server]:
    """A workbench whose mail leads to this test."""
    mail = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(post.port),
        "SMTP_SECURITY": "none",
        "SMTP_TO": "ana@example.com",
    }
    with serving(tmp_path, **mail) as running:
        yield running


def choose(page: Page, label: str, option: str) -> None:
    """Picks from a list by keyboard alone: focus, type, Enter."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.focus()
    box.press_sequentially(option)
    expect(page.get_by_role("option").first).to_be_visible()
    box.press("Enter")
    settle(page)


def enter(page: Page, label: str, value: str) -> None:
    field = page.get_by_role("spinbutton", name=label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


def build(page: Page) -> None:
    """Everybody with ltv > 1000 who was active in the last week, and the same from a template."""
    choose(page, "Column of rule 1", "ltv")
    enter(page, "Value of rule 1", "1000")
    page.get_by_role("button", name="Add rule", exact=True).click()
    settle(page)
    choose(page, "Column of rule 2", "last_active_days")
    choose(page, "Comparison of rule 2", "at most")
    enter(page, "Value of rule 2", "7")
    metric = page.get_by_test_id("stMetric").filter(has_text="People who match")
    expect(metric).to_contain_text("11,600")
    page.get_by_label("Name", exact=True).fill("Best customers")
    page.get_by_role("button", name="Save segment").click()
    expect(page.get_by_text("Best customers is saved.")).to_be_visible(timeout=30_000)
    settle(page)
    assert "segment=best-customers" in page.url


def with_demo(page: Page) -> None:
    """The list with the demo's segments, which come by themselves soon after the first page of a new home."""
    for _ in range(30):
        if page.get_by_text("High-value").count():
            break
        page.wait_for_timeout(1000)
        page.reload()
        settle(page)
    expect(page.get_by_text("High-value").first).to_be_visible()


def test_from_rules_to_the_alert(visit: Visit, office: Server, post: Post) -> None:
    page = visit("/segment_builder", base=office.url)
    build(page)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Best customers is deleted.")).to_be_visible(timeout=30_000)
    settle(page)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Segments").first.click()
    settle(page)

    with_demo(page)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Nothing was sent")).to_be_visible(timeout=60_000)
    settle(page)
    expect(page.get_by_test_id("stMetric").filter(has_text="Open incidents")).to_contain_text("4")
    assert post.mails == []

    page.get_by_role("button", name="Open", exact=True).first.click()
    expect(page.get_by_role("heading", name="Open incidents (4)")).to_be_visible(timeout=30_000)
    settle(page, timeout_s=60)
    assert "segment=high-value" in page.url
    expect(page.get_by_role("heading", name="42.0 % below the base of its open incident")).to_be_visible()
    page.get_by_role("tab", name="Receipt").click()
    expect(page.get_by_role("heading", name="Churn, limit 30%")).to_be_visible(timeout=30_000)
    settle(page)
    page.get_by_role("button", name="Details").nth(2).click()
    expect(page.get_by_role("dialog")).to_be_visible(timeout=30_000)
    settle(page)
    link = page.url
    assert "incident=INC-" in link
    page.context.close()

    again = visit(link.removeprefix(office.url), base=office.url)
    dialog = again.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="High-value: size -42.00% (20,000 to 11,600)")).to_be_visible()
    dialog.get_by_role("button", name="Send the alert").click()
    expect(dialog.get_by_role("button", name="Send now")).to_be_visible(timeout=60_000)
    settle(again, timeout_s=60)
    assert post.mails == []
    dialog.get_by_role("button", name="Send now").click()
    expect(dialog.get_by_text("Sent to ana@example.com")).to_be_visible(timeout=30_000)
    (raw,) = post.mails
    assert b"High-value" in raw
    again.context.close()  # before its server stops


def test_a_cell_of_the_overlap_opens_its_pair_on_a_phone(visit: Visit, office: Server) -> None:
    page = visit("/segments", base=office.url, width=390, scheme="light")
    with_demo(page)
    page.get_by_role("tab", name="Overlap").click()
    expect(page.get_by_role("heading", name="59% of Power is also in High-value")).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)
    cell = page.locator("[data-testid=stVegaLiteChart] .mark-text.layer_1_marks text").filter(has_text="3.17k").first
    cell.click()
    expect(page.get_by_text("only in Churned")).to_be_visible(timeout=30_000)
    settle(page)
    expect(page.get_by_text("only in Trial")).to_be_visible()
    page.get_by_role("button", name="Open Trial").click()
    expect(page.get_by_role("heading", name="Trial", exact=True)).to_be_visible(timeout=30_000)
    settle(page)
    page.context.close()
