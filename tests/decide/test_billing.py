"""Money of orders: the goldens, an independent decimal oracle, and what becomes of wrong and late invoices."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decide.billing import (
    BillingError,
    Handling,
    LateCharge,
    Work,
    adjustment,
    bill,
    late_charge,
    month_total,
)
from core.load.order_policies import shipped_policy

T = shipped_policy().tariffs
B = Work(picks=1, packs=1, labels=1)


@pytest.mark.parametrize(
    ("work", "orders", "cents"),
    [
        (B, 1, 70),
        (Work(picks=1), 1, 50),
        (Work(picks=1, rush=True), 1, 100),
        (replace(B, rush=True), 1, 140),
        (replace(B, fragile=True), 1, 84),
        (replace(B, rush=True, oversized=True, hazmat=True, fragile=True), 1, 756),
        (replace(B, rush=True, oversized=True, hazmat=True, fragile=True), 1000, 642),
        (B, 99, 70),
        (B, 100, 66),
        (replace(B, storage_days=90), 1, 515),
        (replace(B, storage_days=91), 1, 525),
        (replace(B, storage_days=100), 1, 615),
        (replace(B, returns=1), 1, 320),
        (replace(B, photos=1, quality_checks=1, gift_wraps=1, custom_packagings=1), 1, 445),
        (Work(picks=3, packs=2, labels=1, kittings=1, storage_days=4, oversized=True), 500, 289),
    ],
)
def test_goldens_e2_24(work: Work, orders: int, cents: int) -> None:
    made = bill(work, T, orders)
    assert made.cents == cents
    assert made.steps[-1].cents == cents


def oracle(w: Work, orders: int) -> int:
    """The tariffs' plain reading in decimals, written apart from the product."""
    with localcontext(prec=60):

        def whole(value: Decimal) -> Decimal:
            return value.to_integral_value(ROUND_FLOOR)

        d = Decimal
        short, long = min(w.storage_days, 90), max(w.storage_days - 90, 0)
        cents = d(30 * w.picks + 20 * w.packs + 15 * w.labels + 50 * w.kittings + 250 * w.returns)
        cents += 100 * w.gift_wraps + 25 * w.photos + 50 * w.quality_checks + 200 * w.custom_packagings
        cents += 5 * short + whole(5 * long * d("2.0"))
        cents = max(cents, d(50))
        for flag, factor in ((w.rush, "2.0"), (w.oversized, "1.5"), (w.hazmat, "3.0"), (w.fragile, "1.2")):
            if flag:
                cents = whole(cents * d(factor))
        for least, discount in ((1000, "0.15"), (500, "0.10"), (100, "0.05")):
            if orders >= least:
                return int(whole(cents * (1 - d(discount))))
        return int(cents)


counts = st.integers(0, 10**6)
works = st.builds(
    Work,
    picks=st.integers(1, 10**6),
    packs=counts,
    labels=counts,
    kittings=counts,
    returns=counts,
    storage_days=st.integers(1, 5000),
    gift_wraps=counts,
    photos=counts,
    quality_checks=counts,
    custom_packagings=counts,
    rush=st.booleans(),
    oversized=st.booleans(),
    hazmat=st.booleans(),
    fragile=st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(works, st.integers(0, 2000))
def test_a_bill_equals_the_decimal_oracle(work: Work, orders: int) -> None:
    made = bill(work, T, orders)
    assert made.cents == oracle(work, orders)
    assert all(type(s.cents) is int for s in made.steps)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 4000))
def test_interest_equals_the_decimal_oracle(amount: int, days: int) -> None:
    charge = late_charge(amount, days, T)
    with localcontext(prec=80):
        exact = amount * Decimal("0.18") * days / 365
        expected = int(exact.to_integral_value(ROUND_FLOOR)) if days > 30 else 0
    assert charge == LateCharge(2500 if days > 30 else 0, expected)


def test_late_charge_golden_e2_25() -> None:
    assert late_charge(100_000, 60, T) == LateCharge(2500, 2958)
    assert late_charge(100_000, 30, T) == LateCharge(0, 0)
    assert late_charge(100_000, 31, T).fee_cents == 2500


@pytest.mark.parametrize(
    ("invoiced", "age", "delta", "handling"),
    [
        (100, 0, -30, Handling.BOOKED),
        (700, 0, -630, Handling.APPROVAL),
        (2500, 0, -2430, Handling.MANUAL_REVIEW),
        (569, 0, -499, Handling.BOOKED),
        (570, 0, -500, Handling.APPROVAL),
        (2070, 0, -2000, Handling.APPROVAL),
        (2071, 0, -2001, Handling.MANUAL_REVIEW),
        (100, 30, -30, Handling.BOOKED),
        (100, 31, -30, Handling.MANUAL_REVIEW),
        (20, 0, 50, Handling.APPROVAL),
    ],
)
def test_adjustments_e2_25(invoiced: int, age: int, delta: int, handling: Handling) -> None:
    found = adjustment(invoiced, 70, age, T)
    assert found is not None
    assert (found.delta_cents, found.handling) == (delta, handling)
    assert str(invoiced) in found.rationale


def test_an_equal_invoice_has_no_adjustment() -> None:
    assert adjustment(70, 70, 400, T) is None


def test_a_month_costs_at_least_the_minimum() -> None:
    assert month_total([70, 70], T) == 10_000
    assert month_total([9_000, 1_001], T) == 10_001


@pytest.mark.parametrize(
    ("work", "code", "field"),
    [
        (replace(B, packs=-1), "negative_count", "packs"),
        (replace(B, storage_days=-1), "negative_count", "storage_days"),
        (replace(B, rush=1), "flag_not_boolean", "rush"),
        (replace(B, fragile="yes"), "flag_not_boolean", "fragile"),
        (replace(B, picks=True), "count_not_whole", "picks"),
        (replace(B, picks=1.0), "count_not_whole", "picks"),
        (Work(kittings=1, returns=1), "no_core_operation", "picks"),
    ],
)
def test_what_cannot_be_billed_says_why_e2_26(work: Work, code: str, field: str) -> None:
    with pytest.raises(BillingError) as error:
        bill(work, T, 1)
    assert (error.value.code, error.value.field) == (code, field)
