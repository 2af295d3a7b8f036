"""The rules' explanation of a drifting segment (acceptance PU-17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.explain.drift import MEANINGS, DriftExplainer
from core.model import CheckReport, CheckResult, CheckStatus, EvidenceStatus, Light, Source
from tests.detect.segment_scene import FOUR, day, demo, segment, sizes, snapshot
from tests.explain.drift_cases import CREEP, demo_question, explained, question


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("size_jump", "High-Value: size -42.00% (20,000 to 11,600)"),
        ("distribution_shift", "High-Value: make-up by platform 0.40 away from its base"),
        ("conversion_anomaly", "High-Value: conversion -33.33% (15.00% to 10.00%)"),
        ("inactivity_creep", "High-Value: churn +66.67% (3.00% to 5.00%)"),
    ],
)
def test_pu17_scenario_1_a_vanished_value_points_to_the_source(kind: str, title: str) -> None:
    told = explained(demo_question(kind))
    found = told.explanation
    assert told.title == title
    lead = found.hypotheses[0]
    assert (lead.kind, lead.cause) == ("data", "The source or schema of platform changed: android vanished")
    facts = {e.id: e for e in found.evidence}
    assert facts[lead.supports[0]].statement == "Value android of platform vanished: 40.00% before."
    assert found.recommendations[0].type == "check_source"
    assert found.verification.unmatched == ()
    assert found.source is Source.RULES
    assert told.metrics["lead_time_hours"] == 49.0
    assert told.receipt["since"] == day(6).isoformat()


def test_pu13_all_three_comparisons_are_evidence_the_deciding_one_first() -> None:
    evidence = explained(demo_question()).explanation.evidence
    told = [e for e in evidence if e.kind == "metric" and e.data[0].get("reference")]
    assert [e.data[0]["reference"] for e in told] == ["reference", "previous", "window_start"]
    assert told[0].numbers["vs_baseline_pct"] == -42.0
    assert told[1].numbers["vs_baseline_pct"] == 0.0


def test_pu17_movers_flows_neighbours_and_age_are_evidence() -> None:
    evidence = explained(demo_question()).explanation.evidence
    texts = [e.statement for e in evidence]
    assert "By platform: android 40.00% to 0.00%, ios 45.00% to 78.00%, web 15.00% to 22.00%." in texts
    assert "348 people entered since the snapshot before, usually 600 (-42.00%)." in texts
    assert any(t.startswith("On 2025-01-06, when it began, the size moved by -8,400") for t in texts)
    assert sum(t.startswith("The same day:") for t in texts) == 3
    lone = next(e for e in evidence if e.source.endswith(".others"))
    assert (lone.status, lone.numbers["other_segments"]) == (EvidenceStatus.NO_DATA, 4)


def test_pu17_several_segments_on_one_day_point_upstream() -> None:
    names = ("trial", "power")
    moved = [s for name in ("high-value", *names) for s in sizes(*[20_000] * 7, 30_000, name=name)]
    found = explained(question(moved, others=[segment(n) for n in names])).explanation
    upstream = next(h for h in found.hypotheses if h.kind == "dependency")
    assert any("2 of 2 other segments moved the same day: Trial, Power." in e.statement for e in found.evidence)
    assert upstream.confidence <= 0.55
    unknown = next(h for h in found.hypotheses if h.kind == "unknown")
    assert set(upstream.supports) <= set(unknown.contradicts)


@pytest.mark.parametrize(
    ("entered", "left", "cause"),
    [(600, 4_600, "More people left than usual"), (100, 600, "Fewer people entered than usual")],
)
def test_pu17_inflow_or_outflow(entered: int, left: int, cause: str) -> None:
    size = 20_000 + entered - left if left > 4_000 else 15_000
    last = snapshot(8, size, velocity_in=entered, velocity_out=left)
    found = explained(question([*sizes(*[20_000] * 7), last])).explanation
    assert cause in [h.cause for h in found.hypotheses]
    lost = "People were added or lost without entering or leaving: a reload or a changed source"
    assert (lost in [h.cause for h in found.hypotheses]) is (left < 4_000)


def test_an_edit_between_base_and_now_is_a_candidate() -> None:
    own = replace(segment(), created_at=day(1), updated_at=day(8))
    found = explained(question([*sizes(*[20_000] * 7), snapshot(8, 10_000, velocity_out=10_300)], own=own)).explanation
    assert found.hypotheses[0].kind == "change"


def test_scenario_2_a_creep_is_called_one() -> None:
    found = explained(question(sizes(*CREEP))).explanation
    assert "A slow, steady change and no single event" in [h.cause for h in found.hypotheses]
    assert "add_alert" in [r.type for r in found.recommendations]
    assert found.status is Light.GREEN


def test_a_failed_check_leads_and_costs_confidence() -> None:
    asked = demo_question()
    failed = CheckResult("expect_rows", "people", CheckStatus.FAILED, False, "too few rows")
    doubted = DriftExplainer().explain(replace(asked, checks=CheckReport((failed,)))).explanation
    assert doubted.hypotheses[0].cause == "The data of this segment is wrong or incomplete"
    assert all(h.confidence <= 0.5 for h in doubted.hypotheses if h.kind != "data")
    assert ("1 failed check", -0.1) in doubted.confidence.parts


def test_old_data_costs_confidence() -> None:
    asked = demo_question()
    late = DriftExplainer().explain(replace(asked, now=asked.now + timedelta(days=3))).explanation
    assert ("old data", -0.1) in late.confidence.parts


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(FOUR),
    days=st.integers(6, 12),
    size=st.integers(31, 19_000),
    left=st.integers(0, 20_000),
    entered=st.integers(0, 20_000),
)
def test_pu17_rules_always_answer(kind: str, days: int, size: int, left: int, entered: int) -> None:
    last = replace(demo(last=days)[-1], size=size, velocity_out=left, velocity_in=entered)
    asked = question([*demo(last=days - 1), last], kind)
    if not asked.findings:
        return
    told = DriftExplainer().explain(asked)
    found, ids = told.explanation, {e.id for e in told.explanation.evidence}
    assert found.summary
    assert found.verification.unmatched == ()
    assert {r.type for r in found.recommendations} <= set(MEANINGS)
    assert found.recommendations
    assert sum(h.confidence for h in found.hypotheses) <= 1 + 0.01 * len(found.hypotheses)
    assert [h.kind for h in found.hypotheses].count("unknown") == 1
    assert all({*h.supports, *h.contradicts} <= ids for h in found.hypotheses)
    assert found.confidence.value == pytest.approx(sum(p for _, p in found.confidence.parts))
    assert 0 <= found.confidence.value <= 0.95
