"""The report artifact: one run as JSON, from load to decision, with the receipts that let a person check it."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from core.model import (
    Action,
    Case,
    Delivery,
    Delta,
    Explanation,
    Finding,
    Incident,
    Json,
    JsonObject,
    Light,
    Look,
    Severity,
    Source,
    Trace,
)


def to_json(value: object) -> Json:
    """Any boundary value as plain JSON: enums by value (severities by name), times as ISO 8601, NaN as null."""
    if isinstance(value, Severity):
        return value.name
    if isinstance(value, enum.Enum):
        return str(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(str(v) for v in value)
    if isinstance(value, Sequence):
        return [to_json(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def stamp(at: datetime, freq: str) -> str:
    """A period start as people write it: a date for daily and longer periods, date and time below that."""
    return at.strftime("%Y-%m-%dT%H:%MZ") if is_intraday(freq) else at.strftime("%Y-%m-%d")


def is_intraday(freq: str) -> bool:
    """Whether periods of this pandas alias are shorter than a day."""
    return freq.lstrip("0123456789") in {"h", "min", "s", "ms", "us"}


def figures(delta: Delta) -> JsonObject:
    """The seven figures of one metric; a percentage over a zero base is null."""
    return {
        "value": delta.value,
        "prev": delta.previous,
        "baseline_7d": delta.baseline,
        "dod_abs": delta.dod_abs,
        "dod_pct": delta.dod_pct,
        "vs7d_abs": delta.vs_baseline_abs,
        "vs7d_pct": delta.vs_baseline_pct,
    }


def answer(explanation: Explanation) -> JsonObject:
    """The explanation in its output schema: exactly these five keys. Source: acceptance OP-13."""
    return {
        "status": str(explanation.status),
        "summary": explanation.summary,
        "top_drivers": [
            {"system": d.system, "metric": d.metric, "direction": str(d.direction), "evidence": d.evidence}
            for d in explanation.drivers
        ],
        "recommended_actions": list(explanation.recommended_actions),
        "confidence": explanation.confidence.value if explanation.ai_confidence is None else explanation.ai_confidence,
    }


def day_report(trace: Trace, raw_rows: Mapping[str, JsonObject], freq: str) -> JsonObject:
    """The payload the explainer saw and what came of it. Source: acceptance OP-17, OP-19."""
    systems: dict[str, dict[str, JsonObject]] = {}
    for delta in trace.deltas:
        systems.setdefault(delta.metric.system, {})[delta.metric.name] = figures(delta)
    previous = next((d.previous_at for d in trace.deltas if d.previous_at), None)
    return {
        "target_date": stamp(trace.as_of, freq),
        "dates": {"latest": stamp(trace.as_of, freq), "previous": stamp(previous, freq) if previous else None},
        "metrics": systems,
        "guardrails": {"force_red": trace.decision.receipt.row == "guardrail.force_red"},
        "raw_latest_rows": dict(raw_rows),
        "explanation": answer(trace.explanation),
        "effective_status": str(trace.decision.light),
        "source": str(trace.explanation.source),
        "concerns": [f.metric for f in trace.findings if f.bad and not f.suppressed_by],
        "quiet": list(trace.quiet),
        "check_results": to_json(trace.checks.results),
        "receipts": {
            d.metric.name: {
                "method": d.method,
                "dates": [stamp(t, freq) for t in d.trained_on],
                "previous": stamp(d.previous_at, freq) if d.previous_at else None,
            }
            for d in trace.deltas
        },
    }


def run_report(
    trace: Trace, headline: str, day: JsonObject, incident: Incident | None, deliveries: Sequence[JsonObject]
) -> JsonObject:
    """One run with every top-level key of the command-line contract."""
    decision = trace.decision
    return {
        "run": {
            "id": trace.run_id,
            "playbook": trace.playbook,
            "tenant": trace.trigger.tenant,
            "as_of": trace.as_of.isoformat(),
            "started_at": trace.started_at.isoformat(),
            "ended_at": trace.ended_at.isoformat(),
            "source": str(trace.explanation.source),
        },
        "light": str(decision.light),
        "headline": headline,
        "checks": to_json(trace.checks.results),
        "findings": [finding_json(f) for f in trace.findings],
        "incidents": [incident_json(incident)] if incident else [],
        "explanations": [to_json(trace.explanation)],
        "decisions": [{"incident_id": incident.incident_id if incident else None, **decision_json(trace)}],
        "actions": [],
        "deliveries": list(deliveries),
        "provenance": to_json(trace.dataset.provenance),
        "notes": list(trace.notes),
        "report": day,
    }


def cases_report(
    look: Look,
    headline: str,
    light: Light,
    source: Source,
    kept: Sequence[tuple[Case, Incident]],
    deliveries: Sequence[Delivery],
) -> JsonObject:
    """One run of events with every top-level key of the command-line contract, and the playbook's own."""
    return {
        "run": {
            "id": look.run_id,
            "playbook": look.playbook,
            "tenant": look.trigger.tenant,
            "as_of": look.as_of.isoformat(),
            "started_at": look.started_at.isoformat(),
            "ended_at": look.ended_at.isoformat(),
            "source": str(source),
        },
        "light": str(light),
        "headline": headline,
        "checks": to_json(look.checks.results),
        "findings": [finding_json(f) for f in look.findings],
        "incidents": [incident_json(i) for _, i in kept],
        "explanations": [{"incident_id": i.incident_id, **_object(to_json(c.explanation))} for c, i in kept],
        "decisions": [{"incident_id": i.incident_id, **_object(to_json(c.decision)), **c.answer} for c, i in kept],
        "actions": [],
        "deliveries": to_json(deliveries),
        "provenance": to_json(look.dataset.provenance),
        "notes": list(look.notes),
        **look.extra,
    }


def _object(row: Json) -> JsonObject:
    assert isinstance(row, dict)
    return row


def finding_json(finding: Finding) -> JsonObject:
    """A finding as JSON."""
    row = to_json(finding)
    assert isinstance(row, dict)
    return row


def decision_json(trace: Trace) -> dict[str, Json]:
    """The decision with its receipt as JSON."""
    row = to_json(trace.decision)
    assert isinstance(row, dict)
    return row


def action_json(action: Action) -> JsonObject:
    """An action with its proposal's fields at top level, as the acceptance list names them."""
    row = dict(_object(to_json(action)))
    return {**_object(row.pop("proposal")), **row, "approved_by": ", ".join(action.approvals) or None}


def incident_json(incident: Incident) -> JsonObject:
    """An incident with its body's fields at top level, as the acceptance list names them."""
    row = to_json(incident)
    assert isinstance(row, dict)
    body = row.pop("body")
    assert isinstance(body, dict)
    return {**row, **body}
