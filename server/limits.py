"""How many requests one caller may make: a bucket of tokens each, refilled steadily."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from core.errors import WorkbenchError

BURST_S: Final = 10.0  # a quiet caller may spend this many seconds' worth at once
CALLERS: Final = 10_000  # the longest quiet ones are forgotten first


class TooMany(WorkbenchError):
    """The caller has used up its requests; ``retry_after_s`` says when the next one is taken."""

    code = "too_many"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("Too many requests.", hint="Wait a little.")
        self.retry_after_s = retry_after_s


class Limits:
    """One bucket for each caller; used from the event loop only, so it needs no lock."""

    def __init__(self, per_minute: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute  # asked when it is needed: the settings are read after the routes are made
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and since when

    def take(self, caller: str) -> None:
        """Returns when the caller may make one more request now. Raises: TooMany."""
        now, rate = self._clock(), self._per_minute() / 60.0
        burst = max(1.0, rate * BURST_S)
        left, since = self._buckets.pop(caller, (burst, now))
        left = min(burst, left + (now - since) * rate)
        self._buckets[caller] = (left - 1.0 if left >= 1.0 else left, now)
        while len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        if left < 1.0:
            raise TooMany((1.0 - left) / rate)
