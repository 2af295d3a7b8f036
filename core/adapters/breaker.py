"""A circuit breaker: after repeated failures a service is left alone for a while."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from core.errors import ProviderError
from core.ports import Clock


class Breaker:
    """Opens after ``threshold`` failures in a row, blocks for ``pause_s``, and closes after ``closes_after`` successes.

    States: ``closed`` (calls pass), ``open`` (calls are refused), ``half_open`` (calls pass on trial; one failure
    opens it again). Safe to share between threads.
    """

    def __init__(
        self, clock: Clock, *, name: str = "service", threshold: int = 5, pause_s: float = 300.0, closes_after: int = 3
    ) -> None:
        self._clock = clock
        self._name = name
        self._threshold = threshold
        self._pause = timedelta(seconds=pause_s)
        self._closes_after = closes_after
        self._lock = threading.Lock()
        self._failures = 0
        self._successes = 0
        self._opened_at: datetime | None = None

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half_open``, as of now."""
        with self._lock:
            return self._state()

    def _state(self) -> str:
        if self._opened_at is None:
            return "closed"
        return "half_open" if self._clock.now() >= self._opened_at + self._pause else "open"

    def admit(self) -> None:
        """Returns when a call may be made. Raises: ProviderError ``breaker_open`` with the time left."""
        with self._lock:
            if self._opened_at is None or self._state() != "open":
                return
            left = (self._opened_at + self._pause - self._clock.now()).total_seconds()
        raise ProviderError(
            f"{self._name} failed {self._threshold} times in a row and is left alone for {left:.0f} s more.",
            retryable=True,
            reason="breaker_open",
            retry_after_s=left,
        )

    def succeeded(self) -> None:
        """Counts a good answer."""
        with self._lock:
            self._failures = 0
            if self._state() == "half_open":
                self._successes += 1
                if self._successes >= self._closes_after:
                    self._opened_at, self._successes = None, 0

    def failed(self) -> None:
        """Counts a failure; it opens the breaker when it is the last one allowed, or one on trial."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._threshold or self._state() == "half_open":
                self._opened_at, self._successes, self._failures = self._clock.now(), 0, 0
