"""Who is told of an exception and when, when it escalates, and what a weekend holds back. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.model import JsonObject, Severity
from core.orders.policy import OrderPolicy, Reason

SHIPMENT_ACTIONS = frozenset({"carrier_api_update", "address_validation_service"})


@dataclass(frozen=True, slots=True)
class Notices:
    """When each audience is due to hear of an exception; None: never. Source: acceptance E2-22."""

    ops_at: datetime | None
    client_at: datetime | None
    escalate_at: datetime

    def due(self, now: datetime) -> tuple[str, ...]:
        """The audiences that are due at ``now``: ops, client, escalation."""
        at = {"ops": self.ops_at, "client": self.client_at, "escalation": self.escalate_at}
        return tuple(name for name, moment in at.items() if moment is not None and moment <= now)

    def doc(self, now: datetime) -> JsonObject:
        """The notices as JSON."""
        return {
            "ops_at": self.ops_at.isoformat() if self.ops_at else None,
            "client_at": self.client_at.isoformat() if self.client_at else None,
            "escalate_at": self.escalate_at.isoformat(),
            "due": list(self.due(now)),
        }


def notices(
    policy: OrderPolicy, reason: Reason, since: datetime, *, ended: datetime | None = None, delayed: bool = True
) -> Notices:
    """The notices of an exception that began at ``since`` (its promise was broken, or it was reported).

    ``ended`` is when the delay stopped growing: what stayed shorter than an audience's wait is never told to it. An
    exception that is no delay (not ``delayed``) is told to operations at once, and to clients after their wait.
    """
    sla, rule = policy.sla, policy.reasons[reason]

    def at(wait: Decimal) -> datetime | None:
        moment = since + minutes(wait)
        return moment if ended is None or not delayed or moment <= ended else None

    return Notices(
        ops_at=at(sla.ops_notification_delay_minutes) if delayed else since,
        client_at=at(sla.customer_notification_delay_minutes) if rule.client_visible else None,
        escalate_at=since + escalation_wait(policy, reason),
    )


def escalation_wait(policy: OrderPolicy, reason: Reason) -> timedelta:
    """How long an unresolved exception waits: the shorter of its reason's hours and the general delay.

    SYSTEM_ERROR has a limit of its own besides; any other CRITICAL escalates at once where the policy says so.
    """
    sla, rule = policy.sla, policy.reasons[reason]
    wait = min(minutes(rule.escalation_hours * 60), minutes(sla.escalation_delay_hours * 60))
    if reason is Reason.SYSTEM_ERROR:
        return min(wait, minutes(sla.system_error_escalation_minutes))
    return timedelta(0) if rule.severity is Severity.CRITICAL and sla.auto_escalate_critical else wait


def needs_approval(policy: OrderPolicy, reason: Reason, action_type: str, now: datetime, zone: str) -> str:
    """Why a person must approve an action by the policy itself; empty when nothing says so."""
    if policy.reasons[reason].needs_approval:
        return f"{reason} needs approval"
    weekend = now.astimezone(ZoneInfo(zone)).weekday() >= 5
    if policy.sla.require_weekend_approval and weekend and action_type in SHIPMENT_ACTIONS:
        return "shipment actions need approval at weekends"
    return ""


def minutes(value: Decimal) -> timedelta:
    """Decimal minutes as a duration, to the microsecond."""
    return timedelta(microseconds=int(value * 60_000_000))
