"""The workbench counts real events under the names of the acceptance README."""

from __future__ import annotations

import pytest

from core import telemetry

NAMES = (
    "incidents_created_total",
    "agent_run_duration_seconds",
    "action_approval_time_seconds",
    "rca_confidence_score",
    "integration_call_failures_total",
    "ai_requests_total",
    "ai_tokens_total",
    "ai_cost_cents_total",
    "ai_failures_total",
    "ai_fallback_rate",
    "ai_confidence_score",
)


def test_every_name_is_shown() -> None:
    text = telemetry.exposition().decode()
    for name in NAMES:
        assert f"# TYPE {name} " in text


def test_an_incident_counts_under_its_labels() -> None:
    before = telemetry.value("incidents_created_total", severity="HIGH", service="checkout")
    telemetry.incident_created("HIGH", "checkout")
    assert telemetry.value("incidents_created_total", severity="HIGH", service="checkout") == before + 1


def test_a_failed_run_is_timed_too() -> None:
    before = telemetry.value("agent_run_duration_seconds_count", agent="explain")
    with pytest.raises(KeyError), telemetry.agent_run("explain"):
        raise KeyError
    assert telemetry.value("agent_run_duration_seconds_count", agent="explain") == before + 1


def test_model_cost_is_counted_in_cents_and_an_unknown_cost_as_nothing() -> None:
    cents = telemetry.value("ai_cost_cents_total")
    tokens = telemetry.value("ai_tokens_total")
    telemetry.model_asked(1200, 0.034)
    telemetry.model_asked(100, None)
    assert telemetry.value("ai_cost_cents_total") == pytest.approx(cents + 3.4)
    assert telemetry.value("ai_tokens_total") == tokens + 1300


def test_fallback_rate_counts_only_explanations_a_model_was_asked_for() -> None:
    asked, fell = telemetry.value("ai_explanations_total"), telemetry.value("ai_fallbacks_total")
    telemetry.explained(0.8, 0.7, asked=True, fell_back=False)
    telemetry.explained(0.6, None, asked=True, fell_back=True)
    telemetry.explained(0.9, None, asked=False, fell_back=False)
    assert telemetry.value("ai_fallback_rate") == pytest.approx((fell + 1) / (asked + 2))
