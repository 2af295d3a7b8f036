from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.act.channels.blocks import escaped
from core.act.channels.slack import SlackChannel
from core.act.message import Message
from core.model import Light
from tests.act.samples import RED, delivery

CHANNEL = SlackChannel()


def body(message: Message = RED) -> dict[str, object]:
    notification = CHANNEL.compose(message)
    parsed: dict[str, object] = json.loads(CHANNEL.wire(notification, delivery(notification)))
    return parsed


def test_the_message_says_what_op18_asks() -> None:
    sent = json.dumps(body(), ensure_ascii=False)
    for wanted in ("RED", "213.70 %", "17,500", "Review the refund queue.", "90%", "INC-0000AAAA", "incident=INC-"):
        assert wanted in sent
    assert [b["type"] for b in body()["blocks"]] == [  # type: ignore[attr-defined]
        "header",
        "section",
        "section",
        "section",
        "context",
        "actions",
    ]


def test_the_wire_is_the_payload_of_the_preview() -> None:
    assert body() == CHANNEL.compose(RED).payload
    assert body()["text"] == CHANNEL.compose(RED).text


def test_nobody_is_mentioned_from_data() -> None:
    attack = "<!channel> <@U123> <http://evil|click> & co"
    sent = json.dumps(body(replace(RED, title=attack, summary=attack, drivers=(attack,), subject=attack)))
    assert "<" not in sent
    assert "&lt;!channel&gt;" in sent


def test_a_link_that_is_no_web_address_gives_no_button() -> None:
    assert "actions" not in [b["type"] for b in body(replace(RED, link="javascript:x"))["blocks"]]  # type: ignore[attr-defined]


texts = st.text(max_size=30) | st.sampled_from(["<" * 9000, "&" * 4000, "é\ud800\x00" * 2000, "a " * 4000, ""])


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.lists(texts, max_size=4), st.sampled_from(Light))
def test_every_limit_of_block_kit_holds(title: str, summary: str, lines: list[str], light: Light) -> None:
    drivers = tuple(lines)
    sent = body(replace(RED, light=light, title=title, summary=summary, drivers=drivers, actions=drivers * 9))
    total = 0
    for block in sent["blocks"]:  # type: ignore[attr-defined]
        pieces = [block["text"]] if "text" in block else block["elements"]
        for piece in pieces:
            text = piece["text"] if isinstance(piece["text"], str) else piece["text"]["text"]
            assert 0 < len(text) <= {"header": 150, "section": 3000, "context": 2000, "actions": 75}[block["type"]]
            total += len(text)
    assert total < 12_000
    assert 0 < len(str(sent["text"])) <= 4000


@pytest.mark.parametrize(("text", "limit", "expected"), [("a&b", 7, "a&amp;b"), ("a&b", 6, "a…"), ("abcd", 3, "ab…")])
def test_an_entity_is_never_cut(text: str, limit: int, expected: str) -> None:
    assert escaped(text, limit) == expected
