"""What is odd about an order policy's text although it can be read: by line, with a fix. Source: acceptance E2-20."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.load.order_policies import Problem, ReadPolicy, read_policy
from core.model import JsonObject
from core.orders import OrderPolicy

HIGH, MEDIUM, LOW = "high", "medium", "low"
NEEDED: Mapping[str, tuple[str, str]] = {  # key: severity when missing, the value to write
    "sla.pick_minutes": (HIGH, "120"),
    "sla.pack_minutes": (HIGH, "180"),
    "sla.ship_minutes": (HIGH, "1440"),
    "tariffs.pick_fee_cents": (HIGH, "30"),
    "tariffs.pack_fee_cents": (HIGH, "20"),
    "sla.weekend_multiplier": (MEDIUM, "1.5"),
    "sla.holiday_multiplier": (MEDIUM, "2.0"),
    "tariffs.min_order_fee_cents": (MEDIUM, "50"),
}


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding on a policy's text. ``line_number`` 0 is the text as a whole."""

    type: str  # invalid | unknown_key | missing_key | odd_value
    severity: str
    message: str
    suggested_fix: str
    line_number: int

    def doc(self) -> JsonObject:
        """The issue as JSON."""
        return {
            "type": self.type,
            "severity": self.severity,
            "message": self.message,
            "suggested_fix": self.suggested_fix,
            "line_number": self.line_number,
        }


def lint_policy(text: str) -> tuple[Issue, ...]:
    """Every issue of the text by rules alone, the worst first."""
    read = read_policy(text)
    found = [*(_invalid(e) for e in read.errors), *(_unknown(w) for w in read.warnings), *_missing(read)]
    if read.policy is not None:
        found += _odd(read.policy, read)
    rank = {HIGH: 0, MEDIUM: 1, LOW: 2}
    return tuple(sorted(found, key=lambda i: (rank[i.severity], i.line_number, i.message)))


def _invalid(problem: Problem) -> Issue:
    return Issue("invalid", HIGH, problem.message, f"Correct {problem.key or 'the text'}.", problem.line)


def _unknown(problem: Problem) -> Issue:
    return Issue("unknown_key", LOW, problem.message, f"Remove {problem.key} or correct its name.", problem.line)


def _missing(read: ReadPolicy) -> Iterator[Issue]:
    for key, (severity, value) in NEEDED.items():
        if key not in read.given:
            section, _, name = key.partition(".")
            line = read.lines.get(section, 0)
            yield Issue("missing_key", severity, f"{key} is missing; the default holds.", f"{name}: {value}", line)


def _odd(policy: OrderPolicy, read: ReadPolicy) -> Iterator[Issue]:
    sla, tariffs = policy.sla, policy.tariffs
    tiers = [getattr(tariffs, f"volume_tier_{t}_orders") for t in (1, 2, 3)]
    discounts = [getattr(tariffs, f"volume_tier_{t}_discount") for t in (1, 2, 3)]
    odd = (
        (tiers != sorted(set(tiers)), "tariffs.volume_tier_1_orders", "the volume tiers do not rise"),
        (discounts != sorted(discounts), "tariffs.volume_tier_1_discount", "a higher volume tier has a lower discount"),
        (
            tariffs.auto_credit_threshold_cents > tariffs.manual_review_threshold_cents,
            "tariffs.auto_credit_threshold_cents",
            "credits are booked above the limit of manual review",
        ),
        (
            sla.ops_notification_delay_minutes > sla.customer_notification_delay_minutes,
            "sla.ops_notification_delay_minutes",
            "clients are told before operations",
        ),
        *(
            (getattr(sla, name) < 1, f"sla.{name}", f"{name} below 1 makes promises stricter")
            for name in type(sla).model_fields
            if name.endswith("_multiplier")
        ),
    )
    for holds, key, message in odd:
        if holds:
            yield Issue("odd_value", MEDIUM, f"{key}: {message}.", f"Look at {key}.", read.lines.get(key, 0))
