"""The signed webhook, checked with the standard's own library on the receiving side."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from core.act.channels.webhook import MOST_BYTES, WebhookChannel
from core.act.message import Message
from core.adapters.clock import FixedClock
from core.errors import ConfigError, ProviderError
from core.model import Json
from core.settings import Settings, read_settings
from tests.act.samples import INCIDENT, WEBHOOK_SECRET, context, delivery, everything_on

CHANNEL = WebhookChannel(host="hooks.example.com")
DRIFT = {
    "incidentId": "INC-0000AAAA",
    "segmentId": "high-value",
    "severity": "HIGH",
    "type": "size_jump",
    "evidence": [{"comparison": "reference", "base": 20000, "value": 11600, "change": -0.42}],
}


def wire(message: Message) -> bytes:
    notification = CHANNEL.compose(message)
    return CHANNEL.wire(notification, delivery(notification))


def test_the_body_is_the_one_for_programs_pu22() -> None:
    assert json.loads(wire(replace(INCIDENT, body=DRIFT))) == DRIFT


def test_without_one_it_is_the_message_as_json() -> None:
    assert json.loads(wire(INCIDENT)) == {
        "type": "message",
        "incidentId": "INC-0000AAAA",
        "runId": "run-1",
        "playbook": "Daily KPIs",
        "asOf": "2025-12-13",
        "light": "red",
        "severity": "CRITICAL",
        "title": "[CRITICAL] Incident detected: payment-service",
        "summary": "12 % of 2,000 requests failed in the last 15 minutes.",
        "drivers": ["Refunds +213.70 % (17,500 vs 5,578.57)", "Conversion −22.38 %"],
        "actions": ["Review the refund queue.", "Walk the sign-up path."],
        "facts": [{"label": label, "value": value} for label, value in INCIDENT.facts],
        "confidence": 0.9,
        "link": "http://localhost:8501/incidents?incident=INC-0000AAAA&tab=1",
    }


def test_a_receiver_can_verify_it_and_a_repeat_has_the_same_id(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/n8n", method="POST").respond_with_data("Workflow got started")
    here = replace(
        context(everything_on(httpserver.url_for("").rstrip("/"))), clock=FixedClock(datetime.now(UTC))
    )  # the library knows only the real time
    preview = CHANNEL.compose(INCIDENT)
    for _ in range(2):
        assert CHANNEL.send(preview, delivery(preview), here) == ""
    (first, _), (second, _) = httpserver.log
    for request in (first, second):
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert Webhook(WEBHOOK_SECRET).verify(request.get_data(), headers) == json.loads(wire(INCIDENT))
        with pytest.raises(WebhookVerificationError):
            Webhook(WEBHOOK_SECRET).verify(request.get_data() + b" ", headers)
        assert request.get_data() == CHANNEL.wire(preview, delivery(preview))
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery(preview).id


def test_the_signature_of_the_standards_vector() -> None:
    at = datetime.fromtimestamp(1763735400, UTC)
    signed = Webhook(WEBHOOK_SECRET).sign("msg_1", at, '{"alert":"orders_late","n":3}')
    assert signed == "v1,DX7Ddj8df20DV62VFHcIJSTvEIM5uzNQegZURQPxsKI="


words = st.text(max_size=20) | st.sampled_from(["é\ud800\x00" * 300, "x" * 5000, "😀" * 2000])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(words, values, min_size=1, max_size=12))
def test_any_body_becomes_small_strict_json(body: dict[str, Json]) -> None:
    sent = wire(replace(INCIDENT, body=body))
    assert len(sent) <= MOST_BYTES
    json.loads(sent, parse_constant=lambda name: pytest.fail(name))
    assert "\\u0000" not in sent.decode()


def test_the_widest_deepest_body_stays_small() -> None:
    deep: Json = "😀" * 999
    for _ in range(20):
        deep = {"😀" * 200 + str(n): deep for n in range(2)}
    body: dict[str, Json] = {f"{n:04d}" + "😀" * 200: deep for n in range(300)}
    assert len(wire(replace(INCIDENT, body=body))) <= MOST_BYTES


def test_ids_survive_the_cutting_of_long_evidence() -> None:
    evidence: list[Json] = [{"text": "x" * 3000, "n": i} for i in range(500)]
    sent = json.loads(wire(replace(INCIDENT, body={**DRIFT, "evidence": evidence})))
    assert {k: sent[k] for k in ("incidentId", "segmentId", "severity", "type")} == {
        k: DRIFT[k] for k in ("incidentId", "segmentId", "severity", "type")
    }
    assert sent["evidence"][0]["n"] == 0


@pytest.mark.parametrize(
    ("status", "retryable", "hinted"),
    [(429, True, False), (408, True, False), (500, True, False), (503, True, False), (404, False, False),
     (410, False, True), (301, False, False)],
)  # fmt: skip
def test_refusals(httpserver: HTTPServer, status: int, retryable: bool, hinted: bool) -> None:
    httpserver.expect_request("/n8n").respond_with_data("<html>", status=status, headers={"Retry-After": "11"})
    preview = CHANNEL.compose(INCIDENT)
    with pytest.raises(ProviderError) as caught:
        CHANNEL.send(preview, delivery(preview), context(everything_on(httpserver.url_for("").rstrip("/"))))
    error = caught.value
    assert (error.retryable, error.retry_after_s, bool(error.hint)) == (retryable, 11.0, hinted)


def test_without_its_settings_it_is_off() -> None:
    preview = CHANNEL.compose(INCIDENT)
    for off in (Settings(_env_file=None), Settings(_env_file=None, webhook_url=SecretStr("https://x.example"))):
        with pytest.raises(ConfigError, match="WEBHOOK_SECRET"):
            CHANNEL.send(preview, delivery(preview), context(off))


@pytest.mark.parametrize(
    "secret", ["secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"]
)
def test_a_secret_that_cannot_sign_is_refused_at_start(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    with pytest.raises(ConfigError, match=r"WEBHOOK_SECRET: .*whsec_ followed by base64") as caught:
        read_settings(None)
    assert secret in ("whsec_", "secret") or secret not in str(caught.value)
