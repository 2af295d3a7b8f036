"""A model's opinion on a data incident: it may find it worse, never milder, and a bad answer changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.access import Principal
from core.bootstrap import ROOT, build
from core.events import look_events
from core.model import Case, CheckReport, Source, Trigger
from core.ports import ModelReply
from core.service import inputs
from core.service.workbench import Recent, Workbench
from core.settings import Settings
from tests.service.conftest import Hand

NOW = datetime(2025, 12, 13, 23, 15, tzinfo=UTC)
DEMO = ROOT / "data" / "data_incidents"
SAID = {"is_incident": True, "severity": "HIGH", "root_cause": "The run of daily_elt_pipeline hangs [E2].",
        "business_impact": "Reports are late.", "affected_count": 12, "recommended_action": "notify_team",
        "confidence": 0.9, "reasoning": "Its ratio is {E2.ratio}."}  # fmt: skip
WHO = Principal("ana", "default", "responder")


class Model:
    """Says one thing, however often it is asked."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, 0
        self.name = f"fake of {text}"  # good answers are kept by model

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        return 0.0

    def ask(self, request: Any) -> ModelReply:
        self.asked += 1
        return ModelReply(self.text, "fake", 10, 10, True, 0.0, "json_schema")


@pytest.fixture
def wb(tmp_path: Path):
    bench = build(Settings(_env_file=None, telltale_home=tmp_path, openai_api_key=None), Hand(NOW))
    yield replace(bench, checks=Recent[CheckReport](4))
    bench.store.close()
    bench.ctx.engine.close()  # type: ignore[attr-defined]


def case(wb: Workbench, name: str, said: Any) -> Case:
    text = said if isinstance(said, str) else json.dumps(said)
    ctx = replace(wb.ctx, model=Model(text))
    folder = inputs.folder(DEMO)
    files = {n: p for n, p in folder.items() if n.startswith("context/")}
    files["alerts/a.json"] = folder[name]
    book = wb.events["data_incidents"]
    from core.events import load_events

    data = load_events(book, files, {}, ctx, NOW)
    trigger = Trigger("webhook", "x", "default")
    (found,) = look_events(book, data, trigger, ctx, run_id="r", checker=wb.check, ask_model=True).cases
    return found


DAG, MEMORY, LOW = "alerts/alert-dag-001.json", "alerts/alert-memory-001.json", "alerts/alert-noise-001.json"


@pytest.mark.parametrize("action", ["dismiss", "log_only"])
def test_a_critical_is_never_lowered_or_dismissed(wb: Workbench, action: str) -> None:
    found = case(wb, DAG, {**SAID, "severity": "LOW", "is_incident": False, "recommended_action": action})
    assert (found.severity.name, found.decision.recommended_action) == ("CRITICAL", "auto_fix")
    assert found.explanation.source is Source.AI
    opinions = found.metrics["opinions"]
    assert (opinions["rules"]["severity"], opinions["ai"]["severity"]) == ("CRITICAL", "LOW")
    assert found.answer["root_cause"] == "The run of daily_elt_pipeline hangs [E2]."
    assert found.answer["affected_count"] == 12


def test_a_model_may_raise_and_may_object_to_a_dismissal(wb: Workbench) -> None:
    found = case(wb, MEMORY, {**SAID, "severity": "CRITICAL"})
    assert (found.severity.name, found.decision.recommended_action, found.proposals) == ("CRITICAL", "notify_team", ())
    found = case(wb, MEMORY, {**SAID, "severity": "LOW"})
    assert (found.severity.name, found.decision.recommended_action) == ("MEDIUM", "notify_team")
    found = case(wb, MEMORY, {**SAID, "severity": "LOW", "recommended_action": "call the chief"})
    assert found.decision.recommended_action == "notify_team"
    found = case(wb, MEMORY, {**SAID, "is_incident": False, "recommended_action": "dismiss", "severity": "LOW"})
    assert found.decision.recommended_action == "dismiss"


@pytest.mark.parametrize(
    "said",
    [
        {**SAID, "severity": "TERRIBLE"},
        {k: v for k, v in SAID.items() if k != "reasoning"},
        {**SAID, "confidence": 1.2},
        {**SAID, "more": 1},
        {**SAID, "confidence": 0.54},
        "I cannot help with that.",
        "",
    ],
)
def test_an_answer_that_breaks_the_schema_is_not_used(wb: Workbench, said: Any) -> None:
    found = case(wb, DAG, said)
    assert found.explanation.source is Source.RULES
    assert found.explanation.fallback_reason
    assert (found.severity.name, found.decision.recommended_action) == ("CRITICAL", "auto_fix")
    assert found.decision.confidence == 0.95


def test_figures_that_the_evidence_lacks_cost_confidence(wb: Workbench) -> None:
    found = case(wb, DAG, {**SAID, "business_impact": "It costs 987,654 USD."})
    assert "987,654" in str(found.explanation.verification.unmatched)
    assert found.explanation.confidence.value == pytest.approx(0.85)
    assert found.decision.confidence == pytest.approx(0.85)


def test_commands_and_links_of_a_model_are_not_shown(wb: Workbench) -> None:
    found = case(
        wb, DAG, {**SAID, "root_cause": "Run `kubectl delete pod x` now", "reasoning": "See https://evil.example"}
    )
    assert "kubectl" not in json.dumps(dict(found.answer))
    assert "evil" not in json.dumps(dict(found.answer))
