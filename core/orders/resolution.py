"""When an exception may be resolved by itself: a plan, and the gate it must pass. Pure functions.

Source: acceptance E2-21.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.model import Json
from core.orders.policy import OrderPolicy, Reason

ACTIONS = (
    "address_validation_service",
    "payment_retry",
    "inventory_reallocation",
    "system_recovery",
    "carrier_api_update",
)
MOST_ATTEMPTS = 2
MIN_CONFIDENCE = 0.70
MIN_SUCCESS = 0.60
HOPELESS = 0.30  # below: blocked at once


@dataclass(frozen=True, slots=True)
class Plan:
    """How an exception could be resolved. ``confidence`` and ``success_probability`` lie between 0 and 1."""

    actions: tuple[str, ...]
    confidence: float
    success_probability: float
    strategy: str
    reasoning: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What a plan may do: nothing (``blocked`` says why), with a person's approval, or unattended."""

    blocked: str
    unattended: bool
    reasons: tuple[str, ...]  # why a person must approve

    def answer(self, plan: Plan) -> dict[str, Json]:
        """The plan in the answer's own schema."""
        return {
            "can_auto_resolve": self.unattended,
            "confidence": plan.confidence,
            "success_probability": plan.success_probability,
            "automated_actions": list(plan.actions),
            "resolution_strategy": plan.strategy,
            "fallback_required": not self.unattended,
            "reasoning": "; ".join([plan.reasoning, self.blocked, *self.reasons]).strip("; "),
        }


def gate(policy: OrderPolicy, reason: Reason, plan: Plan, attempts: int, held: str = "") -> Gate:
    """What the plan may do after so many attempts; ``held`` is why the policy wants a person."""
    blocked = _blocked(plan, attempts)
    reasons = tuple(
        text
        for holds, text in (
            (not policy.reasons[reason].auto_resolve, f"{reason} is not resolved unattended"),
            (plan.confidence < MIN_CONFIDENCE, f"confidence {plan.confidence:.2f} is below {MIN_CONFIDENCE:.2f}"),
            (
                plan.success_probability < MIN_SUCCESS,
                f"success probability {plan.success_probability:.2f} is below {MIN_SUCCESS:.2f}",
            ),
            (bool(held), held),
        )
        if holds
    )
    return Gate(blocked, not blocked and not reasons, reasons)


def _blocked(plan: Plan, attempts: int) -> str:
    unknown = [a for a in plan.actions if a not in ACTIONS]
    if not plan.actions:
        return "nothing can be done automatically"
    if unknown:
        return f"{unknown[0]} is no known action"
    if attempts >= MOST_ATTEMPTS:
        return f"{attempts} attempts were made; there is no third"
    if plan.success_probability < HOPELESS:
        return f"success probability {plan.success_probability:.2f} is below {HOPELESS:.2f}"
    return ""
