"""The explainer of data incidents: cause, impact, score and fix of a group of alerts, each sentence from evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field

from core.alert import BLOCKS, block_for, items, mapping, texts
from core.context import Context
from core.explain.alert_evidence import cause_of, impact_of, noted, summary_of, timeline_of
from core.explain.alert_opinion import Given, adopted, opinion
from core.explain.alert_score import Score, scored
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.explain.fix_templates import FixTemplate, proposal, templates
from core.explain.past_incidents import similar
from core.explain.service_evidence import Notebook
from core.explain.verify import verify
from core.lineage import around, edges_of
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

MEANINGS: Mapping[str, str] = {
    "dismiss": "nothing is wrong; nobody is told",
    "log_only": "write it down; nobody is disturbed",
    "notify_team": "tell the team",
    "auto_fix": "propose the fix",
}
_KINDS = {"overrun": "capacity", "schema": "change", "benign": "business"}
_RULES = ("overrun", "schema")


@case_explainers.register("data_alert", "Cause, impact and fix of a data incident")
class DataAlertExplainer(CaseExplainer):
    """Scores the evidence, names the cause it supports, and proposes the fix of a CRITICAL alert's kind.

    Source: acceptance DI-07, DI-11, DI-12 and the evidence score.
    """

    score: Score = Field(default_factory=Score, description="What each part of the evidence counts")
    templates: Mapping[str, FixTemplate] = Field(default_factory=dict, description="Fix of each kind of alert")

    def explain(self, question: CaseQuestion) -> Explained:
        """The rules' decision material: its answer lacks only what the decision table adds."""
        finding = question.findings[0]
        details, documents = finding.details, question.dataset.documents
        alert, values = mapping(details.get("alert")), mapping(details.get("values"))
        benign = details.get("benign") is True and len(question.findings) == 1
        facts = _agreeing(details, benign=benign)
        missing = [b for b in BLOCKS if mapping(mapping(details.get("contexts")).get(b)).get("status") != "ok"]
        against = texts(details.get("contradictions"))
        confidence = scored([str(f["text"]) for f in facts], missing, against, self.score)
        past = [mapping(p) for p in items(documents.get("history"))]
        alike = similar(alert, past, f"{alert.get('title')} {alert.get('description')}")
        members = _members(question.findings)
        business = block_for(mapping(documents.get("contexts")).get("business"), str(alert.get("entity")))
        impact = impact_of(alert, values, business, benign=benign)
        book = noted(details, members, documents, alike, impact)
        fix = self._fix(finding, alert, values, documents, benign=benign)
        cause = cause_of(details, members, benign=benign)
        explanation = _explanation(finding, details, cause, impact.text, confidence, book, fix, benign=benign)
        made = around(edges_of(items(documents.get("edges"))), str(alert.get("entity")))
        affected = values.get("affected_count")
        answer: JsonObject = {
            "is_incident": not benign,
            "root_cause": cause,
            "business_impact": impact.text,
            "affected_count": affected,
            "reasoning": _reasoning(confidence, details, benign=benign),
        }
        return Explained(
            explanation=explanation,
            title=str(alert.get("title")),
            metrics={
                "kind": str(alert.get("kind")),
                "entity": str(alert.get("entity")),
                "source": finding.labels.get("source", finding.system),
                "alert_id": str(alert.get("alert_id")),
                "alert_at": str(alert.get("timestamp")),
                "affected_count": affected,
                **{k: v for k, v in values.items() if k in ("ratio", "off_pct") and v is not None},
                "members": list(members),
                "history": details.get("history"),
                "similar": list(alike),
                "contexts": details.get("contexts"),
                "contradictions": list(against),
                "downstream": list(made.tables or texts(values.get("downstream"))),
                "reports": list(made.reports),
                "on_call": business.get("on_call"),
            },
            receipt={
                "rule": details.get("rule"), "facts": details.get("facts"), "values": values,
                "severities": details.get("severities"), "limits": details.get("limits"),
                "score": [list(part) for part in confidence.parts], "removed": alert.get("removed"),
                "candidate": details.get("candidate"), "notes": alert.get("notes"),
            },
            proposals=(fix,) if fix else (),
            facts={
                "is_incident": 0 if benign else 1,
                "objected": 0,
                "has_template": 1 if fix else 0,
                "manual": 1 if details.get("manual") else 0,
            },
            recommendation_types=MEANINGS,
            answer=answer,
        )  # fmt: skip

    def word(
        self, question: CaseQuestion, explained: Explained, ctx: Context, *, min_ai: float, template: str
    ) -> Explained:
        """The same with a model's opinion beside the rules': it may find the case worse, never milder."""
        given = opinion(question, explained, ctx, min_ai=min_ai, template=template)
        if not isinstance(given, Given):
            return replace(explained, explanation=given)
        return adopted(explained, given, max(f.severity for f in question.findings))

    def _fix(
        self, finding: Finding, alert: JsonObject, values: JsonObject, documents: Mapping[str, Json], *, benign: bool
    ) -> Proposal | None:
        """The fix of the alert's kind, for a CRITICAL case that does not ask for a person."""
        template = templates(self.templates, documents.get("fix_templates")).get(str(alert.get("kind")))
        by_hand = finding.details.get("manual") is True
        if template is None or benign or by_hand or finding.severity < Severity.CRITICAL:
            return None
        text = f"{template.title.replace('{entity}', str(alert.get('entity')))} for {alert.get('alert_id')}."
        return proposal(template, alert, values, documents.get("set_up"), text)


def _agreeing(details: JsonObject, *, benign: bool) -> list[JsonObject]:
    """The facts that agree with the conclusion: those of a rule that fired; an unproven benign case has none."""
    if details.get("rule") not in _RULES and not benign:
        return []
    return [f for f in map(mapping, items(details.get("facts"))) if f.get("holds")]


def _members(findings: Sequence[Finding]) -> tuple[JsonObject, ...]:
    """The alerts of all findings of a case, oldest first."""
    found: dict[tuple[Json, Json], JsonObject] = {}
    for finding in findings:
        for row in map(mapping, items(finding.details.get("members"))):
            found.setdefault((row.get("source"), row.get("alert_id")), row)
    return tuple(sorted(found.values(), key=lambda r: (r.get("at") is None, str(r.get("at")))))


def _explanation(
    finding: Finding,
    details: JsonObject,
    cause: str,
    impact: str,
    confidence: Confidence,
    book: Notebook,
    fix: Proposal | None,
    *,
    benign: bool,
) -> Explanation:
    members = [mapping(m) for m in items(details.get("members"))]
    summary = summary_of(finding.summary, cause, impact, details, benign=benign)
    steps = _steps(finding, fix, benign=benign)
    checked = verify("\n".join([summary, cause, impact]), book.entries)
    leading = Hypothesis(
        cause=cause,
        kind=_KINDS.get(str(details.get("rule")), "unknown") if confidence.value > 0 else "unknown",
        confidence=confidence.value,
        supports=book.of("fact", "candidate"),
        contradicts=book.of("against"),
        next_check=steps[0].text,
    )
    return Explanation(
        status=Light.GREEN if benign else Light.RED if finding.severity is Severity.CRITICAL else Light.YELLOW,
        summary=summary,
        drivers=(Driver(finding.subject, finding.metric, Direction.NONE, finding.summary, *book.of("alert")[:1]),),
        recommended_actions=tuple(s.text for s in steps),
        hypotheses=(leading,),
        evidence=tuple(book.entries),
        confidence=confidence,
        ai_confidence=None,
        source=Source.RULES,
        verification=Verification(checked.checked, checked.unmatched),
        recommendations=steps,
        timeline=timeline_of(details, members),
    )


def _steps(finding: Finding, fix: Proposal | None, *, benign: bool) -> tuple[Recommendation, ...]:
    if benign:
        return (Recommendation("dismiss", "Nothing to do: it recurs within its history and nobody is affected."),)
    if fix is not None:
        eta = f"about {fix.eta_minutes} min, risk {fix.risk_score:g}"
        return (Recommendation("auto_fix", f"{fix.title}: {eta}, after somebody approved it."),)
    if finding.severity is Severity.LOW:
        return (Recommendation("log_only", "Keep it on record; look at it when it comes again."),)
    why = " (the alert asks for a person)" if finding.details.get("manual") else ""
    return (Recommendation("notify_team", f"Look into it by hand{why}: start with the cause named here."),)


def _reasoning(confidence: Confidence, details: JsonObject, *, benign: bool) -> str:
    """How the score came about, and what the past says."""
    parts = "; ".join(f"{name} {value:+.2f}" for name, value in confidence.parts)
    past = str(mapping(details.get("history")).get("text") or "no history")
    verdict = "Not an incident" if benign else "An incident"
    return f"{verdict}. Evidence {confidence.value:.2f}: {parts}. Past: {past}."
