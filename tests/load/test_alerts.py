"""Alerts of any shape: normalisation, answer-bearing keys, kinds by structured fields, lineage, schema diffs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.alert import alert_doc, alert_of, moment, number
from core.errors import InputError
from core.lineage import around, edges_of
from core.load.alert_reading import kind_of, normalise, without_answers
from core.load.dbt import changed, failures
from core.load.lineage import from_csv, from_manifest
from core.load.schema import changes_of, diff
from core.model import Severity

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


def one(payload: Any):
    (found,) = normalise(payload, NOW)
    return found


def test_generic_defaults_are_said() -> None:
    found = one({"details": "x", "severity": "weird", "timestamp": "yesterday"})
    assert (found.title, found.severity, found.at, found.source) == ("No title", Severity.MEDIUM, NOW, "unknown")
    assert found.alert_id.startswith("ALERT-")
    assert found.notes == (
        "Unknown severity 'weird' was taken as MEDIUM.",
        "The timestamp 'yesterday' cannot be read; the time of receipt is used.",
    )
    assert one({"details": "x", "severity": "weird", "timestamp": "yesterday"}).alert_id == found.alert_id


@pytest.mark.parametrize(
    ("word", "severity"),
    [("P1", "CRITICAL"), ("fatal", "CRITICAL"), ("Error", "HIGH"), ("warn", "MEDIUM"), ("info", "LOW"), ("low", "LOW")],
)
def test_severity_by_the_shared_aliases(word: str, severity: str) -> None:
    assert one({"id": 7, "severity": word}).severity.name == severity


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        ({"dag_id": "a", "columns_before": 1}, "airflow_dag"),
        ({"columns_after": 1}, "schema"),
        ({"column_removed": "x"}, "schema"),
        ({"change_type": "renamed"}, "schema"),
        ({"lock_name": "a"}, "lock"),
        ({"memory_percent": 1}, "resource"),
        ({"cpu_usage_percent": 1}, "resource"),
        ({"column_name": "x", "null_percent": 3}, "other"),
        ({"dag_id": None, "note": "the DAG lock schema"}, "other"),
        ({}, "other"),
    ],
)
def test_the_kind_comes_from_fields_only_di05(metric: dict[str, Any], kind: str) -> None:
    assert kind_of(metric) == kind


def test_alertmanager_v4() -> None:
    labels = {"alertname": "OrdersLate", "severity": "critical", "dag_id": "orders", "cpu_percent": "97.5"}
    payload = {
        "version": "4", "groupKey": "{}:{alertname=\"OrdersLate\"}", "truncatedAlerts": 3, "status": "firing",
        "receiver": "ops", "commonLabels": labels, "commonAnnotations": {"summary": "late orders"},
        "alerts": [
            {"status": "firing", "labels": labels, "annotations": {"summary": "late orders"},
             "startsAt": "2026-11-21T14:20:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "9c2f"},
            {"status": "resolved", "labels": {"dag_id": "b"}, "startsAt": "2026-11-21T14:20:00Z",
             "endsAt": "2026-11-21T14:50:00Z", "fingerprint": "1111"},
        ],
    }  # fmt: skip
    firing, resolved = normalise(payload, NOW)
    assert (firing.alert_id, firing.source, firing.severity) == (
        "9c2f:2026-11-21T14:20:00Z",
        "prometheus",
        Severity.CRITICAL,
    )
    assert (firing.kind, firing.entity, firing.metric["cpu_percent"]) == ("airflow_dag", "orders", 97.5)
    assert firing.at == datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
    assert (resolved.resolved, resolved.at.minute, resolved.entity) == (True, 50, "b")
    assert "Alertmanager left out 3 further alerts of this group." in firing.notes


def test_datadog_by_our_template() -> None:
    payload = {
        "schema": "ops.datadog.v1", "id": "1", "cycle": "77", "monitor": "9", "transition": "Triggered",
        "type": "error",
        "priority": "P2", "title": "late", "msg": "x", "metric": "orders.late", "scope": "table:core.orders,env:prod",
        "tags": "columns_before:5,columns_after:4", "ts": "1763735400000", "link": "$LINK",
    }  # fmt: skip
    found = one(payload)
    assert (found.alert_id, found.source, found.severity) == ("77", "datadog", Severity.HIGH)
    assert (found.kind, found.entity, found.metric["columns_before"]) == ("schema", "core.orders", 5)
    assert found.at == datetime.fromtimestamp(1763735400, UTC)
    assert one({**payload, "transition": "Recovered"}).resolved


def test_cloudwatch_through_sns() -> None:
    alarm = {
        "AlarmName": "etl-late", "AlarmDescription": None, "NewStateValue": "ALARM", "OldStateValue": "OK",
        "StateChangeTime": "2026-11-21T14:30:00.123+0000", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:1:alarm:etl-late",
        "Trigger": {"MetricName": "Duration", "Threshold": 3600.0, "Dimensions": [{"name": "dag_id", "value": "etl"}]},
        "expected_decision": "dismiss",
    }  # fmt: skip
    envelope = {"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Message": json.dumps(alarm),
                "Timestamp": "2026-11-21T14:30:01.000Z"}  # fmt: skip
    found = one(envelope)
    assert (found.source, found.kind, found.entity, found.severity) == (
        "cloudwatch",
        "airflow_dag",
        "etl",
        Severity.MEDIUM,
    )
    assert (found.at.hour, found.at.minute, found.metric["threshold"]) == (14, 30, 3600.0)
    assert found.removed == ("Message.expected_decision",)
    assert one({**envelope, "Message": json.dumps({**alarm, "NewStateValue": "OK"})}).resolved
    with pytest.raises(InputError, match="SubscriptionConfirmation"):
        normalise({**envelope, "Type": "SubscriptionConfirmation"}, NOW)


def test_answer_bearing_keys_are_gone_at_any_depth_di04() -> None:
    value = {"a": [{"Expected-Decision": 1, "b": {"ai_should_recognize": {"x": 1}}}], "suggested actions": []}
    clean, removed = without_answers(value)
    assert clean == {"a": [{"b": {}}]}
    assert removed == ("a[0].Expected-Decision", "a[0].b.ai_should_recognize", "suggested actions")


@pytest.mark.parametrize("payload", [[], {}, None, 3, "x", {"expected_decision": "dismiss"}])
def test_what_is_no_alert_is_refused(payload: Any) -> None:
    with pytest.raises(InputError):
        normalise(payload, NOW)


def test_nested_too_deeply_is_refused() -> None:
    deep: Any = {}
    for _ in range(60):
        deep = {"a": deep}
    with pytest.raises(InputError, match="levels deep"):
        normalise(deep, NOW)


KEYS = st.sampled_from(
    ["alert_id", "id", "title", "message", "severity", "source", "timestamp", "metric", "related_context", "dag_id",
     "business_context", "correlated_alerts", "alerts", "labels", "groupKey", "Type", "Message", "AlarmName", "cycle",
     "NewStateValue", "transition", "Trigger", "Dimensions", "columns_before", "historical_avg", "details", "x"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=8))
def test_any_object_is_an_alert_or_an_input_error(payload: Any) -> None:
    try:
        found = normalise(payload, NOW)
    except InputError:
        return
    for alert in found:
        assert alert.alert_id
        assert alert.entity
        assert alert_of(json.loads(json.dumps(alert_doc(alert)))) == alert_of(alert_doc(alert))


def test_moments_and_numbers() -> None:
    assert moment("13:30", NOW) == NOW.replace(hour=13, minute=30)
    assert moment("0001-01-01T00:00:00Z") is None
    assert moment("25:00", NOW) is None
    assert moment(1763735400) == moment("1763735400000")
    assert (number("85 %"), number(True), number("nan"), number("inf")) == (85.0, None, None, None)


MANIFEST = {
    "nodes": {
        "model.p.orders": {
            "resource_type": "model",
            "database": "prod",
            "schema": "core",
            "name": "orders",
            "alias": "orders",
        },
        "model.p.mart": {"resource_type": "model", "database": "prod", "schema": "mart", "name": "daily"},
        "test.p.nn": {"resource_type": "test", "name": "not_null", "attached_node": "model.p.orders", "schema": "t"},
    },
    "sources": {"source.p.raw": {"resource_type": "source", "database": "raw", "schema": "app", "name": "orders"}},
    "exposures": {"exposure.p.board": {"resource_type": "exposure", "name": "board", "owner": {"name": "Finance"}}},
    "child_map": {
        "source.p.raw": ["model.p.orders"],
        "model.p.orders": ["model.p.mart", "test.p.nn"],
        "model.p.mart": ["exposure.p.board"],
    },
}


def test_lineage_of_a_manifest_and_the_incidents_path() -> None:
    edges = edges_of(from_manifest(json.dumps(MANIFEST).encode()))
    found = around(edges, "core.orders")
    assert found.tables == ("prod.mart.daily",)
    assert found.reports == ("board",)
    assert [(e.start, e.end) for e in found.path] == [
        ("prod.core.orders", "prod.mart.daily"),
        ("prod.mart.daily", "board"),
    ]
    assert [e.start for e in found.edges if e not in found.path] == ["raw.app.orders"]


def test_lineage_of_a_csv_and_of_rings() -> None:
    found = around(edges_of(from_csv(b"upstream,downstream,kind\na,b,\nb,a,\nb,r,report\n")), "a")
    assert (found.tables, found.reports) == (("b",), ("r",))
    with pytest.raises(InputError, match="from and to"):
        from_csv(b"x,y\n1,2\n")


def test_failed_tests_name_their_model() -> None:
    results = {
        "results": [
            {"unique_id": "test.p.nn", "status": "fail", "failures": 3},
            {"unique_id": "model.p.mart", "status": "reused"},
        ]
    }
    (row,) = failures(results, MANIFEST)
    assert (row["name"], row["model"], row["failures"]) == ("not_null", "prod.core.orders", 3)
    assert changed({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == ["b", "c"]


def test_schema_diffs() -> None:
    def rows(*columns: tuple[str, int, str]) -> list[Any]:
        return [["s", "t", name, at, kind, "YES"] for name, at, kind in columns]

    before = rows(("a", 1, "int"), ("b", 2, "text"), ("c", 3, "int"))
    after = rows(("a", 1, "bigint"), ("b2", 2, "text"), ("d", 4, "date"))
    assert [(c["change"], c.get("column")) for c in diff(before, after)] == [
        ("column_added", "d"), ("column_removed", "c"), ("column_renamed", "b"), ("type_changed", "a"),
    ]  # fmt: skip
    (gone,) = changes_of([(NOW, before), (NOW.replace(hour=16), rows(("a", 1, "int"), ("b", 2, "text")))])
    assert (gone["change"], gone["not_before"], gone["at"]) == (
        "column_removed", NOW.isoformat(), NOW.replace(hour=16).isoformat(),
    )  # fmt: skip
