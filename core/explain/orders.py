"""Why an order is an exception: its own receipt, what else is wrong with it, and whether others share the trouble."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from core.context import Context
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.explain.order_notes import MEANINGS, MOST_CLIENT, MOST_OPS, Notes, notes_for, recommendations
from core.model import (
    Confidence,
    Driver,
    Evidence,
    Explanation,
    Finding,
    Hypothesis,
    Json,
    JsonObject,
    Light,
    Proposal,
    Severity,
    Source,
    Verification,
)
from core.orders import OrderPolicy, Reason, policy_of
from core.orders.notices import Notices, minutes, needs_approval, notices
from core.orders.resolution import Gate, Plan, gate

RULES = "[Rules]"
SHARED_FROM = 5  # other orders with the same reason that make it more than this order's own trouble


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


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one exception."""

    order: str
    reason: Reason
    label: str
    finding: Finding  # the one with the longest delay
    findings: tuple[Finding, ...]
    policy: OrderPolicy
    zone: str
    now: datetime
    notes: tuple[Notes, ...]

    @property
    def delay(self) -> float:
        """Minutes over the limit; 0 for what is no delay."""
        return self.finding.change_abs or 0.0

    @property
    def peers(self) -> int:
        """Other orders with the same reason."""
        return _whole(self.finding.details.get("same_reason"))

    @property
    def also(self) -> tuple[str, ...]:
        """Further reasons of the same order."""
        found = self.finding.details.get("also")
        return tuple(str(r) for r in found) if isinstance(found, Sequence) and not isinstance(found, str) else ()

    @property
    def notices(self) -> Notices:
        """Who is due to hear of it and when."""
        delayed = self.finding.kind == "breach"
        limit = self.finding.upper if delayed and self.finding.upper is not None else 0.0
        since = self.finding.start + _minutes(limit)
        ended = None if self.finding.details.get("open") else self.finding.end
        return notices(self.policy, self.reason, since, ended=ended, delayed=delayed)


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
        evidence = _evidence(facts)
        confidence = self._confidence(facts)
        plan, door = self.planned(facts, confidence.value)
        steps = recommendations(facts.notes)
        ranked = _hypotheses(facts, confidence.value)
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
            timeline=_timeline(facts),
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

        return word(explained, facts_of(question), ctx, min_ai=min_ai, timeout_s=self.timeout_s)

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


# --- Facts ------------------------------------------------------------------------------------

_KEPT: list[tuple[Json, OrderPolicy]] = []  # the last policy read: every case of a look has the same document
_LOCK = threading.Lock()


def policy_in(documents: Mapping[str, Json]) -> OrderPolicy:
    """The policy of a dataset, read once for all its cases."""
    doc = documents["policies"]
    with _LOCK:
        if not _KEPT or _KEPT[0][0] is not doc:
            _KEPT[:] = [(doc, policy_of(doc))]
        return _KEPT[0][1]


def facts_of(question: CaseQuestion) -> Facts:
    """What is known of a case."""
    findings = tuple(sorted(question.findings, key=lambda f: -(f.change_abs or 0.0)))
    reason, first = Reason(question.type), findings[0]
    label = first.labels.get("label", str(reason))
    return Facts(
        order=question.subject,
        reason=reason,
        label=label,
        finding=first,
        findings=findings,
        policy=policy_in(question.dataset.documents),
        zone=str(question.dataset.documents.get("timezone") or "UTC"),
        now=question.now,
        notes=tuple(dict.fromkeys(notes_for(reason, f.labels.get("label", "")) for f in findings)),
    )


def title_of(facts: Facts) -> str:
    """The case in one line."""
    late = f", {_plain(facts.delay)} min over its limit" if facts.delay else ""
    return f"{facts.order}: {facts.label.replace('_', ' ').lower()}{late}"


def ops_note(facts: Facts, leading: Hypothesis) -> str:
    """What operations read: what happened, by which receipt, why, and what else is wrong."""
    parts = [f"{f.summary.removeprefix(f'{facts.order}: ')} ({f.details.get('text')})" for f in facts.findings]
    note = f"Order {facts.order}: " + "; ".join(parts) + f". Likely cause: {leading.cause}."
    if facts.also:
        note += f" Also open for this order: {', '.join(facts.also)}."
    return note[:MOST_OPS]


def answer_of(
    facts: Facts, ops: str, cause: str, steps: Sequence[str], *, reasoning: str, confidence: float | None = None,
    client: str | None = None, label: str | None = None, factors: Sequence[str] | None = None,
) -> JsonObject:  # fmt: skip
    """The explanation in the playbook's own schema. Source: acceptance E2-15."""
    return {
        "label": label or facts.label,
        "ai_confidence": confidence,
        "root_cause_analysis": cause,
        "ops_note": ops[:MOST_OPS],
        "client_note": (client if client is not None else facts.notes[0].client)[:MOST_CLIENT],
        "recommendations": list(steps),
        "priority_factors": list(factors) if factors is not None else priority_factors(facts),
        "reasoning": reasoning,
    }


def priority_factors(facts: Facts) -> list[str]:
    """What makes the exception more or less urgent."""
    found = [f"severity {facts.policy.reasons[facts.reason].severity.name}"]
    if facts.delay:
        found.append(f"{_plain(facts.delay)} min over its limit")
    if facts.peers:
        found.append(f"{facts.peers} other orders with {facts.reason}")
    found += [f"also {reason}" for reason in facts.also]
    return found


def _evidence(facts: Facts) -> tuple[Evidence, ...]:
    found = []
    for i, f in enumerate(facts.findings, 1):
        numbers = {
            name: float(value)
            for name, value in (
                ("actual_minutes", f.observed),
                ("sla_minutes", f.upper),
                ("delay_minutes", f.change_abs),
            )
            if value is not None
        }
        found.append(
            Evidence(
                f"E{i}", "sla" if f.upper is not None else "log", f"events of {facts.order}",
                f"{f.summary}. {f.details.get('text') or ''}".strip(), numbers=numbers, start=f.start, end=f.end,
            )
        )  # fmt: skip
    if facts.peers:
        statement = f"{facts.peers} other orders have {facts.reason} now."
        found.append(Evidence(f"E{len(found) + 1}", "metric", "exceptions", statement, numbers={"orders": facts.peers}))
    if facts.also:
        statement = f"The order also has {', '.join(facts.also)}."
        found.append(Evidence(f"E{len(found) + 1}", "metric", "exceptions", statement))
    return tuple(found)


def _hypotheses(facts: Facts, confidence: float) -> tuple[Hypothesis, ...]:
    """The label's own cause, before it what is wrong with the order besides, and what it shares with others."""
    ids = tuple(f"E{i}" for i in range(1, len(facts.findings) + 1))
    shown = len(facts.findings)
    peers = f"E{shown + 1}" if facts.peers else ""
    also = f"E{shown + 1 + bool(facts.peers)}" if facts.also else ""
    found = [
        Hypothesis(n.cause, n.kind, round(confidence * 0.9**k, 4), ids, next_check=n.steps[0][1])
        for k, n in enumerate(facts.notes)
    ]
    delays = (Reason.PICK_DELAY, Reason.PACK_DELAY, Reason.MISSING_SCAN)
    if Reason.STOCK_MISMATCH in facts.also and facts.reason in delays:
        cause = "the order waits for stock that is not there"
        found.insert(0, Hypothesis(cause, "data", confidence, (*ids, also), next_check="Count the shelf."))
    elif facts.peers >= SHARED_FROM:
        cause = f"{facts.peers} other orders have the same trouble: it is not this order alone"
        found.append(Hypothesis(cause, "capacity", round(confidence * 0.8, 4), (*ids, peers)))
    return tuple(found)


def _timeline(facts: Facts) -> tuple[tuple[datetime, str], ...]:
    found = []
    for f in facts.findings:
        stage = str(f.details.get("stage"))
        found.append((f.start, f"{stage} began" if f.upper is not None else f.summary))
        if f.upper is not None:
            found.append((f.start + _minutes(f.upper), f"{stage} limit of {_plain(f.upper)} min passed"))
            if not f.details.get("open"):
                found.append((f.end, f"{stage} ended"))
    return tuple(sorted(found))


def _minutes(value: float) -> timedelta:
    return minutes(Decimal(repr(value)))


def _plain(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0
