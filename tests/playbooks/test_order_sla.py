"""The order playbook as a whole, at a fixed clock and without a model: its six scenarios and what lies around them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from core.access import Principal
from core.bootstrap import build
from core.detect.events import Scene
from core.detect.orders import OrderSla
from core.engine.sql import SqlEngine
from core.load.order_loader import OrderLoader
from core.model import CheckReport, IncidentStatus, Run
from core.service import casework, incidents, order_policies, tools
from core.service.workbench import Workbench
from core.settings import Settings
from tests.playbooks.order_scene import Seen, event, jsonl, moment, see
from tests.service.conftest import Hand


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    made = SqlEngine(tmp_path_factory.mktemp("tables"))
    yield made
    made.close()


def picked(engine: SqlEngine, paid: str, done: str, policy: str = "") -> Seen:
    later = (moment(done) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    return see(engine, [event("order_paid", paid), event("pick_completed", done)], later, policy)


# --- The six scenarios ------------------------------------------------------------------------


def test_scenario_1_a_late_pick(engine: SqlEngine) -> None:
    (found,) = picked(engine, "10:00", "13:00").findings
    assert (found.type, found.observed, found.upper, found.change_abs) == ("PICK_DELAY", 180, 120, 60)
    assert picked(engine, "10:00", "12:00").findings == []
    assert picked(engine, "10:00", "12:01").reasons == ["PICK_DELAY"]


def test_scenario_2_saturday_stretches_the_limit(engine: SqlEngine) -> None:
    day = "2025-08-16T"
    assert picked(engine, f"{day}10:00:00", f"{day}13:00:00").findings == []
    (found,) = picked(engine, f"{day}10:00:00", f"{day}13:01:00").findings
    assert (found.upper, found.details["text"]) == (180, "120 x 1.5 weekend = 180 min")


def test_scenario_3_open_soon_and_cancelled(engine: SqlEngine) -> None:
    paid = [event("order_paid", "10:00")]
    (found,) = see(engine, paid, "12:30").findings
    assert (found.type, found.observed) == ("PICK_DELAY", 150)
    soon = see(engine, paid, "11:40")
    assert soon.findings == []
    assert [p["text"] for p in soon.predictions] == ["will breach in 20 min"]
    gone = see(engine, [*paid, event("order_cancelled", "11:50")], "12:30")
    assert (gone.findings, gone.predictions) == ([], [])


def test_scenario_4_pack_delay_then_missing_scan(engine: SqlEngine) -> None:
    start = [event("pick_completed", "10:00")]
    assert see(engine, start, "13:00").reasons == []
    assert see(engine, start, "13:01").reasons == ["PACK_DELAY"]
    assert see(engine, start, "14:30").reasons == ["PACK_DELAY"]
    assert see(engine, start, "14:31").reasons == ["PACK_DELAY", "MISSING_SCAN"]
    longer = "sla: {missing_scan_buffer_minutes: 120}"
    assert see(engine, start, "15:00", longer).reasons == ["PACK_DELAY"]
    assert see(engine, start, "15:01", longer).reasons == ["PACK_DELAY", "MISSING_SCAN"]


def test_scenario_5_fragile_and_high_volume(engine: SqlEngine) -> None:
    crowd = [event("order_paid", "10:30", f"V{i}") for i in range(100)]
    crowd += [event("order_cancelled", "10:40", f"V{i}") for i in range(100)]
    paid = event("order_paid", "10:00", fragile=True)
    exact = [paid, event("pick_completed", "2025-08-18T13:07:12Z"), *crowd]
    assert see(engine, exact, "14:00").findings == []  # exactly 187.2 minutes is no breach
    (found,) = see(engine, [paid, event("pick_completed", "2025-08-18T13:07:13Z"), *crowd], "14:00").findings
    assert found.upper == pytest.approx(187.2, abs=1e-9)
    assert found.details["text"] == "120 x 1.2 fragile x 1.3 high volume = 187.2 min"


@pytest.mark.parametrize(
    ("invoiced", "delta", "handling"), [(100, -30, "booked"), (700, -630, "approval"), (2500, -2430, "manual_review")]
)
def test_scenario_6_wrong_invoices(engine: SqlEngine, invoiced: int, delta: int, handling: str) -> None:
    work = [event("pick_completed", "10:00"), event("pack_completed", "10:10"), event("ship_label_printed", "10:20")]
    (row,) = see(engine, work, "11:00", invoices=f"order_id,amount_cents\nORD-1,{invoiced}\n").billing["invoices"]
    assert (row["recomputed_cents"], row["delta_cents"], row["adjustment"]["handling"]) == (70, delta, handling)
    (right,) = see(engine, work, "11:00", invoices="order_id,amount_cents\nORD-1,70\n").billing["invoices"]
    assert right["adjustment"] is None


# --- Around them ------------------------------------------------------------------------------


def test_a_clock_change_is_an_hour_of_the_calendar_not_of_the_order(engine: SqlEngine) -> None:
    """Berlin's clocks go back on Sunday 2025-10-26 at 03:00; Saturday's end is 22:00 UTC, Sunday's 23:00 UTC."""
    paid = [event("order_paid", "2025-10-26T22:30:00Z")]
    (sunday,) = see(engine, paid, "2025-10-27T02:00:00", zone="Europe/Berlin").findings
    assert sunday.details["factors"] == [{"group": "calendar", "name": "weekend", "value": 1.5}]
    assert sunday.observed == 210
    (monday,) = see(
        engine, [event("order_paid", "2025-10-26T23:00:00Z")], "2025-10-27T02:00:00", zone="Europe/Berlin"
    ).findings
    assert (monday.upper, monday.observed) == (120, 180)


def test_the_larger_of_weekend_and_holiday_counts(engine: SqlEngine) -> None:
    policy = "sla: {holidays: [2025-08-16]}"
    found = picked(engine, "2025-08-16T10:00:00", "2025-08-16T14:01:00", policy).findings
    assert found[0].details["text"] == "120 x 2 holiday = 240 min"


def test_what_contradicts_itself_is_a_quality_finding_and_no_breach_e2_08(engine: SqlEngine) -> None:
    seen = see(
        engine,
        [
            event("order_paid", "13:58", "BACK"),
            event("pick_completed", "13:50", "BACK"),
            event("order_paid", "06:00", "NOPICK"),
            event("pack_completed", "13:50", "NOPICK"),
            event("order_paid", "14:06", "AHEAD"),
            event("order_paid", "14:04", "NEAR"),
        ],
        "14:00",
    )
    assert seen.findings == []
    assert [q.split(":")[0] for q in seen.quality] == ["AHEAD", "BACK", "NOPICK"]


def test_latest_occurrence_of_each_type(engine: SqlEngine) -> None:
    again = [event("order_paid", "06:00"), event("order_paid", "10:00"), event("pick_completed", "11:00")]
    assert see(engine, again, "11:30").findings == []


def test_reported_reasons_and_priority_e2_13(engine: SqlEngine) -> None:
    events = [
        event("order_paid", "10:00"),
        event("exception_reported", "10:05", payload={"exception_reason": "stock"}),
        event("exception_reported", "10:06", payload={"exception_reason": "system"}),
        event("exception_reported", "10:07", payload={"exception_reason": "who knows"}),
        event("delivery_failed", "10:08"),
    ]
    assert see(engine, events, "12:30").reasons == [
        "SYSTEM_ERROR", "STOCK_MISMATCH", "CARRIER_ISSUE", "PICK_DELAY", "OTHER",
    ]  # fmt: skip
    assert "CARRIER_ISSUE" not in see(engine, [*events, event("delivered", "11:00")], "12:30").reasons


def test_the_future_changes_nothing(engine: SqlEngine) -> None:
    past = [event("order_paid", "08:00"), event("order_paid", "09:55", "B"), event("pick_completed", "09:00", "C")]
    later = [event("pick_completed", "12:00"), event("order_cancelled", "12:00", "B"), event("delivered", "12:00", "C")]
    alone, both = see(engine, past, "11:45"), see(engine, [*past, *later], "11:45")
    assert alone.findings == both.findings
    assert alone.predictions == both.predictions


def test_planted_exceptions_are_found_and_no_others_e2_28(engine: SqlEngine, tmp_path: Path) -> None:
    now = moment("14:00")
    for seed in (1, 2, 3):
        paths = tools.generate("order_sla", seed, tmp_path / str(seed), now=now, orders=600)
        with (tmp_path / str(seed) / "truth.csv").open() as stream:
            planted = {(r["order_id"], r["reason"]) for r in csv.DictReader(stream)}
        seen = see(engine, map(json.loads, paths[0].read_text().splitlines()), "14:00")
        assert planted
        assert {(f.subject, f.type) for f in seen.findings} == planted


def test_the_generator_keeps_its_shares_exactly_e2_28() -> None:
    import runpy

    made = runpy.run_path("data/order_sla/generator.py")
    labels = made["labels"](7, 0)
    shares = {label: labels.count(label) / 100 for label in set(labels) if label}
    assert shares == {
        "DELIVERY_DELAY": 4.39, "CUSTOMER_UNAVAILABLE": 2.64, "INVENTORY_SHORTAGE": 2.20, "ADDRESS_INVALID": 1.76,
        "PAYMENT_FAILED": 1.32, "DAMAGED_PACKAGE": 0.70,
    }  # fmt: skip
    assert labels != made["labels"](8, 0)
    sent: list[object] = []
    assert made["stream"](1, 30, sent.append, count=2, sleep=lambda _s: None, now=lambda: moment("14:00")) == 2
    assert len(sent) > 2


# --- Through the workbench --------------------------------------------------------------------


@pytest.fixture
def clock() -> Hand:
    return Hand(moment("12:30"))


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="admin")


@pytest.fixture
def wb(tmp_path: Path, clock: Hand) -> Iterator[Workbench]:
    made = build(Settings(_env_file=None, telltale_home=tmp_path, openai_api_key=None), clock)
    yield made
    made.store.close()
    made.ctx.engine.close()  # type: ignore[attr-defined]


def run(wb: Workbench, who: Principal, *events: dict[str, object], **files: bytes) -> Run:
    given = {"events.jsonl": jsonl(events), **{name.replace("_", "."): body for name, body in files.items()}}
    return casework.run(wb, who, "order_sla", files=given, kind="api", ask_model=False)


def test_one_incident_for_order_and_reason_with_notes(wb: Workbench, who: Principal, clock: Hand) -> None:
    paid = event("order_paid", "10:00")
    report = run(wb, who, paid).report
    (incident,) = report["incidents"]  # type: ignore[misc]
    assert incident["dedup_key"] == "order:default:ORD-1:PICK_DELAY"
    assert incident["metrics"]["notices"]["due"] == ["ops"]
    (decision,) = report["decisions"]  # type: ignore[misc]
    assert decision["label"] == "PICK_DELAY"
    assert decision["ai_confidence"] is None
    assert "[Rules]" in decision["reasoning"]
    assert "pick" not in decision["client_note"]
    clock.forward(minutes=30)
    (again,) = run(wb, who, paid).report["incidents"]  # type: ignore[misc]
    assert (again["incident_id"], again["occurrences"]) == (incident["incident_id"], 2)


def test_what_a_person_resolved_stays_resolved_while_its_cause_is_the_same(
    wb: Workbench, who: Principal, clock: Hand
) -> None:
    late = [event("order_paid", "08:00"), event("pick_completed", "11:00")]
    (incident,) = run(wb, who, *late).report["incidents"]  # type: ignore[misc]
    incidents.move(wb, who, incident["incident_id"], "RESOLVED", "shipped by hand")
    clock.forward(minutes=5)
    assert run(wb, who, *late).report["incidents"] == []
    assert incidents.get(wb, who, incident["incident_id"]).status is IncidentStatus.RESOLVED


def test_a_broken_policy_changes_nothing_and_says_so_e2_07(wb: Workbench, who: Principal) -> None:
    order_policies.save(wb, who, "sla: {pick_minutes: 200}\n")
    report = run(wb, who, event("order_paid", "10:00"), policies_yaml=b"sla: {pick_minutes: [}").report
    assert report["incidents"] == []  # the saved 200 minutes still hold
    assert any("last good policy stays" in n and "line 1" in n for n in report["notes"])  # type: ignore[union-attr]


def test_dry_run_save_history_and_rollback(wb: Workbench, who: Principal, clock: Hand) -> None:
    stricter = "sla: {pick_minutes: 60}\ntariffs: {pick_fee_cents: 31}\n"
    tried = order_policies.dry_run(wb, who, stricter)
    assert tried.appear
    assert tried.vanish == ()
    assert tried.invoices_changed
    assert tried.bills_delta_cents > 0
    assert all(c.reason == "PICK_DELAY" for c in tried.appear)
    assert order_policies.current(wb, "default").version == 0
    order_policies.save(wb, who, stricter, "tighter")
    assert order_policies.current(wb, "default").policy.sla.pick_minutes == 60
    assert order_policies.current(wb, "other").policy.sla.pick_minutes == 120
    order_policies.rollback(wb, who, 0)
    assert [(h.version, h.restored_from) for h in order_policies.history(wb, who)] == [(2, 0), (1, None)]
    assert order_policies.current(wb, "default").policy.sla.pick_minutes == 120


def test_lint_e2_20() -> None:
    found = {i["message"].split(" ")[0]: i for i in order_policies.lint("sla:\n  pick_minutes: 120\n  foo: 1\n")}  # type: ignore[union-attr]
    assert found["sla.pack_minutes"]["severity"] == "high"
    assert found["sla.weekend_multiplier"]["severity"] == "medium"
    assert found["tariffs.min_order_fee_cents"]["suggested_fix"] == "min_order_fee_cents: 50"
    assert found["unknown"]["line_number"] == 3
    assert "sla.pick_minutes" not in found


def test_by_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(jsonl([event("order_paid", "10:00"), event("pick_completed", "13:00")]))
    (folder / "invoices.csv").write_text("invoice_id,order_id,amount_cents\nI-1,ORD-1,100\n")
    told = CliRunner().invoke(
        app, ["run", "order_sla", "--data", str(folder), "--now", "2025-08-18T14:00:00Z", "--json",
              "--out", str(tmp_path / "out")],
    )  # fmt: skip
    assert told.exit_code == 0, told.stderr
    report = json.loads(told.stdout)
    assert [i["type"] for i in report["incidents"]] == ["PICK_DELAY"]
    assert report["predictions"] == []
    (invoice,) = report["invoices"]
    assert (invoice["recomputed_cents"], invoice["adjustment"]["delta_cents"]) == (50, -50)


def test_stored_events_are_a_table_below_the_engines_folder(engine: SqlEngine) -> None:
    """A run over the store reads what a run over files read."""
    from types import SimpleNamespace

    made = see(engine, [event("order_paid", "10:00")], "12:30")
    path = made.dataset.tables["events"].path
    ctx = SimpleNamespace(engine=engine, settings=SimpleNamespace(telltale_timezone="UTC"))
    dataset = OrderLoader().load({"events.parquet": path}, {}, ctx, moment("12:30"))  # type: ignore[arg-type]
    again = OrderSla().detect(Scene(replace(dataset), CheckReport(), moment("12:30"), engine))
    assert [f.id for f in again.findings] == [f.id for f in made.findings]
