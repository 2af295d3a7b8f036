from __future__ import annotations

import email
import email.policy
import json
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from core.act.channels.email import EmailChannel
from core.act.message import Message
from core.errors import ConfigError
from core.model import Light
from core.plugins import Plugin
from tests.act.samples import APPROVAL, INCIDENT, RED, delivery

CHANNEL = EmailChannel(sender="Telltale <telltale@example.com>", recipients=("ops@example.com", "Bo <bo@example.org>"))


def read(wire: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(wire, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def mail(message: Message = RED, number: int = 1) -> EmailMessage:
    notification = CHANNEL.compose(message)
    return read(CHANNEL.wire(notification, delivery(notification, number)))


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text


def test_the_mail_says_what_op18_asks() -> None:
    sent = mail()
    assert (sent["Subject"], sent["To"]) == ("[OpsPulse RED] 2025-12-13", "ops@example.com, Bo <bo@example.org>")
    for kind in ("plain", "html"):
        text = part(sent, kind)
        for wanted in ("RED", "213.70 %", "17,500", "Review the refund queue.", "90%", "INC-0000AAAA", "incident=INC-"):
            assert wanted in text


def test_severity_and_facts_stand_in_text_and_html() -> None:
    sent = mail(INCIDENT)
    html, text = part(sent, "html"), part(sent, "plain")
    assert ">CRITICAL</span>" in html
    assert "<title>[CRITICAL] Incident detected: payment-service</title>" in html
    for label, value in INCIDENT.facts:
        assert f"{label}: {value}" in text.splitlines()
        assert f">{label}</th>" in html
        assert f">{value}</td>" in html
    assert text.splitlines()[0] == "[CRITICAL] Incident detected: payment-service"
    assert "More: 10 more" in part(mail(replace(INCIDENT, facts=(("k", "v"),) * 25)), "plain")


def test_a_mail_has_no_buttons() -> None:
    assert "approve|" not in part(mail(APPROVAL), "html") + part(mail(APPROVAL), "plain")


def test_text_comes_before_html_and_the_report_is_attached_unchanged() -> None:
    sent = mail()
    assert [p.get_content_type() for p in sent.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "application/json",
    ]
    (attached,) = sent.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == ("opspulse-report.json", RED.report)
    assert next(p.get_content_type() for p in mail(replace(RED, report=None)).walk()) == "multipart/alternative"


def test_markup_in_data_is_shown_as_text() -> None:
    attack = "<script>alert(1)</script>"
    facts = ((attack, attack),)
    told = {"title": attack, "summary": attack, "drivers": (attack,), "actions": (attack,), "playbook": attack}
    sent = mail(replace(RED, facts=facts, **told))
    assert "<script" not in part(sent, "html")
    assert part(sent, "html").count("&lt;script&gt;alert(1)&lt;/script&gt;") == 8
    assert attack in part(sent, "plain")


def test_a_link_that_is_no_web_address_is_left_out() -> None:
    sent = mail(replace(RED, link="javascript:alert(1)"))
    assert "javascript" not in part(sent, "html") + part(sent, "plain")


def test_mails_of_one_incident_form_a_thread() -> None:
    first, second = mail(number=1), mail(number=2)
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"] == first["In-Reply-To"] == "<INC-0000AAAA@example.com>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert mail(replace(RED, incident_id=None))["References"] is None


def test_an_id_longer_than_a_line_stays_an_id() -> None:
    incident = "INC-" + "A" * 90
    notification = CHANNEL.compose(replace(RED, incident_id=incident))
    wire = CHANNEL.wire(notification, delivery(notification))
    assert f"References: <{incident}@example.com>\r\n".encode() in wire


def test_a_repeat_is_the_same_mail_byte_for_byte() -> None:
    notification = CHANNEL.compose(RED)
    assert CHANNEL.wire(notification, delivery(notification)) == CHANNEL.wire(notification, delivery(notification))


def test_the_preview_differs_from_another_delivery_by_its_id_alone() -> None:
    notification = CHANNEL.compose(RED)
    one = CHANNEL.wire(notification, delivery(notification, 1)).splitlines()
    two = CHANNEL.wire(notification, delivery(notification, 2)).splitlines()
    changed = [line for line, other in zip(one, two, strict=True) if line != other]
    assert [line.split(b":")[0] for line in changed] == [b"Message-ID"]


@pytest.mark.parametrize("text", ["x\r\nBcc: victim@example.com", "a\x00b\ud800c", "é" * 300, "=?utf-8?q?x?="])
def test_no_text_breaks_the_headers(text: str) -> None:
    sent = mail(replace(RED, subject=text, title=text, summary=text, report_name=text))
    assert sent["Bcc"] is None
    assert set(sent.keys()) == {
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "In-Reply-To",
        "References",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }


def test_the_html_stays_under_100_kb_whatever_is_told() -> None:
    long = "<&'\"" * 5000
    notification = CHANNEL.compose(
        replace(RED, title=long, summary=long, drivers=(long,) * 99, actions=(long,) * 99, facts=((long, long),) * 99)
    )
    assert len(str(notification.payload["html"]).encode()) < 100_000
    assert "and 84 more" in notification.text


@pytest.mark.parametrize("light", list(Light))
def test_every_light_has_a_readable_colour(light: Light) -> None:
    assert f">{light.value.upper()}</span>" in part(mail(replace(RED, light=light)), "html")


@pytest.mark.parametrize("address", ["", "nobody", "a@b, c@d", "a@b\nBcc: c@d", "@x", "x@"])
def test_an_address_that_is_none_is_refused_by_name(address: str) -> None:
    from core.act.channels import channels

    with pytest.raises(ConfigError, match="channel 'email': recipients"):
        channels.build("email", {"sender": "t@example.com", "recipients": (address,)})


def test_what_leaves_goes_through_json_unchanged() -> None:
    notification = CHANNEL.compose(RED)
    assert json.loads(json.dumps(notification.payload)) == notification.payload
    assert isinstance(CHANNEL, Plugin)
    assert (Path(__file__).parents[2] / "core/act/templates/email.html.j2").exists()
