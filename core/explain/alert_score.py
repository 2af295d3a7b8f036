"""How sure a decision on an alert is: a sum of named parts. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from core.model import Confidence


class Score(BaseModel):
    """The numbers of the evidence score. Source: acceptance, data incidents, evidence score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: float = Field(0.50, ge=0, le=1)
    per_fact: float = Field(0.15, ge=0, le=1)
    most_facts: int = Field(3, ge=0)
    per_missing: float = Field(0.10, ge=0, le=1)
    per_contradiction: float = Field(0.10, ge=0, le=1)
    ceiling: float = Field(0.95, ge=0, le=1)


def scored(facts: Sequence[str], missing: Sequence[str], against: Sequence[str], score: Score) -> Confidence:
    """The score of these agreeing facts, missing context blocks and contradicting facts, within [0, ceiling]."""
    parts = [("base", score.base)]
    parts += [(fact, score.per_fact) for fact in facts[: score.most_facts]]
    parts += [(f"{name} context missing", -score.per_missing) for name in missing]
    parts += [(text, -score.per_contradiction) for text in against]
    whole = round(sum(value for _, value in parts), 10)
    kept = min(max(whole, 0.0), score.ceiling)
    if kept != whole:
        parts.append(("at least 0" if whole < 0 else f"at most {score.ceiling:g}", round(kept - whole, 10)))
    return Confidence(kept, tuple(parts))
