"""Only what Slack signed is taken; whatever else arrives is refused in words, never by an exception."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core.act.slack_requests import Answer, answer, buttons, click, refusal
from core.errors import InputError

SECRET = SecretStr("test-secret")
STAMP = 1_700_000_000
AT = datetime.fromtimestamp(STAMP, UTC)
BODY = b"payload=%7B%7D"
GOLDEN = "v0=afce71d67fa783c5de9016095ace7275b04577cf9e6c394b6b076c6ac06bd2c9"
PAYLOAD = {
    "type": "block_actions",
    "user": {"id": "U123", "username": "ana", "team_id": "T1"},
    "container": {"type": "message", "message_ts": "1763735400.000100", "channel_id": "C0123"},
    "trigger_id": "99.1.a",
    "team": {"id": "T1", "domain": "acme"},
    "channel": {"id": "C0123", "name": "ops"},
    "response_url": "https://hooks.slack.com/actions/T1/1/x",
    "actions": [
        {
            "type": "button",
            "action_id": "answer_0",
            "block_id": "b",
            "value": "approve|INC-0A1B2C3D|ACT-9909B4E1D710ED64",
            "action_ts": "1763735401.5",
        }
    ],
}


def headers(stamp: str = str(STAMP), signature: str = GOLDEN) -> dict[str, str]:
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}


def signed(body: bytes, stamp: str = str(STAMP), secret: str = "test-secret") -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return headers(stamp, f"v0={digest}")


def form(payload: object) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()


def test_the_golden_request_is_genuine_dp19() -> None:
    assert refusal(BODY, headers(), SECRET, AT) == ""
    assert refusal(BODY, {k.lower(): v for k, v in headers().items()}, SECRET, AT) == ""


def test_slacks_own_vector() -> None:
    body = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
    given = headers("1763735400", "v0=5c3a519ac3179c0924828c9d89ddb8250a131f8740e43cdaa667e6f09d782315")
    secret = SecretStr("8f742231b10e8888abcd99yyyzzz85a5")
    assert refusal(body, given, secret, datetime.fromtimestamp(1763735400, UTC)) == ""


@pytest.mark.parametrize(("off_s", "refused"), [(300, False), (-300, False), (301, True), (-301, True), (1e9, True)])
def test_the_window_is_five_minutes_both_ways(off_s: float, refused: bool) -> None:
    why = refusal(BODY, headers(), SECRET, AT + timedelta(seconds=off_s))
    assert why == ("timestamp is more than 300 s off" if refused else "")


def test_one_changed_byte_is_refused() -> None:
    assert refusal(BODY + b"&", headers(), SECRET, AT) == "signature does not match"
    assert refusal(BODY, headers(str(STAMP + 1)), SECRET, AT) == "signature does not match"
    assert refusal(BODY, signed(BODY, secret="other"), SECRET, AT) == "signature does not match"


@pytest.mark.parametrize("secret", [None, SecretStr(""), SecretStr("  "), SecretStr("\ud800")])
def test_without_a_secret_nothing_is_genuine(secret: SecretStr | None) -> None:
    key = secret.get_secret_value() if secret and secret.get_secret_value().isascii() else ""
    assert refusal(BODY, signed(BODY, secret=key), secret, AT) == "no signing secret is configured"


@pytest.mark.parametrize("missing", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
def test_a_missing_header_is_refused(missing: str) -> None:
    given = headers()
    del given[missing]
    assert refusal(BODY, given, SECRET, AT) == "signature or timestamp header is missing"
    assert refusal(BODY, {}, SECRET, AT) == "signature or timestamp header is missing"


@pytest.mark.parametrize(
    ("stamp", "signature"),
    [
        ("soon", GOLDEN),
        ("-1700000000", GOLDEN),
        ("1700000000.5", GOLDEN),
        ("1e9", GOLDEN),
        (" 1700000000", GOLDEN),
        ("1700000000\n", GOLDEN),
        ("١٧٠٠٠٠٠٠٠٠", GOLDEN),
        ("9" * 400, GOLDEN),
        (str(STAMP), "v0=é"),
        (str(STAMP), GOLDEN.upper()),
        (str(STAMP), GOLDEN[3:]),
        (str(STAMP), GOLDEN + "\n"),
        (str(STAMP), GOLDEN + "," + GOLDEN),
        (str(STAMP), "v1" + GOLDEN[2:]),
    ],
)
def test_malformed_headers_are_refused(stamp: str, signature: str) -> None:
    assert refusal(BODY, headers(stamp, signature), SECRET, AT) == "signature or timestamp is malformed"


def test_a_body_that_is_no_text_is_refused_though_signed() -> None:
    assert refusal(b"\xff\xfe", signed(b"\xff\xfe"), SECRET, AT) == "signature does not match"


def broken(rng: random.Random, text: str) -> str:
    """``text`` with one to four characters changed, dropped, doubled or added."""
    letters = list(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(letters) + 1)
        odd = rng.choice(["", "0", "f", ",", "=", "\x00", "\n", "é", "\ud800", "😀", "²", "-", " ", "9" * 300])
        letters[at : at + rng.randint(0, 2)] = [odd] * rng.randint(0, 2)
    return "".join(letters)


def test_ten_thousand_malformed_signatures_raise_nothing_and_pass_nothing() -> None:
    rng = random.Random(4)
    tried = 0
    while tried < 10_000:
        stamp, signature = str(STAMP), GOLDEN
        part = rng.randrange(4)
        if part in (0, 2):
            stamp = broken(rng, stamp)
        if part in (1, 2):
            signature = broken(rng, signature)
        body = rng.randbytes(rng.randrange(40)) if part == 3 else BODY
        if (stamp, signature, body) == (str(STAMP), GOLDEN, BODY):
            continue
        tried += 1
        why = refusal(body, headers(stamp, signature), SECRET, AT)
        assert why, (stamp, signature, body)
    assert tried == 10_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.dictionaries(st.text(max_size=30), st.text(max_size=90), max_size=4), st.text())
def test_nothing_unsigned_passes(body: bytes, given: dict[str, str], secret: str) -> None:
    assert refusal(body, given, SecretStr(secret), AT)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=80), st.text(st.characters(codec="utf-8"), min_size=1))
def test_everything_signed_passes(text: str, secret: str) -> None:
    if secret.strip():
        assert refusal(text.encode(), signed(text.encode(), secret=secret), SecretStr(secret), AT) == ""


def test_a_press_is_read() -> None:
    pressed = click(form(PAYLOAD))
    assert (pressed.user_id, pressed.team_id, pressed.value) == ("U123", "T1", PAYLOAD["actions"][0]["value"])  # type: ignore[index]
    assert pressed.reference == "C0123:1763735400.000100"
    assert pressed.key == "C0123:1763735400.000100:answer_0:U123:1763735401.5"
    assert (pressed.response_url, pressed.trigger_id) == ("https://hooks.slack.com/actions/T1/1/x", "99.1.a")
    assert answer(pressed.value) == Answer(True, "INC-0A1B2C3D", "ACT-9909B4E1D710ED64")


def test_a_link_button_has_no_value() -> None:
    link = {"type": "button", "action_id": "open", "action_ts": "1.2"}
    assert click(form({**PAYLOAD, "actions": [link]})).value == ""


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ([], "payload"),
        ({**PAYLOAD, "type": "view_submission"}, "payload.type"),
        ({**PAYLOAD, "user": None}, "payload.user.id"),
        ({**PAYLOAD, "user": {"id": 7}}, "payload.user.id"),
        ({**PAYLOAD, "actions": []}, "payload.actions.0.action_id"),
        ({**PAYLOAD, "actions": {"0": 1}}, "payload.actions.0.action_id"),
        ({**PAYLOAD, "container": "x"}, "payload.container.message_ts"),
        ({**PAYLOAD, "container": {"message_ts": "1"}, "channel": None}, "payload.channel.id"),
    ],
)
def test_what_is_missing_is_named(payload: object, field: str) -> None:
    with pytest.raises(InputError) as caught:
        click(form(payload))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "body", [b"", b"x", b"payload=", b"payload={", b"other=1", b"\xff", b"payload=" + b"[" * 90_000]
)
def test_a_body_that_is_no_payload_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        click(body)


def test_buttons_are_read_back_dp18() -> None:
    approve, reject = buttons("INC-0A1B2C3D", "ACT-9909B4E1D710ED64")
    assert (approve.text, approve.value) == ("Approve", "approve|INC-0A1B2C3D|ACT-9909B4E1D710ED64")
    assert (reject.text, reject.value) == ("Reject", "reject|INC-0A1B2C3D|ACT-9909B4E1D710ED64")
    assert answer(reject.value) == Answer(False, "INC-0A1B2C3D", "ACT-9909B4E1D710ED64")


@pytest.mark.parametrize(
    "value", ["", "approve", "approve|INC-1|ACT-1", "delete|INC-0A1B2C3D|ACT-9909B4E1D710ED64",
              "approve|INC-0A1B2C3D|ACT-9909B4E1D710ED64\n", "approve|inc-0a1b2c3d|ACT-9909B4E1D710ED64"],
)  # fmt: skip
def test_any_other_value_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="approve"):
        answer(value)
