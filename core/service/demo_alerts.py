"""The demo alerts against what is expected of them, and labelled alerts against what was planted; without effects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.access import Principal, require
from core.alert import items, mapping, number
from core.events import EventFiles
from core.model import Case, Json, JsonObject
from core.service import casework, inputs
from core.service.workbench import Workbench

PLAYBOOK = "data_incidents"
QUIET = ("dismiss", "log_only")  # what disturbs nobody


@dataclass(frozen=True, slots=True)
class Expected:
    """One demo alert: what was expected, what came, and whether they agree."""

    name: str
    truth: str  # real | noise
    expected: Mapping[str, Json]
    got: Mapping[str, Json]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything came as expected."""
        return not self.failures


def run_all(wb: Workbench, who: Principal) -> tuple[Expected, ...]:
    """Every demo alert and scenario, each judged by itself. Source: DI-24."""
    require(who, "incidents:read")
    folder = inputs.folder(wb.data / PLAYBOOK)
    rows = json.loads(folder["expected.json"].read_text("utf-8"))
    return tuple(_judged(wb, who, folder, mapping(row)) for row in rows)


def _judged(wb: Workbench, who: Principal, folder: Mapping[str, Path], row: JsonObject) -> Expected:
    context = () if row.get("context") is False else tuple(n for n in folder if n.startswith("context/"))
    beside: EventFiles = {n: folder[n] for n in (*context, "history.json", "lineage.csv")}
    look = casework.preview(wb, who, PLAYBOOK, files={**beside, "alerts/one.json": folder[str(row["file"])]})
    got = _told(look.cases[0]) if len(look.cases) == 1 else {"cases": len(look.cases)}
    wanted = {k: v for k, v in row.items() if k not in ("name", "file", "truth", "context")}
    failures = tuple(f"{k}: expected {v}, got {got.get(k)}" for k, v in wanted.items() if not _same(v, got.get(k)))
    return Expected(str(row["name"]), str(row["truth"]), wanted, got, failures)


def _told(case: Case) -> dict[str, Json]:
    return {
        "action": case.decision.recommended_action,
        "severity": case.decision.severity.name,
        "confidence": case.decision.confidence,
        "kind": case.metrics.get("kind"),
        "affected_count": case.answer.get("affected_count"),
        "members": len(items(case.metrics.get("members"))),
        "cause": case.answer.get("root_cause"),
    }


def _same(wanted: Json, got: Json) -> bool:
    a, b = number(wanted), number(got)
    return abs(a - b) <= 1e-9 if a is not None and b is not None else wanted == got


@dataclass(frozen=True, slots=True)
class Confusion:
    """Labelled alerts by truth and by whether people were disturbed. Source: DI-23."""

    noise_filtered: int
    noise_told: int
    real_told: int
    real_filtered: int

    @property
    def n(self) -> int:
        """How many alerts there were."""
        return self.noise_filtered + self.noise_told + self.real_told + self.real_filtered

    @property
    def filter_rate(self) -> float | None:
        """Filtered alerts of all, in percent; None without any."""
        return 100 * (self.noise_filtered + self.real_filtered) / self.n if self.n else None

    @property
    def false_positive_rate(self) -> float | None:
        """Noise among what people were told of, in percent; None when they were told of nothing."""
        told = self.noise_told + self.real_told
        return 100 * self.noise_told / told if told else None


def confusion(wb: Workbench, who: Principal, files: EventFiles, truth: Mapping[str, str]) -> Confusion:
    """The labelled alerts of a folder judged together; ``truth`` is real or noise by alert id."""
    require(who, "incidents:read")
    look = casework.preview(wb, who, PLAYBOOK, files=files)
    quiet: dict[str, bool] = {}
    for case in look.cases:
        for finding in case.findings:
            for name in items(finding.details.get("alert_ids")):
                quiet[str(items(name)[1])] = case.decision.recommended_action in QUIET
    return matrix([(truth[ident], silent) for ident, silent in quiet.items() if ident in truth])


def matrix(pairs: Sequence[tuple[str, bool]]) -> Confusion:
    """The counts of (truth, filtered) pairs."""
    count = {key: sum(p == key for p in pairs) for key in ((t, q) for t in ("noise", "real") for q in (True, False))}
    return Confusion(count["noise", True], count["noise", False], count["real", False], count["real", True])


def demo_truth(rows: Sequence[Expected]) -> Confusion:
    """The demo alerts as labelled, without the scenarios that show one of them again."""
    alerts = [r for r in rows if r.name.startswith("ALERT-")]
    return matrix([(r.truth, r.got.get("action") in QUIET) for r in alerts])
