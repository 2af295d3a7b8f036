"""The Incidents page without a browser: filters, several at once, the drawer by link, moves and conflicts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.access import local
from core.model import Incident, IncidentStatus, Light, Run, Severity, Source, TimelineEntry
from core.service import incidents
from core.service.workbench import Workbench

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ANA = local("default")


def texts(at: AppTest) -> str:
    return "\n".join(str(e.value) for e in (*at.markdown, *at.header, *at.caption, *at.title, *at.info, *at.success))


@pytest.fixture
def queue(bench: Workbench) -> list[str]:
    """Three incidents of one kept run: critical, medium and a medium one that is resolved."""
    report = {
        "findings": [{"label": "Refunds", "severity": "CRITICAL", "summary": "Refunds tripled <b>now</b>"}],
        "report": {"target_date": "2026-01-04"},
        "decisions": [{"confidence": 0.9}],
    }
    run = Run(
        "run-1", "daily_kpis", "default", AT, AT, AT, "completed", Light.RED, "Refunds tripled", Source.RULES, "ana",
        "manual", report,
    )  # fmt: skip
    body = {
        "explanation": {
            "text": "Refunds rose to 17,500.", "source": "AI", "confidence": 0.91, "ai_confidence": 0.8,
            "hypotheses": [{"cause": "A bad deploy", "kind": "change", "confidence": 0.4, "supports": ["E1"],
                            "contradicts": [], "next_check": "Read the log"}],
        },
        "evidence": [{"type": "metric", "ref": "E1", "text": "refunds 17,500", "snippet": "refunds"}],
        "recommendations": ["Review the refund queue"],
        "check_results": [],
        "baseline_receipt": {"refunds": ["2026-01-03"]},
    }  # fmt: skip
    first = Incident(
        "INC-0000000A", "default", "daily_kpis", "kpi:a", "kpi", Severity.CRITICAL, IncidentStatus.OPEN,
        "Refunds tripled", "revenue", AT, AT, AT, "run-1", body=body,
        timeline=(TimelineEntry(AT, "detected red by row red.many", "system"),),
    )  # fmt: skip
    second = replace(
        first, incident_id="INC-0000000B", dedup_key="kpi:b", severity=Severity.MEDIUM, title="Signups fell",
        created_at=AT + timedelta(hours=1),
    )  # fmt: skip
    third = replace(
        second, incident_id="INC-0000000C", dedup_key="kpi:c", status=IncidentStatus.RESOLVED, title="CSAT fell",
        resolved_by="ana", resolved_at=AT, playbook="other",
    )  # fmt: skip
    with bench.store.begin() as books:
        books.runs.save(run)
        for one in (first, second, third):
            books.incidents.add(one)
    return [first.incident_id, second.incident_id, third.incident_id]


def listed(at: AppTest) -> list[str]:
    return [b.key.removeprefix("incidents_open_") for b in at.button if str(b.key).startswith("incidents_open_")]


def status(bench: Workbench, incident_id: str) -> str:
    return incidents.get(bench, ANA, incident_id).status


def test_an_empty_queue_says_what_to_do(opened):
    at = opened("incidents")
    assert not at.exception
    assert "No incidents yet. A yellow or red run opens one" in at.info[0].value


def test_unfinished_ones_newest_first_and_the_counts(opened, queue):
    at = opened("incidents")
    assert not at.exception
    assert listed(at) == [queue[1], queue[0]]
    assert "2 open" in texts(at)
    assert "1 resolved" in texts(at)


def test_filters_are_read_from_the_link(opened, queue):
    assert listed(opened("incidents", incidents_severity="Critical")) == [queue[0]]
    assert listed(opened("incidents", incidents_status="Resolved")) == [queue[2]]
    assert listed(opened("incidents", incidents_text="signups")) == [queue[1]]
    assert listed(opened("incidents", incidents_status="Resolved", incidents_only="true")) == []


def test_several_at_once_and_a_dismissal_needs_a_reason(opened, queue, bench):
    at = opened("incidents")
    for one in queue[:2]:
        at.checkbox(key=f"incidents_pick_{one}").check()
    at.run()
    at.button(key="incidents_bulk_dismissed").click().run()
    assert "A dismissal needs a reason." in at.warning[0].value
    assert [status(bench, i) for i in queue[:2]] == ["OPEN", "OPEN"]
    at.text_input(key="incidents_note").set_value("known campaign").run()
    at.button(key="incidents_bulk_dismissed").click().run()
    assert [status(bench, i) for i in queue[:2]] == ["DISMISSED", "DISMISSED"]
    assert incidents.get(bench, ANA, queue[0]).timeline[-1].event == "OPEN to DISMISSED: known campaign"


def test_drawer_by_link_shows_the_whole_incident(opened, queue):
    at = opened("incidents", incident=queue[0])
    assert not at.exception
    shown = texts(at)
    for expected in ("Refunds tripled", "AI", "confidence 0.91", "A bad deploy", "Review the refund queue", "E1"):
        assert expected in shown
    assert "tripled <b>" not in shown  # text from data is never markup
    assert at.code[-1].value == f"http://localhost:8501/incidents?incident={queue[0]}"
    assert {b.key for b in at.button if str(b.key).startswith("incident_to_")} == {
        "incident_to_acknowledged",
        "incident_to_in_progress",
        "incident_to_resolved",
        "incident_to_dismissed",
    }


def test_resolve_and_undo_in_the_drawer(opened, queue, bench):
    at = opened("incidents", incident=queue[0])
    at.button(key="incident_to_resolved").click().run()
    assert status(bench, queue[0]) == "RESOLVED"
    assert not [b for b in at.button if b.key == "recovery_show"]  # nobody was alerted
    at.button(key="incident_to_open").click().run()
    assert status(bench, queue[0]) == "OPEN"


def test_somebody_elses_change_is_told_and_nothing_is_overwritten(opened, queue, bench):
    at = opened("incidents", incident=queue[0])
    incidents.move(bench, replace(ANA, user="bo"), queue[0], "acknowledged")
    at.button(key="incident_to_resolved").click().run()
    assert "was changed meanwhile by bo: OPEN to ACKNOWLEDGED" in at.error[0].value
    assert status(bench, queue[0]) == "ACKNOWLEDGED"


def test_an_unknown_incident_is_a_message(opened, queue):
    at = opened("incidents", incident="INC-FFFFFFFF")
    assert not at.exception
    assert at.error[0].value == "There is no incident 'INC-FFFFFFFF'."
