"""The Slack bot against a Web API on loopback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer

from core.act.channels.slack_bot import SlackBotChannel
from core.errors import ConfigError, InputError, ProviderError
from core.settings import Settings
from tests.act.samples import APPROVAL, INCIDENT, context, delivery, everything_on

CHANNEL = SlackBotChannel(conversation="C0123")
POSTED = {"ok": True, "channel": "C0123", "ts": "1763735400.000100", "message": {"text": "x"}}


def here(server: HTTPServer) -> Settings:
    return everything_on(server.url_for("").rstrip("/"))


def test_it_posts_the_preview_and_answers_where(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/chat.postMessage", method="POST").respond_with_json(POSTED)
    preview = CHANNEL.compose(APPROVAL)
    assert CHANNEL.send(preview, delivery(preview), context(here(httpserver))) == "C0123:1763735400.000100"
    ((request, _),) = httpserver.log
    assert request.get_data() == CHANNEL.wire(preview, delivery(preview))
    assert json.loads(request.get_data()) == preview.payload
    assert request.headers["Authorization"] == "Bearer xoxb-canary-token"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert preview.payload["channel"] == "C0123"
    assert "canary" not in json.dumps(preview.payload)


def test_after_a_decision_the_message_is_changed_in_place(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/chat.update", method="POST").respond_with_json(POSTED)
    decided = replace(APPROVAL, title="Approved by ana", buttons=())
    CHANNEL.revise("C0123:1763735400.000100", decided, context(here(httpserver)))
    ((request, _),) = httpserver.log
    sent = json.loads(request.get_data())
    assert (sent["channel"], sent["ts"]) == ("C0123", "1763735400.000100")
    assert sent["text"] == CHANNEL.compose(decided).text
    assert sent["blocks"][0]["text"]["text"] == "CRITICAL: Approved by ana"
    assert [e["action_id"] for e in sent["blocks"][-1]["elements"]] == ["open"]


@pytest.mark.parametrize("reference", ["", "C1", ":1", "C1:"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match="no reference"):
        CHANNEL.revise(reference, INCIDENT, context(everything_on()))


@pytest.mark.parametrize(
    ("status", "body", "retryable", "reason", "hinted"),
    [
        (200, '{"ok": false, "error": "ratelimited"}', True, "ratelimited", False),
        (200, '{"ok": false, "error": "internal_error"}', True, "internal_error", False),
        (200, '{"ok": false, "error": "invalid_auth"}', False, "invalid_auth", True),
        (200, '{"ok": false, "error": "not_in_channel"}', False, "not_in_channel", True),
        (200, '{"ok": false, "error": "msg_blocks_too_long"}', False, "msg_blocks_too_long", False),
        (200, '{"ok": "yes"}', False, "status 200", False),
        (200, "<html>sign in</html>", False, "status 200", False),
        (200, "[" * 50_000, False, "status 200", False),
        (429, '{"ok": false, "error": "ratelimited"}', True, "ratelimited", False),
        (500, "<html>", True, "status 500", False),
        (302, "", False, "status 302", False),
    ],
)
def test_errors_are_mapped(
    httpserver: HTTPServer, status: int, body: str, retryable: bool, reason: str, hinted: bool
) -> None:
    httpserver.expect_request("/api/chat.postMessage").respond_with_data(
        body, status=status, headers={"Retry-After": "7"}
    )
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ProviderError) as caught:
        CHANNEL.send(preview, delivery(preview), context(here(httpserver)))
    error = caught.value
    assert (error.retryable, error.reason, error.retry_after_s, bool(error.hint)) == (retryable, reason, 7.0, hinted)
    assert "canary" not in str(error)


def test_without_a_token_it_is_off() -> None:
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ConfigError, match="SLACK_BOT_TOKEN"):
        CHANNEL.send(preview, delivery(preview), context(Settings(_env_file=None)))
