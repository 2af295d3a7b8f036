"""What arrives at a real mail and web server is what the preview showed."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core.act.channels import build_channels
from core.adapters.smtp import SmtpMailer
from core.errors import ConfigError, ProviderError
from core.settings import Settings
from tests.act.samples import RED, context, delivery
from tests.adapters import mail_server

PATH = "/services/T0/B0/canary-webhook"


def slack_settings(server: HTTPServer) -> Settings:
    return Settings(_env_file=None, slack_webhook_url=SecretStr(server.url_for(PATH)))


def test_the_mail_that_arrives_is_the_previewed_one_op18() -> None:
    settings = Settings(_env_file=None, smtp_host="127.0.0.1", smtp_to="ops@example.com, bo@example.com")
    channel = build_channels(settings)["email"]
    preview = channel.compose(RED)
    with mail_server.running() as post:
        mailer = SmtpMailer("127.0.0.1", post.port, security="none")
        reference = channel.send(preview, delivery(preview), context(settings, mailer))
    assert post.mails == [channel.wire(preview, delivery(preview))]
    arrived = message_from_bytes(post.mails[0], policy=default)
    assert arrived["Message-ID"] == reference == f"<{1:032x}@localhost>"
    assert arrived["Subject"] == preview.subject
    assert arrived.get_body(("plain",)).get_content().replace("\r\n", "\n") == preview.text
    assert arrived.get_body(("html",)).get_content().replace("\r\n", "\n") == preview.payload["html"]


def test_the_slack_message_that_arrives_is_the_previewed_one(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH, method="POST").respond_with_data("ok")
    settings = slack_settings(httpserver)
    channel = build_channels(settings)["slack"]
    preview = channel.compose(RED)
    assert channel.send(preview, delivery(preview), context(settings)) == ""
    ((request, _),) = httpserver.log
    assert request.get_data() == channel.wire(preview, delivery(preview))
    assert json.loads(request.get_data()) == preview.payload
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "text", "retryable", "reason"),
    [
        (429, "rate_limited", True, "rate_limited"),
        (503, "<html>", True, "status 503"),
        (404, "no_service", False, "no_service"),
        (403, "invalid_token", False, "invalid_token"),
        (400, "invalid_payload", False, "invalid_payload"),
        (302, "", False, "status 302"),
        (200, '{"ok":false}', False, "status 200"),
    ],
)
def test_slack_refusals(httpserver: HTTPServer, status: int, text: str, retryable: bool, reason: str) -> None:
    httpserver.expect_request(PATH).respond_with_data(text, status=status, headers={"Retry-After": "30"})
    settings = slack_settings(httpserver)
    channel = build_channels(settings)["slack"]
    preview = channel.compose(RED)
    with pytest.raises(ProviderError) as caught:
        channel.send(preview, delivery(preview), context(settings))
    error = caught.value
    assert (error.retryable, error.reason, error.retry_after_s) == (retryable, reason, 30.0)
    assert "canary" not in str(error)
    assert bool(error.hint) == (reason in {"no_service", "invalid_token"})


def test_a_channel_without_its_settings_is_off(httpserver: HTTPServer) -> None:
    off = Settings(_env_file=None)
    assert build_channels(off) == {}
    assert list(build_channels(Settings(_env_file=None, smtp_host="mail", smtp_to=""))) == []
    slack = build_channels(slack_settings(httpserver))["slack"]
    mail = build_channels(Settings(_env_file=None, smtp_host="mail", smtp_to="a@b"))["email"]
    for channel in (slack, mail):
        preview = channel.compose(RED)
        with pytest.raises(ConfigError, match="off"):
            channel.send(preview, delivery(preview), context(off))


def test_a_wrong_address_in_the_settings_is_named() -> None:
    with pytest.raises(ConfigError, match="'nobody' is not an e-mail address"):
        build_channels(Settings(_env_file=None, smtp_host="mail", smtp_to="nobody"))
