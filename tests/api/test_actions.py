"""The routes of DP-23 for every caller, and scenarios 5 and 6."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core.access import Principal
from core.act.channels import build_channels
from core.adapters.http import SafeHttp
from core.errors import StoreError
from core.model import Action, Proposal
from core.service import actions, incidents, intake, sending
from core.store.books import Books
from tests.api.desk import MARK, Desk
from tests.store.samples import INCIDENT

NEW = {"service": "payment-service", "type": "error_rate", "severity": "p1", "title": "12 % of requests fail"}
ROLLBACK = Proposal(
    action_type="rollback",
    title="Roll back payment-service",
    description="",
    eta_minutes=5,
    risk_score=0.2,
    params={"target_version": "v2.3.9"},
    adapter="sandbox",
)
HERE = f"/api/v1/incidents/{INCIDENT.incident_id}"


def propose(desk: Desk) -> Action:
    return actions.propose(desk.wb, INCIDENT, [ROLLBACK])[0]


def test_dp23_an_incident_is_created_once_and_read(desk: Desk) -> None:
    http, who = desk.client(), desk.token("responder")
    made = http.post("/api/v1/incidents", json=NEW, headers=who)
    assert made.status_code == 201
    incident = made.json()
    assert (incident["severity"], incident["status"], incident["occurrences"]) == ("CRITICAL", "OPEN", 1)
    assert incident["dedup_key"] == "service:payment-service:error_rate"
    again = http.post("/api/v1/incidents", json=NEW, headers=who)
    assert (again.status_code, again.json()["occurrences"]) == (200, 2)
    read = http.get(f"/api/v1/incidents/{incident['incident_id']}", headers=desk.token("viewer"))
    assert (read.status_code, read.json()["actions"]) == (200, [])
    assert http.get("/api/v1/incidents/INC-00000000", headers=who).status_code == 404
    assert desk.actions().count("incident_reported") == 2


def test_a_reported_incident_alerts_once_and_again_when_it_is_worse(desk: Desk, httpserver: HTTPServer) -> None:
    """As a run does: kept with the incident in one transaction, sent by the next tick."""
    httpserver.expect_request("/hook").respond_with_data("ok")
    settings = desk.wb.ctx.settings.model_copy(update={"slack_webhook_url": SecretStr(httpserver.url_for("/hook"))})
    bench = replace(
        desk.wb,
        ctx=replace(desk.wb.ctx, settings=settings, http=SafeHttp(allow=settings.http_hosts)),
        channels=build_channels(settings),
    )
    told = intake.Reported("payment-service", "error_rate", "HIGH", "12 % errors", text="Half of all payments fail.")
    reporter = Principal("pager", "acme", "responder")
    for severity in ("HIGH", "HIGH", "CRITICAL", "LOW"):
        incident, _ = intake.create(bench, reporter, replace(told, severity=severity))
        sending.deliver(bench, "worker")
    said = [request.get_json()["text"] for request, _ in httpserver.log]
    titles = [f"[{severity}] Incident detected: payment-service" for severity in ("HIGH", "CRITICAL")]
    assert [text.splitlines()[0] for text in said] == titles
    assert "Half of all payments fail." in said[0]
    intake.create(bench, reporter, replace(told, playbook="elsewhere"))
    assert sending.deliver(bench, "worker") == 0
    assert incidents.get(bench, reporter, incident.incident_id).alerted


def test_an_unknown_severity_of_a_reported_incident_is_medium_with_a_note(desk: Desk) -> None:
    made = desk.client().post("/api/v1/incidents", json={**NEW, "severity": "hmm"}, headers=desk.token("responder"))
    assert made.json()["severity"] == "MEDIUM"
    assert "taken as MEDIUM" in made.json()["timeline"][-1]["event"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "service"),
        ({**NEW, "service": "<script>"}, "service"),
        ({**NEW, "status": "CLOSED"}, "status"),
        ({**NEW, "title": ""}, "title"),
        ({**NEW, "detected_at": "2999-01-01T00:00:00Z"}, "detected_at"),
        ({**NEW, "detected_at": "2026-01-01T00:00:00"}, "detected_at"),
        ([], "body"),
    ],
)
def test_dp23_a_bad_body_names_its_field(desk: Desk, body: object, field: str) -> None:
    reply = desk.client().post("/api/v1/incidents", json=body, headers=desk.token("responder"))
    assert (reply.status_code, reply.json()["error"]["field"]) == (400, field)


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(desk: Desk, raw: bytes) -> None:
    reply = desk.client().post("/api/v1/incidents", content=raw, headers=desk.token("responder"))
    assert (reply.status_code, reply.json()["error"]["field"]) == (400, "body")


@contextmanager
def down() -> Iterator[Books]:
    raise StoreError("The state store failed; nothing was changed.")
    yield


def test_dp23_scenario6_a_store_that_is_down_says_so_by_its_code(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    http, who = desk.client(), desk.token("responder")
    monkeypatch.setattr(desk.wb.store, "begin", down)
    reply = http.post("/api/v1/incidents", json=NEW, headers=who)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "INCIDENT_PERSISTENCE_FAILED")


def test_dp23_the_list_is_paged_sorted_and_filtered(desk: Desk) -> None:
    http, who = desk.client(), desk.token("responder")
    for n, severity in enumerate(("LOW", "HIGH", "CRITICAL")):
        http.post("/api/v1/incidents", json={**NEW, "service": f"s{n}", "severity": severity}, headers=who)

    def names(query: str) -> list[str]:
        found = http.get(f"/api/v1/incidents?{query}", headers=who).json()
        return [row["subject"] for row in found["items"]]

    every = http.get("/api/v1/incidents", headers=who).json()
    assert (every["page"], every["page_size"], every["total"]) == (1, 20, 4)
    assert names("sort=severity&order=asc&playbook=service_incidents") == ["s0", "s1", "s2"]
    assert names("sort=service&page_size=1&page=2&playbook=service_incidents") == ["s1"]
    assert names("page=9") == []
    assert names("severity=critical,low&playbook=service_incidents&sort=service") == ["s2", "s0"]
    assert names("service=s1&status=open") == ["s1"]
    assert names("status=closed") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=-1", "page"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page=99999999999999999999", "page"),
        ("sort=title", "sort"),
        ("order=up", "order"),
        ("status=BROKEN", "status"),
        ("severity=BAD", "severity"),
        ("severity=", "severity"),
    ],
)
def test_dp23_what_the_list_cannot_do_is_refused_by_field(desk: Desk, query: str, field: str) -> None:
    reply = desk.client().get(f"/api/v1/incidents?{query}", headers=desk.token("viewer"))
    assert (reply.status_code, reply.json()["error"]["field"]) == (400, field)


def test_dp23_a_change_obeys_the_state_machine(desk: Desk) -> None:
    http, who = desk.client(), desk.token("responder")
    open_one = propose(desk)
    refused = http.patch(HERE, json={"status": "CLOSED"}, headers=who)
    assert refused.status_code == 409
    assert "ACKNOWLEDGED" in refused.json()["error"]["message"]
    assert http.patch(HERE, json={"status": "dismissed"}, headers=who).json()["error"]["field"] == "reason"
    assert http.patch(HERE, json={"status": "?"}, headers=who).status_code == 400
    done = http.patch(HERE, json={"status": "ignored", "reason": "noise"}, headers=who)
    assert (done.status_code, done.json()["status"]) == (200, "DISMISSED")
    assert http.get(f"{HERE}/actions", headers=who).json()["items"][0]["state"] == "REJECTED"
    assert actions.get(desk.wb, Principal("x", "acme", "viewer"), open_one.action_id).rejected_by == "system"


def test_dp21_scenario5_only_who_may_approves_and_only_once(desk: Desk) -> None:
    http, action = desk.client(), propose(desk)
    approve = f"{HERE}/actions/{action.action_id}/approve"
    assert http.post(approve, headers=desk.token("viewer")).status_code == 403
    done = http.post(approve, json={"reason": "agreed"}, headers=desk.token("responder"))
    assert done.status_code == 200
    row = done.json()
    assert (row["state"], row["action_type"], row["reason"]) == ("APPROVED", "rollback", "agreed")
    assert row["approved_by"] == "token:responder of acme"
    for headers in (desk.token("responder"), desk.token("admin")):
        second = http.post(approve, headers=headers)
        assert (second.status_code, second.json()["error"]["code"]) == (400, "illegal_state")
    history = http.get(f"{HERE}/actions/history", headers=desk.token("viewer")).json()["items"]
    assert [(e["action"], e["approved_by"]) for e in history] == [
        ("action_proposed", None),
        ("action_approved", row["approved_by"]),
    ]
    assert history[1]["decision"]["reason"] == "agreed"


def test_dp16_unknown_or_foreign_actions_are_not_found(desk: Desk) -> None:
    http, who, action = desk.client(), desk.token("responder"), propose(desk)
    assert http.post(f"{HERE}/actions/ACT-0000000000000000/approve", headers=who).status_code == 404
    other = http.post("/api/v1/incidents", json=NEW, headers=who).json()["incident_id"]
    elsewhere = f"/api/v1/incidents/{other}/actions/{action.action_id}/approve"
    assert http.post(elsewhere, headers=who).status_code == 404
    stranger = desk.token("admin", "other")
    assert http.post(f"{HERE}/actions/{action.action_id}/approve", headers=stranger).status_code == 404
    assert http.get(f"{HERE}/actions/history", headers=stranger).status_code == 404


def test_dp23_a_rejection_wants_a_reason(desk: Desk) -> None:
    http, who, action = desk.client(), desk.token("responder"), propose(desk)
    reject = f"{HERE}/actions/{action.action_id}/reject"
    assert http.post(reject, headers=who).json()["error"]["field"] == "reason"
    assert http.post(reject, json={"reason": "no"}, headers=who).json()["state"] == "REJECTED"
    assert http.post(reject, json={"reason": "no"}, headers=who).status_code == 400


def test_dp23_an_agent_reports_a_cause_and_proposes(desk: Desk) -> None:
    http, who = desk.client(), desk.token("responder")
    cause = {"cause": "pool exhausted", "confidence": 0.99, "evidence": ["847 timeouts"]}
    rcca = {"root_cause": "pool exhausted", "hypotheses": [cause], "confidence": 0.99}
    told = {"incident_id": INCIDENT.incident_id, "agent": "analyst-2"}
    reported = http.post("/api/v1/agent/report", json={**told, "rcca": rcca}, headers=who)
    assert reported.status_code == 201
    assert reported.json()["reports"][0]["rcca"]["root_cause"] == "pool exhausted"
    assert "confidence" not in reported.json().get("explanation", {})  # its claim is not our evidence
    scale = {"action_type": "scale_out", "title": "Add replicas", "risk_score": 0.0, "adapter": "sandbox"}
    proposed = http.post("/api/v1/agent/report", json={**told, "proposals": [scale]}, headers=who)
    action = proposed.json()["actions"][0]
    assert (action["state"], action["requires_approval"]) == ("PROPOSED", True)
    bad = {**told, "proposals": [{**scale, "url": "https://evil.example"}]}
    assert http.post("/api/v1/agent/report", json=bad, headers=who).json()["error"]["field"] == "proposals.0.url"
    assert http.post("/api/v1/agent/report", json=told, headers=who).status_code == 400
    unknown = {**told, "incident_id": "INC-00000000", "rcca": rcca}
    assert http.post("/api/v1/agent/report", json=unknown, headers=who).status_code == 404
    shell = {**told, "proposals": [{**scale, "adapter": "shell"}]}
    blocked = http.post("/api/v1/agent/report", json=shell, headers=who).json()["actions"]
    assert "There is no remedy 'shell'" in next(a["blocked"] for a in blocked if a["adapter"] == "shell")


def test_another_tenants_incident_does_not_exist(desk: Desk) -> None:
    stranger = desk.token("admin", "other")
    http = desk.client()
    assert http.get(HERE, headers=stranger).status_code == 404
    assert MARK not in http.get("/api/v1/incidents", headers=stranger).text
    assert http.patch(HERE, json={"status": "ACKNOWLEDGED"}, headers=stranger).status_code == 404


def test_a_reopened_page_of_the_same_severity_stays_dismissed(desk: Desk) -> None:
    http, who = desk.client(), desk.token("responder")
    made = http.post("/api/v1/incidents", json=NEW, headers=who).json()
    http.patch(f"/api/v1/incidents/{made['incident_id']}", json={"status": "DISMISSED", "reason": "known"}, headers=who)
    again = http.post("/api/v1/incidents", json=NEW, headers=who)
    assert (again.status_code, again.json()["status"]) == (200, "DISMISSED")
