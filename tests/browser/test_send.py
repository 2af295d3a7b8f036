"""From the demo run to a mail server and a webhook: what arrives is what the preview showed; a second send asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

    page.get_by_role("button", name="Close").click()
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
