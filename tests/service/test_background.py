"""What waits until a first page was seen, and checks that are not yet done."""

from __future__ import annotations

import threading

import pytest

from core.service import background, runs
from core.service.background import Background
from core.service.workbench import Workbench


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the checks were warmed; the real import takes seconds."""
    done = threading.Event()
    monkeypatch.setattr(background, "warm", done.set)
    monkeypatch.setattr(background, "is_warm", done.is_set)
    monkeypatch.setattr(background, "DRAWN_S", 0.0)
    monkeypatch.setattr(background, "demo", lambda _wb: None)
    return done


def test_slow_imports_wait_for_the_first_page_and_hurry_when_asked(wb: Workbench, warmed: threading.Event) -> None:
    beside = Background(wb)
    assert not beside.checks_soon()  # nobody would ever warm them
    beside.start()
    try:
        assert beside.checks_soon()
        assert not warmed.is_set()
        beside.seen()
        assert warmed.wait(20)
        assert not beside.checks_soon()
    finally:
        beside.stop()


def test_without_waiting_checks_that_never_ran_are_pending(wb: Workbench) -> None:
    quick = runs.preview(wb, "daily_kpis", wait=False)
    assert quick.checks.pending
    assert quick.checks.results == ()
    assert len(quick.findings) == 8
