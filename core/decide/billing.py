"""What an order costs, and what becomes of a wrong or late invoice: exact fractions, a floor to whole cents each step.

No float comes near an amount. Source: acceptance E2-24 to E2-26.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import lru_cache
from math import floor

from core.errors import InputError
from core.model import JsonObject
from core.orders import Tariffs

FLAGS = ("rush", "oversized", "hazmat", "fragile")  # in the order their multipliers apply
CORE = ("picks", "packs", "labels")
YEAR_DAYS = 365


class BillingError(InputError):
    """An order that cannot be billed; ``code`` names why."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(message, field=field)
        self.code = code


@dataclass(frozen=True, slots=True)
class Work:
    """What was done for an order: how often, for how many days it was stored, and what it is."""

    picks: int = 0
    packs: int = 0
    labels: int = 0
    kittings: int = 0
    returns: int = 0
    storage_days: int = 1
    gift_wraps: int = 0
    photos: int = 0
    quality_checks: int = 0
    custom_packagings: int = 0
    rush: bool = False
    oversized: bool = False
    hazmat: bool = False
    fragile: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a bill's receipt and the amount after it. Units: cents."""

    text: str
    cents: int


@dataclass(frozen=True, slots=True)
class Bill:
    """What an order costs, with every step that made it. Units: cents."""

    cents: int
    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        """The receipt in one line."""
        return "; ".join(f"{s.text} = {s.cents}" for s in self.steps)


def check_work(work: Work) -> None:
    """Raises: BillingError negative_count, flag_not_boolean or no_core_operation, naming the field."""
    for f in fields(Work):
        value: object = getattr(work, f.name)
        if f.name in FLAGS:
            if not isinstance(value, bool):
                raise BillingError("flag_not_boolean", f"{f.name} is {value!r}; expected true or false.", f.name)
        elif isinstance(value, bool) or not isinstance(value, int):
            raise BillingError("count_not_whole", f"{f.name} is {value!r}; expected a whole number.", f.name)
        elif value < 0:
            raise BillingError("negative_count", f"{f.name} is {value}; expected 0 or more.", f.name)
    if not any(getattr(work, name) for name in CORE):
        raise BillingError(
            "no_core_operation", "The order has no pick, pack or label; there is nothing to bill.", "picks"
        )


def bill(work: Work, tariffs: Tariffs, month_orders: int) -> Bill:
    """The bill of an order in a month with so many orders: fees, minimum, multipliers, discount.

    Raises: BillingError.
    """
    check_work(work)
    if isinstance(month_orders, bool) or not isinstance(month_orders, int) or month_orders < 0:
        raise BillingError(
            "negative_count", f"month_orders is {month_orders!r}; expected a whole number, 0 or more.", "month_orders"
        )
    return _bill(work, tariffs, tier(tariffs, month_orders))


def tier(tariffs: Tariffs, month_orders: int) -> int:
    """The volume tier of a month with so many orders: 0 to 3; the highest whose number is reached."""
    return max((t for t in (1, 2, 3) if month_orders >= getattr(tariffs, f"volume_tier_{t}_orders")), default=0)


@lru_cache(maxsize=50_000)
def _bill(work: Work, tariffs: Tariffs, level: int) -> Bill:
    cents, said = _fees(work, tariffs)
    steps = [Step(said, cents)]
    if cents < tariffs.min_order_fee_cents:
        cents = tariffs.min_order_fee_cents
        steps.append(Step("minimum", cents))
    for flag in FLAGS:
        if getattr(work, flag):
            factor = getattr(tariffs, f"{flag}_multiplier")
            cents = floor(cents * Fraction(factor))
            steps.append(Step(f"x {factor.normalize():f} {flag}", cents))
    if level:
        discount = getattr(tariffs, f"volume_tier_{level}_discount")
        cents = floor(cents * (1 - Fraction(discount)))
        steps.append(Step(f"- {(discount * 100).normalize():f} % volume", cents))
    return Bill(cents, tuple(steps))


def _fees(work: Work, tariffs: Tariffs) -> tuple[int, str]:
    one_return = tariffs.return_processing_fee_cents + tariffs.restocking_fee_cents + tariffs.inspection_fee_cents
    lines = (
        ("pick", work.picks, tariffs.pick_fee_cents),
        ("pack", work.packs, tariffs.pack_fee_cents),
        ("label", work.labels, tariffs.label_fee_cents),
        ("kitting", work.kittings, tariffs.kitting_fee_cents),
        ("return", work.returns, one_return),
        ("gift wrap", work.gift_wraps, tariffs.gift_wrap_fee_cents),
        ("photo", work.photos, tariffs.photo_fee_cents),
        ("quality check", work.quality_checks, tariffs.quality_check_fee_cents),
        ("custom packaging", work.custom_packagings, tariffs.custom_packaging_fee_cents),
    )
    days, stored = work.storage_days, storage(work.storage_days, tariffs)
    said = [f"{count} {name} {count * fee}" for name, count, fee in lines if count]
    said.append(f"{days} day{'' if days == 1 else 's'} stored {stored}")
    return sum(count * fee for _, count, fee in lines) + stored, " + ".join(said)


def storage(days: int, tariffs: Tariffs) -> int:
    """Storage in cents; days after the long-term limit cost more."""
    long = max(0, days - tariffs.long_term_storage_days)
    fee = tariffs.storage_fee_cents_per_day
    return (days - long) * fee + floor(long * fee * Fraction(tariffs.long_term_storage_multiplier))


class Handling(enum.StrEnum):
    """What becomes of an adjustment."""

    BOOKED = "booked"
    APPROVAL = "approval"
    MANUAL_REVIEW = "manual_review"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """The correction of an invoice: below 0 a credit, above an extra charge. Units: cents."""

    delta_cents: int
    handling: Handling
    rationale: str


def adjustment(invoiced_cents: int, recomputed_cents: int, age_days: int, tariffs: Tariffs) -> Adjustment | None:
    """How an invoice is corrected; None when it is right. ``age_days`` are whole days since it was issued."""
    delta = recomputed_cents - invoiced_cents
    if delta == 0:
        return None
    shown = f"invoiced {invoiced_cents}, recomputed {recomputed_cents}"
    if delta > 0:
        return Adjustment(delta, Handling.APPROVAL, f"{shown}: an extra charge of {delta} needs approval")
    credit = -delta
    if age_days > tariffs.billing_dispute_credit_days:
        why = f"the invoice is {age_days} days old, over {tariffs.billing_dispute_credit_days}"
        return Adjustment(delta, Handling.MANUAL_REVIEW, f"{shown}: credit of {credit}; {why}")
    if credit > tariffs.manual_review_threshold_cents:
        why = f"it is over {tariffs.manual_review_threshold_cents}"
        return Adjustment(delta, Handling.MANUAL_REVIEW, f"{shown}: credit of {credit}; {why}")
    if credit < tariffs.auto_credit_threshold_cents:
        why = f"below {tariffs.auto_credit_threshold_cents}, booked"
        return Adjustment(delta, Handling.BOOKED, f"{shown}: credit of {credit}, {why}")
    return Adjustment(delta, Handling.APPROVAL, f"{shown}: a credit of {credit} needs approval")


@dataclass(frozen=True, slots=True)
class LateCharge:
    """What a late payment costs. Units: cents."""

    fee_cents: int
    interest_cents: int


def late_charge(amount_cents: int, days_overdue: int, tariffs: Tariffs) -> LateCharge:
    """Fee and simple interest of an amount so many days overdue; nothing until the days of grace are over.

    Raises: BillingError for a negative amount.
    """
    if amount_cents < 0:
        raise BillingError("negative_amount", f"amount is {amount_cents}; expected 0 or more.", "amount_cents")
    if days_overdue <= tariffs.late_payment_days:
        return LateCharge(0, 0)
    interest = Fraction(tariffs.interest_rate_annual) * amount_cents * days_overdue / YEAR_DAYS
    return LateCharge(tariffs.late_payment_fee_cents, floor(interest))


def month_total(cents: Iterable[int], tariffs: Tariffs) -> int:
    """What a month costs: its bills, at least the monthly minimum."""
    return max(sum(cents), tariffs.min_monthly_fee_cents)


def adjustment_doc(found: Adjustment | None) -> JsonObject | None:
    """The adjustment as JSON."""
    if found is None:
        return None
    return {"delta_cents": found.delta_cents, "handling": str(found.handling), "rationale": found.rationale}
