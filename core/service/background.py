"""What runs beside the pages: warming slow imports, the first demo run, due messages and due schedules."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from core.access import Principal
from core.check.run import is_warm, warm
from core.errors import WorkbenchError
from core.service import (
    alert_inbox,
    alerts,
    answers,
    casework,
    dead_letters,
    exceptions,
    execution,
    ingest,
    runs,
    schedules,
    segments,
    sending,
)
from core.service.verification import VERIFIERS
from core.service.workbench import Workbench

TICK_S = 5.0
RETRY_S = 1.0  # an order event is tried again this soon
VISITOR_S = 20.0  # the first visitor's page comes before imports that only new data needs
DRAWN_S = 1.0  # until the browser has drawn it
log = logging.getLogger("telltale")


class Background:
    """One daemon thread per kind of work; a fault is logged and the next tick tries again."""

    def __init__(self, wb: Workbench) -> None:
        self._wb = wb
        self._stop, self._seen, self._checks = threading.Event(), threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts warming up, delivering and keeping the schedules."""
        for name, work in (
            ("warm", self._first),
            ("outbox", self._outbox),
            ("schedules", self._schedules),
            ("actions", self._actions),
            ("alerts", self._alerts),
            ("events", self._events),
        ):
            thread = threading.Thread(target=work, name=f"telltale-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Asks the threads to end and waits a little; what is queued stays in the store."""
        for event in (self._stop, self._seen, self._checks, alert_inbox.ARRIVED):
            event.set()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def seen(self) -> None:
        """A page has been shown: what would have delayed it may begin."""
        self._seen.set()

    def checks_soon(self) -> bool:
        """Whether checks that are not yet warm are being warmed beside the pages; asking for it hurries them."""
        if is_warm() or not self._threads:
            return False
        self._checks.set()
        return True

    def _first(self) -> None:
        self._seen.wait(VISITOR_S)
        if self._stop.wait(DRAWN_S):
            return
        import altair  # noqa: F401 - warmed here so that the first chart does not wait for it

        if self._wb.ctx.settings.telltale_demo:
            self._guarded(lambda: demo(self._wb))
        self._checks.wait(VISITOR_S)
        if not self._stop.is_set():
            warm()

    def _outbox(self) -> None:
        while not self._stop.wait(TICK_S):
            self._guarded(lambda: sending.deliver(self._wb, f"worker-{threading.get_ident()}"))

    def _schedules(self) -> None:
        while not self._stop.wait(TICK_S):
            self._guarded(lambda: schedules.tick(self._wb))

    def _actions(self) -> None:
        shown = answers.Shown()
        while not self._stop.wait(TICK_S):
            self._guarded(lambda: execution.tick(self._wb, VERIFIERS, alerts.unhelpful))
            self._guarded(lambda: shown.refresh(self._wb))

    def _events(self) -> None:
        while True:
            self._guarded(lambda: ingest.count_letters(self._wb))
            self._guarded(lambda: exceptions.gauges(self._wb))
            for _ in range(round(TICK_S / RETRY_S)):
                if self._stop.wait(RETRY_S):
                    return
                self._guarded(lambda: dead_letters.tick(self._wb))

    def _alerts(self) -> None:
        alert_inbox.background(self._wb, self._stop, TICK_S)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except WorkbenchError:
            log.exception("background work failed; trying again")


def demo(wb: Workbench) -> None:
    """The demo's first run, once, so that every page has something to show."""
    with wb.store.read() as books:
        seen = books.runs.list(wb.tenant, limit=1)
    if not seen:
        who = Principal(user="system", tenant=wb.tenant, role="responder")
        segments.seed_demo(wb, who)
        runs.run(wb, who, "daily_kpis", kind="schedule", key="demo", ask_model=False)
        for name in wb.events:
            casework.run(wb, who, name, key=f"demo:{name}", ask_model=False)
