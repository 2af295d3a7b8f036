"""Drift of segments: goldens, scenarios, and what is declined (acceptance segment_drift.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detect.events import Scene
from core.model import Dataset, Severity, Snapshot
from tests.detect.segment_scene import (
    FOUR,
    PLATFORM,
    SHIFTED,
    day,
    demo,
    detect,
    kept,
    one,
    scene,
    segment,
    sizes,
    snapshot,
)

HIGH, LOW, MEDIUM, CRITICAL = Severity.HIGH, Severity.LOW, Severity.MEDIUM, Severity.CRITICAL


def pair(before: Snapshot, after: Snapshot) -> Scene:
    return scene([segment()], [before, after])


@pytest.mark.parametrize(
    ("change", "kind", "pct", "ratio", "severity"),
    [
        ({"size": 11_600}, "size_jump", -42.0, 2.80, HIGH),
        ({"shares": {"platform": SHIFTED}}, "distribution_shift", None, 2.00, HIGH),
        ({"conv_rate": 0.10}, "conversion_anomaly", -100 / 3, 4 / 3, LOW),
        ({"velocity_out": 1000}, "inactivity_creep", 200 / 3, 20 / 9, HIGH),
        ({"size": 24_500, "velocity_out": 735}, "size_jump", 22.5, 1.5, MEDIUM),
        ({"size": 29_000, "velocity_out": 870}, "size_jump", 45.0, 3.0, CRITICAL),
        ({"size": 23_000, "velocity_out": 690}, "size_jump", 15.0, 1.0, LOW),
        ({"size": 17_000, "velocity_out": 510}, "size_jump", -15.0, 1.0, LOW),
        ({"size": 0, "shares": {}, "conv_rate": None, "velocity_out": 0}, "size_jump", -100.0, 1 / 0.15, CRITICAL),
    ],
)
def test_pu16_goldens(
    change: dict[str, object], kind: str, pct: float | None, ratio: float, severity: Severity
) -> None:
    found = one(detect(pair(snapshot(1), snapshot(2, **change))), kind)  # type: ignore[arg-type]
    assert found.score == pytest.approx(ratio, abs=1e-9)
    assert found.change_pct == (None if pct is None else pytest.approx(pct, abs=1e-9))
    assert (found.severity, found.subject, found.kind, found.suppressed_by) == (severity, "high-value", "drift", None)


def test_pu10_the_worst_attribute_and_its_three_largest_movers_are_named() -> None:
    plan = {"plan": {"a": 0.5, "b": 0.5}}
    after = {"platform": SHIFTED, "plan": {"a": 0.55, "b": 0.45}}
    found = one(detect(pair(snapshot(1, shares={"platform": PLATFORM, **plan}), snapshot(2, shares=after))),
                "distribution_shift")  # fmt: skip
    assert found.observed == pytest.approx(0.40)
    assert found.details["attribute"] == "platform"
    assert [m["value"] for m in found.details["movers"]] == ["android", "ios", "web"]  # type: ignore[index,call-overload,union-attr]
    assert "android 40.00% to 0.00%" in found.summary


def test_pu10_only_critical_attributes_count() -> None:
    shares = {"platform": SHIFTED, "plan": {"a": 1.0}}
    before = {"platform": PLATFORM, "plan": {"a": 1.0}}
    at = scene([segment(critical_attributes=("plan",))], [snapshot(1, shares=before), snapshot(2, shares=shares)])
    assert not detect(at, "distribution_shift").findings


def test_scenario_1_four_incidents_for_one_segment_and_none_for_the_others() -> None:
    others = [sizes(*[15_000] * 8, name=name) for name in ("trial", "churned", "power", "enterprise")]
    segments = [segment(), *(segment(s[0].segment) for s in others)]
    seen = detect(scene(segments, [*demo(), *(s for group in others for s in group)]))
    assert {(f.type, f.severity) for f in seen.findings} == set(zip(FOUR, (HIGH, HIGH, LOW, HIGH), strict=True))
    assert {f.subject for f in seen.findings} == {"high-value"}
    assert len(seen.healthy) == 16
    found = one(seen)
    told = {c["name"]: c["change_pct"] for c in found.details["comparisons"]}  # type: ignore[index,call-overload,union-attr]
    assert told == {"previous": 0.0, "reference": -42.0, "window_start": -42.0}
    assert found.baseline == "reference"
    assert found.details["since"] == day(6).isoformat()


def test_pu07_the_receipt_lists_the_dates_used_and_never_the_judged_one() -> None:
    found = one(detect(scene([segment()], sizes(*[20_000] * 9, 10_000))))
    dates = {c["name"]: c["dates"] for c in found.details["comparisons"]}  # type: ignore[index,call-overload,union-attr]
    assert dates == {
        "previous": [day(9).isoformat()],
        "reference": [day(n).isoformat() for n in range(3, 10)],
        "window_start": [day(n).isoformat() for n in (1, 2, 3)],
    }


CREEP = (10_000, 9_700, 9_409, 9_127, 8_853, 8_587, 8_330, 8_080, 7_837, 7_602, 7_374)


def test_scenario_2_a_creep_is_found_on_day_8_and_stays_one_incident() -> None:
    for last in range(2, 8):
        assert not detect(scene([segment()], sizes(*CREEP[:last])), "size_jump").findings
    first = one(detect(scene([segment()], sizes(*CREEP[:8]))))
    assert (first.baseline, first.expected, first.severity) == ("window_start", 9_700, LOW)
    assert first.change_pct == pytest.approx(-16.70, abs=0.005)
    open_ = {("high-value", "size_jump"): kept(first)}
    for last, severity in ((9, LOW), (10, LOW), (11, MEDIUM)):
        later = one(detect(scene([segment()], sizes(*CREEP[:last]), open_=open_)))
        assert (later.expected, later.severity, later.details["judged_against"]) == (9_700, severity, "kept base")
    assert later.change_pct == pytest.approx(-23.98, abs=0.005)
    assert later.score == pytest.approx(1.60, abs=0.005)


def test_scenario_3_overrides() -> None:
    higher = detect(scene([segment(size_change=0.30)], demo()))
    assert one(higher).score == pytest.approx(1.4)
    assert one(higher).severity is LOW
    off = detect(scene([segment(size_change=1.0)], demo()))
    assert {f.type for f in off.findings} == set(FOUR) - {"size_jump"}
    assert "Size is switched off (1 segment): High-Value" in off.notes


def test_scenario_4_a_small_sample_is_suppressed_and_an_untracked_rate_is_listed() -> None:
    seen = detect(scene([segment()], sizes(20, 14, conv_rate=None)))
    assert one(seen).suppressed_by == "small sample: fewer than 30 people"
    assert ("high-value", "size_jump") not in seen.healthy
    assert "Conversion is not tracked (1 segment): High-Value" in seen.notes
    assert not [f for f in seen.findings if f.type == "conversion_anomaly"]


def test_scenario_6_and_pu20_an_incident_is_judged_against_its_base_and_the_way_back_is_no_finding() -> None:
    first = detect(scene([segment()], demo()))
    open_ = {(f.subject, f.type): kept(f) for f in first.findings}
    for last in (9, 10):
        again = detect(scene([segment()], demo(last=last), open_=open_))
        assert {f.type for f in again.findings} == set(FOUR)
        assert one(again).expected == 20_000
    back = [*demo(last=10), snapshot(11), snapshot(12)]
    for last in (11, 12):
        seen = detect(scene([segment()], back[:last], open_=open_))
        assert not seen.findings
        assert seen.healthy == {("high-value", kind) for kind in FOUR}
    resolved = {"detected_at": (day(8) + timedelta(hours=1)).isoformat(), "resolved_at": day(12).isoformat()}
    past = {key: {**body, **resolved} for key, body in open_.items()}
    for last in range(13, 30):
        steady = [*back, *(snapshot(n) for n in range(13, last + 1))]
        assert not detect(scene([segment()], steady, past=past)).findings


def test_pu20_a_second_drop_after_recovery_is_found_against_the_good_days() -> None:
    first = one(detect(scene([segment()], demo())))
    body = {**kept(first), "detected_at": day(8).isoformat(), "resolved_at": day(10).isoformat()}
    again = [*demo(), snapshot(9), snapshot(10), *(snapshot(n, 11_600) for n in (11, 12))]
    found = one(detect(scene([segment()], again, past={("high-value", "size_jump"): body})))
    assert (found.expected, found.change_pct) == (20_000, pytest.approx(-42.0))


def test_pu08_a_new_normal_starts_the_baseline_on_its_day() -> None:
    accepted = replace(segment(), normal_since={"size_jump": day(8) + timedelta(hours=9)})
    past = {("high-value", "size_jump"): {"detected_at": day(8).isoformat(), "resolved_at": day(8).isoformat()}}
    assert not detect(scene([accepted], demo(last=9), past=past), "size_jump").findings
    assert one(detect(scene([accepted], demo(last=9)), "distribution_shift"), "distribution_shift")
    first = detect(scene([accepted], demo()), "size_jump")
    assert first.notes == ("Not enough history (fewer than 2 snapshots) (1 segment): High-Value",)


@pytest.mark.parametrize(
    ("before", "after", "kind", "severity"),
    [
        ({"size": 0, "velocity_out": 0}, {"size": 500}, "size_jump", HIGH),
        ({"conv_rate": 0.0}, {"conv_rate": 0.01}, "conversion_anomaly", HIGH),
        ({"velocity_out": 0}, {"velocity_out": 1}, "inactivity_creep", HIGH),
    ],
)
def test_pu14_from_zero(before: dict[str, object], after: dict[str, object], kind: str, severity: Severity) -> None:
    found = one(detect(pair(snapshot(1, **before), snapshot(2, **after)), kind), kind)  # type: ignore[arg-type]
    assert (found.severity, found.change_pct, found.details["from_zero"]) == (severity, None, True)
    assert found.suppressed_by is None
    assert "from zero" in found.summary


@pytest.mark.parametrize("kind", ["size_jump", "conversion_anomaly", "inactivity_creep"])
def test_pu14_zero_stays_zero_and_few_people_are_no_alarm(kind: str) -> None:
    nothing = {"conv_rate": 0.0, "velocity_out": 0}
    zero = 0 if kind == "size_jump" else 50
    still = detect(pair(snapshot(1, zero, **nothing), snapshot(2, zero, **nothing)), kind)
    assert not still.findings
    assert still.healthy == {("high-value", kind)}
    few = detect(pair(snapshot(1, zero, **nothing), snapshot(2, 29, conv_rate=0.5, velocity_out=9)), kind)
    assert one(few, kind).suppressed_by


def test_pu12_a_fall_of_churn_never_fires() -> None:
    assert not detect(pair(snapshot(1), snapshot(2, velocity_out=0)), "inactivity_creep").findings


def test_expected_size_is_a_finding_of_its_own() -> None:
    at = scene([segment(expected_min=19_900, expected_max=25_000)], sizes(20_000, 19_800))
    found = one(detect(at))
    assert (found.severity, found.details["expected_size"]) == (MEDIUM, {"min": 19_900, "max": 25_000})
    assert "expected at least 19,900 and at most 25,000" in found.summary


def test_pu06_bad_data_is_withheld_and_shown() -> None:
    bad = {"platform": {"android": 0.5, "ios": 0.4}}
    seen = detect(scene([segment()], [*sizes(20_000, 20_000), snapshot(3, 9_000, shares=bad)]))
    assert not seen.findings
    assert not seen.healthy
    text = "Bad data: the snapshot of 2025-01-03 is withheld, snapshot_shares_add_up failed (1 segment): High-Value"
    assert seen.notes == (text,)
    after = one(
        detect(scene([segment()], [*sizes(20_000, 20_000), snapshot(3, 9_000, shares=bad), snapshot(4, 9_000)]))
    )
    assert [c["base"] for c in after.details["comparisons"]] == [20_000, 20_000]  # type: ignore[index,call-overload,union-attr]


def test_pu06_an_absent_attribute_is_drift_only_when_the_source_has_its_column() -> None:
    both = {"platform": PLATFORM, "plan": {"a": 0.5, "b": 0.5}}
    snapshots = [snapshot(1, shares=both), snapshot(2, shares={"platform": PLATFORM})]
    unknown = detect(scene([segment()], snapshots), "distribution_shift")
    found = one(unknown, "distribution_shift")
    assert (found.kind, found.details["attribute"]) == ("quality", "plan")
    assert found.suppressed_by
    assert not unknown.healthy
    known = one(detect(scene([segment()], snapshots, columns=["plan"]), "distribution_shift"), "distribution_shift")
    assert (known.kind, known.details["attribute"], known.observed) == ("drift", "plan", 0.5)
    fresh = detect(
        scene([segment()], [replace(snapshots[1], ts=day(1)), replace(snapshots[0], ts=day(2))], columns=["plan"])
    )
    assert not fresh.findings


def test_pu15_what_is_not_monitored_is_counted() -> None:
    segments = [segment("off", monitoring=False), replace(segment("gone"), is_active=False)]
    seen = detect(scene(segments, [*sizes(10, 99, name="off"), *sizes(99, 9, name="gone")]))
    assert not seen.findings
    assert not seen.healthy
    assert seen.notes == ("Not monitored (2 segments): Off, Gone",)


def test_pu26_a_segment_that_fails_does_not_stop_the_rest() -> None:
    at = scene([segment()], demo())
    documents = dict(at.dataset.documents)
    broken = {"segment_id": "odd", "ts": day(8).isoformat(), "size": "many", "attr_distributions": {}}
    listed = [{"id": "x"}, 7, {"id": "odd", "name": "Odd", "definition": {}}, *documents["segments"]]  # type: ignore[misc]
    data = Dataset({}, {"segments": listed, "snapshots": [broken, {**broken, "ts": day(7).isoformat()}, 3,
                                                          *documents["snapshots"]]})  # type: ignore[misc]  # fmt: skip
    seen = detect(replace(at, dataset=data))
    assert len(seen.findings) == 4
    assert any("Odd" in note for note in seen.notes)
    assert any("number 2" in note for note in seen.notes)


def test_without_any_document_nothing_is_said() -> None:
    assert (
        detect(Scene(Dataset({}), scene([segment()], demo()).checks, day(9), scene([], demo()).engine)).findings == ()
    )


def test_every_number_is_a_setting() -> None:
    at = scene([segment()], sizes(20_000, 18_000))
    assert not detect(at, "size_jump").findings
    assert one(detect(at, "size_jump", threshold=0.05, medium=2.0, high=2.5)).severity is MEDIUM
    assert one(detect(scene([segment()], sizes(40, 20)), "size_jump", small_sample=50)).suppressed_by


@settings(max_examples=40, deadline=None)
@given(
    history=st.lists(st.integers(0, 40_000), min_size=2, max_size=16),
    future=st.lists(st.integers(0, 40_000), min_size=1, max_size=4),
)
def test_the_future_changes_nothing(history: list[int], future: list[int]) -> None:
    now = day(len(history)) + timedelta(hours=1)
    known = detect(scene([segment()], sizes(*history), now), *FOUR, "drift_placebo")
    assert detect(scene([segment()], sizes(*history, *future), now), *FOUR, "drift_placebo") == known


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 10**7), st.integers(30, 10**7))
def test_ratio_and_severity_agree_with_the_definition(before: int, after: int) -> None:
    seen = detect(pair(snapshot(1, before), snapshot(2, after)), "size_jump")
    ratio = abs(after - before) / before / 0.15
    if ratio < 1 - 1e-9:
        assert not seen.findings
    else:
        found = one(seen)
        assert found.score == pytest.approx(ratio)
        assert found.severity is [LOW, MEDIUM, HIGH, CRITICAL][sum(ratio >= s - 1e-9 for s in (1.5, 2.0, 3.0))]
