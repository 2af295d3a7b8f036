"""Data incidents in Chromium: a pasted alert, all demo alerts, and an alert from its webhook to a verdict."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect
from standardwebhooks.webhooks import Webhook

from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving

DEMO = Path(__file__).parents[2] / "data" / "data_incidents"
SCHEMA = (DEMO / "alerts" / "alert-schema-001.json").read_text("utf-8")
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, ok").decode()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Server]:
    """A workbench that one monitoring tool may send alerts to."""
    with serving(tmp_path, TELLTALE_WEBHOOK_SECRETS=f"monitor={SECRET}") as running:
        yield running


def send(server: Server, body: str) -> int:
    """The alert as its tool sends it, signed; answers the status."""
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "msg-1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg-1", now, body),
    }
    request = urllib.request.Request(f"{server.url}/webhook/alerts", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        status: int = answer.status
        return status


def test_a_pasted_alert_is_judged_without_effects(visit: Visit) -> None:
    """Scenario 1 in the test box: HIGH, the team, 3 affected, confidence 0.95; the inbox stays empty."""
    page = visit("/alert_inbox?inbox_tab=Test+box")
    page.get_by_label("Payload").fill(SCHEMA)
    page.get_by_role("button", name="Run without effects").click()
    expect(page.get_by_text("As it was understood")).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)
    for text in ("removed legacy_field", "15 min before the alert", "confidence 0.95", "3 affected"):
        expect(page.get_by_text(text).first).to_be_visible()
    page.get_by_role("tab", name="Received").click()
    expect(page.get_by_text("Nothing has come in yet")).to_be_visible(timeout=30_000)


def test_every_demo_alert_comes_as_expected(visit: Visit) -> None:
    """DI-24"""
    page = visit("/data_incidents?di_tab=Demo+alerts")
    page.get_by_role("button", name="Run all demo alerts").click()
    expect(page.get_by_text("All 27 came as expected.")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("91.67 %")).to_be_visible()
    expect(page.get_by_text("22 of 24 labelled")).to_be_visible()
    expect(page.locator(".stMarkdownBadge").filter(has_text="pass")).to_have_count(27)


def test_from_the_webhook_to_a_verdict(visit: Visit, watched: Server) -> None:
    """DI-01, DI-21: sent, decided by itself, read with its receipt, judged by a person, counted."""
    page = visit("/alert_inbox", base=watched.url)
    assert send(watched, SCHEMA) == 202
    page.get_by_role("button", name="Details").click(timeout=60_000)  # the inbox looks by itself
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("link", name="Open INC-").click(timeout=60_000)
    expect(page.get_by_text("of the decision table fired")).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)
    assert "case=INC-" in page.url
    expect(page.get_by_text("Smallest change of a fact: red if severity were CRITICAL")).to_be_visible()
    page.get_by_placeholder("Why, if it helps others").fill("the column was dropped on purpose")
    page.get_by_role("button", name="False positive").click()
    expect(page.get_by_text("the column was dropped on purpose")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="False positive")).to_be_disabled()

    page.goto(f"{watched.url}/data_incidents?di_tab=Figures", wait_until="commit")
    settle(page, timeout_s=60)
    expect(page.get_by_text("100.00 %", exact=True)).to_be_visible()  # false positives, of one that was judged
    page.context.close()  # before its server stops
