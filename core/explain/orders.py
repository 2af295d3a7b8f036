"""Why an order is an exception: its own receipt, what else is wrong with it, and whether others share the trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.context import Context
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.explain.order_facts import (
    RULES,
    SHARED_FROM,
    Facts,
    answer_of,
    evidence_of,
    facts_of,
    hypotheses_of,
    ops_note,
    timeline_of,
    title_of,
)
from core.explain.order_notes import MEANINGS, recommendations
from core.model import (
    Confidence,
    Driver,
    Explanation,
    Light,
    Proposal,
    Severity,
    Source,
    Verification,
)
from core.orders import Reason
from core.orders.notices import needs_approval
from core.orders.resolution import Gate, Plan, gate


class ActionTemplate(BaseModel):
    """What an automatic action costs and risks, how likely it helps, and who carries it out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    success_probability: float = Field(ge=0, le=1)
    risk_score: float = Field(ge=0, le=1)
    eta_minutes: int = Field(5, ge=0)
    adapter: str = "sandbox"


class Weights(BaseModel):
    """What each kind of evidence adds to the confidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured: float = Field(0.60, description="Both moments stand in the order's events, or the system itself reported")
    receipt: float = Field(0.15, description="The limit is traced to the policy, factor by factor")
    shared: float = Field(0.10, description="Other orders show the same")
    own: float = Field(0.10, description="Something else is wrong with the same order")


DEFAULT_ACTIONS: Mapping[str, ActionTemplate] = {
    "address_validation_service": ActionTemplate(
        title="Validate the address again", success_probability=0.55, risk_score=0.15
    ),
    "payment_retry": ActionTemplate(title="Try the payment again", success_probability=0.50, risk_score=0.25),
    "inventory_reallocation": ActionTemplate(
        title="Reallocate the stock", success_probability=0.60, risk_score=0.35, eta_minutes=10
    ),
    "system_recovery": ActionTemplate(
        title="Ask for the missing scans again", success_probability=0.75, risk_score=0.10
    ),
    "carrier_api_update": ActionTemplate(
        title="Ask the carrier for the state", success_probability=0.45, risk_score=0.15
    ),
}
ACTION_OF: Mapping[str, str] = {  # by label, else by reason
    "PAYMENT_FAILED": "payment_retry",
    Reason.ADDRESS_ERROR: "address_validation_service",
    Reason.STOCK_MISMATCH: "inventory_reallocation",
    Reason.SYSTEM_ERROR: "system_recovery",
    Reason.MISSING_SCAN: "system_recovery",
    Reason.CARRIER_ISSUE: "carrier_api_update",
}


@case_explainers.register("order", "Order exceptions")
class OrderExplainer(CaseExplainer):
    """Explains an exception by its receipt, its order and its peers. Source: acceptance E2-15 to E2-22."""

    mode: Literal["full", "fallback", "smart"] = Field(
        "smart", description="Who words exceptions: AI for all, rules for all, or AI within limits"
    )
    sampling: Literal["important_only", "all"] = Field(
        "important_only", description="Which severities smart mode asks a model for"
    )
    timeout_s: float = Field(3.0, gt=0, description="Time limit of one model answer, in seconds")
    weights: Weights = Weights()
    actions: Mapping[str, ActionTemplate] = DEFAULT_ACTIONS

    def explain(self, question: CaseQuestion) -> Explained:
        """Notes for operations and clients, root cause, recommendations, plan and notices, by rules alone."""
        facts = facts_of(question)
        evidence = evidence_of(facts)
        confidence = self._confidence(facts)
        plan, door = self.planned(facts, confidence.value)
        steps = recommendations(facts.notes)
        ranked = hypotheses_of(facts, confidence.value)
        ops = ops_note(facts, ranked[0])
        explanation = Explanation(
            status=Light.YELLOW,
            summary=f"{RULES} {ops}",
            drivers=tuple(
                Driver(f.system, f.metric, f.direction, f.summary, f"E{i}") for i, f in enumerate(facts.findings, 1)
            ),
            recommended_actions=tuple(s.text for s in steps),
            hypotheses=ranked,
            evidence=evidence,
            confidence=confidence,
            ai_confidence=None,
            source=Source.RULES,
            verification=Verification(),
            recommendations=steps,
            timeline=timeline_of(facts),
        )
        told = facts.notices
        return Explained(
            explanation=explanation,
            title=title_of(facts),
            metrics={
                "reason_code": str(facts.reason),
                "label": facts.label,
                "order_id": facts.order,
                "carrier": facts.finding.labels.get("carrier", ""),
                "actual_minutes": facts.finding.observed,
                "sla_minutes": facts.finding.upper,
                "delay_minutes": facts.delay,
                "receipt": facts.finding.details.get("text"),
                "same_reason": facts.peers,
                "client_visible": facts.policy.reasons[facts.reason].client_visible,
                "notices": told.doc(facts.now),
                "resolution": door.answer(plan),
            },
            receipt={
                "facts": [f.details.get("fact") for f in facts.findings],
                "limits": [f.details.get("text") for f in facts.findings],
            },
            proposals=self.proposals(facts, plan, door),
            facts={
                "ops_due": int("ops" in told.due(facts.now)),
                "escalated": int("escalation" in told.due(facts.now)),
                "unattended": int(door.unattended),
            },
            recommendation_types=MEANINGS,
            answer=answer_of(facts, ops, ranked[0].cause, [s.text for s in steps], reasoning=self._reason(facts)),
        )

    def word(
        self,
        question: CaseQuestion,
        explained: Explained,
        ctx: Context,
        *,
        min_ai: float,
        template: str,  # noqa: ARG002  (part of the contract; prompts/*.j2 stand in)
    ) -> Explained:
        """A model's words where mode and sampling allow it, within the playbook's own time limit."""
        if not self.asks(facts_of(question).policy.reasons[Reason(question.type)].severity):
            return explained
        from core.explain.order_answer import word

        facts = facts_of(question)
        told = word(explained, facts, ctx, min_ai=min_ai, timeout_s=self.timeout_s)
        return self._replanned(told, facts, ctx) if facts.policy.reasons[facts.reason].auto_resolve else told

    def _replanned(self, told: Explained, facts: Facts, ctx: Context) -> Explained:
        """Where something could run by itself, the model is asked whether it should; it can only hold it back."""
        from core.explain.order_questions import planned

        plan, _ = self.planned(facts, told.explanation.confidence.value)
        asked = planned(ctx, facts.order, {"reason": str(facts.reason), "label": facts.label}, plan, 0)
        held = next((needs_approval(facts.policy, facts.reason, a, facts.now, facts.zone) for a in asked.actions), "")
        door = gate(facts.policy, facts.reason, asked, 0, held)
        return replace(
            told,
            metrics={**told.metrics, "resolution": door.answer(asked)},
            facts={**told.facts, "unattended": int(door.unattended)},
            proposals=self.proposals(facts, asked, door),
        )

    def asks(self, severity: Severity) -> bool:
        """Whether a model may word an exception of this severity. Source: acceptance E2-16, E2-17."""
        if self.mode != "smart":
            return self.mode == "full"
        return self.sampling == "all" or severity >= Severity.HIGH

    def planned(self, facts: Facts, confidence: float) -> tuple[Plan, Gate]:
        """How the exception could be resolved by itself, and what the gate says of it."""
        name = ACTION_OF.get(facts.label) or ACTION_OF.get(facts.reason, "")
        found = self.actions.get(name)
        if found is None:
            plan = Plan((), confidence, 0.0, "none", f"nothing is automatic for {facts.reason}")
            return plan, gate(facts.policy, facts.reason, plan, 0)
        text = f"{found.title.lower()} for {facts.label.replace('_', ' ').lower()}"
        plan = Plan((name,), confidence, found.success_probability, found.title, text)
        held = needs_approval(facts.policy, facts.reason, name, facts.now, facts.zone)
        return plan, gate(facts.policy, facts.reason, plan, 0, held)

    def proposals(self, facts: Facts, plan: Plan, door: Gate) -> tuple[Proposal, ...]:
        """The plan's actions as proposals; how often one was tried is counted where actions are kept."""
        return tuple(
            Proposal(
                action_type=name,
                title=self.actions[name].title,
                description="; ".join([plan.reasoning, *door.reasons]),
                eta_minutes=self.actions[name].eta_minutes,
                risk_score=self.actions[name].risk_score,
                params={"order_id": facts.order, "reason": str(facts.reason)},
                adapter=self.actions[name].adapter,
                requires_approval=not door.unattended,
                blocked=door.blocked,
            )
            for name in plan.actions
        )

    def _confidence(self, facts: Facts) -> Confidence:
        """The sum of what the evidence is worth, at most 1."""
        w, shared = self.weights, facts.peers >= SHARED_FROM
        parts = [("told by the order's own events", w.measured)]
        if facts.finding.details.get("text"):
            parts.append(("limit or rule traced to the policy", w.receipt))
        if shared:
            parts.append(("other orders show the same", w.shared))
        if facts.also:
            parts.append(("something else is wrong with the order", w.own))
        return Confidence(round(min(1.0, sum(v for _, v in parts)), 9), tuple(parts))

    def _reason(self, facts: Facts) -> str:
        how = "rules were asked" if self.mode == "fallback" else "worded by rules"
        return f"{RULES} {how}: {facts.finding.details.get('text') or facts.finding.summary}"
