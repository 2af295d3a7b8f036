"""Data incidents and the alert inbox without a browser: decisions with receipts, verdicts, figures, the test box."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal, local
from core.errors import InputError
from core.service import alert_inbox, fixes, incident_history, incidents
from core.service.workbench import Workbench
from ui import auth

ANA = local("default")
Open = Callable[..., AppTest]
SCHEMA = {
    "id": "ALERT-SCHEMA-001", "title": "Column removed", "timestamp": "2025-12-13T23:00:00Z", "source": "datadog",
    "severity": "high", "expected_decision": "dismiss",
    "metric": {
        "table": "prod.analytics.customer_events", "columns_before": 45, "columns_after": 44,
        "column_removed": "legacy_field",
    },
    "related_context": {
        "last_modified_by": "dbt-bot", "last_modified_time": "2025-12-13T22:45:00Z",
        "downstream_tables": ["customer_analytics", "campaign_metrics", "user_segments"],
    },
}  # fmt: skip
MEMORY = {
    "id": "ALERT-MEMORY-001", "title": "Memory of worker-3", "timestamp": "2025-12-13T23:05:00Z",
    "source": "prometheus", "severity": "medium",
    "metric": {"node": "worker-3", "memory_percent": 85, "type": "normal_processing", "duration_minutes": 15},
    "related_context": {"pattern": "occurs_every_tuesday_4pm", "historical_avg": 82, "customer_impact": "none"},
}  # fmt: skip
DAG = {
    "id": "ALERT-DAG-001", "title": "The daily load runs long", "timestamp": "2025-12-13T15:45:00Z",
    "source": "cloudwatch", "severity": "critical",
    "metric": {
        "dag_id": "daily_elt_pipeline", "expected_duration_minutes": 120, "actual_duration_minutes": 360,
        "status": "running",
    },
    "related_context": {"downstream_systems_waiting": 12, "business_impact": "high"},
}  # fmt: skip
STORM = {
    **DAG, "id": "ALERT-STORM-001", "manual_intervention_required": True,
    "correlated_alerts": [
        {"title": "slow queries", "time": "13:30"}, {"title": "worker memory 98 %", "time": "14:15"},
        {"title": "stale dashboards", "time": "15:30"}, {"title": "support tickets", "time": "15:40"},
    ],
}  # fmt: skip


def texts(at: AppTest) -> str:
    shown = (*at.markdown, *at.header, *at.caption, *at.title, *at.info, *at.success, *at.warning, *at.error)
    return "\n".join(str(e.value) for e in shown).replace("\\", "")


def metric(at: AppTest, label: str) -> tuple[str, str]:
    found = next(m for m in at.metric if m.label == label)
    return found.value, found.delta


def incident(bench: Workbench, alert: object) -> str:
    """The alert taken in and decided: its incident."""
    before = {r.id for r in alert_inbox.listing(bench, ANA)}
    alert_inbox.receive(bench, ANA, json.dumps(alert).encode())
    alert_inbox.tick(bench)
    (row,) = (r for r in alert_inbox.listing(bench, ANA) if r.id not in before)
    assert row.incident_id is not None
    return row.incident_id


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))


def test_nothing_came_in_yet(opened: Open) -> None:
    at = opened("data_incidents")
    assert not at.exception
    assert "No alert has come in yet" in texts(at)
    assert "Nothing has come in yet" in texts(opened("alert_inbox"))


def test_the_queue_shows_each_decision_and_filters(opened: Open, bench: Workbench) -> None:
    for alert in (SCHEMA, MEMORY, DAG):
        incident(bench, alert)
    at = opened("data_incidents")
    shown = texts(at)
    assert shown.index("The daily load runs long") < shown.index("Column removed")  # worst first
    assert "fix proposed" in shown
    assert "Memory of worker-3" not in shown  # dismissed, so it is over
    at.segmented_control(key="di_state").set_value("Over").run()
    assert "Memory of worker-3" in texts(at)
    assert "Column removed" not in texts(at)


def test_one_schema_case_with_receipt_contexts_and_lineage(opened: Open, bench: Workbench) -> None:
    """DI-09, DI-13: the row that fired, what counts for it, and what would have turned it."""
    at = opened("data_incidents", case=incident(bench, SCHEMA))
    assert not at.exception
    shown = texts(at)
    for expected in (
        "removed legacy_field",
        "15 min before the alert",
        "confidence 0.95",
        "3 affected",
        "Row **serious** of the decision table fired: it is MEDIUM or HIGH",
        "`+0.50` base",
        "red if severity were CRITICAL instead of HIGH",
        "**prod.analytics.customer_events** reaches",
        "Contradictions (0)",
    ):
        assert expected in shown
    assert len(at.get("vega_lite_chart")) >= 2  # the change before the alert, and the lineage


def test_noise_says_why_it_was_dismissed_and_what_would_tell_people(opened: Open, bench: Workbench) -> None:
    """DI-06, DI-13: the pattern that does not fit is listed; two blocks more would have told people."""
    at = opened("data_incidents", case=incident(bench, MEMORY))
    shown = texts(at)
    assert "not an incident" in shown
    assert "does not fit Saturday 23:05" in shown
    assert "`-0.10` the stated pattern" in shown
    assert "Below a confidence of 0.70 people would be told instead: 2 more missing context blocks" in shown


def test_a_storm_is_one_incident_on_a_timeline(opened: Open, bench: Workbench) -> None:
    """DI-10"""
    at = opened("data_incidents", case=incident(bench, STORM))
    shown = texts(at)
    assert "5 alerts, one incident" in shown
    assert "Earliest before it: **slow queries** at 13:30 UTC" in shown
    assert "team notified" in shown


def test_the_fix_of_a_critical_case_waits_for_a_person(opened: Open, bench: Workbench, viewer: None) -> None:
    at = opened("data_incidents", case=incident(bench, DAG))
    assert not at.exception
    assert "Restart daily_elt_pipeline" in texts(at)
    assert not [b for b in at.button if "_approve_" in str(b.key)]  # a viewer reads


def test_an_unknown_case_is_a_message(opened: Open) -> None:
    at = opened("data_incidents", case="INC-00000000")
    assert not at.exception
    assert at.error


def test_the_inbox_shows_state_raw_payload_and_mapping(opened: Open, bench: Workbench) -> None:
    """DI-01, DI-02, DI-04: what was removed is listed; a refused body is kept with its reason and counted."""
    incident(bench, SCHEMA)
    alert_inbox.receive(bench, ANA, json.dumps(SCHEMA).encode())
    with pytest.raises(InputError):
        alert_inbox.receive(bench, ANA, b'{"id":')
    at = opened("alert_inbox")
    assert metric(at, "Alerts") == ("1", "1 repeat")
    assert metric(at, "Refused bodies")[0] == "1"
    assert "The body is not JSON" in texts(at)
    (row,) = (r for r in alert_inbox.listing(bench, ANA) if r.alert_id)
    at.button(key=f"inbox_open_{row.id}").click().run()
    assert not at.exception
    shown = texts(at)
    assert "expected_decision" in shown
    assert '"legacy_field"' in at.json[0].value


def test_a_pasted_payload_is_judged_without_effects(opened: Open, bench: Workbench) -> None:
    """DI-04: understood, removed keys listed, decided; nothing is kept."""
    at = opened("alert_inbox", inbox_tab="Test box")
    at.text_area(key="inbox_text").set_value(json.dumps(SCHEMA)).run()
    at.button(key="inbox_run").click().run()
    assert not at.exception
    shown = texts(at)
    assert "Removed keys (1)" in "\n".join(str(w.proto.title) for w in at.warning)
    assert "removed legacy_field" in shown
    assert "confidence 0.95" in shown
    assert alert_inbox.volume(bench, ANA).alerts == 0
    with bench.store.read() as books:
        assert books.incidents.list("default") == ()
        assert books.outbox.list("default") == ()


def test_a_pasted_body_that_is_no_json_is_a_message(opened: Open) -> None:
    at = opened("alert_inbox", inbox_tab="Test box")
    at.text_area(key="inbox_text").set_value('{"id":').run()
    at.button(key="inbox_run").click().run()
    assert not at.exception
    assert "not JSON" in at.error[0].value


def test_the_address_says_how_to_send(opened: Open) -> None:
    at = opened("alert_inbox", inbox_tab="Address")
    assert at.code[0].value.endswith("/webhook/alerts")
    assert "Standard Webhooks" in texts(at)


def test_all_demo_alerts_come_as_expected(opened: Open, bench: Workbench) -> None:
    """DI-23, DI-24: pass for each, 22 of the 24 labelled are filtered, nothing real among them; nothing is kept."""
    at = opened("data_incidents", di_tab="Demo alerts")
    at.button(key="di_demo").click().run(timeout=120)
    assert not at.exception
    assert at.success[0].value == "All 27 came as expected."
    assert metric(at, "Filter rate") == ("91.67 %", "22 of 24 labelled")
    assert metric(at, "Real, filtered")[0] == "0"
    assert alert_inbox.volume(bench, ANA).alerts == 0


def test_figures_say_on_how_many_they_rest(opened: Open, bench: Workbench) -> None:
    """DI-21, DI-23: without a case there is no data; every figure has its n."""
    at = opened("data_incidents", di_tab="Figures")
    assert metric(at, "Kept from people") == ("no data", "0 of 0 decided")
    assert "there is no data to show" in texts(at)
    for alert in (SCHEMA, MEMORY):
        incident(bench, alert)
    at = opened("data_incidents", di_tab="Figures")
    assert metric(at, "Kept from people") == ("50.0 %", "1 of 2 decided")
    assert metric(at, "Filter rate") == ("50.00 %", "n = 2")
    assert metric(at, "MTTR") == ("no data", "n = 0")
    assert metric(at, "False positives") == ("no data", "n = 0")
    assert "Volume (n = 2)" in texts(at)
    assert len(at.get("vega_lite_chart")) == 4


def test_a_verdict_makes_the_false_positive_rate(opened: Open, bench: Workbench) -> None:
    """DI-21: of incidents people were told of; over the target it is red."""
    case = incident(bench, SCHEMA)
    incident_history.judge(bench, ANA, case, "false_positive")
    incidents.move(bench, ANA, case, "RESOLVED")
    at = opened("data_incidents", di_tab="Figures")
    assert metric(at, "False positives") == ("100.00 %", "n = 1")
    assert metric(at, "MTTR")[1] == "n = 1"
    assert metric(at, "Cost each")[0].startswith("$")


def test_steps_of_the_run_are_shown(opened: Open, bench: Workbench) -> None:
    """DI-20"""
    shown = texts(opened("data_incidents", case=incident(bench, SCHEMA)))
    assert "in all" in shown
    assert "Budgets: detect" in shown
    assert "of 20 s" in shown


def test_a_verdict_is_kept_and_closes_nothing(opened: Open, bench: Workbench) -> None:
    """DI-21: who said it and why; the incident stays as it is."""
    case = incident(bench, SCHEMA)
    at = opened("data_incidents", case=case)
    at.text_input(key="di_verdict_note").set_value("the drop was announced").run()
    at.button(key="di_verdict_expected").click().run()
    assert not at.exception
    found = incidents.get(bench, ANA, case)
    assert incident_history.verdict_of(found) == "expected"
    assert found.status == "OPEN"
    assert "the drop was announced" in texts(at)
    assert at.button(key="di_verdict_expected").disabled
    at.button(key="di_verdict_real").click().run()
    assert incident_history.verdict_of(incidents.get(bench, ANA, case)) == "real"


def test_a_viewer_gives_no_verdict_and_edits_no_fix(opened: Open, bench: Workbench, viewer: None) -> None:
    at = opened("data_incidents", case=incident(bench, SCHEMA))
    assert at.button(key="di_verdict_real").disabled
    at = opened("data_incidents", di_tab="Fixes")
    assert "An administrator edits them" in texts(at)


def edit(opened: Open) -> AppTest:
    at = opened("data_incidents", di_tab="Fixes")
    at.session_state["di_fix_lock_box"] = True
    return at.run()


def test_a_fix_template_is_checked_kept_and_put_back(opened: Open, bench: Workbench) -> None:
    """DI-19"""
    at = edit(opened)
    at.text_area(key="di_fix_lock_request").set_value('{"url": "http://x"}')
    at.button(key="di_fix_lock_save").click().run()
    assert "addresses and commands are configuration" in at.error[0].value
    at.text_area(key="di_fix_lock_request").set_value('{"lock": "orders"}')
    at.number_input(key="di_fix_lock_eta_minutes").set_value(9)
    at.button(key="di_fix_lock_save").click().run()
    assert not at.exception
    (kept,) = (f for f in fixes.listing(bench, ANA) if f.own)
    assert kept.template is not None
    assert (kept.kind, kept.template.eta_minutes, dict(kept.template.request)) == ("lock", 9, {"lock": "orders"})
    at = edit(opened)
    assert at.number_input(key="di_fix_lock_eta_minutes").value == 9
    at.button(key="di_fix_lock_reset").click().run()
    assert not [f for f in fixes.listing(bench, ANA) if f.own]


def test_the_drawer_of_the_alerts_link_leads_to_the_decision(opened: Open, bench: Workbench) -> None:
    case = incident(bench, SCHEMA)
    at = opened("data_incidents", incident=case)
    assert not at.exception
    assert any("Decision and receipt" in str(link.proto) for link in at.get("page_link"))


def test_a_case_shows_what_was_alike_before_and_how_it_ended(opened: Open, bench: Workbench) -> None:
    """DI-07: the same table a day earlier, resolved with a note, judged real."""
    before = incident(bench, {**SCHEMA, "id": "ALERT-SCHEMA-000", "timestamp": "2025-12-12T23:00:00Z"})
    incident_history.judge(bench, ANA, before, "real")
    incidents.move(bench, ANA, before, "RESOLVED", "put the column back")
    incidents.move(bench, ANA, before, "CLOSED")
    at = opened("data_incidents", case=incident(bench, SCHEMA))
    shown = texts(at)
    assert "Similar before (1)" in shown
    assert f"{before} · 12 Dec 2025 23:00 UTC" in shown
    assert "was real" in shown
    at.button(key="di_like_0").click().run()
    assert before in texts(at)


def test_a_storm_is_read_page_by_page_and_its_text_is_plain(opened: Open, bench: Workbench) -> None:
    """DI-10: 20 alerts on one lock are one incident; what a tool wrote is never a link."""
    for n in range(20):
        alert = {
            "id": f"L{n}", "title": f"[x](http://evil) {n}", "severity": "high", "source": "pg",
            "timestamp": f"2025-12-13T20:{n:02d}:00Z", "metric": {"lock_table": "orders", "lock_wait_s": n},
        }  # fmt: skip
        alert_inbox.receive(bench, ANA, json.dumps(alert).encode())
    alert_inbox.tick(bench)
    at = opened("alert_inbox")
    assert "\\[x\\](http\\://evil) 19" in "\n".join(m.value for m in at.markdown)
    assert len([b for b in at.button if b.label == "Details"]) == 15
    at.button(key="inbox_older").click().run()
    assert len([b for b in at.button if b.label == "Details"]) == 5
    assert at.button(key="inbox_older").disabled
    (row,) = {r.incident_id for r in alert_inbox.listing(bench, ANA)}
    assert "20 alerts, one incident" in texts(opened("data_incidents", case=str(row)))
