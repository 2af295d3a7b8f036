"""The analyst: why a service is out of order, from its logs, deployments, traffic and neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import Field

from core.explain import words
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.explain.runbooks import Hit, search
from core.explain.service_actions import MEANINGS, Template, proposals
from core.explain.service_causes import Cause, Signs, Weights, causes
from core.explain.service_evidence import SNIPPET, Notebook, clock, deployed, minutes_between, noted, numbers_of, told
from core.explain.service_facts import Facts, Investigator, Spans
from core.explain.verify import verify
from core.model import (
    Confidence,
    Direction,
    Driver,
    Explanation,
    Finding,
    Hypothesis,
    Json,
    JsonObject,
    Light,
    Proposal,
    Recommendation,
    Severity,
    Source,
    Verification,
)

NONE_SUPPORTED = "No supported cause"
STALE = "stale_data"
_SIGNALS = {"deployment": "deployment", "surge": "traffic_surge", "dependency": "dependency_failure"}


@case_explainers.register("service", "Root cause of a service incident")
class ServiceExplainer(CaseExplainer):
    """Ranks causes by the weights whose evidence was found, and proposes what follows from them.

    Source: acceptance DP-08 to DP-13.
    """

    window_minutes: int = Field(15, ge=1, description="Minutes before now that are judged")
    top_errors_minutes: int = Field(30, ge=1, description="Minutes before now whose errors are counted")
    most_errors: int = Field(10, ge=1, description="Error types that are shown")
    deployment_lookback_minutes: int = Field(60, ge=1, description="Minutes before the onset that a cause may lie in")
    hit_minutes: int = Field(10, ge=1, description="Minutes around the onset in which services count as hit together")
    hit_errors: int = Field(3, ge=1, description="Connection errors from which a service counts as hit")
    onset_minutes: int = Field(180, ge=1, description="Minutes before now in which the onset is looked for")
    most_templates: int = Field(20, ge=1, description="Log templates that are shown")
    failed_statuses: tuple[str, ...] = Field(
        ("failed", "failure", "error", "aborted", "cancelled", "canceled"),
        description="Statuses of a deployment that never went live",
    )
    signs: Signs = Field(default_factory=Signs, description="When something counts as found")
    weights: Weights = Field(default_factory=Weights, description="How much each finding counts")
    templates: Mapping[str, Template] = Field(default_factory=dict, description="Time, risk and adapter of each action")

    def explain(self, question: CaseQuestion) -> Explained:
        """Evidence, ranked causes, timeline and proposals; confidence 0 where no cause is supported."""
        finding = question.findings[0]
        if finding.type == STALE:
            return _stale(question, finding)
        spans = self.spans()
        asked = Investigator(question.engine, question.dataset.tables, question.subject, question.now, spans)
        about, limits = asked.about(), numbers_of(finding.details.get("limits"))
        facts = asked.facts(limits["error_rate"], limits["p99_ms"])
        signs = self.signs.model_copy(update={"lookback_minutes": self.deployment_lookback_minutes})
        values = numbers_of(finding.details.get("values"))
        found = causes(facts, self.weights, signs, p99_over=values.get("p99_ms", 0.0) > limits["p99_ms"])
        runbooks = _objects(question.dataset.documents.get("runbooks"))
        hits = _runbooks(question, facts, found, runbooks)
        book = noted(finding, facts, hits, spans)
        drafted = proposals(facts, found, hits, runbooks, str(about.get("runbook_url") or ""), self.templates)
        explanation = self._explanation(finding, facts, found, drafted, book)
        return Explained(
            explanation=explanation,
            title=_title(finding),
            metrics={
                **about,
                **values,
                "onset": facts.onset.isoformat() if facts.onset_found else None,
                "minutes_since_onset": minutes_between(question.now, facts.onset) if facts.onset_found else None,
                "root_cause": explanation.hypotheses[0].cause,
                "top_error_type": facts.top[0].error_type if facts.top else None,
                "top_error_share": facts.top[0].share if facts.top else None,
                "tool_calls_count": facts.calls + 1,  # the runbook search
                "minutes": finding.details.get("minutes", []),
                "top_errors": [{"error_type": t.error_type, "count": t.count, "share": t.share} for t in facts.top],
                "templates": [_template(t.template, t.error_type, t.since, t.new) for t in facts.templates],
                "deployments": [deployed(d) for d in (*facts.deployments, *facts.elsewhere)],
                "runbooks": [_hit(h) for h in hits],
            },
            receipt={k: v for k, v in finding.details.items() if k != "minutes"},
            proposals=drafted,
            recommendation_types=MEANINGS,
        )

    def spans(self) -> Spans:
        """How far each question looks."""
        return Spans(
            window_minutes=self.window_minutes,
            top_errors_minutes=self.top_errors_minutes,
            most_errors=self.most_errors,
            lookback_minutes=self.deployment_lookback_minutes,
            hit_minutes=self.hit_minutes,
            hit_errors=self.hit_errors,
            onset_minutes=self.onset_minutes,
            most_templates=self.most_templates,
            failed_statuses=self.failed_statuses,
            dependency_words=self.signs.dependency_words,
        )

    def _explanation(
        self, finding: Finding, facts: Facts, found: tuple[Cause, ...], drafted: tuple[Proposal, ...], book: Notebook
    ) -> Explanation:
        ranked = tuple(_hypothesis(c, self.weights.maximum, book) for c in found) or (_unsupported(book),)
        summary = _summary(finding, facts, found, self)
        drivers = _drivers(finding, facts, book)
        evidence = tuple(book.entries)
        checked = verify("\n".join([summary, *(d.evidence for d in drivers)]), evidence)
        steps = tuple(Recommendation(p.action_type, _step(p)) for p in drafted)
        return Explanation(
            status=Light.RED if finding.severity is Severity.CRITICAL else Light.YELLOW,
            summary=summary,
            drivers=drivers,
            recommended_actions=tuple(s.text for s in steps) or (ranked[0].next_check,),
            hypotheses=ranked,
            evidence=evidence,
            confidence=_confidence(found, self.weights.maximum),
            ai_confidence=None,
            source=Source.RULES,
            verification=Verification(checked.checked, checked.unmatched),
            recommendations=steps,
            timeline=_timeline(finding, facts),
        )


def _hypothesis(cause: Cause, maximum: float, book: Notebook) -> Hypothesis:
    version = cause.deployment.version if cause.deployment else ""
    for_it = {
        "deployment": (f"deployment {version}", *(f"error {t}" for t in cause.error_types), f"quiet {version}"),
        "resource": (*(f"error {t}" for t in cause.error_types), "templates"),
        "surge": ("traffic", "vitals"),
        "dependency": (*(f"error {t}" for t in cause.error_types), "hit"),
        "none": ("no deployment", "vitals", *(["hit"] if len(book.of("hit")) > 1 else [])),
    }[cause.key]
    against = [a for a in book.ids if a.startswith("deployment ")] if cause.key == "none" else []
    return Hypothesis(
        cause=cause.text,
        kind=cause.kind,
        confidence=min(cause.weight, maximum),
        supports=book.of(*for_it),
        contradicts=book.of(*against),
        next_check=cause.next_check,
    )


def _unsupported(book: Notebook) -> Hypothesis:
    searched = tuple(e.id for e in book.entries)
    return Hypothesis(
        NONE_SUPPORTED, "unknown", 0.0, searched, (), "Read the service's logs, and ask for changes not recorded here."
    )


def _confidence(found: tuple[Cause, ...], maximum: float) -> Confidence:
    """The leading cause's parts; where they exceed the maximum, the cut is a part of its own."""
    if not found:
        return Confidence(0.0, ((NONE_SUPPORTED.lower(), 0.0),))
    over = round(maximum - found[0].weight, 10)
    cut = (("at most", over),) if over < 0 else ()
    return Confidence(min(found[0].weight, maximum), (*found[0].parts, *cut))


def _runbooks(
    question: CaseQuestion, facts: Facts, found: Sequence[Cause], runbooks: Sequence[JsonObject]
) -> tuple[Hit, ...]:
    """Hits for the error types and causes by name, then for their words."""
    types = [t for c in found for t in c.error_types] or [t.error_type for t in facts.top[:1]]
    signals = [*dict.fromkeys(types), *(_SIGNALS[c.key] for c in found if c.key in _SIGNALS)]
    text = " ".join([*dict.fromkeys(types), *(c.text for c in found[:1] if c.key != "none"), question.subject])
    return search(runbooks, text, signals) if runbooks else ()


def _summary(finding: Finding, facts: Facts, found: tuple[Cause, ...], params: ServiceExplainer) -> str:
    sentences = [f"{finding.summary}."]
    if facts.onset_found:
        sentences.append(f"It began at {clock(facts.onset)}.")
    if facts.top:
        top = facts.top[0]
        sentences.append(
            f"{top.count:,} of {facts.errors:,} error lines ({100 * top.share:.1f} %) in the last "
            f"{params.top_errors_minutes} min are {top.error_type}."
        )
    lead = found[0] if found else None
    if lead is None or lead.key == "none":
        sentences.append("No recorded change or sign supports a cause.")
    elif lead.deployment:
        d = lead.deployment
        sentences.append(f"The likeliest cause is deployment {d.label}, {d.minutes_before:.0f} min before the onset.")
    else:
        sentences.append(f"The likeliest cause is {lead.text[0].lower()}{lead.text[1:]}.")
    return " ".join(sentences)


def _drivers(finding: Finding, facts: Facts, book: Notebook) -> tuple[Driver, ...]:
    drivers = [Driver(finding.subject, finding.metric, Direction.UP, finding.summary, *book.of("vitals")[:1])]
    for t in facts.top[:3]:
        text = f"{t.count:,} of {facts.errors:,} error lines ({100 * t.share:.1f} %)"
        drivers.append(Driver(finding.subject, t.error_type, Direction.UP, text, *book.of(f"error {t.error_type}")[:1]))
    return tuple(drivers)


def _timeline(finding: Finding, facts: Facts) -> tuple[tuple[datetime, str], ...]:
    events = [(d.ts, told(d)) for d in (*facts.deployments, *facts.elsewhere)]
    if facts.onset_found:
        events.append((facts.onset, f"{facts.service} is over its limit for the first time"))
    events += [(t.first_seen, f"first {t.error_type}: {t.template[:SNIPPET]}") for t in facts.templates if t.new]
    events.append((facts.now, f"found: {finding.summary}"))
    return tuple(sorted(events, key=lambda e: e[0]))


def _stale(question: CaseQuestion, finding: Finding) -> Explained:
    """Nothing can be said of a service without rows; the data is what has to be looked at."""
    book = Notebook()
    receipt = {k: v for k, v in finding.details.items() if k != "minutes"}
    book.note("vitals", "metric", "metrics", f"{finding.summary}.", {}, [receipt])
    step = f"Check whether the metrics of {question.subject} are still written, and load them again."
    none = Hypothesis(NONE_SUPPORTED, "unknown", 0.0, book.of("vitals"), (), step)
    explanation = Explanation(
        status=Light.YELLOW,
        summary=f"{finding.summary}. Whether the service is in order is not known.",
        drivers=(Driver(finding.subject, "metrics", Direction.NONE, finding.summary, "E1"),),
        recommended_actions=(step,),
        hypotheses=(none,),
        evidence=tuple(book.entries),
        confidence=Confidence(0.0, ((NONE_SUPPORTED.lower(), 0.0),)),
        ai_confidence=None,
        source=Source.RULES,
        verification=Verification(),
        timeline=((question.now, f"found: {finding.summary}"),),
    )
    metrics: JsonObject = {"root_cause": NONE_SUPPORTED, "tool_calls_count": 0, "newest": finding.details.get("newest")}
    return Explained(explanation, f"{question.subject}: stale data", metrics, receipt)


def _title(finding: Finding) -> str:
    values = numbers_of(finding.details.get("values"))
    rate, p99 = values.get("error_rate", 0.0), values.get("p99_ms", 0.0)
    if finding.type == "latency":
        return f"{finding.subject}: p99 {p99:,.0f} ms"
    return f"{finding.subject}: error rate {100 * rate:.2f} %, p99 {p99:,.0f} ms"


def _step(proposal: Proposal) -> str:
    held = f" ({proposal.blocked})" if proposal.blocked else ""
    if proposal.action_type == "documentation":
        return f"{proposal.title}{held}."
    return (
        f"{proposal.title}{held}: about {words.counted(proposal.eta_minutes, 'minute')}, risk {proposal.risk_score:g}."
    )


def _template(template: str, error_type: str, count: int, new: bool) -> JsonObject:
    return {"template": template[:SNIPPET], "error_type": error_type, "count": count, "new": new}


def _hit(hit: Hit) -> JsonObject:
    return {
        "runbook_id": hit.runbook_id, "title": hit.title, "score": hit.score, "matched": list(hit.matched),
        "snippet": hit.snippet,
    }  # fmt: skip


def _objects(value: Json) -> list[JsonObject]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, (list, tuple)) else []
