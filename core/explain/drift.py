"""Explaining a drifting segment by rules: facts, ranked causes, what to do, and a confidence made of named parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from core.explain import words
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.explain.drift_evidence import Material, gather, material, written
from core.explain.rules import total
from core.explain.verify import verify
from core.model import (
    Confidence,
    Driver,
    Evidence,
    EvidenceStatus,
    Explanation,
    Finding,
    Hypothesis,
    Json,
    Light,
    Recommendation,
    Severity,
    Source,
    Verification,
)

MEANINGS = {
    "adjust_threshold": "change the segment's threshold, where such swings are usual",
    "split_segment": "make several segments of it, so that each is alike",
    "archive_segment": "stop watching a segment that has no use any more",
    "add_alert": "watch something that would have told earlier",
    "check_source": "look at the source of the data before anything else",
}
COINCIDENCE_CAP = 0.55  # two things at the same time are no proof
DOUBTED_CAP = 0.5  # for every other cause, while a check on the segment's data fails


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CauseWeights(_Part):
    """How much each kind of evidence counts for its cause; confidences are shares of the sum."""

    failed_check: float = 4.0
    value_vanished: float = 3.0
    edited: float = 2.5
    several_segments: float = 2.0
    one_other_segment: float = 0.8
    unbalanced: float = 1.5
    flow: float = 1.2
    slow: float = 1.0
    unknown: float = 1.0


class ConfidenceParts(_Part):
    """How much each part adds to the confidence, or takes off."""

    per_snapshot: float = 0.04
    full_base: int = 7
    per_reference: float = 0.08
    over_threshold: float = 0.20
    full_ratio: float = 3.0
    cause: float = 0.20
    per_failed_check: float = 0.10
    old_data: float = 0.10
    old_after_hours: float = 48.0
    most: float = 0.95


@case_explainers.register("drift", "Drift of a segment")
class DriftExplainer(CaseExplainer):
    """What moved against which base, why that may be, and what to do. Source: acceptance PU-17."""

    weights: CauseWeights = Field(default_factory=CauseWeights, description="How much each kind of evidence counts")
    confidence: ConfidenceParts = Field(default_factory=ConfidenceParts, description="What confidence is made of")
    flow_change: float = Field(0.10, ge=0, description="Relative change of inflow or outflow worth naming")
    tiny: int = Field(30, ge=0, description="A size below it asks whether the segment is still of use")

    def explain(self, question: CaseQuestion) -> Explained:
        """Evidence first; hypotheses with what speaks for and against each; always one recommendation at least."""
        m = material(question)
        evidence = gather(m)
        causes = rank(tuple(self._causes(m, evidence)))
        steps = tuple(_distinct(self._steps(m, causes)))
        summary = summarise(m, causes, evidence)
        drivers = tuple(_driver(f, evidence) for f in question.findings)
        found = verify("\n".join([summary, *(d.evidence for d in drivers)]), evidence)
        explanation = Explanation(
            status=_light(max(f.severity for f in question.findings)),
            summary=summary,
            drivers=drivers,
            recommended_actions=tuple(s.text for s in steps),
            hypotheses=causes,
            evidence=evidence,
            confidence=self._confidence(m, causes, evidence),
            ai_confidence=None,
            source=Source.RULES,
            verification=Verification(found.checked, found.unmatched),
            recommendations=steps,
            timeline=((m.since, "first drifting snapshot"), (question.now, "checked")),
        )
        return Explained(
            explanation=explanation,
            title=title(m),
            metrics=_metrics(m),
            receipt=dict(m.details),
            recommendation_types=MEANINGS,
        )

    def _causes(self, m: Material, evidence: tuple[Evidence, ...]) -> Iterator[tuple[float, Hypothesis]]:
        weights = self.weights
        lone = _ids(evidence, lambda e: e.source.endswith(".others") and e.status is EvidenceStatus.NO_DATA)
        failed = _ids(evidence, lambda e: e.kind == "check" and bool(e.query))
        good = _ids(evidence, lambda e: e.kind == "check" and "data_checks" in e.numbers)
        if failed:
            yield weights.failed_check, Hypothesis(
                "The data of this segment is wrong or incomplete", "data", 0.0, failed, (),
                "Correct or reload the failing rows, take the snapshot again, and run the check.",
            )  # fmt: skip
        for attribute, values, ids in _vanished(evidence):
            yield weights.value_vanished, Hypothesis(
                f"The source or schema of {attribute} changed: {values}", "data", 0.0, ids, good + lone,
                f"Compare the values of {attribute} in the source before and on {m.since:%Y-%m-%d}.",
            )  # fmt: skip
        edited = _ids(evidence, lambda e: e.kind == "change")
        if edited:
            yield weights.edited, Hypothesis(
                "The segment itself was edited", "change", 0.0, edited, (),
                "Compare the definition before and after the edit, and accept the new normal if it is meant.",
            )  # fmt: skip
        others = [e for e in evidence if e.data and e.data[0].get("others")]
        if others:
            several = int(others[0].numbers["moved_segments"]) > 1
            yield weights.several_segments if several else weights.one_other_segment, Hypothesis(
                "Something upstream: other segments moved the same day", "dependency", 0.0, (others[0].id,), (),
                "Look at what these segments share: their people table, its load, and the fields of their rules.",
            )  # fmt: skip
        yield from self._flow_causes(m, evidence)
        firing = _firing(m)
        if firing == {"window_start"}:
            yield weights.slow, Hypothesis(
                "A slow, steady change and no single event", "business", 0.0,
                _ids(evidence, lambda e: e.source.endswith((".window_start", ".previous"))), (),
                "Compare the last two weeks with the same weeks before, and with campaigns that ended.",
            )  # fmt: skip
        recorded = failed + edited + tuple(e.id for e in others)
        yield weights.unknown, Hypothesis(
            "No recorded cause", "unknown", 0.0, good + lone, recorded,
            f"Ask {m.segment.owner if m.segment and m.segment.owner else 'the owner'} what changed around "
            f"{m.since:%Y-%m-%d}.",
        )  # fmt: skip

    def _flow_causes(self, m: Material, evidence: tuple[Evidence, ...]) -> Iterator[tuple[float, Hypothesis]]:
        flows = {str(e.data[0]["flow"]): e for e in evidence if e.data and "flow" in e.data[0]}
        balance = next((e for e in evidence if e.data and e.data[0].get("balance")), None)
        odd = balance is not None and not balance.data[0].get("explained")
        against = (balance.id,) if balance is not None and odd else ()
        grew = m.finding.type == "size_jump" and (m.finding.change_abs or 0.0) > 0
        watched = {"velocity_in": ("More people entered", grew), "velocity_out": ("More people left", not grew)}
        for name, (cause, wanted) in watched.items():
            fact = flows.get(name)
            share = (fact.numbers.get("vs_baseline_pct", 0.0) if fact else 0.0) / 100
            if fact and wanted and share >= self.flow_change:
                check = "Ask which campaign, price or product change fits the day it began."
                yield self.weights.flow, Hypothesis(f"{cause} than usual", "business", 0.0, (fact.id,), against, check)
        entered = flows.get("velocity_in")
        if entered and not grew and entered.numbers.get("vs_baseline_pct", 0.0) / 100 <= -self.flow_change:
            check = "Look at what brings people in: campaigns, sign-up, the rule that admits them."
            cause = "Fewer people entered than usual"
            yield self.weights.flow, Hypothesis(cause, "business", 0.0, (entered.id,), against, check)
        if odd and balance is not None and m.finding.type == "size_jump":
            yield self.weights.unbalanced, Hypothesis(
                "People were added or lost without entering or leaving: a reload or a changed source",
                "data", 0.0, (balance.id,), (),
                f"Compare the people table of {m.since:%Y-%m-%d} with the day before, row by row.",
            )  # fmt: skip

    def _steps(self, m: Material, causes: tuple[Hypothesis, ...]) -> Iterator[Recommendation]:
        f, name = m.finding, m.finding.label
        kinds = {c.kind for c in causes}
        if kinds & {"data", "dependency"}:
            first = next(c for c in causes if c.kind in ("data", "dependency"))
            yield Recommendation("check_source", f"Check the source first. {first.next_check}")
        judged = m.judged
        if f.type == "size_jump" and judged is not None and judged.size < self.tiny:
            yield Recommendation(
                "archive_segment", f"Archive {name} if nobody uses it any more; hardly anyone is in it."
            )
        if f.type == "distribution_shift" and "data" not in kinds:
            attribute = m.details.get("attribute")
            yield Recommendation(
                "split_segment", f"Split {name} by {attribute}, so that each part is judged by its own past."
            )
        if f.type == "inactivity_creep" or _firing(m) == {"window_start"}:
            text = f"Add an alert on the {m.measure} of {name} at half its threshold, to hear of a slow change earlier."
            yield Recommendation("add_alert", text)
        if f.severity is Severity.LOW and "data" not in kinds:
            text = f"If moves of this size are usual for {name}, raise its threshold for the {m.measure}."
            yield Recommendation("adjust_threshold", text)
        if f.type == "size_jump" and m.segment and m.segment.watch.expected_min is None:
            yield Recommendation(
                "add_alert", f"Give {name} an expected size, so that the next jump is told by its limits."
            )
        if not kinds & {"data", "dependency"}:
            yield Recommendation("check_source", f"Compare the source of {name} before and after {m.since:%Y-%m-%d}.")

    def _confidence(self, m: Material, causes: tuple[Hypothesis, ...], evidence: tuple[Evidence, ...]) -> Confidence:
        p, ratio = self.confidence, m.finding.score
        count, firing = len(m.base_dates), max(len(_firing(m)), 1)
        parts = [
            (f"base of {words.counted(count, 'snapshot')}", p.per_snapshot * min(count, p.full_base)),
            (f"{words.counted(firing, 'reference')} in agreement", p.per_reference * firing),
            ("distance past the threshold", p.over_threshold * min(max(ratio - 1, 0.0) / (p.full_ratio - 1), 1.0)),
        ]
        if causes[0].kind != "unknown":
            parts.append(("evidence for the leading cause", p.cause * causes[0].confidence))
        failed = sum(e.kind == "check" and bool(e.query) for e in evidence)
        if failed:
            parts.append((words.counted(failed, "failed check"), -p.per_failed_check * failed))
        if any(e.numbers.get("age_hours", 0.0) > p.old_after_hours for e in evidence):
            parts.append(("old data", -p.old_data))
        made = total(parts)
        return made if made.value <= p.most else total([*made.parts, ("at most", p.most - made.value)])


def rank(causes: tuple[tuple[float, Hypothesis], ...]) -> tuple[Hypothesis, ...]:
    """The hypotheses, most likely first. Units: confidences are shares of all weights and add up to at most 1."""
    weight = sum(w for w, _ in causes)
    doubted = any(c.cause.startswith("The data of this segment") for _, c in causes)
    shares = []
    for w, cause in causes:
        share = w / weight
        if cause.kind in ("change", "dependency"):
            share = min(share, COINCIDENCE_CAP)
        if doubted and cause.kind != "data":
            share = min(share, DOUBTED_CAP)
        shares.append(replace(cause, confidence=round(share, 2)))
    return tuple(sorted(shares, key=lambda c: (doubted and c.kind != "data", -c.confidence)))


def title(m: Material) -> str:
    """The case in one line."""
    f = m.finding
    name = f"{f.label}: {m.measure}"
    if f.type == "distribution_shift":
        return f"{name} by {m.details.get('attribute')} {written(f.type, f.observed or 0.0)} away from its base"
    change = "from zero" if f.change_pct is None else words.percent(f.change_pct)
    return f"{name} {change} ({written(f.type, f.expected or 0.0)} to {written(f.type, f.observed or 0.0)})"


def summarise(m: Material, causes: tuple[Hypothesis, ...], evidence: tuple[Evidence, ...]) -> str:
    """What changed, since when, what moved most, and the leading cause."""
    sentences = [f"{m.finding.summary}."]
    if m.since.date() < m.finding.start.date():
        sentences.append(f"It began on {m.since:%Y-%m-%d}.")
    movers = next((e for e in evidence if e.kind == "contribution"), None)
    if movers is not None and m.finding.type != "distribution_shift":
        sentences.append(f"The make-up moved too. {movers.statement}")
    lead = causes[0]
    if lead.kind == "unknown":
        sentences.append("No recorded change supports a cause.")
    else:
        sentences.append(f"Most likely: {lead.cause[0].lower()}{lead.cause[1:]}.")
    return " ".join(sentences)


def _metrics(m: Material) -> dict[str, Json]:
    f = m.finding
    return {
        "segment": f.subject,
        "owner": m.segment.owner if m.segment else "",
        "type": f.type,
        "size": m.judged.size if m.judged else None,
        "value": f.observed,
        "base": f.expected,
        "change_pct": f.change_pct,
        "ratio": f.score,
        "threshold": m.details.get("threshold"),
        "attribute": m.details.get("attribute"),
        "since": m.since.isoformat(),
        "lead_time_hours": (m.question.now - m.since).total_seconds() / 3600,
    }


def _driver(finding: Finding, evidence: tuple[Evidence, ...]) -> Driver:
    fact = next((e for e in evidence if e.kind == "metric"), None)
    return Driver(finding.subject, finding.type, finding.direction, finding.summary, fact.id if fact else "")


def _firing(m: Material) -> set[str]:
    told = m.details.get("comparisons")
    return (
        {str(c["name"]) for c in told or () if isinstance(c, dict) and c.get("fires")}
        if isinstance(told, list)
        else set()
    )


def _vanished(evidence: tuple[Evidence, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Per attribute, which values vanished or appeared, and the facts that say so."""
    found: dict[str, list[Evidence]] = {}
    for fact in evidence:
        if fact.data and "vanished" in fact.data[0]:
            found.setdefault(str(fact.data[0]["attribute"]), []).append(fact)
    for attribute, facts in found.items():
        told = [f"{e.data[0]['value']} {'vanished' if e.data[0]['vanished'] else 'appeared'}" for e in facts]
        yield attribute, words.listed(told[:4]), tuple(e.id for e in facts)


def _ids(evidence: tuple[Evidence, ...], wanted: Callable[[Evidence], bool]) -> tuple[str, ...]:
    return tuple(e.id for e in evidence if wanted(e))


def _distinct(steps: Iterator[Recommendation]) -> Iterator[Recommendation]:
    """The first recommendation of each type."""
    seen: set[str] = set()
    for step in steps:
        if step.type not in seen:
            seen.add(step.type)
            yield step


def _light(severity: Severity) -> Light:
    return {Severity.CRITICAL: Light.RED, Severity.LOW: Light.GREEN}.get(severity, Light.YELLOW)
