"""The Adaptive Card, and a Workflows webhook on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from core.act.channels.teams import MOST_BYTES, TeamsChannel
from core.act.message import Message
from core.errors import ConfigError, ProviderError
from core.settings import Settings
from tests.act.samples import APPROVAL, ATTACK, INCIDENT, RED, context, delivery, everything_on

CHANNEL = TeamsChannel()


def wire(message: Message) -> bytes:
    notification = CHANNEL.compose(message)
    return CHANNEL.wire(notification, delivery(notification))


def card(message: Message) -> dict[str, object]:
    content: dict[str, object] = json.loads(wire(message))["attachments"][0]["content"]
    return content


def texts(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "TextRun":
            yield node["text"]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from texts(part)


def test_the_envelope_is_the_one_workflows_takes() -> None:
    sent = json.loads(wire(INCIDENT))
    (attachment,) = sent["attachments"]
    assert (sent["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    content = attachment["content"]
    assert (content["type"], content["version"], content["msteams"]) == ("AdaptiveCard", "1.5", {"width": "Full"})
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Open in Telltale", "url": INCIDENT.link}]


def test_the_card_says_everything_in_order() -> None:
    said = list(texts(card(INCIDENT)))
    assert said[0] == "[CRITICAL] Incident detected: payment-service"
    assert said[1] == "Daily KPIs · 2025-12-13 · Confidence 90% · INC-0000AAAA"
    assert said[2] == "12 % of 2,000 requests failed in the last 15 minutes."
    assert said[3:15:2] == ["Incident", "Severity", "Error rate", "p99", "Detected", "Team"]
    assert said[4:15:2] == ["INC-0000AAAA", "CRITICAL", "12.00 %", "2594 ms", "2025-12-14 08:59 UTC", "payments"]
    assert said[15:18] == ["Why", "• Refunds +213.70 % (17,500 vs 5,578.57)", "• Conversion −22.38 %"]
    assert said[18:] == ["What to do", "• Review the refund queue.", "• Walk the sign-up path."]


def test_buttons_need_a_bot_so_there_are_none() -> None:
    assert b"approve|" not in wire(APPROVAL)


def test_nothing_in_data_is_markup() -> None:
    message = replace(INCIDENT, title=ATTACK, summary=ATTACK, drivers=(ATTACK,), facts=((ATTACK, ATTACK),))
    content = card(message)
    assert {b["type"] for b in content["body"]} == {"RichTextBlock", "Table"}  # type: ignore[attr-defined]
    assert "TextBlock" not in json.dumps(content).replace("RichTextBlock", "")  # only it reads Markdown
    assert not any("{{" in text for text in texts(content))
    assert "\\ud800" not in wire(message).decode()


def test_a_link_that_is_no_web_address_is_left_out() -> None:
    assert "actions" not in card(replace(INCIDENT, link="javascript:alert(1)"))


anything = st.text(max_size=30) | st.sampled_from(
    ["<" * 9000, '"\\' * 4000, "é\ud800\x00" * 2000, "😀" * 9000, "", "\n"]
)


@settings(max_examples=50, deadline=None)
@given(anything, anything, st.lists(anything, max_size=40))
def test_the_card_stays_small_whatever_is_told(title: str, summary: str, lines: list[str]) -> None:
    facts = tuple((line, line) for line in lines)
    sent = wire(replace(RED, title=title, summary=summary, drivers=tuple(lines), actions=tuple(lines), facts=facts))
    assert len(sent) <= MOST_BYTES
    assert all(texts(json.loads(sent)))


def test_the_card_that_arrives_is_the_previewed_one(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/teams", method="POST").respond_with_data("", status=202)
    preview = CHANNEL.compose(INCIDENT)
    here = everything_on(httpserver.url_for("").rstrip("/"))
    assert CHANNEL.send(preview, delivery(preview), context(here)) == ""
    ((request, _),) = httpserver.log
    assert request.get_data() == CHANNEL.wire(preview, delivery(preview))
    assert json.loads(request.get_data()) == preview.payload


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "reason", "hinted"),
    [
        (429, "application/json", True, "status 429", False),
        (500, "text/plain", True, "status 500", False),
        (502, "text/html", True, "web page", True),
        (400, "application/json", False, "status 400", False),
        (404, "application/json", False, "status 404", True),
        (302, "text/plain", False, "status 302", False),
        (200, "text/html; charset=utf-8", False, "web page", True),
    ],
)
def test_refusals(httpserver: HTTPServer, status: int, kind: str, retryable: bool, reason: str, hinted: bool) -> None:
    httpserver.expect_request("/teams").respond_with_data(
        "<html>", status=status, content_type=kind, headers={"Retry-After": "9"}
    )
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ProviderError) as caught:
        CHANNEL.send(preview, delivery(preview), context(everything_on(httpserver.url_for("").rstrip("/"))))
    error = caught.value
    assert (error.retryable, error.reason, error.retry_after_s, bool(error.hint)) == (retryable, reason, 9.0, hinted)


def test_without_its_setting_it_is_off() -> None:
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ConfigError, match="TEAMS_WEBHOOK_URL"):
        CHANNEL.send(preview, delivery(preview), context(Settings(_env_file=None)))
