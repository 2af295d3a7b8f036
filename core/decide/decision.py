"""From facts and an explanation to a decision. Pure: no clock, no store, no model."""

from __future__ import annotations

from collections.abc import Iterator

from core.decide.policy import Condition, Facts, Policy, Row, number
from core.model import Decision, Explanation, Light, Receipt, Severity, Source

_ORDER = {Light.GREEN: 0, Light.YELLOW: 1, Light.RED: 2}
SEVERITY = {Light.GREEN: Severity.LOW, Light.YELLOW: Severity.MEDIUM, Light.RED: Severity.CRITICAL}

LIGHT = {
    Severity.LOW: Light.GREEN,
    Severity.MEDIUM: Light.YELLOW,
    Severity.HIGH: Light.YELLOW,
    Severity.CRITICAL: Light.RED,
}


def stricter(a: Light, b: Light) -> Light:
    """The worse of two lights."""
    return max(a, b, key=_ORDER.__getitem__)


def decide(policy: Policy, facts: Facts, explanation: Explanation) -> Decision:
    """The final light: the table's row, made stricter by the model or by a confidence gate, never milder.

    Source: acceptance OP-12, OP-16 and the common confidence gates.
    """
    row = policy.fired(facts)
    light, overruled = _with_model(row, explanation)
    confidence = _gated_confidence(explanation)
    name, because = row.name, row.because
    if light is Light.GREEN and confidence < policy.gates.green:
        light, name = Light.YELLOW, "gate.green"
        because = f"green needs a confidence of {policy.gates.green:.2f}, this run has {confidence:.2f}"
    elif light is not row.light:
        name, because = "model.stricter", f"the model judged the day {light} where the rules say {row.light}"
    return Decision(
        recommended_action="log_only" if light is Light.GREEN else "notify_team",
        light=light,
        severity=SEVERITY[light],
        confidence=confidence,
        receipt=Receipt(
            row=name,
            because=because,
            inputs=_inputs(row, policy, facts),
            thresholds={"when": row.when.words() if row.when else "no other row", **policy.gates.model_dump()},
            overruled=overruled,
            nearest_flip=nearest_flip(policy, facts),
        ),
    )


def decide_case(policy: Policy, facts: Facts, severity: Severity, explanation: Explanation) -> Decision:
    """The decision on one case: the detector's severity stands, the table gives light and action.

    A model has no say in it; what would happen without a person (dismiss, auto_fix) needs the confidence of its gate,
    else people are told. Source: acceptance, severity and light, DI-13.
    """
    row, confidence = policy.fired(facts), _gated_confidence(explanation)
    action: str = row.action
    overruled: tuple[str, ...] = ()
    if action in ("dismiss", "auto_fix") and confidence < policy.gates.auto_act:
        overruled = (f"{action} needs a confidence of {policy.gates.auto_act:.2f}, this case has {confidence:.2f}",)
        action = "notify_team"
    return Decision(
        recommended_action=action,
        light=row.light,
        severity=severity,
        confidence=confidence,
        receipt=Receipt(
            row=row.name,
            because=row.because,
            inputs=_inputs(row, policy, facts),
            thresholds={"when": row.when.words() if row.when else "no other row", **policy.gates.model_dump()},
            overruled=overruled,
            nearest_flip=nearest_flip(policy, facts),
        ),
    )


def _with_model(row: Row, explanation: Explanation) -> tuple[Light, tuple[str, ...]]:
    if explanation.source is Source.RULES:
        return row.light, ()
    said = explanation.status
    light = row.light if row.force else stricter(row.light, said)
    if light is said:
        return light, ()
    return light, (f"the model said {said}; row {row.name} says {light}",)


def _gated_confidence(explanation: Explanation) -> float:
    """The evidence score; a model that is less sure of its own answer lowers it, never raises it."""
    value = explanation.confidence.value
    if explanation.source is Source.AI and explanation.ai_confidence is not None:
        value = min(value, explanation.ai_confidence)
    return value


def _inputs(row: Row, policy: Policy, facts: Facts) -> dict[str, float | None]:
    """The facts the fired row looked at; for the last row, those that every other row looked at."""
    rows = [row] if row.when else policy.rows
    names = (leaf.fact or "" for r in rows if r.when for leaf in r.when.leaves())
    return {name: number(facts, name) for name in dict.fromkeys(names)}


def nearest_flip(policy: Policy, facts: Facts) -> str:
    """The smallest single change of one fact that would change the light, in words; empty when there is none.

    Distance is the move needed, as a share of the condition's value.
    """
    now = policy.fired(facts).light
    best: tuple[float, str] | None = None
    for leaf, fact, target in _crossings(policy, facts):
        light = policy.fired({**facts, leaf.fact or "": target}).light
        distance = abs(target - fact) / max(abs(leaf.value), 1.0)
        if light is not now and (best is None or distance < best[0]):
            best = (distance, f"{light} if {leaf.fact} were {target:g} instead of {fact:.4g}")
    return best[1] if best else ""


def _crossings(policy: Policy, facts: Facts) -> Iterator[tuple[Condition, float, float]]:
    """Each comparison with its fact and the nearest value on the other side of its threshold."""
    for row in policy.rows:
        for leaf in row.when.leaves() if row.when else ():
            fact = number(facts, leaf.fact or "")
            if fact is None:
                continue
            step = 1.0 if float(fact).is_integer() and float(leaf.value).is_integer() else 0.01
            true_side = (
                leaf.value if leaf.op in (">=", "<=", "==") else leaf.value + (step if leaf.op == ">" else -step)
            )
            false_side = leaf.value - step if leaf.op in (">=", ">") else leaf.value + step
            yield leaf, fact, false_side if leaf.holds(facts) else true_side
