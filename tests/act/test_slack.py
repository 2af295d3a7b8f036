from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.act.channels.blocks import escaped
from core.act.channels.slack import SlackChannel
from core.act.message import Button, Message
from core.model import Light, Severity
from tests.act.samples import APPROVAL, INCIDENT, RED, delivery

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


def blocks(message: Message) -> list[dict[str, object]]:
    found: list[dict[str, object]] = body(message)["blocks"]  # type: ignore[assignment]
    return found


def test_an_incident_says_what_dp18_asks() -> None:
    header, summary, facts, *_ = blocks(INCIDENT)
    title = "[CRITICAL] Incident detected: payment-service"
    assert header == {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}
    assert summary["text"] == {"type": "mrkdwn", "text": INCIDENT.summary}
    assert [f["text"] for f in facts["fields"]] == [  # type: ignore[attr-defined]
        "*Incident*\nINC-0000AAAA",
        "*Severity*\nCRITICAL",
        "*Error rate*\n12.00 %",
        "*p99*\n2594 ms",
        "*Detected*\n2025-12-14 08:59 UTC",
        "*Team*\npayments",
    ]


def test_an_approval_can_be_answered_dp18() -> None:
    approve, reject, link = blocks(APPROVAL)[-1]["elements"]  # type: ignore[misc]
    assert approve == {
        "type": "button",
        "action_id": "answer_0",
        "text": {"type": "plain_text", "text": "Approve", "emoji": False},
        "value": "approve|INC-0000AAAA|ACT-9909B4E1D710ED64",
        "style": "primary",
    }
    assert (reject["value"], reject["style"]) == ("reject|INC-0000AAAA|ACT-9909B4E1D710ED64", "danger")
    assert (link["action_id"], link["url"]) == ("open", APPROVAL.link)


def test_a_button_that_cannot_be_carried_whole_is_left_out() -> None:
    odd = (Button("x" * 99, "v", "loud"), Button("long", "v" * 2001), Button("", "w"))
    one, two, _ = blocks(replace(APPROVAL, buttons=odd))[-1]["elements"]  # type: ignore[misc]
    assert (len(one["text"]["text"]), one["value"], "style" in one) == (75, "v", False)
    assert (two["text"]["text"], two["value"]) == ("-", "w")


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"severity": None}, "RED: Signups fell"),
        ({"severity": Severity.HIGH}, "HIGH: Signups fell"),
        ({"severity": Severity.HIGH, "title": "[HIGH] Signups fell"}, "[HIGH] Signups fell"),
        ({"severity": Severity.HIGH, "light": Light.GREEN}, "GREEN: Signups fell"),
    ],
)
def test_the_headline_has_one_mark(changes: dict[str, object], headline: str) -> None:
    message = replace(RED, **{"title": "Signups fell", **changes})  # type: ignore[arg-type]
    assert blocks(message)[0]["text"]["text"] == headline  # type: ignore[index]


def test_more_facts_than_fit_are_counted() -> None:
    facts = blocks(replace(INCIDENT, facts=tuple((f"k{i}", "v") for i in range(14))))[2]["fields"]
    assert [f["text"] for f in facts][-2:] == ["*k8*\nv", "*More*\n5 more"]  # type: ignore[attr-defined]


def test_nobody_is_mentioned_from_data() -> None:
    attack = "<!channel> <@U123> <http://evil|click> & co"
    sent = json.dumps(
        body(replace(RED, title=attack, summary=attack, drivers=(attack,), subject=attack, facts=((attack, attack),)))
    )
    assert "<" not in sent
    assert "&lt;!channel&gt;" in sent


def test_a_link_that_is_no_web_address_gives_no_button() -> None:
    assert "actions" not in [b["type"] for b in body(replace(RED, link="javascript:x"))["blocks"]]  # type: ignore[attr-defined]


texts = st.text(max_size=30) | st.sampled_from(["<" * 9000, "&" * 4000, "é\ud800\x00" * 2000, "a " * 4000, ""])


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.lists(texts, max_size=4), st.sampled_from(Light))
def test_every_limit_of_block_kit_holds(title: str, summary: str, lines: list[str], light: Light) -> None:
    drivers = tuple(lines)
    facts = tuple((line, title) for line in lines * 5)
    sent = body(
        replace(APPROVAL, light=light, title=title, summary=summary, drivers=drivers, actions=drivers * 9, facts=facts)
    )
    total = 0
    for block in sent["blocks"]:  # type: ignore[attr-defined]
        pieces = [block["text"]] if "text" in block else block.get("elements") or block["fields"]
        for piece in pieces:
            text = piece["text"] if isinstance(piece["text"], str) else piece["text"]["text"]
            assert 0 < len(text) <= {"header": 150, "section": 3000, "context": 2000, "actions": 75}[block["type"]]
            total += len(text)
    assert total < 12_000
    assert 0 < len(str(sent["text"])) <= 4000


@pytest.mark.parametrize(("text", "limit", "expected"), [("a&b", 7, "a&amp;b"), ("a&b", 6, "a…"), ("abcd", 3, "ab…")])
def test_an_entity_is_never_cut(text: str, limit: int, expected: str) -> None:
    assert escaped(text, limit) == expected
