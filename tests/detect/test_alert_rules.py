"""The rules of data incidents: ratios, breaking changes, benign recurrence, contradictions, grouping, history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.alert import Alert
from core.detect.alert_beside import contradictions, fits, history
from core.detect.alert_groups import grouped
from core.detect.alert_signals import Limits, is_narrower, judged
from core.model import Severity

AT = datetime(2025, 12, 13, 23, 5, tzinfo=UTC)  # a Saturday
LIMITS = Limits(normal_work=("normal_processing",))
HOUR = timedelta(hours=1)


def alert(kind: str, metric: dict[str, Any], related: dict[str, Any] | None = None, **more: Any) -> Alert:
    given = {"alert_id": "A", "title": "t", "severity": Severity.MEDIUM, "source": "s", "at": AT, "entity": "e", **more}
    return Alert(kind=kind, metric=metric, related=related or {}, **given)


def look(a: Alert, past: tuple[dict[str, Any], ...] = (), contexts: dict[str, Any] | None = None):
    return judged(a, contexts or {}, past, (), LIMITS)


@pytest.mark.parametrize(
    ("actual", "waiting", "severity"),
    [
        (360, 0, "CRITICAL"),
        (240, 10, "CRITICAL"),
        (240, 9, "HIGH"),
        (359, 0, "HIGH"),
        (144, 99, "MEDIUM"),
        (121, 0, "LOW"),
    ],
)
def test_overrun_severity_by_its_ratio(actual: float, waiting: int, severity: str) -> None:
    metric = {"dag_id": "e", "expected_duration_minutes": 120, "actual_duration_minutes": actual}
    found = look(alert("airflow_dag", metric, {"downstream_systems_waiting": waiting}))
    assert found.severity is not None
    assert found.severity.name == severity


def test_a_run_within_its_time_leaves_the_alerts_severity() -> None:
    found = look(alert("airflow_dag", {"expected_duration_minutes": 120, "actual_duration_minutes": 120}))
    assert found.severity is None
    assert [f.holds for f in found.facts] == [False, False, False]


def test_an_expectation_may_come_from_earlier_runs() -> None:
    known = {
        "orchestrator": {"data": {"entities": {"e": {"recent_run_minutes": [60, 50, 70], "dag_status": "running"}}}}
    }
    found = look(alert("airflow_dag", {"dag_id": "e", "actual_duration_minutes": 180}), contexts=known)
    assert (found.values["ratio"], found.values["expected_by"]) == (3.0, "the median of 3 runs")


@pytest.mark.parametrize(
    ("before", "after", "narrower"),
    [("bigint", "int", True), ("int", "bigint", False), ("varchar(50)", "varchar(20)", True),
     ("double precision", "numeric", True), ("varchar(20)", "varchar(50)", False),
     ("text", "varchar(10)", True), ("json", "xml", True),
     ("varchar", "varchar(9)", True)],
)  # fmt: skip
def test_narrower_types(before: str, after: str, narrower: bool) -> None:
    assert is_narrower(before, after) is narrower


@pytest.mark.parametrize(
    ("metric", "related", "severity"),
    [
        ({"columns_before": 5, "columns_after": 6}, {"downstream_tables": ["a"]}, "LOW"),
        ({"columns_before": 5, "columns_after": 4}, {}, "MEDIUM"),
        ({"column_renamed": "x"}, {"downstream_tables": ["a"]}, "HIGH"),
        ({"column_removed": "x"}, {"criticality_tier": "mission_critical", "compliance_risk": True}, "CRITICAL"),
        ({"column_removed": "x"}, {"criticality_tier": "mission_critical", "compliance_risk": "none"}, "MEDIUM"),
        ({"change_type": "column_added"}, {"downstream_tables": ["a"]}, "LOW"),
    ],
)
def test_schema_severity(metric: dict[str, Any], related: dict[str, Any], severity: str) -> None:
    found = look(alert("schema", metric, related))
    assert found.severity is not None
    assert found.severity.name == severity


def test_a_change_after_the_alert_is_no_cause() -> None:
    later = {"last_modified_by": "x", "last_modified_time": (AT + HOUR).isoformat()}
    found = look(alert("schema", {"column_removed": "x"}, later))
    assert {f.key: f.holds for f in found.facts} == {"diff": True, "when": False, "downstream": False}


BENIGN = {"memory_percent": 85, "type": "normal_processing"}
CALM = {"historical_avg": 82, "customer_impact": "none"}


@pytest.mark.parametrize(
    ("metric", "related", "benign"),
    [
        (BENIGN, CALM, True),
        ({**BENIGN, "memory_percent": 90.2}, CALM, True),  # exactly 10 %
        ({**BENIGN, "memory_percent": 90.3}, CALM, False),
        (BENIGN, {**CALM, "business_impact": "high"}, False),
        (BENIGN, {"historical_avg": 82}, False),  # nobody said that there is no impact
        ({"memory_percent": 85}, CALM, False),
        ({"memory_percent": 85, "type": "leak"}, CALM, False),
        (BENIGN, {"historical_avg": 0, "customer_impact": "none"}, False),
    ],
)
def test_benign_needs_all_three(metric: dict[str, Any], related: dict[str, Any], benign: bool) -> None:
    assert look(alert("resource", metric, related)).benign is benign


@pytest.mark.parametrize(("repeats", "real", "benign"), [(4, 0, True), (3, 0, False), (9, 1, False)])
def test_proven_recurrence(repeats: int, real: int, benign: bool) -> None:
    same = {"kind": "resource", "entity": "e", "at": (AT - HOUR).isoformat(), "occurrences": 1}
    past = [{**same, "dismissed": True}] * repeats + [{**same, "verdict": "real"}] * real
    assert look(alert("resource", {"memory_percent": 85}, CALM), tuple(past)).benign is benign
    later = tuple({**p, "at": (AT + HOUR).isoformat()} for p in past)
    assert look(alert("resource", {"memory_percent": 85}, CALM), later).benign is False


def test_what_a_tool_calls_critical_is_never_benign() -> None:
    assert look(alert("resource", BENIGN, CALM, severity=Severity.CRITICAL)).benign is False


@pytest.mark.parametrize(
    ("pattern", "fit"),
    [("occurs_every_tuesday_4pm", False), ("every_saturday_11pm", True), ("saturdays 22:30", True), ("weekdays", False),
     ("weekend_midnight", True), ("daily 09:00", False), ("month_end", True), ("sat 11pm", True)],
)  # fmt: skip
def test_stated_patterns(pattern: str, fit: bool) -> None:
    assert fits(pattern, AT, 60) is fit


def test_counts_that_disagree_di06() -> None:
    a = alert(
        "schema",
        {"columns_before": 45, "columns_after": 45, "column_removed": "x"},
        {"downstream_tables": ["a", "b"], "downstream_tables_count": 3, "pattern": "every_monday"},
    )
    assert len(contradictions(a, {}, LIMITS)) == 3
    known = {"warehouse": {"data": {"entities": {"e": {"columns": ["X", "y"]}}}}}
    assert any("still has it" in c for c in contradictions(a, known, LIMITS))


def test_history_is_from_before_and_may_be_none_di07() -> None:
    a = alert("resource", BENIGN)
    row = {"kind": "resource", "entity": "e"}
    assert history(a, [{**row, "at": (AT + HOUR).isoformat()}], LIMITS) == {"n": 0, "text": "no history"}
    past = [
        {**row, "at": (AT - n * HOUR).isoformat(), "resolved_at": (AT - n * HOUR + timedelta(minutes=30)).isoformat(),
         "verdict": "real" if n == 2 else "false_positive"}
        for n in (2, 20, 30, 24 * 100)
    ]  # fmt: skip
    found = history(a, past, LIMITS)
    assert (found["n"], found["similar_24h"], found["resolved"], found["recurring"]) == (4, 2, 3, True)
    assert found["mean_resolution_minutes"] == 30
    assert found["false_positive_share"] == pytest.approx(2 / 3)


def test_grouping_by_window_and_by_name() -> None:
    def at(ident: str, minutes: float, entity: str, **more: Any) -> Alert:
        return alert("resource", {}, alert_id=ident, entity=entity, **{"at": AT + timedelta(minutes=minutes), **more})

    groups = grouped([at("a", 0, "x"), at("b", 60, "x"), at("c", 0, "y"), at("d", 0, "z", correlated=("c",))], HOUR)
    assert [sorted(m.alert_id for m in g.members) for g in groups] == [["a", "b"], ["c", "d"]]
    assert groups[1].lead.alert_id == "d"
    apart = [at("a", 0, "x"), alert("lock", {}, alert_id="b", entity="x", at=AT + timedelta(minutes=61))]
    assert len(grouped(apart, HOUR)) == 2


def test_listed_alerts_are_members_even_as_texts() -> None:
    (group,) = grouped(
        [alert("other", {}, correlated=("Slow queries 13:30", {"title": "x", "time": "14:15"}, 7))], HOUR
    )
    assert [(m.title, m.at and m.at.hour) for m in group.members] == [
        ("Slow queries 13:30", 13), ("x", 14), ("t", 23), ("7", None),
    ]  # fmt: skip
