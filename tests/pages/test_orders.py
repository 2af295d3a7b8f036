"""The Orders page without a browser: the queue, receipts, notes, exceptions, data that comes in, who may do what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal
from core.service import casework, dead_letters, order_policies
from core.service.exceptions import PLAYBOOK
from core.service.workbench import Workbench
from core.store.dead_letters import LetterState
from tests.pages.orders import ANA, metric, stand_still, tell, texts
from tests.playbooks.order_scene import event, jsonl
from ui import auth

Open = Callable[..., AppTest]


@pytest.fixture
def noon(bench: Workbench) -> Workbench:
    """Six orders at 12:30 of a Monday."""
    stand_still(bench)
    tell(bench)
    return bench


def queue(at: AppTest) -> list[str]:
    """The orders of the queue as they stand, top down."""
    return [str(b.key).split("_")[2] for b in at.button if str(b.key).startswith("orders_open_")]


def test_overdue_orders_come_first_then_what_breaks_next(opened: Open, noon: Workbench) -> None:
    """E2-11, E2-14, scenario 3: open for 150 of 120 min; 10 min left; a cancelled order is no order."""
    at = opened("orders")
    assert not at.exception
    assert queue(at) == ["ORD-LATE", "ORD-SOON"]
    shown = texts(at)
    assert "overdue by 30 min" in shown
    assert "breaches in 10 min" in shown
    assert metric(at, "Overdue now") == ("1", "longest 30 min")
    assert metric(at, "Break within 30 min") == ("1", "next in 10 min")
    at.segmented_control(key="orders_list").set_value("All open").run()
    assert queue(at) == ["ORD-LATE", "ORD-SOON", "ORD-FRAG", "ORD-SLOW"]
    assert "ORD-GONE" not in texts(at)


def test_the_funnel_counts_who_got_how_far_and_who_was_late(opened: Open, noon: Workbench) -> None:
    at = opened("orders")
    assert metric(at, "Paid") == ("6", "orders")
    assert metric(at, "Picked, 33%") == ("2", "2 of 5 late")
    assert metric(at, "Packed, 33%") == ("2", "0 of 2 late")
    assert metric(at, "Delivered, 17%") == ("1", "0 of 1 late")


def test_one_order_shows_the_receipt_of_its_limit(opened: Open, noon: Workbench) -> None:
    """E2-09, scenario 5: 120 x 1.2 fragile x 1.3 high volume."""
    order_policies.save(noon, ANA, "sla:\n  high_volume_threshold: 0\n")
    at = opened("orders", order="ORD-FRAG")
    assert not at.exception
    shown = texts(at)
    assert "120 x 1.2 fragile x 1.3 high volume = 187.2 min" in shown
    assert "60 min of 187.2 min" in shown
    assert "2 h 7 min left" in shown
    assert "Nothing is wrong with this order." in shown


def test_a_check_opens_exceptions_with_notes_and_sends_nothing(opened: Open, noon: Workbench) -> None:
    """E2-10, E2-15: what operations read and what the client would."""
    at = opened("orders", order="ORD-SLOW")
    assert "Seen now, not opened yet" in texts(at)
    at.button(key="orders_check").click().run()
    assert not at.exception
    shown = texts(at)
    assert "Nothing was sent" in shown
    assert "Open exceptions (1)" in shown
    assert "pick took 150 min, 30 min over its limit of 120 min" in shown
    assert "For operations" in shown
    assert "For the client" in shown
    assert "[Rules]" in shown
    with noon.store.read() as books:
        assert books.outbox.list("default") == ()
        assert {i.subject for i in books.incidents.list("default", playbook=PLAYBOOK)} == {"ORD-LATE", "ORD-SLOW"}


def test_exceptions_are_listed_counted_and_open_in_the_drawer(opened: Open, noon: Workbench) -> None:
    casework.run(noon, ANA, PLAYBOOK, ask_model=False)
    at = opened("orders", orders_list="Exceptions")
    assert sorted(queue(at)) == ["ORD-LATE", "ORD-SLOW"]
    assert metric(at, "Open exceptions")[0] == "2"
    at = opened("orders", orders_tab="Exceptions")
    assert not at.exception
    assert "Pick delay leads with 2 of 2" in texts(at)
    with noon.store.read() as books:
        incident = books.incidents.list("default", playbook=PLAYBOOK)[0]
    at = opened("orders", incident=incident.incident_id)
    assert not at.exception
    assert incident.title in texts(at)


def test_an_unknown_order_is_a_message(opened: Open, noon: Workbench) -> None:
    at = opened("orders", order="nope")
    assert not at.exception
    assert "No order of that id" in at.warning[0].value


def test_a_file_keeps_good_lines_and_lists_bad_ones(opened: Open, noon: Workbench) -> None:
    """E2-05, E2-06: line, field and reason; twice uploaded, stored once; a dead letter can be replayed."""
    good, bad = event("order_paid", "12:00", "ORD-NEW"), event("order_paid", "12:00", "")
    at = opened("orders", orders_tab="Data")
    at.file_uploader(key="orders_files_0").upload("more.jsonl", jsonl([good, bad]))
    at.run()
    assert not at.exception
    assert "more.jsonl: 1 stored, 0 were there already, 1 rejected." in texts(at)
    rejected = next(d.value for d in at.dataframe if "reason" in d.value.columns)
    assert rejected["line"].tolist() == [2]
    assert rejected["field"].tolist() == ["order_id"]
    at.file_uploader(key="orders_files_1").upload("more.jsonl", jsonl([good]))
    at.run()
    assert "0 stored, 1 were there already, 0 rejected" in texts(at)
    assert "Dead letters (1)" in texts(at)
    (letter,) = dead_letters.page(noon, ANA).items
    at.button(key=f"orders_replay_{letter.id}").click().run()
    assert "0 of 1 dead letters are processed now." in texts(at)
    assert dead_letters.page(noon, ANA).items[0].attempts == 2
    assert dead_letters.page(noon, ANA).items[0].state is LetterState.FAILED


def test_a_file_that_is_none_is_refused(opened: Open, noon: Workbench) -> None:
    at = opened("orders", orders_tab="Data")
    at.file_uploader(key="orders_files_0").upload("invoices.jsonl", b"{}")
    at.run()
    assert "expected invoices as CSV" in at.error[0].value


def test_a_viewer_reads_and_changes_nothing(opened: Open, noon: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at = opened("orders", orders_tab="Data")
    assert not at.exception
    assert at.button(key="orders_check").disabled
    assert at.file_uploader(key="orders_files_0").disabled
    assert "Dead letters" not in texts(at)


def test_another_tenant_sees_none_of_it(opened: Open, noon: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """E2-04"""
    monkeypatch.setattr(auth, "current", lambda: Principal("olga", "other", "admin"))
    at = opened("orders", order="ORD-LATE")
    assert not at.exception
    assert "No order of that id" in at.warning[0].value


def test_the_schedule_is_the_playbooks(opened: Open, noon: Workbench) -> None:
    at = opened("orders", orders_tab="Schedule")
    assert not at.exception
    assert at.text_input(key=f"alerts_cron_{PLAYBOOK}").value == noon.events[PLAYBOOK].schedule.cron
