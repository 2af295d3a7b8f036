"""Evidence and sentences of a data incident: what was looked at, the cause it supports, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.alert import BLOCKS, items, mapping, moment, number, texts
from core.explain import words
from core.explain.service_evidence import Notebook
from core.model import Json, JsonObject

MINUTES = 60
NOT_KNOWN = "The business impact is not known: no context says so."


@dataclass(frozen=True, slots=True)
class Impact:
    """What an incident means for the business, in words, with its figures."""

    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def impact_of(alert: JsonObject, values: JsonObject, business: JsonObject, *, benign: bool) -> Impact:
    """The impact by the alert's own statements and the business context; lost revenue as time over times its rate."""
    if benign:
        return Impact("None: nobody is affected.")
    said: list[str] = []
    numbers: dict[str, float] = {}
    reports = texts(values.get("reports_delayed")) or texts(business.get("reports"))
    if reports:
        said.append(f"{words.counted(len(reports), 'report')}: {', '.join(reports[:5])}")
        numbers["reports"] = len(reports)
    late = _late(values)
    rate = number(business.get("revenue_per_hour_usd"))
    if late is not None and rate is not None:
        lost = late / MINUTES * rate
        said.append(f"{late / MINUTES:g} h late at {rate:,.0f} USD per hour: {lost:,.0f} USD")
        numbers |= {"late_hours": late / MINUTES, "revenue_per_hour_usd": rate, "revenue_at_risk_usd": lost}
    if (customers := number(business.get("customers_affected"))) is not None:
        said.append(f"{customers:,.0f} customers affected")
        numbers["customers"] = customers
    if business.get("sla_breach") is True:
        sla = number(business.get("sla_minutes"))
        said.append("the SLA is broken" if sla is None else f"the SLA of {sla:g} min is broken")
        numbers |= {} if sla is None else {"sla_minutes": sla}
    stated = mapping(alert.get("related_context")).get("business_impact")
    if isinstance(stated, str) and stated.strip():
        said.append(f"stated as {stated.strip()[:80]}")
    if tier := str(business.get("criticality_tier") or ""):
        said.append(f"tier {tier.replace('_', ' ')}")
    return Impact(f"{_sentence('; '.join(said))}", numbers) if said else Impact(NOT_KNOWN)


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    return f"{text[:1].upper() if first.isalpha() else text[:1]}{text[1:]}."  # a name stays as it is written


def _late(values: JsonObject) -> float | None:
    actual, expected = number(values.get("actual_minutes")), number(values.get("expected_minutes"))
    return actual - expected if actual is not None and expected is not None and actual > expected else None


def cause_of(details: JsonObject, members: Sequence[JsonObject], *, benign: bool) -> str:
    """The cause in a sentence: the earliest event before the alert, else what the rule's facts say."""
    facts = [f for f in map(mapping, items(details.get("facts"))) if f.get("holds")]
    told = "; ".join(str(f["text"]) for f in facts)
    alert, first = mapping(details.get("alert")), mapping(details.get("candidate"))
    if benign:
        return f"No incident: {told}."
    at, began = moment(alert.get("timestamp")), moment(first.get("at"))
    if at is not None and began is not None:
        ahead = f"{(at - began).total_seconds() / MINUTES:g} min before it"
        text = f"The earliest of {len(members)} alerts is '{first.get('title')}' at {began:%H:%M} UTC, {ahead}"
        return f"{text}; {told}." if told and details.get("rule") != "benign" else f"{text}."
    if told and details.get("rule") != "benign":
        return _sentence(told)
    return f"No cause is supported; {alert.get('entity')} is reported by {alert.get('source')}."


def summary_of(title: str, cause: str, impact: str, details: JsonObject, *, benign: bool) -> str:
    """The case in a few sentences: what, why, what it costs, and what speaks against it."""
    sentences = [cause]
    if not benign:
        sentences.append(f"Impact: {impact[:1].lower()}{impact[1:]}")
    sentences += [f"Against: {c}." for c in texts(details.get("contradictions"))]
    if missing := missing_blocks(details):
        sentences.append(f"Missing context: {', '.join(missing)}.")
    past = mapping(details.get("history"))
    sentences.append(f"Past: {past.get('text') or 'no history'}.")
    return " ".join([f"{title.rstrip('.')}.", *sentences])


def missing_blocks(details: JsonObject) -> list[str]:
    """The context blocks without data."""
    known = mapping(details.get("contexts"))
    return [b for b in BLOCKS if mapping(known.get(b)).get("status") != "ok"]


def timeline_of(details: JsonObject, members: Sequence[JsonObject]) -> tuple[tuple[datetime, str], ...]:
    """The alerts and the change behind them, oldest first; alerts without a time are not on it."""
    values = mapping(details.get("values"))
    events = [(at, f"{m.get('source')}: {m.get('title')}") for m in members if (at := moment(m.get("at"))) is not None]
    if (changed := moment(values.get("changed_at"))) is not None:
        events.append((changed, f"changed by {values.get('changed_by') or 'somebody'}"))
    return tuple(sorted(events, key=lambda e: e[0]))


def noted(
    details: JsonObject,
    members: Sequence[JsonObject],
    documents: Mapping[str, Json],
    alike: Sequence[JsonObject],
    impact: Impact,
) -> Notebook:
    """Everything that was looked at, for, against, or empty."""
    book, alert = Notebook(), mapping(details.get("alert"))
    at = moment(alert.get("timestamp"))
    text = f"{alert.get('source')} alert {alert.get('alert_id')}: {alert.get('title')}"
    book.note("alert", "alert", str(alert.get("source")), text, {}, [mapping(alert.get("metric"))], at)
    figures = _figures(mapping(details.get("values")))
    for fact in map(mapping, items(details.get("facts"))):
        about = "fact" if fact.get("holds") else "absent"
        book.note(about, "metric", "the alert", _sentence(str(fact["text"])), figures)
    for text in texts(details.get("contradictions")):
        book.note("against", "check", "the alert", _sentence(text))
    if candidate := mapping(details.get("candidate")):
        began = moment(candidate.get("at"))
        text = f"Before it: {candidate.get('title')}"
        ahead = {} if at is None or began is None else {"minutes_before": (at - began).total_seconds() / MINUTES}
        book.note("candidate", "change", str(candidate.get("source")), text, {**ahead, "alerts": len(members)},
                  members, began)  # fmt: skip
    for name, told in mapping(details.get("contexts")).items():
        _context(book, str(name), mapping(told), mapping(mapping(documents.get("contexts")).get(name)))
    book.note("impact", "sla", "business", impact.text, impact.numbers, empty=impact.text == NOT_KNOWN)
    past = mapping(details.get("history"))
    counts = {k: float(v) for k, v in past.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    book.note("history", "note", "stored incidents", f"Past: {past.get('text') or 'no history'}.", counts,
              empty=not past.get("n"))  # fmt: skip
    for row in alike:
        ended = f"; resolved by: {row['resolution']}" if row.get("resolution") else ""
        text = f"Like {row.get('incident_id')}: {row.get('title')}{ended}."
        book.note("similar", "note", "stored incidents", text, {"alike": number(row.get("alike")) or 0.0})
    return book


def _context(book: Notebook, name: str, told: JsonObject, block: JsonObject) -> None:
    if told.get("status") != "ok":
        book.note("context", "note", name, f"{name} context: missing ({told.get('reason')}).", empty=True)
        return
    age = number(told.get("age_s"))
    old = f", {age / MINUTES:.0f} min old" if age is not None else ""
    figures = {} if age is None else {"age_minutes": age / MINUTES}
    data = mapping(block.get("data"))
    book.note("context", "note", name, f"{name} context from {told.get('source')}{old}.", figures,
              [{k: v for k, v in data.items() if k != "entities"}])  # fmt: skip


def _figures(values: JsonObject) -> dict[str, float]:
    found = {k: n for k, v in values.items() if not isinstance(v, str) and (n := number(v)) is not None}
    waiting = found.get("downstream_waiting")
    downstream = items(values.get("downstream"))
    if downstream or waiting is not None:
        found["downstream_count"] = float(len(downstream)) if downstream else float(waiting or 0)
    return found
