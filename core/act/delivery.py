"""When to try again. Pure functions; the worker that uses them is in ``core.service``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from core.errors import ProviderError, WorkbenchError
from core.ports import HttpReply

ATTEMPTS = 3
FIRST_WAIT_S = 15.0
GROWTH = 4.0  # each wait is this many times the one before
LONGEST_WAIT_S = 3600.0  # a provider that asks for a longer pause is given up


def next_attempt(delivery_id: str, attempts: int, error: WorkbenchError, now: datetime) -> datetime | None:
    """When a message that failed ``attempts`` times is due again, or None when it is given up.

    Waits grow fourfold from 15 s, each stretched by up to a half (the same for the same id and attempt); a
    provider's own Retry-After is waited out in full. Errors that trying again cannot cure are given up at once.
    """
    if not isinstance(error, ProviderError) or not error.retryable or attempts >= ATTEMPTS:
        return None
    wait_s = FIRST_WAIT_S * GROWTH ** (attempts - 1) * (1 + _jitter(delivery_id, attempts) / 2)
    if error.retry_after_s is not None:
        if error.retry_after_s > LONGEST_WAIT_S:
            return None
        wait_s = max(wait_s, error.retry_after_s)
    return now + timedelta(seconds=wait_s)


def _jitter(delivery_id: str, attempts: int) -> float:
    """A number in [0, 1) that looks random and is always the same for the same attempt."""
    return int.from_bytes(hashlib.sha256(f"{delivery_id}:{attempts}".encode()).digest()[:6]) / 2**48


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a reply's Retry-After (seconds or an HTTP date) asks to wait; None without a usable one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def refused(service: str, reply: HttpReply, now: datetime, *, reason: str = "", hint: str = "") -> ProviderError:
    """A reply that means the message was not taken, as an error; 408, 429 and 5xx are worth another attempt.

    ``reason`` is the service's own word for it; the body itself is never repeated, it may hold secrets or a page.
    """
    word = f", {reason}" if reason else ""
    return ProviderError(
        f"{service} refused the message ({reply.status}{word}).",
        retryable=reply.status in {408, 429} or reply.status >= 500,
        reason=reason or f"status {reply.status}",
        retry_after_s=retry_after(reply.headers, now),
        hint=hint,
    )


def answered(reply: HttpReply) -> Mapping[str, object]:
    """The JSON object that a service answered with; empty when it answered anything else."""
    try:
        answer = json.loads(reply.text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
