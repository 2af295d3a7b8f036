"""What Slack sends us: whether it is genuine, and which button was pressed, what was asked. No decision here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from pydantic import SecretStr

from core.act.message import Button
from core.errors import InputError

WINDOW_S = 300  # a request older or newer than this is refused; keep used ones at least twice as long
_STAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_ANSWER = re.compile(r"(approve|reject)\|(INC-[0-9A-F]{8})\|(ACT-[0-9A-F]{16})")


@dataclass(frozen=True, slots=True)
class _Moment:
    """A clock for Slack's verifier that stands at the injected time."""

    at: datetime

    def now(self) -> float:
        return self.at.timestamp()


def refusal(body: bytes, headers: Mapping[str, str], secret: SecretStr | None, now: datetime) -> str:
    """Why the request is not taken for Slack's, in a few words; empty when it is genuine. Never raises.

    The signature covers the raw ``body`` and a time at most five minutes off either way; it is compared in constant
    time. A genuine request may still be a replay: remember :attr:`Click.key`.
    Source: Slack request signing, version v0.
    """
    key = secret.get_secret_value() if secret is not None else ""
    if not key.strip() or not _is_utf8(key):
        return "no signing secret is configured"
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signature = given.get("x-slack-request-timestamp", ""), given.get("x-slack-signature", "")
    if not stamp or not signature:
        return "signature or timestamp header is missing"
    if not _STAMP.fullmatch(stamp) or not _SIGNATURE.fullmatch(signature):
        return "signature or timestamp is malformed"
    if abs(now.timestamp() - int(stamp)) > WINDOW_S:
        return "timestamp is more than 300 s off"
    return "" if _matches(body, stamp, signature, key, now) else "signature does not match"


def _matches(body: bytes, stamp: str, signature: str, key: str, now: datetime) -> bool:
    from slack_sdk.signature import SignatureVerifier

    try:
        return bool(SignatureVerifier(key, _Moment(now)).is_valid(body, stamp, signature))  # type: ignore[arg-type]  # it only needs now()
    except UnicodeDecodeError:  # a body that is no UTF-8 was not written by Slack
        return False


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Click:
    """One pressed button of a message. Who may do what is decided from ``user_id``, never from ``value``."""

    user_id: str
    team_id: str
    action_id: str
    action_ts: str
    value: str  # empty for a button that is only a link
    channel_id: str
    message_ts: str
    response_url: str
    trigger_id: str

    @property
    def reference(self) -> str:
        """The pressed message, as ``SlackBotChannel.revise`` takes it."""
        return f"{self.channel_id}:{self.message_ts}"

    @property
    def key(self) -> str:
        """The same for the same press and for no other: what a replay store remembers."""
        return f"{self.channel_id}:{self.message_ts}:{self.action_id}:{self.user_id}:{self.action_ts}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a button of an approval message says."""

    approves: bool
    incident_id: str
    action_id: str


def click(body: bytes) -> Click:
    """The pressed button in the form body of a genuine request (``payload=<JSON>`` of type block_actions).

    Raises: InputError naming the field that is missing or wrong.
    """
    payload = _payload(body)
    if payload.get("type") != "block_actions":
        raise InputError("Only pressed buttons (block_actions) are understood.", field="payload.type")
    actions = payload.get("actions")
    action = actions[0] if isinstance(actions, list) and actions else None
    container, user = payload.get("container"), payload.get("user")
    return Click(
        user_id=_text(user, "id", "payload.user.id"),
        team_id=_text(user, "team_id") or _text(payload.get("team"), "id"),
        action_id=_text(action, "action_id", "payload.actions.0.action_id"),
        action_ts=_text(action, "action_ts", "payload.actions.0.action_ts"),
        value=_text(action, "value"),
        channel_id=_text(container, "channel_id") or _text(payload.get("channel"), "id", "payload.channel.id"),
        message_ts=_text(container, "message_ts", "payload.container.message_ts"),
        response_url=_text(payload, "response_url"),
        trigger_id=_text(payload, "trigger_id"),
    )


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked by a slash command."""

    user_id: str
    text: str
    key: str  # the same for the same request and for no other


def question(body: bytes) -> Question | None:
    """The question in the form body of a genuine request; None when it is no slash command.

    Raises: InputError naming the field that is missing.
    """
    try:
        form = parse_qs(body.decode(), max_num_fields=30)
    except ValueError:
        return None
    if "command" not in form:
        return None
    given = {name: values[0] for name, values in form.items()}
    user, trigger = _text(given, "user_id", "user_id"), _text(given, "trigger_id", "trigger_id")
    return Question(user, given.get("text", ""), f"command:{user}:{trigger}")


def buttons(incident_id: str, action_id: str) -> tuple[Button, Button]:
    """Approve and Reject, as :func:`answer` reads them back."""
    return (
        Button("Approve", f"approve|{incident_id}|{action_id}", "primary"),
        Button("Reject", f"reject|{incident_id}|{action_id}", "danger"),
    )


def answer(value: str) -> Answer:
    """What ``approve|INC-…|ACT-…`` or ``reject|…`` says. Raises: InputError for anything else."""
    match = _ANSWER.fullmatch(value)
    if match is None:
        raise InputError("Expected approve|INC-...|ACT-... or reject|INC-...|ACT-....", field="payload.actions.0.value")
    return Answer(match[1] == "approve", match[2], match[3])


def _payload(body: bytes) -> Mapping[str, object]:
    try:
        form = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10)
        payload = json.loads(form["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise InputError("Expected a form with a field payload that holds JSON.", field="payload") from None
    if not isinstance(payload, dict):
        raise InputError("Expected a JSON object.", field="payload")
    return payload


def _text(of: object, name: str, required: str = "") -> str:
    """The text called ``name`` in an object; empty where there is none, refused where it is required by that name."""
    value = of.get(name) if isinstance(of, dict) else None
    if isinstance(value, str) and value:
        return value
    if required:
        raise InputError("Expected a text.", field=required)
    return ""
