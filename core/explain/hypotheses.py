"""Possible causes, ranked by what the evidence says for and against each; "no recorded cause" is always a rival."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.explain import words
from core.explain.evidence import Question
from core.model import Evidence, EvidenceStatus, Hypothesis

COINCIDENCE_CAP = 0.55  # two things at the same time are no proof
DATA_CAP = 0.5  # for every business cause, while a check on the same data fails


@dataclass(frozen=True, slots=True)
class _Case:
    cause: str
    kind: str
    weight: float
    supports: tuple[str, ...]
    contradicts: tuple[str, ...]
    next_check: str


def rank(question: Question, evidence: tuple[Evidence, ...]) -> tuple[Hypothesis, ...]:
    """Hypotheses, most likely first; none when nothing moved.

    Units: confidences are shares of the weight of all hypotheses; they add up to at most 1.
    """
    if not any(f.bad for f in question.live) and not question.failed_checks:
        return ()
    cases = [*_data(question, evidence), *_change(evidence), *_business(evidence), *_external(question, evidence)]
    cases.append(_unknown(question, evidence))
    weight = sum(c.weight for c in cases)
    doubted = any(c.kind == "data" for c in cases)
    ranked = sorted(cases, key=lambda c: (c.kind != "data", -c.weight) if doubted else (False, -c.weight))
    return tuple(
        Hypothesis(c.cause, c.kind, _capped(c, weight, doubted), c.supports, c.contradicts, c.next_check)
        for c in ranked
    )


def _capped(case: _Case, weight: float, doubted: bool) -> float:
    share = case.weight / weight
    if case.kind in ("change", "external"):
        share = min(share, COINCIDENCE_CAP)
    return round(min(share, DATA_CAP) if doubted and case.kind != "data" else share, 2)


def _data(question: Question, evidence: tuple[Evidence, ...]) -> Iterator[_Case]:
    failed = [e for e in evidence if e.kind == "check" and (e.query or e.status is EvidenceStatus.ERROR)]
    if not failed:
        return
    tables = {e.source.split(".")[0] for e in failed}
    touched = {f.system for f in question.findings} | {f.metric for f in question.findings}
    hit = bool(touched & (tables | {e.source.split(".")[-1] for e in failed}))
    yield _Case(
        cause=f"The data of {words.listed(sorted(tables))} is wrong or incomplete",
        kind="data",
        weight=4.0 if hit else 1.5,
        supports=tuple(e.id for e in failed),
        contradicts=(),
        next_check="Open the failing rows in Data quality, correct or reload them, and run again.",
    )


def _change(evidence: tuple[Evidence, ...]) -> Iterator[_Case]:
    changes = [e for e in evidence if e.kind == "change" and e.status is EvidenceStatus.OK]
    if not changes:
        return
    names = words.listed([str(e.data[0]["label"]) for e in changes if e.data])
    yield _Case(
        cause=f"A change made in the same period ({names} moved too)",
        kind="change",
        weight=1.5,
        supports=tuple(e.id for e in changes),
        contradicts=(),
        next_check="List what was changed in this period and see whether the figures moved before or after it.",
    )


def _business(evidence: tuple[Evidence, ...]) -> Iterator[_Case]:
    """A slice that carries most of a change says where; the weight is the part it explains."""
    slices = [e for e in evidence if e.kind == "contribution" and "share_pct" in e.numbers]
    if not slices:
        return
    top = max(slices, key=lambda e: min(abs(e.numbers["share_pct"]), 100.0))
    where = str(top.data[0].get("where", "one slice")) if top.data else "one slice"
    yield _Case(
        cause=f"Something specific to {where}",
        kind="business",
        weight=2.0 * min(abs(top.numbers["share_pct"]), 100.0) / 100,
        supports=(top.id,),
        contradicts=(),
        next_check=f"Ask the owner of {where} what was different, and compare it with the other values.",
    )


def _external(question: Question, evidence: tuple[Evidence, ...]) -> Iterator[_Case]:
    systems = {f.system for f in question.live if f.bad and f.system}
    if len(systems) < 2:
        return
    changed = tuple(e.id for e in evidence if e.kind == "change" and e.status is EvidenceStatus.OK)
    facts = tuple(e.id for e in evidence if e.kind == "metric" and e.source.split(".")[0] in systems)
    yield _Case(
        cause="One cause outside these systems that hit several of them at once",
        kind="external",
        weight=0.5 if changed else 0.8,
        supports=facts,
        contradicts=changed,
        next_check="Ask providers (payment, hosting, mail) for incidents in this period.",
    )


def _unknown(question: Question, evidence: tuple[Evidence, ...]) -> _Case:
    recorded = tuple(e.id for e in evidence if e.kind == "change" and e.status is EvidenceStatus.OK)
    names = sorted({f.label for f in question.live if f.bad})
    empty = tuple(e.id for e in evidence if e.status is EvidenceStatus.NO_DATA)
    return _Case(
        cause="No recorded cause",
        kind="unknown",
        weight=1.0,
        supports=empty,
        contradicts=recorded,
        next_check=f"Ask the owners of {words.listed(names[:4]) or 'the data'}.",
    )
