from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.act.delivery import next_attempt, retry_after
from core.errors import ConfigError, InputError, ProviderError, WorkbenchError
from tests.act.samples import NOW

BUSY = ProviderError("busy", retryable=True)


def wait(attempts: int, error: WorkbenchError = BUSY, delivery_id: str = "d1") -> float | None:
    at = next_attempt(delivery_id, attempts, error, NOW)
    return None if at is None else (at - NOW).total_seconds()


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_three_attempts_with_growing_waits(delivery_id: str) -> None:
    first, second = wait(1, delivery_id=delivery_id), wait(2, delivery_id=delivery_id)
    assert first is not None
    assert second is not None
    assert 15 <= first < 22.5
    assert 60 <= second < 90
    assert wait(3, delivery_id=delivery_id) is None
    assert wait(1, delivery_id=delivery_id) == first


def test_different_messages_wait_differently() -> None:
    assert len({wait(1, delivery_id=f"d{i}") for i in range(50)}) == 50


@pytest.mark.parametrize(
    "error", [ProviderError("no", retryable=False), InputError("refused url"), ConfigError("channel is off")]
)
def test_what_cannot_be_cured_is_given_up_at_once(error: WorkbenchError) -> None:
    assert wait(1, error) is None


def test_a_provider_that_asks_for_time_gets_it() -> None:
    assert wait(1, ProviderError("slow down", retryable=True, retry_after_s=600)) == 600
    assert wait(2, ProviderError("slow down", retryable=True, retry_after_s=1)) == wait(2)
    assert wait(1, ProviderError("tomorrow", retryable=True, retry_after_s=86_400)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("Sun, 14 Dec 2025 09:01:30 GMT", 90.0),
        ("Sun, 14 Dec 2025 08:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("²", None),
        ("1.5", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds
    assert retry_after({}, NOW + timedelta(days=1)) is None
