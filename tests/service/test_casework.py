"""Runs of an event playbook: one incident per case, repeats, recovery, grouped alerts, nothing lost or told twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from core.access import Principal
from core.act.channels.jira import JiraChannel
from core.context import Context
from core.detect.events import EventDetector, Scene, event_detectors
from core.errors import Forbidden, InputError
from core.explain.cases import CaseExplainer, CaseQuestion, Explained, case_explainers
from core.load.loaders import Loader, loaders
from core.model import (
    ChangeType,
    Confidence,
    Dataset,
    Direction,
    Explanation,
    Finding,
    Incident,
    IncidentStatus,
    Json,
    Light,
    Recommendation,
    Run,
    Severity,
    Sighting,
    Source,
    Verification,
)
from core.playbook import EventPlaybook
from core.service import alerts, casework, incidents
from core.service.workbench import Workbench
from tests.adapters.mail_server import Post
from tests.service.conftest import HOOK, Hand

BOOK = EventPlaybook.model_validate(
    {
        "name": "pumps",
        "title": "Pumps",
        "loader": "test_pumps",
        "events": [{"detector": "test_pumps"}],
        "explainer": "test_pumps",
        "recovery": {"checks": 2},
        "notify": {"dedup_key": "pump:{subject}:{type}", "title": "[{SEVERITY}] {label}: {title}"},
    }
)
LOW, MEDIUM, HIGH, CRITICAL = (s.name for s in Severity)


@pytest.fixture(autouse=True)
def _plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A playbook of three small plugins, gone again after the test."""
    for registry in (loaders, event_detectors, case_explainers):
        monkeypatch.setattr(registry, "_plugins", dict(registry._plugins))

    @loaders.register("test_pumps", "Pumps")
    class _Loader(Loader):
        def load(
            self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
        ) -> Dataset:
            """The pumps' states."""
            raw = files["pumps.json"]
            assert isinstance(raw, bytes)
            if raw == b"broken":
                raise InputError("pumps.json: line 1: expected JSON.", field="pumps.json")
            return Dataset({}, {"pumps": json.loads(raw)})

    @event_detectors.register("test_pumps", "Pumps")
    class _Detector(EventDetector):
        def detect(self, scene: Scene) -> Sighting:
            """A finding for each pump with a severity."""
            pumps = scene.dataset.documents["pumps"]
            assert isinstance(pumps, dict)
            out = [_finding(s, kind, str(bad), scene.now) for s, kinds in pumps.items() for kind, bad in kinds.items()]
            return Sighting(
                tuple(f for f in out if f.severity),
                frozenset((s, k) for s, kinds in pumps.items() for k, bad in kinds.items() if not bad),
            )

    @case_explainers.register("test_pumps", "Pumps")
    class _Explainer(CaseExplainer):
        def explain(self, question: CaseQuestion) -> Explained:
            """A fixed answer."""
            explanation = Explanation(
                Light.YELLOW, f"{question.subject} leaks.", (), ("Tighten it.",), (), (), Confidence(0.5, ()), None,
                Source.RULES, Verification(), recommendations=(Recommendation("tighten", "Tighten it."),),
            )  # fmt: skip
            return Explained(explanation, f"{question.subject} {question.type}", {"litres": 3.5, "owner": "Ana"})


def _finding(subject: str, kind: str, bad: str, at: datetime) -> Finding:
    return Finding(
        f"{subject}:{kind}", "drift", "test_pumps", kind, f"Pump {subject}", subject, {}, at, at, 1.0, 0.0, None, None,
        "", 1.0, Severity[bad] if bad else 0, Direction.UP, True, ChangeType.SPIKE, "", None, None,  # type: ignore[arg-type]
        f"{subject} leaks", type=kind, subject=subject, suppressed_by="too small" if subject == "tiny" else None,
    )  # fmt: skip


@pytest.fixture
def pumps(wb: Workbench) -> Workbench:
    return replace(wb, events={"pumps": BOOK})


def run(wb: Workbench, who: Principal, state: object, *, kind: str = "cli", **more: object) -> Run:
    files = {"pumps.json": json.dumps(state).encode()}
    return casework.run(wb, who, "pumps", files=files, kind=kind, ask_model=False, **more)  # type: ignore[arg-type]


def only(wb: Workbench, who: Principal, key: str = "pump:a:leak") -> Incident:
    with wb.store.read() as books:
        found = books.incidents.find_latest(who.tenant, key)
    assert found is not None
    return found


def subjects(post: Post) -> list[str]:
    return [str(message_from_bytes(m, policy=default)["Subject"]) for m in post.mails]


def test_cases_become_incidents_and_the_report_has_every_key(pumps: Workbench, who: Principal) -> None:
    done = run(pumps, who, {"a": {"leak": HIGH, "heat": LOW}, "b": {"leak": ""}}, kind="manual")
    assert done.light is Light.YELLOW
    assert done.headline == "2 incidents, worst first: a leak"
    keys = {"run", "light", "headline", "checks", "findings", "incidents", "explanations", "decisions", "actions"}
    assert keys | {"deliveries", "provenance", "notes"} <= set(done.report)
    rows = done.report["incidents"]
    assert isinstance(rows, list)
    assert [(r["type"], r["severity"], r["subject"], r["occurrences"]) for r in rows] == [
        ("leak", "HIGH", "a", 1), ("heat", "LOW", "a", 1),
    ]  # fmt: skip
    assert rows[0]["recommendations"] == [{"type": "tighten", "text": "Tighten it."}]
    decided = done.report["decisions"]
    assert isinstance(decided, list)
    assert [(d["light"], d["severity"], d["recommended_action"]) for d in decided] == [
        ("yellow", "HIGH", "notify_team"), ("green", "LOW", "notify_team"),
    ]  # fmt: skip
    with pumps.store.read() as books:
        assert books.audit.verify(who.tenant).ok


def test_a_run_by_hand_sends_nothing_and_the_drawer_sends_it(
    pumps: Workbench, who: Principal, post: Post, httpserver: HTTPServer
) -> None:
    run(pumps, who, {"a": {"leak": HIGH}}, kind="manual")
    assert post.mails == []
    shown = alerts.preview(pumps, who, only(pumps, who).incident_id, "email")
    assert shown.subject == "[HIGH] Pump a: a leak"
    alerts.send(pumps, who, only(pumps, who).incident_id, "email")
    assert subjects(post) == ["[HIGH] Pump a: a leak"]
    assert only(pumps, who).alerted


def test_types_of_one_subject_share_one_message_pu19(
    pumps: Workbench, who: Principal, post: Post, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
    done = run(pumps, who, {"a": {"leak": HIGH, "heat": LOW}, "c": {"leak": MEDIUM}})
    assert sorted(subjects(post)) == ["[HIGH] Pump a: Pump a: leak, heat", "[MEDIUM] Pump c: c leak"]
    rows = done.report["deliveries"]
    assert isinstance(rows, list)
    assert sorted((r["channel"], r["state"]) for r in rows) == [("email", "sent")] * 2 + [("slack", "sent")] * 2
    assert only(pumps, who, "pump:a:heat").alerted


def test_ten_checks_are_one_incident_ten_occurrences_one_message(
    pumps: Workbench, who: Principal, clock: Hand, post: Post, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
    for _ in range(10):
        run(pumps, who, {"a": {"leak": HIGH}})
        clock.forward(minutes=1)
    found = only(pumps, who)
    assert (found.occurrences, len(post.mails), len(httpserver.log)) == (10, 1, 1)
    assert [e.event for e in found.timeline if e.event.startswith("occurrence")] == ["occurrence 2", "occurrence 10"]


def test_worse_is_told_again_and_severity_never_falls(pumps: Workbench, who: Principal, post: Post) -> None:
    for bad in (MEDIUM, CRITICAL, LOW):
        run(pumps, who, {"a": {"leak": bad}})
    assert subjects(post) == ["[MEDIUM] Pump a: a leak", "[CRITICAL] Pump a: a leak"]
    assert only(pumps, who).severity is Severity.CRITICAL


def test_in_order_twice_is_resolved_with_one_recovery_message(
    pumps: Workbench, who: Principal, clock: Hand, post: Post
) -> None:
    run(pumps, who, {"a": {"leak": HIGH}})
    run(pumps, who, {"a": {"leak": ""}})
    assert only(pumps, who).status is IncidentStatus.OPEN
    run(pumps, who, {"a": {"leak": ""}})
    found = only(pumps, who)
    assert (found.status, found.resolved_by) == (IncidentStatus.RESOLVED, "system")
    run(pumps, who, {"a": {"leak": ""}})
    assert subjects(post) == ["[HIGH] Pump a: a leak", "[RECOVERED] Pump a: leak"]


def test_what_comes_back_after_its_recovery_is_told_again_once(
    pumps: Workbench, who: Principal, clock: Hand, post: Post
) -> None:
    for bad in (HIGH, "", "", HIGH, HIGH):
        run(pumps, who, {"a": {"leak": bad}})
        clock.forward(minutes=1)
    assert (only(pumps, who).status, only(pumps, who).occurrences) == (IncidentStatus.OPEN, 3)
    alert = "[HIGH] Pump a: a leak"
    assert subjects(post) == [alert, "[RECOVERED] Pump a: leak", alert]
    jira = JiraChannel(project="OPS").compose(alerts.alert(pumps, BOOK, [only(pumps, who)]))
    assert jira.payload["status"] == "To Do"  # the ticket was Done


def test_a_bad_check_in_between_starts_the_count_anew(pumps: Workbench, who: Principal) -> None:
    for bad in (HIGH, "", HIGH, ""):
        run(pumps, who, {"a": {"leak": bad}})
    assert only(pumps, who).status is IncidentStatus.OPEN


def test_what_nobody_was_told_of_recovers_silently(pumps: Workbench, who: Principal, post: Post) -> None:
    run(pumps, who, {"a": {"leak": HIGH}}, kind="manual")
    for _ in range(2):
        run(pumps, who, {"a": {"leak": ""}})
    assert only(pumps, who).status is IncidentStatus.RESOLVED
    assert post.mails == []


def test_a_dismissed_incident_stays_so_until_it_is_worse(pumps: Workbench, who: Principal, post: Post) -> None:
    run(pumps, who, {"a": {"leak": MEDIUM}})
    incidents.move(pumps, who, only(pumps, who).incident_id, "ignored", "expected")
    run(pumps, who, {"a": {"leak": MEDIUM}})
    assert only(pumps, who).status is IncidentStatus.DISMISSED
    run(pumps, who, {"a": {"leak": HIGH}})
    assert only(pumps, who).status is IncidentStatus.OPEN
    assert len(subjects(post)) == 2


def test_suppressed_findings_are_kept_and_open_nothing(pumps: Workbench, who: Principal) -> None:
    done = run(pumps, who, {"tiny": {"leak": HIGH}})
    assert done.report["incidents"] == []
    assert done.report["notes"] == ["suppressed: tiny leaks (too small)"]
    with pumps.store.read() as books:
        assert "suppressed" in [e.action for e in books.audit.list(who.tenant)]


def test_a_slack_that_fails_does_not_stop_the_mail(
    pumps: Workbench, who: Principal, post: Post, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "QUICK_WAIT_S", 0.0)
    httpserver.expect_request(HOOK, method="POST").respond_with_data("down", status=500)
    done = run(pumps, who, {"a": {"leak": HIGH}})
    rows = done.report["deliveries"]
    assert isinstance(rows, list)
    assert {(r["channel"], r["state"], r["attempts"]) for r in rows} == {("email", "sent", 1), ("slack", "failed", 3)}
    with pumps.store.read() as books:
        tried = [e for e in books.audit.list(who.tenant) if e.action == "message_failed"]
    assert [e.decision["attempt"] for e in reversed(tried)] == [1, 2, 3]


def test_a_run_killed_before_sending_loses_no_alert(
    pumps: Workbench, who: Principal, post: Post, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "after", _killed)
        with pytest.raises(SystemExit):
            run(pumps, who, {"a": {"leak": HIGH}})
    assert post.mails == []
    run(pumps, who, {"a": {"leak": HIGH}})
    from core.service import sending

    sending.deliver(pumps, "worker")
    assert subjects(post) == ["[HIGH] Pump a: a leak"]


def _killed(*_: object) -> Run:
    raise SystemExit(9)


def test_a_replayed_day_keeps_its_own_time(pumps: Workbench, who: Principal, clock: Hand) -> None:
    day = clock.now() - timedelta(days=30)
    run(pumps, who, {"a": {"leak": HIGH}}, as_of=day)
    assert only(pumps, who).detected_at == day


def test_refused_data_is_kept_as_failed_check_and_sends_nothing(pumps: Workbench, who: Principal, post: Post) -> None:
    with pytest.raises(InputError, match=r"pumps\.json"):
        casework.run(pumps, who, "pumps", files={"pumps.json": b"broken"}, kind="schedule")
    with pumps.store.read() as books:
        (kept,) = books.runs.list(who.tenant)
    assert kept.status == "failed_check"
    assert post.mails == []


def test_the_same_key_runs_once_and_a_viewer_never(pumps: Workbench, who: Principal) -> None:
    first = run(pumps, who, {"a": {"leak": HIGH}}, key="slot-1")
    assert run(pumps, who, {"a": {"leak": HIGH}}, key="slot-1").id == first.id
    assert only(pumps, who).occurrences == 1
    with pytest.raises(Forbidden):
        run(pumps, replace(who, role="viewer"), {"a": {"leak": HIGH}})
