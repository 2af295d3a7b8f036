"""Every key of the order policy is in force: changing it changes something that people see. Source: E2-27."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from core.decide.billing import adjustment, late_charge
from core.engine.sql import SqlEngine
from core.load.order_policies import SHIPPED, read_policy
from core.model import Severity
from core.orders import OrderPolicy, Reason, policy_of
from core.orders.notices import escalation_wait, needs_approval, notices
from core.orders.resolution import Plan, gate
from tests.playbooks.order_scene import Seen, event, moment, see

BASE = yaml.safe_load(SHIPPED.read_text("utf-8"))
BASE["sla"] |= {
    "holidays": ["2025-08-14"],
    "peak_season": [{"from": "2025-08-13", "to": "2025-08-13"}],
}
NOW = "16:00"


def world() -> list[dict[str, object]]:
    """Orders that meet every rule of the policy: each limit, factor, reason, tariff and multiplier."""
    address = {"shipping_address": {"zip": "00000"}}
    short = {"line_items": [{"quantity": 3, "available_quantity": 1}]}
    away = {"delivery_attempts": 2, "delivery_status": "failed_delivery"}
    made = [
        event("order_paid", "10:00", "PICK"),
        event("pick_completed", "10:00", "PACK"),
        event("pack_completed", "2025-08-17T10:00:00Z", "SHIP"),
        event("pick_completed", "2025-08-18T10:30:00Z", "SCAN"),
        event("order_paid", "14:20", "SOON"),
        event("order_paid", "2025-08-16T08:00:00Z", "WEEKEND"),
        event("order_paid", "2025-08-14T08:00:00Z", "HOLIDAY"),
        event("order_paid", "2025-08-13T08:00:00Z", "PEAK"),
        *(event("order_paid", "12:00", f"HIGH-{i}") for i in range(101)),
        event("order_paid", "10:00", "OVERSIZED", oversized=True),
        event("order_paid", "10:00", "HAZMAT", hazmat=True),
        event("order_paid", "10:00", "FRAGILE", fragile=True),
        event("manifested", "2025-08-05T10:00:00Z", "STANDARD"),
        event("manifested", "2025-08-05T10:00:00Z", "EXPRESS", payload={"service_level": "express"}),
        event("manifested", "2025-08-05T10:00:00Z", "OVERNIGHT", payload={"service_level": "overnight"}),
        *(
            event("exception_reported", "10:00", f"X-{text}", payload={"exception_reason": text})
            for text in ("stock", "address", "system", "other", "INVENTORY_SHORTAGE", "SHIP_DELAY", "ADDRESS_INVALID",
                         "DELIVERY_DELAY", "DAMAGED_PACKAGE", "CUSTOMER_UNAVAILABLE", "PAYMENT_FAILED")
        ),
        event("order_paid", "15:50", "R1", payload=address),
        event("order_paid", "15:50", "R2", payload={"financial_status": "failed"}),
        event("order_paid", "15:50", "R3", payload=short),
        event("order_paid", "15:50", "R4", payload={"package_condition": "damaged"}),
        event("order_paid", "15:50", "R5", payload=away),
        event("order_paid", "15:50", "R6", payload={"fulfillment_status": "delayed"}),
    ]  # fmt: skip
    for order, flags in (("B", {}), ("RUSH", {"rush": True}), ("BIG", {"oversized": True}),
                         ("HAZ", {"hazmat": True}), ("FRAG", {"fragile": True})):  # fmt: skip
        made += [
            event("pick_completed", "2025-04-10T10:00:00Z", f"BILL-{order}", **flags),
            event("pack_completed", "2025-04-10T10:10:00Z", f"BILL-{order}"),
            event("ship_label_printed", "2025-04-10T10:20:00Z", f"BILL-{order}"),
        ]
    extras = {"gift_wrap": True, "photo": True, "quality_check": True, "custom_packaging": True}
    made += [
        event("pick_completed", "2025-04-10T10:00:00Z", "BILL-EXTRAS", payload=extras),
        event("kitting_completed", "2025-04-10T10:00:00Z", "BILL-EXTRAS"),
        event("label_created", "2025-04-10T10:00:00Z", "BILL-LABEL"),
        event("return_processed", "2025-04-10T10:00:00Z", "BILL-EXTRAS"),
        event("pick_completed", "2025-04-10T10:00:00Z", "BILL-STORED"),
        event("pack_completed", "2025-08-10T10:00:00Z", "BILL-STORED"),
    ]
    return made


def result(seen: Seen) -> list[object]:
    """Everything that the policy decides in this world."""
    policy = policy_of(seen.dataset.documents["policies"])
    findings = [
        (f.subject, f.type, f.severity, f.upper, f.priority, f.labels["label"], f.details["client_visible"])
        for f in seen.findings
    ]
    bills = [(i["order_id"], i["recomputed_cents"], i["error"]) for i in seen.billing["invoices"]]  # type: ignore[union-attr]
    return [findings, seen.predictions, bills, seen.billing["billing"], list(_rules(policy))]


def _rules(policy: OrderPolicy) -> Iterator[object]:
    saturday, since = moment("2025-08-16T12:00"), moment("10:00")
    certain = Plan(("system_recovery",), 0.9, 0.9, "", "")
    for reason in Reason:
        yield notices(policy, reason, since)
        yield escalation_wait(policy, reason)
        yield needs_approval(policy, reason, "carrier_api_update", saturday, "UTC")
        yield gate(policy, reason, certain, 0)
    tariffs = policy.tariffs
    yield [adjustment(amount, 0, age, tariffs) for amount in (400, 1200, 2300) for age in (0, 25)]
    yield [late_charge(100_000, days, tariffs) for days in (29, 60)]
    yield tariffs.volume_tier_2_orders, tariffs.volume_tier_3_orders  # judged below with their discounts
    yield [_tier(policy, n) for n in (99, 100, 400, 500, 900, 1000)]


def _tier(policy: OrderPolicy, orders: int) -> object:
    from core.decide.billing import Work, bill

    return bill(Work(picks=10, packs=10), policy.tariffs, orders).cents


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlEngine]:
    made = SqlEngine(tmp_path_factory.mktemp("tables"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def events() -> list[dict[str, object]]:
    return world()


@pytest.fixture(scope="module")
def usual(engine: SqlEngine, events: list[dict[str, object]]) -> list[object]:
    return result(see(engine, events, NOW, yaml.safe_dump(BASE, sort_keys=False)))


def changes() -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each key with the policy in which only this key has another value."""
    for section in ("sla", "tariffs"):
        for key, value in BASE[section].items():
            if key == "auto_escalate_critical":
                continue  # it concerns CRITICAL reasons other than SYSTEM_ERROR, and there is none by default
            yield f"{section}.{key}", {**BASE, section: {**BASE[section], key: _other(key, value)}}
    for reason, rule in BASE["reasons"].items():
        for key, value in rule.items():
            other = {**rule, key: "LOW" if key == "severity" else _other(key, value)}
            yield f"reasons.{reason}.{key}", {**BASE, "reasons": {**BASE["reasons"], reason: other}}
    yield "reasons (order)", {**BASE, "reasons": dict(reversed(BASE["reasons"].items()))}
    for section in ("label_map", "exception_reasons"):
        for key, value in BASE[section].items():
            other = {**BASE[section], key: "PICK_DELAY" if value != "PICK_DELAY" else "OTHER"}
            yield f"{section}.{key}", {**BASE, section: other}
    for i, rule in enumerate(BASE["order_rules"]):
        for key, value in (("if", "financial_status = never"), ("reason", "PICK_DELAY"), ("label", "ELSE")):
            rules = [{**r, key: value} if n == i else r for n, r in enumerate(BASE["order_rules"])]
            yield f"order_rules.{i}.{key}", {**BASE, "order_rules": rules}
        assert rule
    for key in BASE["billable_events"]:
        fewer = {k: v for k, v in BASE["billable_events"].items() if k != key}
        yield f"billable_events.{key}", {**BASE, "billable_events": fewer}


SPECIAL: Mapping[str, object] = {  # values of which this world takes notice
    "holidays": [],
    "peak_season": [],
    "overnight_delivery_days": 2,
    "missing_scan_buffer_minutes": 120,
    "high_volume_threshold": 200,
    "escalation_hours": 0.1,
    "min_monthly_fee_cents": 20_000,
    "long_term_storage_days": 30,
    "auto_credit_threshold_cents": 300,
    "manual_review_threshold_cents": 1000,
    "billing_dispute_credit_days": 20,
    "late_payment_days": 20,
    "volume_tier_1_orders": 99,
    "volume_tier_2_orders": 400,
    "volume_tier_3_orders": 900,
}


def _other(key: str, value: object) -> object:
    """Another value of the same kind."""
    if key in SPECIAL:
        return SPECIAL[key]
    if isinstance(value, bool):
        return not value
    assert isinstance(value, int | float)
    return value / 2 if isinstance(value, float) else max(1, value // 2)


CHANGES = dict(changes())


@pytest.mark.parametrize("key", CHANGES)
def test_another_value_changes_a_result(
    key: str, engine: SqlEngine, events: list[dict[str, object]], usual: list[object]
) -> None:
    text = yaml.safe_dump(CHANGES[key], sort_keys=False)
    read = read_policy(text)
    assert not read.errors
    assert not read.warnings
    assert result(see(engine, events, NOW, text)) != usual


def test_any_other_critical_reason_escalates_at_once_where_the_policy_says_so() -> None:
    critical = {**BASE["reasons"], "OTHER": {**BASE["reasons"]["OTHER"], "severity": "CRITICAL"}}
    for switch, hours in ((True, 0), (False, 4)):
        text = yaml.safe_dump({"sla": {"auto_escalate_critical": switch}, "reasons": critical})
        policy = read_policy(text).policy
        assert policy is not None
        assert escalation_wait(policy, Reason.OTHER).total_seconds() == hours * 3600


def test_every_key_of_the_acceptance_list_is_covered() -> None:
    assert len(BASE["sla"]) == 25
    assert len(BASE["tariffs"]) == 32
    keys = {f"{section}.{k}" for section in ("sla", "tariffs") for k in BASE[section]}
    assert keys - {"sla.auto_escalate_critical"} <= set(CHANGES)


def test_an_unused_key_is_listed_with_its_line(engine: SqlEngine) -> None:
    seen = see(engine, [event("order_paid", "10:00")], "10:01", "sla:\n  pick_minutes: 120\n  colour: red\n")
    assert seen.dataset.documents["policy_warnings"] == [
        "policies.yaml line 3: unknown key 'sla.colour'; nothing uses it."
    ]


def test_the_shipped_policy_is_the_binding_one(tmp_path: Path) -> None:
    assert read_policy(SHIPPED.read_text("utf-8"), defaults=False).policy is not None
    assert (BASE["sla"]["pick_minutes"], BASE["sla"]["pack_minutes"], BASE["sla"]["ship_minutes"]) == (120, 180, 1440)
    assert Severity.HIGH.name == BASE["reasons"]["CARRIER_ISSUE"]["severity"]
