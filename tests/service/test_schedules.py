"""The clock: off by default, a missed slot once, never two runs of one slot."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from core.access import Principal
from core.errors import ConfigError, Forbidden
from core.service import schedules
from core.service.workbench import Workbench
from tests.service.conftest import Hand


def kept_runs(wb: Workbench) -> int:
    with wb.store.read() as books:
        return len(books.runs.list(wb.tenant))


def test_off_until_switched_on_op20(wb: Workbench, who: Principal, clock: Hand) -> None:
    clock.forward(days=3)
    assert schedules.tick(wb) == ()
    schedules.save(wb, who, "daily_kpis", "0 9 * * *", enabled=False)
    clock.forward(days=3)
    assert schedules.tick(wb) == ()
    assert kept_runs(wb) == 0


def test_runs_at_its_time_and_is_kept_with_its_history(wb: Workbench, who: Principal, clock: Hand) -> None:
    schedules.save(wb, who, "daily_kpis", "0 9 * * *", enabled=True)
    clock.forward(minutes=59)
    assert schedules.tick(wb) == ()
    clock.forward(minutes=2)
    (served,) = schedules.tick(wb)
    assert (served.ok, served.slot) == (True, datetime(2026, 1, 5, 9, 0, tzinfo=UTC))
    assert schedules.tick(wb) == ()
    with wb.store.read() as books:
        (run,) = books.runs.list(wb.tenant)
        (slot,) = books.schedules.history(wb.tenant, "daily_kpis")
        assert books.outbox.list(wb.tenant) == ()  # a run by the clock tells nobody by itself
    assert (run.trigger, run.actor, run.headline) == ("schedule", "schedule", served.message)
    assert (slot.ok, slot.note) == (True, served.message)


def test_missed_slots_run_once(wb: Workbench, who: Principal, clock: Hand) -> None:
    schedules.save(wb, who, "daily_kpis", "0 9 * * *", enabled=True)
    clock.forward(days=4)
    (served,) = schedules.tick(wb)
    assert served.slot == datetime(2026, 1, 8, 9, 0, tzinfo=UTC)  # the latest; the three before are skipped
    assert schedules.tick(wb) == ()
    assert kept_runs(wb) == 1


def test_a_slot_is_not_run_while_another_run_of_the_job_goes_on(wb: Workbench, who: Principal, clock: Hand) -> None:
    schedules.save(wb, who, "daily_kpis", "*/5 * * * *", enabled=True)
    going = clock.forward(minutes=5)
    with wb.store.begin() as books:
        assert books.schedules.claim(wb.tenant, "daily_kpis", going, going)
    clock.forward(minutes=5)
    assert schedules.tick(wb) == ()
    with wb.store.begin() as books:
        books.schedules.finish(wb.tenant, "daily_kpis", going, clock.now(), ok=True)
    assert len(schedules.tick(wb)) == 1


def test_two_workbenches_on_one_database_run_a_slot_once(
    opened: Callable[[], Workbench], who: Principal, clock: Hand
) -> None:
    benches = [opened(), opened()]
    schedules.save(benches[0], who, "daily_kpis", "0 9 * * *", enabled=True)
    clock.forward(hours=2)
    with ThreadPoolExecutor(2) as pool:
        served = [s for ticks in pool.map(schedules.tick, benches) for s in ticks]
    assert len(served) == 1
    assert kept_runs(benches[1]) == 1


def test_a_run_that_is_refused_is_told_in_the_history(wb: Workbench, who: Principal, clock: Hand) -> None:
    schedules.save(wb, who, "gone", "0 9 * * *", enabled=True)
    clock.forward(hours=2)
    (served,) = schedules.tick(wb)
    assert not served.ok
    with wb.store.read() as books:
        (slot,) = books.schedules.history(wb.tenant, "gone")
    assert (slot.ok, slot.note) == (False, served.message)
    assert "There is no playbook or source 'gone'." in slot.note


@pytest.mark.parametrize("cron", ["", "9", "61 9 * * *", "0 9 * * * *", "every day", "0 0 31 2 x"])
def test_a_wrong_expression_is_refused_and_changes_nothing(wb: Workbench, who: Principal, cron: str) -> None:
    with pytest.raises(ConfigError, match="Expected five fields"):
        schedules.save(wb, who, "daily_kpis", cron, enabled=True)
    with wb.store.read() as books:
        assert books.schedules.get(wb.tenant, "daily_kpis") is None


def test_only_administrators_set_schedules(wb: Workbench) -> None:
    with pytest.raises(Forbidden):
        schedules.save(wb, Principal("rob", "default", "responder"), "daily_kpis", "0 9 * * *", enabled=True)


def test_the_next_three_times_keep_the_local_hour_over_a_clock_change() -> None:
    after = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
    slots = schedules.upcoming("0 9 * * *", "Europe/Berlin", after)
    assert [s.hour for s in slots] == [9, 9, 9]
    assert [s.utcoffset() for s in slots] == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=2)]
    assert schedules.upcoming("0 9 30 2 *", "UTC", after) == ()
