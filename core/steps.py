"""The steps of a run with their times: what each got and gave, and whether its phase kept its budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from core.model import Case, Json
from core.ports import Clock

PHASES: Mapping[str, str] = {
    "ingest": "detect", "enrich": "detect",
    "context": "investigate", "analyse": "investigate", "decide": "investigate",
    "act": "respond",
}  # fmt: skip


@dataclass
class Step:
    """One step; entered more than once, its times add up."""

    name: str
    start: datetime
    seconds: float = 0.0
    given: str = ""
    made: str = ""


@dataclass
class Steps:
    """A stopwatch over the steps of one run. Durations are measured by a monotonic clock."""

    clock: Clock
    steps: dict[str, Step] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str) -> Iterator[Step]:
        """Times the block as (a part of) the step, also when it raises."""
        step = self.steps.setdefault(name, Step(name, self.clock.now()))
        began = time.perf_counter()
        try:
            yield step
        finally:
            step.seconds += time.perf_counter() - began

    def rows(self) -> list[Json]:
        """The steps in the order they began."""
        return [
            {"step": s.name, "phase": PHASES.get(s.name, ""), "start": s.start.isoformat(), "seconds": s.seconds,
             "input": s.given, "output": s.made}
            for s in self.steps.values()
        ]  # fmt: skip


def told(before: Sequence[Json], steps: Steps, cases: Sequence[Case]) -> list[Json]:
    """The loader's steps and those of the look, one row each, in the order of the pipeline."""
    actions = Counter(case.decision.recommended_action for case in cases)
    decided = ", ".join(f"{action} {n}" for action, n in sorted(actions.items()))
    for name, given, made in (
        ("analyse", f"{len(cases)} cases", f"{len(cases)} explained"), ("decide", f"{len(cases)} cases", decided)
    ):  # fmt: skip
        with steps.time(name) as step:
            step.given, step.made = given, made
    merged: dict[str, dict[str, Json]] = {}
    for row in (*before, *steps.rows()):
        assert isinstance(row, Mapping)
        known = merged.setdefault(str(row["step"]), {**row, "seconds": 0.0})
        known["seconds"] = float(str(known["seconds"])) + float(str(row["seconds"]))
        known |= {k: row[k] for k in ("input", "output") if row[k]}
    return [merged[name] for name in PHASES if name in merged]


def judged(rows: Sequence[Json], budgets: Mapping[str, float]) -> list[Json]:
    """The rows with their phase's budget and status: over budget from the step on that used it up. Source: DI-20."""
    used: dict[str, float] = {}
    done: list[Json] = []
    for row in rows:
        assert isinstance(row, Mapping)
        phase, seconds = str(row["phase"]), float(str(row["seconds"]))
        used[phase] = used.get(phase, 0.0) + seconds
        budget = budgets.get(phase)
        over = budget is not None and used[phase] > budget
        done.append({**row, "budget_s": budget, "status": "over budget" if over else "ok"})
    return done
