"""From the demo run to a mail server and a webhook: what arrives is what the preview showed; a second send asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_httpserver import HTTPServer

from tests.adapters import mail_server
from tests.adapters.mail_server import Post
from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving

HOOK = "/services/T0/B0/hook"


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server.running() as running:
        yield running


@pytest.fixture
def office(tmp_path: Path, post: Post, httpserver: HTTPServer) -> Iterator[Server]:
    """A workbench whose two channels lead to this test."""
    httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
    channels = {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(post.port),
        "SMTP_SECURITY": "none",
        "SMTP_TO": "ops@example.com",
        "SLACK_WEBHOOK_URL": httpserver.url_for(HOOK),
    }
    with serving(tmp_path, **channels) as running:
        yield running


def compose(page: Page) -> Locator:
    page.get_by_role("button", name="Send…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Send now")).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)
    return dialog


def words(text: str) -> str:
    return " ".join(text.split())


def test_demo_run_to_mail_and_slack(visit: Visit, office: Server, post: Post, httpserver: HTTPServer) -> None:
    page = visit("/", base=office.url)
    dialog = compose(page)
    shown = dialog.get_by_test_id("stCode").first.inner_text()
    dialog.get_by_role("button", name="Send now").click()
    expect(dialog.get_by_text("Sent to ops@example.com")).to_be_visible(timeout=30_000)
    (raw,) = post.mails
    mail = message_from_bytes(raw, policy=default)
    body = mail.get_body(("plain",))
    assert body is not None
    assert "8 metrics moved the wrong way" in shown
    assert words(body.get_content()) == words(shown)
    assert mail["Subject"] in dialog.inner_text()

    dialog.get_by_role("radio", name="Slack").or_(dialog.get_by_role("button", name="Slack")).first.click()
    expect(dialog.get_by_text("Slack channel of the webhook")).to_be_visible(timeout=30_000)
    settle(page, timeout_s=60)
    shown = dialog.get_by_test_id("stCode").first.inner_text()
    dialog.get_by_role("button", name="Send now").click()
    expect(dialog.get_by_text("Sent to Slack channel of the webhook")).to_be_visible(timeout=30_000)
    ((request, _),) = httpserver.log
    assert words(json.loads(request.data)["text"]) == words(shown)

    dialog.get_by_role("button", name="Close").click()  # a toast has one too
    expect(dialog).to_be_hidden()
    settle(page)
    dialog = compose(page)
    expect(dialog.get_by_text("This message went out before")).to_be_visible(timeout=30_000)
    expect(dialog.get_by_role("button", name="Send now")).to_be_disabled()
    assert len(post.mails) == 1
    dialog.get_by_text("Send it again").click()
    expect(dialog.get_by_role("button", name="Send now")).to_be_enabled(timeout=30_000)
    dialog.get_by_role("button", name="Send now").click()
    expect(dialog.get_by_text("Sent to ops@example.com")).to_be_visible(timeout=30_000)
    assert len(post.mails) == 2
    page.context.close()  # before its server stops


def shop_csv() -> str:
    """Sixty quiet days of two regions with a weekly rhythm; on the last one the south sells next to nothing."""
    start = date(2026, 3, 2)
    lines = ["Tag;Region;Umsatz"]
    for i in range(60):
        for region, level in (("Nord", 1000), ("Süd", 800)):
            drop = 0.1 if i == 59 and region == "Süd" else 1.0
            sold = (level + 20 * (i % 7) + (i * 37) % 11) * drop
            amount = f"{sold:.2f}".replace(".", ",")
            lines.append(f"{start + timedelta(days=i):%d.%m.%Y};{region};{amount}")
    return "\n".join(lines)


def test_own_csv_to_finding_to_slack(visit: Visit, office: Server, httpserver: HTTPServer, tmp_path: Path) -> None:
    """A German CSV (semicolons, decimal commas, latin-1) dropped in, saved with its guesses, run, and told."""
    path = tmp_path / "laden.csv"
    path.write_bytes(shop_csv().encode("latin-1"))
    page = visit("/data", base=office.url)
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(path)
    button = page.get_by_role("button", name="Save and run")
    expect(button).to_be_visible(timeout=90_000)
    settle(page, timeout_s=60)
    button.click()
    expect(page.get_by_role("heading", name="Laden", exact=True)).to_be_visible(timeout=120_000)
    settle(page, timeout_s=90)
    assert "source=laden" in page.url
    expect(page.get_by_role("heading", name="moved the wrong way")).to_be_visible()
    dialog = compose(page)
    dialog.get_by_role("radio", name="Slack").or_(dialog.get_by_role("button", name="Slack")).first.click()
    expect(dialog.get_by_text("Slack channel of the webhook")).to_be_visible(timeout=30_000)
    settle(page, timeout_s=60)
    dialog.get_by_role("button", name="Send now").click()
    expect(dialog.get_by_text("Sent to Slack channel of the webhook")).to_be_visible(timeout=30_000)
    ((request, _),) = httpserver.log
    told = json.loads(request.data)
    assert "Umsatz" in told["text"]
    assert "2026-04-30" in json.dumps(told)
    page.context.close()  # before its server stops
