"""The Billing page without a browser: receipts, corrections that a person decides on, months, and the export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal
from core.service import inputs, order_billing
from core.service.exceptions import PLAYBOOK
from core.service.workbench import Workbench
from core.store.order_policies import StoredAdjustment
from tests.pages.orders import ANA, metric, stand_still, texts
from tests.playbooks.order_scene import event, jsonl
from ui import auth

Open = Callable[..., AppTest]
INVOICED = {"ORD-30": 100, "ORD-0": 70, "ORD-630": 700, "ORD-2430": 2500, "ORD-UP": 60}


def work(order: str) -> list[dict[str, object]]:
    """A pick, a pack and a label: 70 cents."""
    kinds = (
        ("order_paid", "08:00"),
        ("pick_completed", "09:00"),
        ("pack_completed", "10:00"),
        ("label_created", "10:05"),
    )
    return [event(kind, at, order) for kind, at in kinds]


@pytest.fixture
def invoiced(bench: Workbench) -> Workbench:
    """Scenario 6 with an invoice that is too low and one of an order without work."""
    stand_still(bench)
    events = [e for order in INVOICED for e in work(order)] + [event("order_paid", "08:00", "=1+1")]
    inputs.put_file(bench, ANA, PLAYBOOK, "events.jsonl", jsonl(events), "events.jsonl")
    lines = [f"INV-{order},{order},{cents},2025-08-18" for order, cents in INVOICED.items()]
    content = "\n".join(["invoice_id,order_id,amount_cents,issued_at", *lines, "INV-X,=1+1,50,2025-08-18"])
    inputs.put_file(bench, ANA, PLAYBOOK, "invoices.csv", content.encode(), "invoices.csv")
    return bench


def kept(wb: Workbench, order: str) -> StoredAdjustment:
    return next(a for a in order_billing.adjustments(wb, ANA) if a.order_id == order)


def test_invoices_stand_beside_what_their_orders_cost(opened: Open, invoiced: Workbench) -> None:
    """E2-24, E2-25, scenario 6: 70 is right; three credits, one charge, one that cannot be billed."""
    at = opened("billing")
    assert not at.exception
    assert metric(at, "Right") == ("1 of 6", "16.7 %")
    assert metric(at, "To credit") == ("30.90", "3 invoices too high")
    assert metric(at, "To charge") == ("0.10", "1 invoice too low")
    assert metric(at, "Cannot be billed") == ("1", "see why below")
    assert metric(at, "Month 2025-08")[0] == "100.00"
    shown = texts(at)
    assert "invoiced 25.00 · recomputed 0.70 · ORD-2430 · 2025-08" in shown
    assert "Invoiced **7.00**, recomputed **0.70**: difference **−6.30**" in shown
    assert "there is nothing to bill" in shown
    steps = [t.value for t in at.table]
    assert any("1 pick 30 + 1 pack 20 + 1 label 15" in str(t.to_numpy()) for t in steps)


def test_filters_leave_what_becomes_of_an_invoice(opened: Open, invoiced: Workbench) -> None:
    at = opened("billing")
    at.text_input(key="billing_text").set_value("ord-63").run()
    shown = texts(at)
    assert "INV-ORD-630" in shown
    assert "INV-ORD-2430" not in shown


def test_corrections_are_found_once_and_small_credits_booked(opened: Open, invoiced: Workbench) -> None:
    """Scenario 6: -30 booked, -630 waits for approval, -2430 for a review, +10 for approval."""
    at = opened("billing", billing_tab="Adjustments")
    assert "Choose Find corrections." in texts(at)
    at.button(key="billing_find").click().run()
    assert not at.exception
    shown = texts(at)
    assert "4 new corrections" in shown
    assert "Waiting for a decision (3)" in shown
    assert "Booked and decided (1)" in shown
    states = {a.order_id: (a.delta_cents, a.state) for a in order_billing.adjustments(invoiced, ANA)}
    assert states == {
        "ORD-30": (-30, "BOOKED"), "ORD-630": (-630, "WAITING"), "ORD-2430": (-2430, "MANUAL_REVIEW"),
        "ORD-UP": (10, "WAITING"),
    }  # fmt: skip
    at.button(key="billing_find").click().run()
    assert "0 new corrections" in texts(at)


def test_a_person_approves_or_rejects_with_a_reason(opened: Open, invoiced: Workbench) -> None:
    order_billing.correct(invoiced, ANA)
    credit, charge = kept(invoiced, "ORD-630"), kept(invoiced, "ORD-UP")
    at = opened("billing", billing_tab="Adjustments")
    at.button(key=f"billing_reject_{charge.id}").click().run()
    assert any("needs a reason" in e.value for e in at.error)
    at.text_input(key=f"billing_reason_{charge.id}").set_value("as agreed with the client").run()
    at.button(key=f"billing_reject_{charge.id}").click().run()
    at.button(key=f"billing_approve_{credit.id}").click().run()
    assert not at.exception
    assert (kept(invoiced, "ORD-UP").state, kept(invoiced, "ORD-UP").reason) == (
        "REJECTED",
        "as agreed with the client",
    )
    assert (kept(invoiced, "ORD-630").state, kept(invoiced, "ORD-630").decided_by) == ("APPROVED", ANA.user)
    shown = texts(at)
    assert "Waiting for a decision (1)" in shown
    assert "Rejected by local" in shown


def test_a_viewer_reads_and_a_role_taken_away_is_refused(
    opened: Open, invoiced: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_billing.correct(invoiced, ANA)
    adjustment = kept(invoiced, "ORD-630")
    at = opened("billing", billing_tab="Adjustments")
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at.button(key=f"billing_approve_{adjustment.id}").click().run()
    assert kept(invoiced, "ORD-630").state == "WAITING"
    assert "The role viewer reads" in texts(at)
    assert not [b for b in at.button if "_approve_" in str(b.key)]
    assert at.button(key="billing_find").disabled


def test_a_month_has_its_minimum(opened: Open, invoiced: Workbench) -> None:
    """E2-25: five bills of 70 come to 3.50; a month is at least 100.00."""
    at = opened("billing", billing_tab="Months")
    (table,) = (t.value for t in at.table)
    assert table.to_numpy().tolist() == [["2025-08", "5", "3.50", "96.50", "100.00"]]


def test_the_export_runs_no_formula_and_keeps_whole_cents(invoiced: Workbench) -> None:
    rows = {r["invoice_id"]: r for r in csv.DictReader(io.StringIO(order_billing.export(invoiced, ANA).decode()))}
    assert rows["INV-X"]["order_id"] == "'=1+1"
    assert (rows["INV-ORD-630"]["delta_cents"], rows["INV-ORD-630"]["handling"]) == ("-630", "approval")


def test_one_order_shows_what_it_costs(opened: Open, invoiced: Workbench) -> None:
    at = opened("orders", order="ORD-630")
    assert not at.exception
    assert "What it costs" in texts(at)
    assert "difference **−6.30**" in texts(at)


def test_the_flows_show_each_step(opened: Open, invoiced: Workbench) -> None:
    """E2-29"""
    at = opened("orders", orders_tab="Flows")
    assert texts(at).count("It has not run yet.") == 4
    at.button(key="orders_flow_orchestrator").click().run()
    assert not at.exception
    shown = texts(at)
    assert shown.count("It has not run yet.") == 3
    for step in ("Judge orders", "Escalate", "Tell clients", "Carry out", "Recompute invoices", "Waiting"):
        assert f"**{step}**" in shown
