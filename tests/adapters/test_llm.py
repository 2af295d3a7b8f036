"""The language model adapter against a real HTTP server that misbehaves; every fault has a name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.adapters.breaker import Breaker
from core.adapters.llm import OpenAIModel
from core.errors import ProviderError
from core.explain.answer import SCHEMA, read_answer
from core.ports import ModelRequest
from tests.faults.llm_server import LlmServer


class Ticking:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


Build = Callable[..., OpenAIModel]


@pytest.fixture
def build() -> Build:
    def make(server: LlmServer, **options: object) -> OpenAIModel:
        given: dict[str, object] = {"clock": Ticking(), "sleep": lambda seconds: None, **options}
        return OpenAIModel(server.url, "sk-test-key-123456", str(given.pop("model", "gpt-4o-mini")), **given)  # type: ignore[arg-type]

    return make


def question(timeout_s: float = 5.0) -> ModelRequest:
    return ModelRequest("system", "user", SCHEMA, "explanation", 300, timeout_s)


@pytest.mark.parametrize("step", ["ok", "think", "fenced", "prose", "single_quotes"])
def test_an_answer_in_any_wrapping_is_read(build: Build, step: str) -> None:
    with LlmServer([step]) as server:
        reply = build(server).ask(question())
    assert read_answer(reply.text).confidence == 0.8
    assert (reply.prompt_tokens, reply.completion_tokens, reply.usage_known) == (50, 30, True)
    assert reply.cost_usd == pytest.approx((50 * 0.15 + 30 * 0.60) / 1e6)


@pytest.mark.parametrize(
    ("step", "reason", "calls"),
    [
        ("429", "rate_limited", 2),
        ("quota", "quota", 1),
        ("500", "server_error", 2),
        ("401", "auth", 1),
        ("404", "not_found", 1),
        ("slow", "timeout", 2),
        ("drip", "timeout", 2),
        ("hang", "timeout", 2),
        ("drop", "connection", 2),
        ("html", "malformed_response", 1),
        ("huge", "malformed_response", 1),
        ("refusal", "refusal", 1),
        ("filter", "content_filter", 1),
        ("empty", "empty", 1),
        ("nochoices", "no_choices", 2),
        ("null_choices", "no_choices", 2),
    ],
)
def test_every_fault_is_a_provider_error_with_its_name(build: Build, step: str, reason: str, calls: int) -> None:
    with LlmServer([step]) as server:
        with pytest.raises(ProviderError) as caught:
            build(server).ask(question(0.3 if reason == "timeout" else 5.0))
        assert caught.value.reason == reason
        assert len(server.requests) == calls
    assert "sk-" not in str(caught.value)


def test_nobody_listening_is_a_connection_fault(build: Build) -> None:
    with LlmServer(["ok"]) as server:
        model = build(server)
    with pytest.raises(ProviderError) as caught:
        model.ask(question())
    assert caught.value.reason == "connection"


def test_the_second_attempt_waits_as_long_as_the_server_asks(build: Build) -> None:
    waits: list[float] = []
    with LlmServer(["429_after", "ok"]) as server:
        build(server, sleep=waits.append).ask(question())
    assert waits == [1.0]


def test_a_server_without_schemas_is_asked_more_simply_and_that_is_remembered(build: Build) -> None:
    with LlmServer(["no_schema"]) as server:
        model = build(server)
        assert model.ask(question()).rung == "text"
        assert model.ask(question()).rung == "text"
        formats = [(r.get("response_format") or {}).get("type") for r in server.requests]  # type: ignore[attr-defined]
    assert formats == ["json_schema", "json_object", None, None]


def test_a_500_that_names_response_format_goes_down_one_rung_and_is_no_outage(build: Build) -> None:
    with LlmServer(["no_schema_500"]) as server:
        model = build(server)
        assert model.ask(question()).rung == "json_object"
        assert len(server.requests) == 2
    assert model.state == "closed"


@pytest.mark.parametrize(("step", "gone"), [("no_max_tokens", "max_tokens"), ("no_temperature", "temperature")])
def test_a_parameter_the_model_refuses_is_left_out(build: Build, step: str, gone: str) -> None:
    with LlmServer([step]) as server:
        build(server).ask(question())
        assert gone in server.requests[0]
        assert gone not in server.requests[1]


def test_length_keywords_are_sent_only_where_they_are_understood(build: Build) -> None:
    with LlmServer(["ok"]) as server:
        build(server).ask(question())
        build(server, profile="llamacpp").ask(question())
        build(server, profile="json_object").ask(question())
    hosted, local, plain = (str(r["response_format"]) for r in server.requests)
    assert "maxLength" not in hosted
    assert "additionalProperties" in hosted
    assert "maxLength" in local
    assert plain == "{'type': 'json_object'}"


def test_unknown_usage_is_estimated_and_said_so(build: Build) -> None:
    with LlmServer(["nousage"]) as server:
        reply = build(server).ask(question())
    assert not reply.usage_known
    assert reply.prompt_tokens > 0


def test_the_cost_of_an_unknown_model_is_unknown_and_never_zero(build: Build) -> None:
    with LlmServer(["ok"]) as server:
        assert build(server, model="house-model").ask(question()).cost_usd is None
        assert build(server, model="house-model", prices=(1.0, 2.0)).cost(1_000_000, 500_000) == 2.0
        assert build(server, model="gpt-4o-mini-2024-07-18").cost(1_000_000, 0) == pytest.approx(0.15)


def test_the_breaker_opens_after_five_failed_calls_and_says_so(build: Build) -> None:
    with LlmServer(["500"]) as server:
        model = build(server)
        reasons = []
        for _ in range(4):
            with pytest.raises(ProviderError) as caught:
                model.ask(question())
            reasons.append(caught.value.reason)
        assert len(server.requests) == 5
    assert reasons == ["server_error", "server_error", "breaker_open", "breaker_open"]
    assert model.state == "open"


def test_the_breaker_pauses_then_tries_then_closes_after_three_successes() -> None:
    clock = Ticking()
    breaker = Breaker(clock)
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    for _ in range(5):
        assert breaker.state == "closed"
        breaker.failed()
    assert breaker.state == "open"
    clock.at += timedelta(seconds=299)
    with pytest.raises(ProviderError) as caught:
        breaker.admit()
    assert caught.value.retry_after_s == 1.0
    clock.at += timedelta(seconds=1)
    breaker.admit()
    assert breaker.state == "half_open"
    for _ in range(2):
        breaker.succeeded()
    assert breaker.state == "half_open"
    breaker.succeeded()
    assert breaker.state == "closed"


def test_one_failure_on_trial_opens_the_breaker_again() -> None:
    clock = Ticking()
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed()
    clock.at += timedelta(seconds=300)
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "open"
    clock.at += timedelta(seconds=300)
    breaker.succeeded()
    breaker.succeeded()
    assert breaker.state == "half_open"


def test_a_refusal_does_not_count_against_the_service(build: Build) -> None:
    with LlmServer(["refusal"]) as server:
        model = build(server)
        for _ in range(6):
            with pytest.raises(ProviderError):
                model.ask(question())
    assert model.state == "closed"
