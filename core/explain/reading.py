"""From a valid answer to an Explanation: placeholders filled, claims checked, what decides kept as code made it."""

from __future__ import annotations

import re
from dataclasses import replace

from core.explain import words
from core.explain.answer import Answer, AnswerDriver
from core.explain.evidence import Question
from core.explain.rules import total
from core.explain.untrusted import is_command, prose
from core.explain.verify import verify
from core.model import Direction, Driver, Evidence, Explanation, Light, Source, Verification

PER_UNVERIFIED_SENTENCE = 0.10
_PLACEHOLDER = re.compile(r"\{(E\d+)\.([a-z_]+)\}")
_STRICTNESS = {Light.GREEN: 0, Light.YELLOW: 1, Light.RED: 2}
_LEVEL = ("value", "baseline", "previous", "lower", "upper", "before", "after")


def adopt(question: Question, rules: Explanation, answer: Answer, withheld: tuple[str, ...]) -> Explanation:
    """The rules' explanation in the model's words.

    Status is the model's proposal; directions, hypotheses and evidence are the rules'. Every sentence with a
    figure that the evidence does not hold lowers the confidence.
    """
    facts = {f.id: f for f in rules.evidence}
    notes = [f"{id_} reads like an instruction; its text was not shown to the model." for id_ in withheld]
    if _STRICTNESS[Light(answer.status)] < _STRICTNESS[rules.status]:
        notes.append(f"The model proposed {answer.status}, milder than the {rules.status} of the rules, which stands.")
    summary = worded(answer.summary, facts)
    drivers, wrong = _drivers(answer, rules, facts, notes)
    actions = _actions(question, answer, facts, notes) or rules.recommended_actions
    own = [a for a in actions if a not in rules.recommended_actions and a not in question.actions.values()]
    text = "\n".join([summary, *(f"{d.metric}: {d.evidence}" for d in drivers), *own])
    found = verify(text, rules.evidence)
    flagged = len(found.flagged) + len(wrong)
    parts = list(rules.confidence.parts)
    if flagged:
        parts.append((words.counted(flagged, "unverified sentence"), -PER_UNVERIFIED_SENTENCE * flagged))
    return replace(
        rules,
        status=Light(answer.status),
        summary=summary,
        drivers=drivers or rules.drivers,
        recommended_actions=actions,
        evidence=rules.evidence + noted(notes, len(rules.evidence)),
        confidence=total(parts),
        ai_confidence=answer.confidence,
        source=Source.AI,
        verification=Verification(found.checked + len(wrong), found.unmatched + tuple(wrong)),
    )


def worded(text: str, facts: dict[str, Evidence]) -> str:
    """A model's text with its placeholders filled in, without links and markup."""
    return prose(_PLACEHOLDER.sub(lambda m: _figure(m, facts, text), text))


def _figure(m: re.Match[str], facts: dict[str, Evidence], text: str) -> str:
    """The figure a placeholder stands for; an unknown placeholder stays, and is flagged by the number lock."""
    fact = facts.get(m[1])
    value = fact.numbers.get(m[2]) if fact else None
    if fact is None or (value is None and not m[2].endswith("_pct")):
        return m.group()
    if m[2].endswith("_pct"):
        before = re.search(r"(?i)\b(?:by|rose|fell|up|down|dropped|grew)\s*$", text[: m.start()])
        after = re.match(r"(?i)\s*(?:above|below|higher|lower|more|less|over|under)\b", text[m.end() :])
        return words.percent(value, signed=not (before or after or _is_level(m[2].removesuffix("_pct"))))
    unit = str(fact.data[0].get("unit") or "") if fact.data and (m[2] in _LEVEL or m[2].endswith("_abs")) else ""
    return words.number(value, unit, signed=m[2].endswith("_abs"))


def _is_level(name: str) -> bool:
    """Whether a percentage is how much there is and not how far it moved."""
    return not name.startswith("vs_") and name.split("_")[-1] in _LEVEL


def _drivers(
    answer: Answer, rules: Explanation, facts: dict[str, Evidence], notes: list[str]
) -> tuple[tuple[Driver, ...], list[str]]:
    """The model's drivers that name a metric of the evidence, and the directions it got wrong."""
    known = _series(rules)
    drivers: list[Driver] = []
    wrong: list[str] = []
    for said in answer.top_drivers:
        match = known.get(_key(said.metric)) or known.get(_key(f"{said.system} {said.metric}"))
        if match is None:
            notes.append("A driver that names no metric of the evidence was dropped.")
            continue
        if match.direction is not Direction.NONE and match.direction is not Direction(said.direction):
            wrong.append(f"{match.metric} {said.direction}")
        if match.metric not in {d.metric for d in drivers}:
            drivers.append(replace(match, evidence=_clause(said, facts) or match.evidence))
    return tuple(drivers), wrong


def _clause(said: AnswerDriver, facts: dict[str, Evidence]) -> str:
    return worded(said.evidence, facts).strip()


def _series(rules: Explanation) -> dict[str, Driver]:
    """Every metric the evidence speaks of, by the names a model may call it."""
    series: dict[str, Driver] = {}
    for fact in rules.evidence:
        about = fact.data[0] if fact.data and "metric" in fact.data[0] else None
        if about is None or fact.kind not in ("metric", "change"):
            continue
        move = fact.numbers.get("vs_baseline_abs", 0.0)
        labels = about.get("labels")
        metric = words.subject(str(about["metric"]), labels if isinstance(labels, dict) else {})
        way = Direction.UP if move > 0 else Direction.DOWN if move < 0 else Direction.NONE
        driver = Driver(str(about.get("system", "")), metric, way, fact.statement, fact.id)
        label = words.subject(str(about.get("label", "")), labels if isinstance(labels, dict) else {})
        for name in (metric, label, f"{driver.system} {metric}"):
            series.setdefault(_key(name), driver)
    for driver in rules.drivers:
        series[_key(driver.metric)] = driver
    return series


def _key(name: str) -> str:
    return re.sub(r"[^\w=]+|_", " ", name).strip().casefold()


def _actions(question: Question, answer: Answer, facts: dict[str, Evidence], notes: list[str]) -> tuple[str, ...]:
    """Advice the playbook allows; where it allows none in particular, the model's own without links and commands."""
    said = [worded(a, facts).strip() for a in answer.recommended_actions]
    if question.actions:
        allowed = {_key(a): a for a in question.actions.values()}
        kept = [allowed[_key(a)] for a in said if _key(a) in allowed]
    else:
        kept = [a for a in said if a and not is_command(a)]
    if len(kept) < len(said):
        dropped = words.counted(len(said) - len(kept), "proposed action")
        notes.append(f"{dropped} of the model not shown: not in the playbook's list, or a command.")
    return tuple(dict.fromkeys(kept))


def noted(notes: list[str], after: int) -> tuple[Evidence, ...]:
    """Remarks on the model's answer as evidence, numbered on from ``after``."""
    return tuple(
        Evidence(id=f"E{i}", kind="note", source="model", statement=text)
        for i, text in enumerate(dict.fromkeys(notes), start=after + 1)
    )
