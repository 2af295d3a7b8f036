"""What is known of one exception of an order, and how it is told: evidence, hypotheses, timeline, notes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.explain.cases import CaseQuestion
from core.explain.order_notes import MOST_CLIENT, MOST_OPS, Notes, notes_for
from core.model import Evidence, Finding, Hypothesis, Json, JsonObject
from core.orders import OrderPolicy, Reason, policy_of
from core.orders.notices import Notices, minutes, notices

RULES = "[Rules]"
SHARED_FROM = 5  # other orders with the same reason that make it more than this order's own trouble


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
    parts = [f.summary.removeprefix(f"{facts.order}: ") + _receipt(f, " ({})") for f in facts.findings]
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


def _receipt(finding: Finding, form: str) -> str:
    """How the limit was made, where it is more than a plain limit or the summary says already."""
    text = str(finding.details.get("text") or "")
    return form.format(text) if finding.upper is not None and ("=" in text or "day" in text) else ""


def evidence_of(facts: Facts) -> tuple[Evidence, ...]:
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
                f"{f.summary}.{_receipt(f, ' {}.')}", numbers=numbers, start=f.start, end=f.end,
            )
        )  # fmt: skip
    if facts.peers:
        statement = f"{facts.peers} other orders have {facts.reason} now."
        found.append(Evidence(f"E{len(found) + 1}", "metric", "exceptions", statement, numbers={"orders": facts.peers}))
    if facts.also:
        statement = f"The order also has {', '.join(facts.also)}."
        found.append(Evidence(f"E{len(found) + 1}", "metric", "exceptions", statement))
    return tuple(found)


def hypotheses_of(facts: Facts, confidence: float) -> tuple[Hypothesis, ...]:
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


def timeline_of(facts: Facts) -> tuple[tuple[datetime, str], ...]:
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
