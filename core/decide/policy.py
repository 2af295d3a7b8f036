"""The decision table: rows of conditions over named facts, read from ``policy.yaml``.

Rows are tried in order; the first whose condition holds decides. A fact that is missing or null
satisfies no condition, so a percentage over a zero baseline never fires one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.model import Json, Light

Facts = Mapping[str, Json]
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}


class Strict(BaseModel):
    """Immutable configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(Strict):
    """One comparison ``fact op value``, or ``all`` / ``any`` of further conditions."""

    fact: str | None = None
    op: Literal[">=", ">", "<=", "<", "=="] = ">="
    value: float = 0.0
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> Condition:
        if sum((self.fact is not None, bool(self.all), bool(self.any))) != 1:
            raise ValueError("a condition is either {fact, op, value}, {all: [...]} or {any: [...]}")
        return self

    def holds(self, facts: Facts) -> bool:
        """Whether the facts satisfy this condition."""
        if self.all:
            return all(c.holds(facts) for c in self.all)
        if self.any:
            return any(c.holds(facts) for c in self.any)
        fact = number(facts, self.fact or "")
        return fact is not None and _OPERATORS[self.op](fact, self.value)

    def leaves(self) -> Iterator[Condition]:
        """Every comparison in this condition."""
        if self.fact is not None:
            yield self
        for child in (*self.all, *self.any):
            yield from child.leaves()

    def words(self) -> str:
        """The condition as text, such as ``refunds.vs_baseline_pct >= 50``."""
        if self.all:
            return " AND ".join(f"({c.words()})" if c.any else c.words() for c in self.all)
        if self.any:
            return " OR ".join(f"({c.words()})" if c.all else c.words() for c in self.any)
        return f"{self.fact} {self.op} {self.value:g}"


class Row(Strict):
    """One row of the table. ``force`` means that no model answer can change its light."""

    name: str
    light: Light
    because: str
    force: bool = False
    action: Literal["dismiss", "log_only", "notify_team", "auto_fix"] = Field(
        "notify_team", description="What is done with a case of events; a row of a series' table does not use it"
    )
    when: Condition | None = None

    def holds(self, facts: Facts) -> bool:
        """Whether this row fires; a row without a condition always does."""
        return self.when is None or self.when.holds(facts)


class Gates(Strict):
    """Confidence gates; a value equal to its gate passes."""

    min_ai: float = Field(0.55, ge=0, le=1, description="Below it a model answer is not used")
    green: float = Field(0.65, ge=0, le=1, description="Below it green becomes yellow")
    auto_act: float = Field(0.70, ge=0, le=1, description="Below it nothing happens unattended")


class Policy(Strict):
    """Gates and decision table of a playbook. The last row has no condition, so a row always fires."""

    gates: Gates = Gates()
    rows: tuple[Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_a_last_word(self) -> Policy:
        if self.rows[-1].when is not None:
            raise ValueError("the last row of a decision table must have no condition")
        if any(row.when is None for row in self.rows[:-1]):
            raise ValueError("only the last row of a decision table may be without a condition")
        return self

    def fired(self, facts: Facts) -> Row:
        """The first row that holds."""
        return next(row for row in self.rows if row.holds(facts))


def number(facts: Facts, name: str) -> float | None:
    """A fact as a number, or None when it is missing, null or not a number."""
    fact = facts.get(name)
    return float(fact) if isinstance(fact, int | float) and not isinstance(fact, bool) else None


SERIES_POLICY = Policy(
    rows=(
        Row(
            name="findings.critical",
            light=Light.RED,
            because="at least one metric is far outside what was expected",
            when=Condition(fact="findings.critical", op=">=", value=1),
        ),
        Row(
            name="findings.any",
            light=Light.YELLOW,
            because="at least one metric is outside what was expected",
            when=Condition(fact="findings.bad", op=">=", value=1),
        ),
        Row(
            name="data.problem",
            light=Light.YELLOW,
            because="a failing check blocks at least one metric",
            when=Condition(fact="findings.quality", op=">=", value=1),
        ),
        Row(name="quiet", light=Light.GREEN, because="every metric is inside what was expected"),
    )
)

CASE_POLICY = Policy(
    rows=(
        Row(
            name="severity.critical",
            light=Light.RED,
            because="the case is CRITICAL",
            when=Condition(fact="severity", op=">=", value=4),
        ),
        Row(
            name="severity.medium",
            light=Light.YELLOW,
            because="the case is MEDIUM or HIGH",
            when=Condition(fact="severity", op=">=", value=2),
        ),
        Row(name="severity.low", light=Light.GREEN, because="the case is LOW"),
    )
)
