"""Events v2 against a server on loopback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from core.act.channels.pagerduty import PagerDutyChannel
from core.act.message import Message
from core.errors import ConfigError, ProviderError
from core.model import Light, Severity
from core.settings import Settings
from tests.act.samples import INCIDENT, RED, context, delivery, everything_on

CHANNEL = PagerDutyChannel()
TAKEN = {"status": "success", "message": "Event processed", "dedup_key": "INC-0000AAAA"}


def event(message: Message) -> dict[str, object]:
    notification = CHANNEL.compose(message)
    sent: dict[str, object] = json.loads(CHANNEL.wire(notification, delivery(notification)))
    return sent


def test_an_alert_triggers() -> None:
    sent = event(INCIDENT)
    details = sent["payload"].pop("custom_details")  # type: ignore[attr-defined]
    assert sent == {
        "event_action": "trigger",
        "dedup_key": "INC-0000AAAA",
        "client": "Telltale",
        "client_url": INCIDENT.link,
        "links": [{"href": INCIDENT.link, "text": "Open in Telltale"}],
        "payload": {
            "summary": "[CRITICAL] Incident detected: payment-service",
            "source": "telltale",
            "severity": "critical",
            "group": "Daily KPIs",
        },
    }
    assert (details["Error rate"], details["p99"], details["confidence"]) == ("12.00 %", "2594 ms", 0.9)


def test_a_recovery_resolves_the_same_alert() -> None:
    healed = replace(INCIDENT, light=Light.GREEN, title="Resolved", dedup_key="recovered:INC-0000AAAA:now")
    assert (event(healed)["event_action"], event(healed)["dedup_key"]) == ("resolve", "INC-0000AAAA")


def test_a_green_message_without_an_incident_resolves_nothing() -> None:
    sent = event(replace(RED, light=Light.GREEN, incident_id=None))
    assert (sent["event_action"], sent["dedup_key"]) == ("trigger", RED.dedup_key)
    assert sent["payload"]["severity"] == "info"  # type: ignore[index]


@pytest.mark.parametrize(
    ("severity", "light", "said"),
    [
        (Severity.LOW, Light.YELLOW, "info"),
        (Severity.MEDIUM, Light.YELLOW, "warning"),
        (Severity.HIGH, Light.YELLOW, "error"),
        (Severity.CRITICAL, Light.RED, "critical"),
        (None, Light.YELLOW, "warning"),
        (None, Light.RED, "critical"),
    ],
)
def test_severities(severity: Severity | None, light: Light, said: str) -> None:
    assert event(replace(INCIDENT, severity=severity, light=light))["payload"]["severity"] == said  # type: ignore[index]


def test_what_arrives_is_the_preview_and_the_key(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v2/enqueue", method="POST").respond_with_json(TAKEN, status=202)
    preview = CHANNEL.compose(INCIDENT)
    here = everything_on(httpserver.url_for("").rstrip("/"))
    assert CHANNEL.send(preview, delivery(preview), context(here)) == "INC-0000AAAA"
    ((request, _),) = httpserver.log
    sent = json.loads(request.get_data())
    assert sent.pop("routing_key") == "canary0123456789canary0123456789"
    assert sent == preview.payload == json.loads(CHANNEL.wire(preview, delivery(preview)))
    assert "canary" not in json.dumps(preview.payload)


@pytest.mark.parametrize(
    ("status", "body", "retryable", "reason"),
    [
        (400, '{"status": "invalid event", "message": "no", "errors": []}', False, "invalid event"),
        (429, "", True, "status 429"),
        (500, "<html>", True, "status 500"),
        (302, "", False, "status 302"),
    ],
)
def test_refusals(httpserver: HTTPServer, status: int, body: str, retryable: bool, reason: str) -> None:
    httpserver.expect_request("/v2/enqueue").respond_with_data(body, status=status, headers={"Retry-After": "30"})
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ProviderError) as caught:
        CHANNEL.send(preview, delivery(preview), context(everything_on(httpserver.url_for("").rstrip("/"))))
    assert (caught.value.retryable, caught.value.reason, caught.value.retry_after_s) == (retryable, reason, 30.0)
    assert "canary" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30) | st.sampled_from(["é\ud800\x00" * 5000, "x" * 50_000, ""]), st.integers(0, 60))
def test_limits_hold(text: str, lines: int) -> None:
    told = (text,) * lines
    sent = event(replace(INCIDENT, title=text, summary=text, drivers=told, actions=told, facts=tuple(zip(told, told))))  # noqa: B905
    assert 0 < len(sent["payload"]["summary"]) <= 1024  # type: ignore[index]
    assert len(json.dumps(sent)) < 512 * 1024


def test_without_its_setting_it_is_off() -> None:
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ConfigError, match="PAGERDUTY_ROUTING_KEY"):
        CHANNEL.send(preview, delivery(preview), context(Settings(_env_file=None)))
