"""Reading a kept report back: the explanation and decision of a run as the values they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.model import (
    Confidence,
    Decision,
    Direction,
    Driver,
    Evidence,
    EvidenceStatus,
    Explanation,
    Hypothesis,
    Json,
    JsonObject,
    Light,
    Receipt,
    Severity,
    Source,
    Verification,
)


def explanation_of(report: JsonObject) -> Explanation | None:
    """The explanation in a run's report; None for a refused run."""
    rows = _rows(report.get("explanations"))
    if not rows:
        return None
    row = rows[0]
    confidence, verification = _object(row["confidence"]), _object(row["verification"])
    return Explanation(
        status=Light(str(row["status"])),
        summary=str(row["summary"]),
        drivers=tuple(_driver(d) for d in _rows(row["drivers"])),
        recommended_actions=_texts(row["recommended_actions"]),
        hypotheses=tuple(_hypothesis(h) for h in _rows(row["hypotheses"])),
        evidence=tuple(_evidence(e) for e in _rows(row["evidence"])),
        confidence=Confidence(_number(confidence["value"]), tuple(_part(p) for p in _list(confidence["parts"]))),
        ai_confidence=_optional(row["ai_confidence"]),
        source=Source(str(row["source"])),
        verification=Verification(int(_number(verification["checked"])), _texts(verification["unmatched"])),
        fallback_reason=str(row["fallback_reason"]),
        model=str(row["model"]),
        tokens=int(_number(row["tokens"])),
        cost_usd=_optional(row["cost_usd"]),
        cached=bool(row["cached"]),
    )


def decision_of(report: JsonObject) -> Decision | None:
    """The decision in a run's report; None for a refused run."""
    rows = _rows(report.get("decisions"))
    if not rows:
        return None
    row = rows[0]
    receipt = _object(row["receipt"])
    return Decision(
        recommended_action=str(row["recommended_action"]),
        light=Light(str(row["light"])),
        severity=Severity[str(row["severity"])],
        confidence=_number(row["confidence"]),
        receipt=Receipt(
            row=str(receipt["row"]),
            because=str(receipt["because"]),
            inputs=_object(receipt["inputs"]),
            thresholds=_object(receipt["thresholds"]),
            overruled=_texts(receipt["overruled"]),
            nearest_flip=str(receipt["nearest_flip"]),
        ),
    )


def _driver(row: JsonObject) -> Driver:
    return Driver(
        str(row["system"]), str(row["metric"]), Direction(str(row["direction"])), str(row["evidence"]),
        str(row["evidence_id"]),
    )  # fmt: skip


def _hypothesis(row: JsonObject) -> Hypothesis:
    return Hypothesis(
        str(row["cause"]), str(row["kind"]), _number(row["confidence"]), _texts(row["supports"]),
        _texts(row["contradicts"]), str(row["next_check"]),
    )  # fmt: skip


def _evidence(row: JsonObject) -> Evidence:
    return Evidence(
        id=str(row["id"]),
        kind=str(row["kind"]),
        source=str(row["source"]),
        statement=str(row["statement"]),
        status=EvidenceStatus(str(row["status"])),
        numbers={k: _number(v) for k, v in _object(row["numbers"]).items() if v is not None},
        start=_time(row["start"]),
        end=_time(row["end"]),
        query=str(row["query"]),
        data=tuple(_rows(row["data"])),
    )


def _part(pair: Json) -> tuple[str, float]:
    name, value = _list(pair)
    return str(name), _number(value)


def _time(value: Json) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None


def _number(value: Json) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _optional(value: Json) -> float | None:
    return None if value is None else _number(value)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(v) for v in _list(value))


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _object(value: Json) -> JsonObject:
    assert isinstance(value, Mapping)
    return value


def _rows(value: Json) -> list[JsonObject]:
    return [row for row in _list(value) if isinstance(row, Mapping)]
