"""Scenario 6: a model may word the day; it can neither soften the light nor raise the confidence."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import ProviderError
from core.model import Light, Source
from core.pipeline import parse_as_of
from core.ports import ModelReply, ModelRequest
from core.service import runs

KPIS = "daily_kpis"


class ScriptedModel:
    """Answers with one text, whatever it is asked, and keeps the questions."""

    name = "scripted"

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[ModelRequest] = []

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        return 0.0

    def ask(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        if not self.text:
            raise ProviderError("The model did not answer in time.", retryable=True, reason="timeout")
        return ModelReply(self.text, self.name, 100, 50, True, 0.0, "json_schema")


def answer(status: str, confidence: float, summary: str = "An ordinary day.") -> str:
    body = {
        "status": status,
        "summary": summary,
        "top_drivers": [],
        "recommended_actions": [],
        "confidence": confidence,
    }
    return json.dumps(body)


def told(wb, text, *, as_of=None, who):
    model = ScriptedModel(text)
    bench = replace(wb, ctx=replace(wb.ctx, model=model))
    return runs.run(bench, who, KPIS, as_of=parse_as_of(as_of)), model


def test_green_from_the_model_does_not_beat_the_guardrail(wb, who):
    run, _ = told(wb, answer("green", 0.99), who=who)
    receipt = run.report["decisions"][0]["receipt"]
    assert run.light is Light.RED
    assert receipt["row"] == "guardrail.force_red"
    assert receipt["overruled"] == ["the model said green; row guardrail.force_red says red"]
    assert run.source is Source.AI


def test_fenced_green_with_low_confidence_becomes_yellow(wb, who):
    run, _ = told(wb, f"```json\n{answer('green', 0.60)}\n```", as_of="2025-12-12", who=who)
    assert run.light is Light.YELLOW
    assert run.report["decisions"][0]["receipt"]["row"] == "gate.green"
    assert run.report["explanations"][0]["ai_confidence"] == pytest.approx(0.60)
    assert run.report["decisions"][0]["confidence"] == pytest.approx(0.60)


def test_green_at_the_gate_stays_green(wb, who):
    run, _ = told(wb, answer("green", 0.65), as_of="2025-12-12", who=who)
    assert run.light is Light.GREEN


def test_a_model_may_be_stricter(wb, who):
    run, _ = told(wb, answer("yellow", 0.9), as_of="2025-12-12", who=who)
    assert run.light is Light.YELLOW
    assert run.report["decisions"][0]["receipt"]["row"] == "model.stricter"


@pytest.mark.parametrize(
    ("text", "reason"),
    [(answer("green", 0.54), "0.54"), ("", "timeout"), ("I cannot help with that.", "invalid answer")],
)
def test_unusable_answers_leave_the_rules_text(wb, who, text, reason):
    run, _ = told(wb, text, who=who)
    assert run.source is Source.RULES
    assert run.light is Light.RED
    assert reason in run.report["explanations"][0]["fallback_reason"]
    assert any(reason in note for note in run.report["notes"])


def test_an_invented_number_is_flagged_and_costs_confidence(wb, who):
    run, _ = told(wb, answer("red", 0.95, "Refunds rose by 987,654 because of a promotion."), who=who)
    explanation = run.report["explanations"][0]
    assert "987,654" in " ".join(explanation["verification"]["unmatched"])
    assert explanation["confidence"]["value"] == pytest.approx(0.80)


def test_confidence_is_never_raised_by_the_model(wb, who):
    run, _ = told(wb, answer("green", 0.99), as_of="2025-12-01", who=who)
    assert run.report["decisions"][0]["confidence"] == pytest.approx(0.60)
    assert run.light is Light.YELLOW


def test_same_question_is_asked_once_an_hour(wb, who):
    model = ScriptedModel(answer("red", 0.9))
    bench = replace(wb, ctx=replace(wb.ctx, model=model))
    first, second = runs.run(bench, who, KPIS), runs.run(bench, who, KPIS)
    assert len(model.asked) == 1
    assert [r.report["explanations"][0]["cached"] for r in (first, second)] == [False, True]
