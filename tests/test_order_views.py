"""Reads of the order pages: the funnel, the queue, receipts and trends, on orders whose times are known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from altair.utils import schemapi
from hypothesis import given
from hypothesis import strategies as st

from core import order_charts, order_trends
from core.charts import DARK
from core.detect.events import Scene
from core.detect.orders import OrderSla
from core.engine.sql import SqlEngine
from core.load.order_loader import OrderLoader
from core.model import CheckReport, Finding
from core.order_views import (
    OrderBoard,
    duration,
    events_of,
    funnel,
    money,
    order_board,
    queue,
    stages_of,
)
from tests.playbooks.order_scene import MONDAY, event, jsonl, moment


@pytest.fixture(autouse=True)
def _checked() -> Iterator[None]:
    """Altair checks every chart against its schema here."""
    schemapi.enable_debug_mode()
    yield
    schemapi.disable_debug_mode()


@pytest.fixture
def engine(tmp_path: Path) -> SqlEngine:
    return SqlEngine(tmp_path)


def seen(engine: SqlEngine, events: list[dict[str, object]], now: datetime) -> tuple[OrderBoard, tuple[Finding, ...]]:
    ctx = SimpleNamespace(engine=engine, settings=SimpleNamespace(telltale_timezone="UTC"))
    dataset = OrderLoader().load({"events.jsonl": jsonl(events)}, {}, ctx, now)  # type: ignore[arg-type]
    found = OrderSla().detect(Scene(dataset, CheckReport(), now, engine)).findings
    return order_board(engine, dataset, now), found


def late(order: str, day: datetime, hour: int) -> list[dict[str, object]]:
    """An order that took 150 of 120 minutes to pick."""
    start = day + timedelta(hours=hour)
    at = (start, start + timedelta(minutes=150))
    kinds = ("order_paid", "pick_completed")
    return [event(k, t.isoformat(), order, carrier="ups") for k, t in zip(kinds, at, strict=True)]


def test_a_later_scan_counts_as_having_reached_the_earlier_steps(engine: SqlEngine) -> None:
    events = [event("order_paid", "08:00", "A"), event("picked_up", "09:00", "A"), event("order_paid", "08:00", "B")]
    board, _ = seen(engine, events, moment("09:30"))
    assert [s.reached for s in funnel(board)] == [2, 1, 1, 1, 0]
    assert [s.reached for s in funnel(board, moment("08:30"))] == [0, 0, 0, 0, 0]
    picked = funnel(board)[1]
    assert (picked.open, picked.overdue, picked.used) == (1, 0, None)


def test_the_queue_is_by_time_left_and_says_it_in_words(engine: SqlEngine) -> None:
    events = [event("order_paid", t, o) for t, o in (("08:00", "A"), ("09:50", "B"), ("07:00", "C"))]
    board, _ = seen(engine, [*events, event("order_cancelled", "08:00", "C")], moment("10:30"))
    assert [(w.order_id, w.left, w.told) for w in queue(board)] == [
        ("A", -30.0, "overdue by 30 min"),
        ("B", 80.0, "breaches in 1 h 20 min"),
    ]


def test_an_orders_stages_and_events(engine: SqlEngine) -> None:
    events = [event("order_paid", "08:00", "A", fragile=True), event("pick_completed", "09:00", "A")]
    events += [event("pack_completed", "08:30", "A")]
    board, _ = seen(engine, events, moment("10:00"))
    pick, pack, ship, delivery = stages_of(board, "A")
    assert (pick.state, pick.actual, pick.limit, pick.text) == ("done", 60.0, 144.0, "120 x 1.2 fragile = 144 min")
    assert (pack.state, pack.actual) == ("not judged", None)  # it ended before it began
    assert (ship.state, delivery.state) == ("open", "waiting")
    assert stages_of(board, "nobody") == ()


def test_events_know_the_time_since_the_one_before(engine: SqlEngine) -> None:
    ctx = SimpleNamespace(engine=engine, settings=SimpleNamespace(telltale_timezone="UTC"))
    events = [event("order_paid", "08:00", "A", payload={"note": "x"}), event("pick_completed", "09:30", "A")]
    dataset = OrderLoader().load({"events.jsonl": jsonl(events)}, {}, ctx, moment("10:00"))  # type: ignore[arg-type]
    told = events_of(engine, dataset, "A")
    assert [(e.event_type, e.since, e.payload) for e in told] == [
        ("order_paid", None, {"note": "x"}),
        ("pick_completed", 90.0, {}),
    ]


def test_a_burst_stands_out_and_an_hour_without_an_exception_never_does(engine: SqlEngine) -> None:
    start = moment(f"{MONDAY}T00:00")
    events = [e for h in range(72) for e in late(f"O-{h}", start, h)]
    events += [e for n in range(12) for e in late(f"BURST-{n}", start, 70)]
    now = start + timedelta(hours=76)
    board, found = seen(engine, events, now)
    frame = order_trends.exceptions_frame(found, board)
    pick = frame[frame["reason"] == "PICK_DELAY"]
    panel = order_trends.exceptions_panel(pick, board)
    baseline, scores = order_trends.judged(panel)
    out = panel.index[scores.alarm[0]]
    assert pd.Timestamp(start + timedelta(hours=72)) in out  # 12 promises of 120 min broke in that hour
    assert not (panel.values[0][scores.alarm[0]] == 0).any()
    assert (baseline.lower[0][~pd.isna(baseline.lower[0])] >= 0).all()
    assert order_trends.exceptions_panel(pick, board, "carrier").labels(0) == {"carrier": "ups"}


def test_shares_of_reasons_carriers_and_hours(engine: SqlEngine) -> None:
    start = moment(f"{MONDAY}T00:00")
    events = [
        *late("A", start, 8),
        event("order_paid", "08:00", "B", carrier="ups"),
        event("pick_completed", "09:00", "B"),
    ]
    board, found = seen(engine, events, moment("11:00"))
    frame = order_trends.exceptions_frame(found, board)
    assert order_trends.by_reason(frame, board)[["reason", "exceptions", "delay"]].to_numpy().tolist() == [
        ["PICK_DELAY", 1, 30.0]
    ]
    assert order_trends.by_carrier(frame, board).to_numpy().tolist() == [["ups", 2, 1, 0.5]]
    hours = order_trends.by_hour(frame, board)
    assert hours["exceptions"].tolist() == [int(h == 10) for h in range(24)]
    assert hours["orders"].tolist() == [2 * int(h == 8) for h in range(24)]


def test_every_chart_can_be_drawn(engine: SqlEngine) -> None:
    board, found = seen(engine, late("A", moment(f"{MONDAY}T00:00"), 8), moment("11:00"))
    frame = order_trends.exceptions_frame(found, board)
    drawn = [
        order_charts.promise_used(order_charts.promise_frame(funnel(board)), palette=DARK),
        order_charts.ranked(
            order_trends.by_reason(frame, board), palette=DARK, label="reason", value="exceptions", form=","
        ),
        order_charts.per_hour(order_trends.by_hour(frame, board), palette=DARK),
        order_charts.stages(order_charts.stages_frame(stages_of(board, "A"), pd.Timestamp(board.at)), palette=DARK),
    ]
    assert all(chart.to_dict()["layer"] for chart in drawn)


@given(st.integers(-(10**15), 10**15))
def test_money_is_exact_and_reads_back(cents: int) -> None:
    text = money(cents)
    whole, _, rest = text.replace("−", "-").replace(",", "").partition(".")
    assert len(rest) == 2
    assert int(whole + rest) == cents


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(0, "0 min"), (0.4, "under 1 min"), (59, "59 min"), (60, "1 h"), (185, "3 h 5 min"), (3120, "2 days 4 h")],
)
def test_durations_are_said_as_people_say_them(minutes: float, told: str) -> None:
    assert duration(minutes) == told
