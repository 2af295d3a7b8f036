"""The rules' explanation: always computed, for any playbook, from evidence alone."""

from __future__ import annotations

from core.explain import words
from core.explain.evidence import Question, gather
from core.explain.hypotheses import rank
from core.explain.moves import closest, figures_in_words
from core.explain.verify import verify
from core.model import (
    ChangeType,
    Confidence,
    Delta,
    Direction,
    Driver,
    Evidence,
    Explanation,
    Finding,
    Light,
    Source,
    Verification,
)

MOST_ACTIONS = 5


def explain_by_rules(question: Question) -> Explanation:
    """Status, summary, drivers, actions, hypotheses and confidence, each from named evidence.

    Source: acceptance OP-13, OP-14.
    """
    evidence = gather(question)
    summary, drivers = summarise(question), drivers_of(question, evidence)
    text = "\n".join([summary, *(f"{d.metric}: {d.evidence}" for d in drivers)])
    found = verify(text, evidence)
    return Explanation(
        status=question.light,
        summary=summary,
        drivers=drivers,
        recommended_actions=actions_of(question),
        hypotheses=rank(question, evidence),
        evidence=evidence,
        confidence=confidence_of(question),
        ai_confidence=None,
        source=Source.RULES,
        verification=Verification(found.checked, found.unmatched),
    )


def confidence_of(question: Question) -> Confidence:
    """The base less a fixed amount per missing baseline point and per failed check, at least 0; parts add up to it."""
    parts = [("complete baseline, all checks passed", question.confidence_base)]
    if question.missing_points:
        unit = words.PERIODS.get(question.freq, "point")
        name = words.counted(question.missing_points, f"missing baseline {unit}")
        parts.append((name, -question.per_missing_point * question.missing_points))
    if question.failed_checks:
        name = words.counted(question.failed_checks, "failed check")
        parts.append((name, -question.per_failed_check * question.failed_checks))
    return total(parts)


def total(parts: list[tuple[str, float]]) -> Confidence:
    """The parts and their sum, never below 0 (the floor is then a part of its own)."""
    value = round(sum(p for _, p in parts), 10)
    if value < 0:
        parts = [*parts, ("floor at 0", -value)]
    return Confidence(max(0.0, value), tuple((name, round(part, 10)) for name, part in parts))


def drivers_of(question: Question, evidence: tuple[Evidence, ...]) -> tuple[Driver, ...]:
    """One driver per finding, the largest percentage against the baseline first, null last."""
    return tuple(_driver(question, finding, evidence) for finding in question.live)


def _driver(question: Question, finding: Finding, evidence: tuple[Evidence, ...]) -> Driver:
    delta = question.delta(finding)
    fact = next((e for e in evidence if e.kind == "metric" and _same(e, finding)), None)
    return Driver(
        system=finding.system,
        metric=words.subject(finding.metric, finding.labels),
        direction=finding.direction,
        evidence=figures_in_words(delta, question.freq) if delta else finding.summary,
        evidence_id=fact.id if fact else "",
    )


def _same(fact: Evidence, finding: Finding) -> bool:
    about = fact.data[0] if fact.data else {}
    return about.get("metric") == finding.metric and about.get("labels") == dict(finding.labels)


def actions_of(question: Question) -> tuple[str, ...]:
    """What the playbook advises for each metric concerned or its system, else a next step that always helps."""
    if question.light is Light.GREEN and not question.failed_checks:
        return ("Nothing to do; the report is kept.",)
    chosen: list[str] = []
    if question.failed_checks:
        chosen.append("Look at the failed data checks first: the figures they cover may be wrong.")
    for finding in question.live:
        if finding.bad:
            chosen.append(
                question.actions.get(finding.metric) or question.actions.get(finding.system) or _next(finding)
            )
    distinct = list(dict.fromkeys(chosen)) or ["Look at the findings and acknowledge or dismiss them."]
    return tuple(distinct[:MOST_ACTIONS])


def _next(finding: Finding) -> str:
    name = words.subject(finding.label, finding.labels)
    if finding.change in (ChangeType.MISSING, ChangeType.STUCK):
        return f"Check whether the source of {name} still delivers; rerun once it has been reloaded."
    return (
        f"Open {name} in Explore, find the slice or the hour it started, and ask the owner of {finding.system or 'it'}."
    )


def summarise(question: Question) -> str:
    """What changed, where, and against which baseline, in a few sentences."""
    bad = [f for f in question.live if f.bad]
    withheld = [f for f in question.findings if f.suppressed_by]
    sentences = _what_moved(question, bad) if bad else [] if withheld else [_quiet(question)]
    if withheld:
        sentences.append(_withheld(question, withheld))
    if question.failed_checks:
        were = "was not passed" if question.failed_checks == 1 else "were not passed"
        sentences.append(
            f"{words.counted(question.failed_checks, 'data check')} {were}, so part of this may be the data."
        )
    return " ".join(sentences)


def _what_moved(question: Question, bad: list[Finding]) -> list[str]:
    """The largest move in full, the largest of two more systems in short, then how many metrics moved in all."""
    leaders = list({f.system: f for f in reversed(bad)}.values())
    leaders = sorted(leaders, key=bad.index)[:3] if len(leaders) > 1 else bad[:2]
    clauses = [_clause(question, leaders[0]), *(_short(question, f) for f in leaders[1:])]
    sentences = [f"On {words.period(question.as_of, question.freq)}, {'; '.join(clauses)}."]
    judged = len({*question.quiet, *(f.metric for f in question.findings)})
    metrics, systems = {f.metric for f in bad}, sorted({f.system for f in bad if f.system})
    if len(metrics) > 1:
        where = f" in {words.counted(len(systems), 'system')} ({words.listed(systems)})" if len(systems) > 1 else ""
        sentences.append(f"{len(metrics)} of {words.counted(judged, 'judged metric')} moved the wrong way{where}.")
    elif judged > 1:
        sentences.append(f"It is the only one of {words.counted(judged, 'judged metric')} out of line.")
    return sentences


def _short(question: Question, finding: Finding) -> str:
    delta, name = question.delta(finding), words.subject(finding.label, finding.labels)
    if delta is None or delta.value is None or delta.vs_baseline_pct is None or finding.change is ChangeType.STUCK:
        return _clause(question, finding)
    value = words.number(delta.value, delta.metric.unit)
    return f"{name} {_moved(finding.direction)} {value} ({words.percent(delta.vs_baseline_pct)})"


def _clause(question: Question, finding: Finding) -> str:
    delta = question.delta(finding)
    name = words.subject(finding.label, finding.labels)
    if finding.change is ChangeType.MISSING or delta is None or delta.value is None:
        return f"{name} has no value"
    value = words.number(delta.value, delta.metric.unit)
    if finding.change is ChangeType.STUCK:
        return f"{name} has stayed at exactly {value}"
    return f"{name} {_moved(finding.direction)} {value}{_distance(delta, question.freq)}"


def _moved(direction: Direction) -> str:
    return {Direction.UP: "rose to", Direction.DOWN: "fell to"}.get(direction, "is at")


def _distance(delta: Delta, freq: str) -> str:
    if delta.baseline is None:
        return ""
    reference = words.reference(delta, freq)
    if delta.vs_baseline_pct is None:
        return f" from {reference} ({words.number(delta.vs_baseline_abs, delta.metric.unit, signed=True)})"
    side = "above" if delta.vs_baseline_pct > 0 else "below"
    return f", {words.percent(delta.vs_baseline_pct, signed=False)} {side} {reference}"


def _quiet(question: Question) -> str:
    """A quiet period is worth a sentence too: how much was judged and what came closest."""
    when = words.period(question.as_of, question.freq)
    judged = {*question.quiet, *(f.metric for f in question.findings)}
    if not judged:
        return f"No metric could be judged on {when}."
    good = [f for f in question.live if not f.bad]
    if good:
        return f"On {when}, {_clause(question, good[0])}, which is no cause for concern; nothing moved the wrong way."
    everything = f"all {words.counted(len(judged), 'judged metric')}" if len(judged) > 1 else "the one judged metric"
    text = f"Nothing needs attention on {when}: {everything} stayed within what is normal."
    near = closest(question)
    if near is None:
        return text
    name, value = words.subject(near.metric.label, near.labels), words.number(near.value, near.metric.unit)
    return f"{text} The largest move the wrong way is {name} at {value}{_distance(near, question.freq)}."


def _withheld(question: Question, findings: list[Finding]) -> str:
    names = words.listed(list(dict.fromkeys(words.subject(f.label, f.labels) for f in findings))[:4])
    when = words.period(question.as_of, question.freq)
    return f"On {when}, {names} moved, but the data behind it did not pass its checks: treat it as a data problem."
