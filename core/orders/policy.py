"""The words of orders: reasons, the policy that judges and bills them, and its JSON form. Money is integer cents."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from core.model import Json, Severity
from core.orders.conditions import parse_condition


class Reason(enum.StrEnum):
    """Why an order is an exception; the policy's list gives the priority."""

    SYSTEM_ERROR = "SYSTEM_ERROR"
    STOCK_MISMATCH = "STOCK_MISMATCH"
    ADDRESS_ERROR = "ADDRESS_ERROR"
    CARRIER_ISSUE = "CARRIER_ISSUE"
    PACK_DELAY = "PACK_DELAY"
    PICK_DELAY = "PICK_DELAY"
    MISSING_SCAN = "MISSING_SCAN"
    OTHER = "OTHER"


class Operation(enum.StrEnum):
    """What an event can be counted as on a bill."""

    PICK = "pick"
    PACK = "pack"
    LABEL = "label"
    KITTING = "kitting"
    RETURN = "return"


Minutes = Annotated[Decimal, Field(gt=0, le=1_000_000)]
Wait = Annotated[Decimal, Field(ge=0, le=1_000_000)]
Factor = Annotated[Decimal, Field(gt=0, le=100)]
Days = Annotated[int, Field(ge=0, le=3650)]
Cents = Annotated[int, Field(ge=0, le=100_000_000)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=100_000_000)]


class Strict(BaseModel):
    """Immutable policy that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Period(Strict):
    """Some days in a row, both ends included."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Period:
        if self.last < self.first:
            raise ValueError("'to' is before 'from'")
        return self


class Sla(Strict):
    """Promises in minutes and days, what stretches them, and who is told when."""

    pick_minutes: Minutes
    pack_minutes: Minutes
    ship_minutes: Minutes
    carrier_delivery_days: Days
    express_delivery_days: Days
    overnight_delivery_days: Days
    weekend_multiplier: Factor
    holiday_multiplier: Factor
    high_volume_threshold: Count
    high_volume_multiplier: Factor
    peak_season_multiplier: Factor
    oversized_multiplier: Factor
    hazmat_multiplier: Factor
    fragile_multiplier: Factor
    missing_scan_buffer_minutes: Wait
    system_error_escalation_minutes: Wait
    require_weekend_approval: bool
    auto_escalate_critical: bool
    enable_predictive_alerts: bool
    ops_notification_delay_minutes: Wait
    customer_notification_delay_minutes: Wait
    escalation_delay_hours: Wait
    predictive_horizon_minutes: Wait
    holidays: tuple[date, ...]
    peak_season: tuple[Period, ...]


class Tariffs(Strict):
    """Fees in cents, multipliers, discounts, and what becomes of a wrong or late invoice."""

    pick_fee_cents: Cents
    pack_fee_cents: Cents
    label_fee_cents: Cents
    kitting_fee_cents: Cents
    storage_fee_cents_per_day: Cents
    long_term_storage_days: Days
    long_term_storage_multiplier: Factor
    min_order_fee_cents: Cents
    min_monthly_fee_cents: Cents
    volume_tier_1_orders: Count
    volume_tier_1_discount: Share
    volume_tier_2_orders: Count
    volume_tier_2_discount: Share
    volume_tier_3_orders: Count
    volume_tier_3_discount: Share
    rush_multiplier: Factor
    oversized_multiplier: Factor
    hazmat_multiplier: Factor
    fragile_multiplier: Factor
    gift_wrap_fee_cents: Cents
    return_processing_fee_cents: Cents
    restocking_fee_cents: Cents
    inspection_fee_cents: Cents
    photo_fee_cents: Cents
    quality_check_fee_cents: Cents
    custom_packaging_fee_cents: Cents
    billing_dispute_credit_days: Days
    auto_credit_threshold_cents: Cents
    manual_review_threshold_cents: Cents
    late_payment_fee_cents: Cents
    late_payment_days: Days
    interest_rate_annual: Share


def _severity(given: object) -> object:
    """A severity by its name, whatever its case."""
    if isinstance(given, str):
        if given.strip().upper() not in Severity.__members__:
            raise ValueError(f"expected one of {', '.join(s.name for s in Severity)}")
        return Severity[given.strip().upper()]
    return given


class ReasonRule(Strict):
    """How bad a reason is, who may see it, and when it escalates."""

    severity: Annotated[Severity, BeforeValidator(_severity), PlainSerializer(lambda s: s.name)]
    escalation_hours: Annotated[Decimal, Field(ge=0, le=8760)]
    client_visible: bool
    needs_approval: bool
    auto_resolve: bool


class OrderRule(Strict):
    """A condition on an order's fields that makes it an exception."""

    condition: str = Field(alias="if", min_length=1, max_length=300)
    reason: Reason
    label: str = Field(min_length=1, max_length=60)

    @model_validator(mode="after")
    def _is_readable(self) -> OrderRule:
        parse_condition(self.condition)
        return self


class OrderPolicy(Strict):
    """Everything an order is judged and billed by. ``reasons`` are listed by priority, highest first."""

    sla: Sla
    tariffs: Tariffs
    reasons: Mapping[Reason, ReasonRule]
    label_map: Mapping[str, Reason]
    order_rules: tuple[OrderRule, ...]
    exception_reasons: Mapping[str, Reason]
    billable_events: Mapping[str, Operation]

    @model_validator(mode="after")
    def _knows_every_reason(self) -> OrderPolicy:
        if missing := [r for r in Reason if r not in self.reasons]:
            raise ValueError(f"reason {missing[0]} is missing")
        return self

    def priority(self, reason: Reason) -> int:
        """The place of a reason in the list; 0 comes first."""
        return list(self.reasons).index(reason)

    def reason_of(self, label: str) -> Reason:
        """The reason that a label stands for: its own name, or by the map; anything unknown is OTHER."""
        name = label.strip()
        if name.upper() in Reason.__members__:
            return Reason[name.upper()]
        return self.label_map.get(name.upper(), Reason.OTHER)

    def reported_reason(self, text: str) -> Reason:
        """The reason of what ``exception_reported`` says."""
        known = self.exception_reasons.get(text.strip().lower())
        return known if known is not None else self.reason_of(text)


def policy_doc(policy: OrderPolicy) -> dict[str, Json]:
    """The policy as JSON, decimals as texts; ``OrderPolicy.model_validate`` reads it back equal."""
    doc: dict[str, Json] = policy.model_dump(mode="json", by_alias=True)
    return doc


def policy_of(document: Json) -> OrderPolicy:
    """The policy in a document made by ``policy_doc``."""
    return OrderPolicy.model_validate(document)
