"""The rules' explanation of the demo days, and of days on which something else is the matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.explain.evidence import Question
from core.explain.rules import explain_by_rules
from core.model import ChangeType, CheckReport, CheckResult, CheckStatus, Direction, EvidenceStatus, Light, Source
from tests.explain.conftest import finding_of

Ask = Callable[..., Question]
FAILED = CheckResult(
    "net_is_gross_less_refunds", "revenue", CheckStatus.FAILED, False, "net = gross - refunds is off by 40 in 1 row.",
    unexpected_count=1, unexpected_pct=7.0,
)  # fmt: skip


def test_op14_the_demo_day(demo: Ask) -> None:
    found = explain_by_rules(demo())
    assert (found.status, found.source, found.confidence.value) == (Light.RED, Source.RULES, 0.90)
    assert [d.metric for d in found.drivers] == [
        "failures", "refunds", "avg_first_response_mins", "tickets_opened", "conversion_rate", "signups", "csat",
        "incident_count",
    ]  # fmt: skip
    assert found.drivers[1].evidence == (
        "17,500 against the 7-day mean of 5,578.57 (+11,921.43, +213.70%); previous 5,800 (+201.72%)"
    )
    assert "n/a (baseline 0)" in found.drivers[-1].evidence
    assert found.summary.endswith(
        "8 of 12 judged metrics moved the wrong way in 4 systems (deploys, revenue, support and traffic)."
    )
    assert all(
        d.direction is (Direction.UP if "+" in d.evidence.split("(")[1] else Direction.DOWN) for d in found.drivers
    )


def test_a_green_day_is_worth_a_summary(demo: Ask) -> None:
    found = explain_by_rules(demo("2025-12-12"))
    assert found.status is Light.GREEN
    assert found.summary == (
        "Nothing needs attention on 2025-12-12: all 12 judged metrics stayed within what is normal. "
        "The largest move the wrong way is Failed deploys at 2, 27.27% above the 7-day mean of 1.57."
    )
    assert found.drivers == ()
    assert found.hypotheses == ()
    assert any(e.status is EvidenceStatus.NO_DATA for e in found.evidence)


@pytest.mark.parametrize(("day", "value"), [("2025-12-02", 0.65), ("2025-12-01", 0.60), ("2025-12-12", 0.90)])
def test_scenario_3_confidence_falls_with_every_missing_day(demo: Ask, day: str, value: float) -> None:
    confidence = explain_by_rules(demo(day)).confidence
    assert confidence.value == value
    assert sum(part for _, part in confidence.parts) == pytest.approx(value)


def test_failed_checks_cost_confidence_lead_the_actions_and_rank_data_first(demo: Ask) -> None:
    question = demo(checks=CheckReport((FAILED,)), failed_checks=1)
    found = explain_by_rules(question)
    assert found.confidence.value == 0.80
    assert "failed data checks first" in found.recommended_actions[0]
    assert found.hypotheses[0].kind == "data"
    assert all(h.confidence <= 0.5 for h in found.hypotheses[1:])
    assert "1 data check was not passed" in found.summary
    assert found.verification.unmatched == ()


def test_confidence_never_falls_below_zero(demo: Ask) -> None:
    confidence = explain_by_rules(demo(failed_checks=20)).confidence
    assert confidence.value == 0
    assert sum(part for _, part in confidence.parts) == pytest.approx(0)


def test_the_parameters_of_confidence_are_the_playbook_s(demo: Ask) -> None:
    question = demo("2025-12-02", confidence_base=1.0, per_missing_point=0.1, per_failed_check=0.2, failed_checks=1)
    assert explain_by_rules(question).confidence.value == pytest.approx(0.3)


def test_actions_come_from_the_metric_then_its_system_then_a_next_step(demo: Ask) -> None:
    found = explain_by_rules(demo())
    assert found.recommended_actions[:4] == (
        "Freeze deploys until the failed ones are understood.",
        "Review the refund queue.",
        "Staff support for the top topic.",
        "Walk the signup path.",
    )
    assert "Signups" in found.recommended_actions[4]


def test_hypotheses_carry_evidence_and_always_a_rival(demo: Ask) -> None:
    found = explain_by_rules(demo())
    kinds = [h.kind for h in found.hypotheses]
    assert kinds[0] == "change"
    assert "unknown" in kinds
    assert found.hypotheses[0].confidence <= 0.55
    assert sum(h.confidence for h in found.hypotheses) <= 1.01
    ids = {e.id for e in found.evidence}
    assert all(set(h.supports) | set(h.contradicts) <= ids for h in found.hypotheses)


def test_a_blocked_metric_is_called_a_data_problem(demo: Ask) -> None:
    question = demo()
    blocked = tuple(replace(f, suppressed_by="failed check net_is_gross_less_refunds") for f in question.findings[:1])
    found = explain_by_rules(
        replace(question, findings=blocked, light=Light.YELLOW, checks=CheckReport((FAILED,)), failed_checks=1)
    )
    assert "treat it as a data problem" in found.summary
    assert "Nothing needs attention" not in found.summary
    assert found.drivers == ()


def test_a_metric_without_a_value_is_said_to_have_none(demo: Ask) -> None:
    question = demo("2025-12-12")
    refunds = next(d for d in question.deltas if d.metric.name == "refunds")
    gone = replace(refunds, value=None, vs_baseline_abs=None, vs_baseline_pct=None, dod_abs=None, dod_pct=None)
    finding = replace(
        finding_of(refunds), change=ChangeType.MISSING, observed=None, direction=Direction.NONE, kind="quality"
    )
    found = explain_by_rules(
        replace(question, deltas=(gone, *question.deltas[:1]), findings=(finding,), light=Light.YELLOW, actions={})
    )
    assert found.summary.startswith("On 2025-12-12, Refunds has no value.")
    assert found.drivers[0].evidence == "no value"
    assert "still delivers" in found.recommended_actions[0]


def test_a_good_move_is_no_cause_for_concern(demo: Ask) -> None:
    question = demo("2025-12-12")
    gross = next(d for d in question.deltas if d.metric.name == "gross")
    found = explain_by_rules(replace(question, findings=(finding_of(gross, bad=False),)))
    assert "no cause for concern" in found.summary


def test_nothing_judged_is_said(demo: Ask) -> None:
    assert (
        explain_by_rules(demo(deltas=(), findings=(), quiet=())).summary == "No metric could be judged on 2025-12-13."
    )


def test_the_detector_s_own_baseline_is_the_one_that_is_quoted(demo: Ask) -> None:
    question = demo()
    refunds = next(f for f in question.findings if f.metric == "refunds")
    other = replace(refunds, baseline="robust_seasonal", expected=10_000.0, change_abs=7_500.0, change_pct=75.0)
    found = explain_by_rules(replace(question, findings=(other,)))
    assert "75.00% above the expected 10,000" in found.summary
    assert found.verification.unmatched == ()


def test_the_same_question_gives_the_same_explanation(demo: Ask) -> None:
    assert explain_by_rules(demo()) == explain_by_rules(demo())
