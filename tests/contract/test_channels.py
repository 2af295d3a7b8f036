"""One contract for every registered channel; a new one is covered by being registered and switched on here."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer

from core.act.channels import NEEDS, Channel, audience, build_channels, channels, wants
from core.errors import ConfigError, ProviderError
from core.model import Light, Severity
from core.settings import Settings
from tests.act.samples import APPROVAL, ATTACK, INCIDENT, RED, context, delivery, everything_on

ON = build_channels(everything_on())
OFF = Settings(_env_file=None)


def test_every_channel_is_on_with_its_settings_and_off_without() -> None:
    assert tuple(ON) == ("email", "slack", "slack_bot", "teams", "webhook", "pagerduty", "jira")
    assert set(ON) == set(channels.names) == set(NEEDS)
    assert build_channels(OFF) == {}


@pytest.mark.parametrize("field", ["slack_channel", "slack_bot_token", "webhook_secret", "webhook_url", "smtp_to"])
def test_half_configured_is_off(field: str) -> None:
    half = everything_on().model_copy(update={field: "" if field == "smtp_to" else None})
    assert len(build_channels(half)) == len(ON) - 1


@pytest.mark.parametrize("channel", ON.values(), ids=ON)
class TestChannel:
    def test_is_frozen_and_refuses_unknown_keys(self, channel: Channel) -> None:
        with pytest.raises(ValidationError):
            channel.min_severity = Severity.HIGH
        with pytest.raises(ConfigError, match="colour"):
            channels.build(channel.name, {**channel.model_dump(), "colour": 1})

    def test_schema_and_round_trip(self, channel: Channel) -> None:
        assert type(channel).model_validate_json(channel.model_dump_json()) == channel
        for name, field in type(channel).model_fields.items():
            assert field.description, f"{channel.name}.{name} has no description for its form"

    def test_says_what_it_does(self, channel: Channel) -> None:
        assert channel.title
        assert (inspect.getdoc(type(channel)) or "") not in ("", inspect.getdoc(Channel))

    @pytest.mark.parametrize(
        "message",
        [
            RED,
            INCIDENT,
            APPROVAL,
            replace(INCIDENT, light=Light.GREEN, incident_id=None, link=""),
            replace(RED, subject="", title="", summary="", drivers=(), actions=(), playbook="", as_of="", link="x"),
            replace(
                INCIDENT, title=ATTACK, subject=ATTACK, summary=ATTACK, facts=((ATTACK, ATTACK),), body={"a": ATTACK}
            ),
        ],
        ids=["report", "incident", "approval", "recovery", "empty", "hostile"],
    )
    def test_the_preview_is_what_goes_out(self, channel: Channel, message: object) -> None:
        one, two = (channel.compose(message) for _ in range(2))  # type: ignore[arg-type]
        assert one == two
        sent = channel.wire(one, delivery(one))
        kept = replace(one, payload=json.loads(json.dumps(one.payload)))  # as the outbox gives it back
        assert channel.wire(kept, delivery(kept)) == sent == channel.wire(one, delivery(one))
        assert (one.channel, one.recipient) == (channel.name, channel.recipient)
        assert one.dedup_key == f"{channel.name}:{message.dedup_key}"  # type: ignore[attr-defined]
        assert one.text
        for text in (one.subject, one.text, json.dumps(one.payload), sent.decode()):
            assert "\x00" not in text
            assert "\\u0000" not in text
            assert "\\ud800" not in text

    def test_no_secret_is_in_what_is_shown_or_kept(self, channel: Channel) -> None:
        shown = channel.compose(INCIDENT)
        assert "canary" not in repr(shown) + channel.model_dump_json() + channel.recipient
        assert b"canary" not in channel.wire(shown, delivery(shown))

    def test_without_its_settings_it_says_so(self, channel: Channel) -> None:
        shown = channel.compose(INCIDENT)
        with pytest.raises(ConfigError) as caught:
            channel.send(shown, delivery(shown), context(OFF))
        assert "off" in str(caught.value)
        assert str(caught.value.field) in NEEDS[channel.name]


@pytest.mark.parametrize("name", [name for name in ON if name != "email"])  # a mail server's are in tests/adapters
@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 429, 500, 503])
def test_a_refusal_is_a_deliberate_error(name: str, status: int, httpserver: HTTPServer) -> None:
    for path in ("/slack", "/teams", "/n8n", "/v2/enqueue", "/api/chat.postMessage", "/rest/api/3/search/jql"):
        httpserver.expect_request(path).respond_with_data("<html>canary", status=status)
    shown = ON[name].compose(INCIDENT)
    with pytest.raises(ProviderError) as caught:
        ON[name].send(shown, delivery(shown), context(everything_on(httpserver.url_for("").rstrip("/"))))
    assert caught.value.retryable == (status in {429, 500, 503})
    assert "canary" not in str(caught.value)


def test_a_channel_is_told_from_its_least_severity_on() -> None:
    on = build_channels(everything_on().model_copy(update={"teams_min_severity": "HIGH"}))
    assert [wants(on["teams"], severity) for severity in Severity] == [False, False, True, True]
    assert [wants(on["email"], severity) for severity in Severity] == [True] * 4
    assert wants(on["teams"], None)
    assert "teams" not in audience(on, Severity.MEDIUM)
    assert "teams" in audience(on, Severity.CRITICAL)


def test_slack_is_told_once_by_the_bot_where_there_is_one() -> None:
    assert audience(ON, Severity.LOW) == ("email", "slack_bot", "teams", "webhook", "pagerduty", "jira")
    webhook_only = build_channels(everything_on().model_copy(update={"slack_channel": None}))
    assert audience(webhook_only, Severity.LOW) == ("email", "slack", "teams", "webhook", "pagerduty", "jira")
    assert audience({}, Severity.CRITICAL) == ()


@pytest.mark.parametrize("given", ["high", "HIGH", "High"])
def test_severities_are_read_in_any_case(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_MIN_SEVERITY", given)
    assert Settings(_env_file=None).slack_min_severity == "HIGH"
    monkeypatch.setenv("SLACK_MIN_SEVERITY", "loud")
    with pytest.raises(ValidationError, match="slack_min_severity"):
        Settings(_env_file=None)
