"""One durable commit for several callers: who waits for the database meanwhile joins the next transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.errors import StoreError

T = TypeVar("T")
B = TypeVar("B")


@dataclass(slots=True, eq=False)
class _Asked(Generic[B]):
    work: Callable[[B], object]
    over: bool = False
    answer: object = None
    error: StoreError | None = None


class Together(Generic[B]):
    """Carries out what several threads ask for in one transaction each round; a round ends with one commit.

    Each caller hears of its own work only, after the commit that holds it. When a round fails, its works are done
    again one by one, so that nobody fails for somebody else.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[B]]) -> None:
        self._begin = begin
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._waiting: list[_Asked[B]] = []

    def run(self, work: Callable[[B], T]) -> T:
        """What ``work`` answers, once it is committed; it may be called twice. Raises: StoreError."""
        asked = _Asked(work)
        with self._lock:
            self._waiting.append(asked)
        with self._turn:
            if not asked.over:  # nobody took it along: this thread leads
                with self._lock:
                    taken, self._waiting = self._waiting, []
                self._round(taken)
        if asked.error is not None:
            raise asked.error
        return asked.answer  # type: ignore[return-value]

    def _round(self, taken: Sequence[_Asked[B]]) -> None:
        try:
            if not self._committed(taken) and len(taken) > 1:
                for one in taken:
                    self._committed([one])
        finally:  # also when this thread is told to end: nobody waits for it, or believes it was done
            for one in taken:
                if not one.over:
                    one.over, one.error = True, one.error or StoreError("The state store was interrupted.")

    def _committed(self, taken: Sequence[_Asked[B]]) -> bool:
        try:
            with self._begin() as books:
                for one in taken:
                    one.answer = one.work(books)
        except StoreError as error:
            for one in taken:
                one.error = error
            return False
        for one in taken:
            one.over, one.error = True, None
        return True
