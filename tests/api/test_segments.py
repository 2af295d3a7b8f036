"""The addresses of PU-23: good, bad, forbidden and unauthenticated requests for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook
from starlette.testclient import TestClient

from core.access import Principal, local
from core.model import Incident, IncidentStatus, Severity
from core.service import actions, audience
from tests.api.desk import SECRET, Desk
from tests.store.samples import INCIDENT

PEOPLE = b"""id,ltv,last_active_days,plan,email,converted
1,1500,3,pro,ana@example.com,1
2,1000,1,pro,bo@example.com,0
3,2400,7,free,cy@example.com,0
4,5000,8,free,di@example.com,1
5,,2,pro,ed@example.com,0
"""
RULES = {
    "logicalOperator": "AND",
    "rules": [
        {"field": "ltv", "operator": ">", "value": 1000},
        {"field": "last_active_days", "operator": "<=", "value": 7},
    ],
}
HIGH = {
    "id": "high-value",
    "name": "High-value",
    "definition": RULES,
    "owner": "ana",
    "baseline": {"sizeChangePercent": 0.1},
}


class Api:
    """A client with the headers of one role."""

    def __init__(self, desk: Desk, headers: Mapping[str, str]) -> None:
        self._client: TestClient = desk.client()
        self._headers = headers

    def __call__(self, method: str, path: str, document: object = None) -> tuple[int, dict]:
        reply = self._client.request(method, path, headers=self._headers, json=document)
        return reply.status_code, reply.json() if reply.content else {}


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """A people table and one drift incident."""
    audience.upload(desk.wb, Principal("cli", "acme", "admin"), "people.csv", PEOPLE)
    with desk.wb.store.begin() as books:
        books.incidents.add(drifted("INC-0000D001", "size_jump", Severity.HIGH))
    return desk


def drifted(incident_id: str, kind: str, severity: Severity, segment: str = "high-value") -> Incident:
    return replace(
        INCIDENT,
        incident_id=incident_id,
        playbook="segment_drift",
        dedup_key=f"segment:{segment}:{kind}",
        type=kind,
        subject=segment,
        severity=severity,
        status=IncidentStatus.OPEN,
    )


@pytest.fixture
def api(stocked: Desk) -> Api:
    return Api(stocked, stocked.token("responder"))


@pytest.fixture
def high(api: Api) -> dict:
    return api("POST", "/api/segments", HIGH)[1]


ROUTES = [
    ("GET", "/api/segments", None),
    ("POST", "/api/segments", HIGH),
    ("GET", "/api/segments/high-value", None),
    ("PUT", "/api/segments/high-value", HIGH),
    ("DELETE", "/api/segments/high-value", None),
    ("GET", "/api/snapshots", None),
    ("GET", "/api/snapshots/segment/high-value", None),
    ("POST", "/api/snapshots/take", {}),
    ("GET", "/api/drift/incidents", None),
    ("GET", "/api/drift/incidents/INC-0000D001", None),
    ("GET", "/api/drift/segment/high-value/incidents", None),
    ("PATCH", "/api/drift/incidents/INC-0000D001", {"status": "ACKNOWLEDGED"}),
    ("POST", "/api/drift/incidents/INC-0000D001/resolve", {"resolvedBy": "ana"}),
    ("POST", "/api/drift/incidents/INC-0000D001/ignore", {"reason": "known"}),
]


def test_nobody_is_refused_and_a_viewer_only_reads(stocked: Desk) -> None:
    """PU-24."""
    before = stocked.actions()
    nobody, viewer = Api(stocked, {}), Api(stocked, stocked.token("viewer"))
    for method, path, document in ROUTES:
        assert nobody(method, path, document)[0] == 401, (method, path)
        status, reply = viewer(method, path, document)
        if method == "GET":
            assert status in (200, 404), path
        else:
            assert (status, reply["error"]["code"]) == (403, "forbidden"), (method, path)
    assert set(stocked.actions()) - set(before) == {"token_created", "access_refused"}


def test_health_is_public(stocked: Desk) -> None:
    assert Api(stocked, {})("GET", "/health") == (200, {"status": "ok"})


def test_a_segment_is_created_read_listed_changed_and_deleted(stocked: Desk, api: Api) -> None:
    """PU-01."""
    status, made = api("POST", "/api/segments", HIGH)
    assert (status, made["id"], made["definition"]) == (201, "high-value", RULES)
    assert made["baseline"] == {"monitoringEnabled": True, "sizeChangePercent": 0.1}
    assert api("GET", "/api/segments/high-value") == (200, made)
    assert api("GET", "/api/segments") == (200, {"items": [made], "total": 1})
    status, changed = api("PUT", "/api/segments/high-value", {**made, "owner": "bo"})
    assert (status, changed["owner"]) == (200, "bo")
    assert api("PUT", "/api/segments/high-value", {**made, "owner": "cy"})[0] == 409
    assert api("DELETE", "/api/segments/high-value") == (204, {})
    assert api("GET", "/api/segments/high-value")[0] == 404
    assert api("GET", "/api/drift/incidents/INC-0000D001")[0] == 200
    assert api("GET", "/api/drift/segment/high-value/incidents")[1]["total"] == 1
    assert stocked.actions()[:3] == ["segment_deleted", "segment_updated", "segment_created"]


def rules(*of: dict) -> dict:
    return {**HIGH, "definition": {"rules": list(of)}}


BAD = [
    ({}, "name"),
    ([], "body"),
    ({**HIGH, "colour": "red"}, "colour"),
    ({**HIGH, "name": " "}, "name"),
    ({**HIGH, "name": "x" * 121}, "name"),
    ({**HIGH, "definition": {"rules": []}}, "definition.rules"),
    (rules({"field": "ltv", "operator": "~", "value": 1}), "definition.rules[0].operator"),
    (rules({"field": "ltv", "operator": ">", "value": "much"}), "definition.rules[0].value"),
    (rules({"field": "nobody", "operator": ">", "value": 1}), "definition.rules[0].field"),
    (rules({"field": "plan", "operator": ">", "value": 1}), "definition.rules[0].operator"),
    ({**HIGH, "baseline": {"sizeChangePercent": 1.01}}, "baseline.sizeChangePercent"),
    ({**HIGH, "baseline": {"inactivityCreep": -0.01}}, "baseline.inactivityCreep"),
    ({**HIGH, "baseline": {"expectedSize": {"min": 3, "max": 2}}}, "baseline.expectedSize"),
    ({**HIGH, "is_active": "yes"}, "is_active"),
]


def test_a_bad_segment_is_refused_by_field_and_nothing_is_kept(api: Api) -> None:
    for document, field in BAD:
        status, reply = api("POST", "/api/segments", document)
        assert (status, reply["error"]["field"]) == (400, field)
    assert api("GET", "/api/segments")[1]["total"] == 0


def test_a_bad_change_leaves_the_segment_as_it_was(api: Api, high: dict) -> None:
    for document, field in BAD:
        status, reply = api("PUT", "/api/segments/high-value", document)
        assert (status, reply["error"]["field"]) == (400, field)
    assert api("PUT", "/api/segments/high-value", {**HIGH, "id": "other"})[1]["error"]["field"] == "id"
    assert api("PUT", "/api/segments/nowhere", {**HIGH, "id": "nowhere"})[0] == 404
    assert api("GET", "/api/segments/high-value")[1] == high


def test_a_name_that_is_taken_is_a_conflict(api: Api, high: dict) -> None:
    status, reply = api("POST", "/api/segments", HIGH)
    assert (status, reply["error"]["field"]) == (409, "name")
    assert api("GET", "/api/segments")[1]["total"] == 1


def test_a_new_segment_does_not_inherit_the_incidents_of_an_old_one(api: Api) -> None:
    unnamed = {k: v for k, v in HIGH.items() if k != "id"}
    assert api("POST", "/api/segments", unnamed)[1]["id"] == "high-value-2"
    assert api("POST", "/api/segments", {**unnamed, "name": "High value!"})[1]["id"] == "high-value-3"
    assert api("POST", "/api/segments", {**unnamed, "name": "Größe"})[1]["id"] == "gr-e"


def test_what_is_not_json_is_refused(stocked: Desk) -> None:
    headers = {**stocked.token("responder"), "content-type": "application/json"}
    for path in ("/api/segments", "/api/snapshots/take", "/api/drift/incidents/INC-0000D001/resolve"):
        reply = stocked.client().post(path, headers=headers, content=b"{")
        assert (reply.status_code, reply.json()["error"]["field"]) == (400, "body")


def test_snapshots_are_taken_and_a_second_of_the_day_replaces_the_first(api: Api, high: dict) -> None:
    """PU-02, PU-04: rows 1 and 3 match."""
    status, done = api("POST", "/api/snapshots/take", {})
    assert (status, done["replaced"], done["failed"]) == (200, 0, {})
    (snapshot,) = done["snapshots"]
    assert (snapshot["segment_id"], snapshot["size"], snapshot["conv_rate"]) == ("high-value", 2, 0.5)
    assert snapshot["attr_distributions"]["plan"] == {"free": 0.5, "pro": 0.5}
    assert api("POST", "/api/snapshots/take", {"segmentId": "high-value"})[1]["replaced"] == 1
    listed = api("GET", "/api/snapshots")[1]
    assert listed["total"] == 1
    assert api("GET", "/api/snapshots/segment/high-value")[1] == listed
    assert api("GET", "/api/snapshots?since=2999-01-01")[1]["total"] == 0
    assert api("GET", "/api/snapshots/segment/nowhere")[0] == 404
    assert api("POST", "/api/snapshots/take", {"segmentId": "nowhere"})[0] == 404
    for bad, field in (
        ({"segment": "x"}, "segment"),
        ({"segmentId": 3}, "segmentId"),
        ({"segmentId": ""}, "segmentId"),
    ):
        assert api("POST", "/api/snapshots/take", bad)[1]["error"]["field"] == field
    for query in ("since=yesterday", "limit=0", "limit=x", "limit=999999999"):
        assert api("GET", f"/api/snapshots?{query}")[0] == 400


def test_drift_incidents_are_filtered(stocked: Desk, api: Api) -> None:
    with stocked.wb.store.begin() as books:
        books.incidents.add(drifted("INC-0000D002", "inactivity_creep", Severity.LOW, "trial"))
    found = {
        query: [i["incident_id"] for i in api("GET", f"/api/drift/incidents?{query}")[1]["items"]]
        for query in ("", "segment=trial", "type=size_jump", "severity=LOW,HIGH", "status=RESOLVED", "severity=high")
    }
    assert sorted(found.pop("")) == ["INC-0000D001", "INC-0000D002"]
    assert sorted(found.pop("severity=LOW,HIGH")) == ["INC-0000D001", "INC-0000D002"]
    assert found == {
        "segment=trial": ["INC-0000D002"],
        "type=size_jump": ["INC-0000D001"],
        "status=RESOLVED": [],
        "severity=high": ["INC-0000D001"],
    }
    for query, field in (("status=x", "status"), ("severity=x", "severity"), ("type=x", "type")):
        status, reply = api("GET", f"/api/drift/incidents?{query}")
        assert (status, reply["error"]["field"]) == (400, field)
    assert api("GET", f"/api/drift/incidents/{INCIDENT.incident_id}")[0] == 404
    assert api("GET", "/api/drift/segment/nowhere/incidents")[0] == 404


def test_an_incident_is_resolved_and_what_it_is_becomes_normal(stocked: Desk, api: Api, high: dict) -> None:
    """PU-08, PU-23."""
    path = "/api/drift/incidents/INC-0000D001"
    assert api("POST", f"{path}/resolve", {})[1]["error"]["field"] == "resolvedBy"
    status, done = api("POST", f"{path}/resolve", {"resolvedBy": "ana", "acceptAsNewNormal": True})
    assert (status, done["status"]) == (200, "RESOLVED")
    assert done["resolved_at"] == stocked.clock.at.isoformat()
    assert "resolved by ana; accepted as new normal" in done["timeline"][-1]["event"]
    since = api("GET", "/api/segments/high-value")[1]["normal_since"]
    midnight = stocked.clock.at.replace(hour=0, minute=0, second=0)
    assert since == {"size_jump": midnight.isoformat()}
    assert api("POST", f"{path}/resolve", {"resolvedBy": "ana"})[0] == 409
    assert api("POST", "/api/drift/incidents/INC-00000000/resolve", {"resolvedBy": "ana"})[0] == 404


def test_accepting_for_a_segment_that_is_gone_leaves_the_incident_open(api: Api) -> None:
    path = "/api/drift/incidents/INC-0000D001"
    assert api("POST", f"{path}/resolve", {"resolvedBy": "ana", "acceptAsNewNormal": True})[0] == 404
    assert api("GET", path)[1]["status"] == "OPEN"


def test_an_incident_is_ignored_with_a_reason_and_patched(api: Api) -> None:
    path = "/api/drift/incidents/INC-0000D001"
    assert api("PATCH", path, {"status": "SOLVED"})[1]["error"]["field"] == "status"
    assert api("PATCH", path, {"status": "CLOSED"})[0] == 409
    assert api("PATCH", path, {"severity": "LOW"})[0] == 400
    assert api("PATCH", path, {"status": "acknowledged"})[1]["status"] == "ACKNOWLEDGED"
    assert api("POST", f"{path}/ignore", {"reason": ""})[1]["error"]["field"] == "reason"
    assert api("POST", f"{path}/ignore", {"reason": "a sale"})[1]["status"] == "DISMISSED"
    for other in ("", "/resolve", "/ignore"):
        document = {"": {"status": "OPEN"}, "/resolve": {"resolvedBy": "a"}, "/ignore": {"reason": "a"}}[other]
        method = "POST" if other else "PATCH"
        assert api(method, f"/api/drift/incidents/{INCIDENT.incident_id}{other}", document)[0] == 404


# --- the signed webhook -----------------------------------------------------------------------------

NOTE = {"incidentId": "INC-0000D001", "segmentId": "high-value", "severity": "HIGH", "note": "re-extracted"}


def deliver(desk: Desk, document: object, message: str = "msg_1", at: datetime | None = None) -> tuple[int, dict]:
    wb = replace(desk.wb.ctx, settings=desk.wb.ctx.settings.model_copy(update=SIGNED))
    from server.routes import routes

    signed = replace(desk, routes=routes(lambda: replace(desk.wb, ctx=wb), desk.identity))
    text, when = json.dumps(document), at or desk.clock.at
    signature = Webhook(SECRET).sign(message, when, text)
    headers = {"webhook-id": message, "webhook-timestamp": str(int(when.timestamp())), "webhook-signature": signature}
    reply = signed.client().post("/webhook/drift", content=text, headers=headers)
    return reply.status_code, reply.json()


SIGNED = {"telltale_webhook_secrets": SecretStr(f"drift={SECRET}")}


def test_a_signed_note_is_kept_on_the_incident_once(stocked: Desk, api: Api) -> None:
    """PU-22."""
    assert deliver(stocked, NOTE) == (200, {"incidentId": "INC-0000D001", "status": "OPEN"})
    incident = api("GET", "/api/drift/incidents/INC-0000D001")[1]
    assert [(n["severity"], n["text"], n["actor"]) for n in incident["notes"]] == [
        ("HIGH", "re-extracted", "sender:drift")
    ]
    events = [e["event"] for e in incident["timeline"][-2:]]
    assert events == ["sender:drift says HIGH: re-extracted", "proposed: Extract the people of high-value again"]
    assert stocked.actions()[:2] == ["action_proposed", "incident_noted"]
    (proposed,) = actions.of_incident(stocked.wb, local(stocked.wb.tenant), "INC-0000D001")
    assert (proposed.state, proposed.proposal.requires_approval, proposed.mode) == ("PROPOSED", True, "dry_run")
    assert proposed.proposal.blocked  # no webhook is set up to carry it out
    assert deliver(stocked, NOTE)[0] == 401


def test_a_malformed_or_unknown_note_is_refused(stocked: Desk) -> None:
    for i, (change, status, field) in enumerate(
        (
            ({"incidentId": "INC-00000000"}, 404, "incident"),
            ({"incidentId": INCIDENT.incident_id}, 404, "incident"),
            ({"segmentId": "trial"}, 400, "segmentId"),
            ({"severity": "AWFUL"}, 400, "severity"),
            ({"severity": 3}, 400, "severity"),
            ({"more": 1}, 400, "more"),
        )
    ):
        found, reply = deliver(stocked, {**NOTE, **change}, f"msg_{i}")
        assert (found, reply["error"]["field"]) == (status, field)
    assert deliver(stocked, NOTE, "msg_old", stocked.clock.at - timedelta(minutes=6))[0] == 401


def test_a_note_without_a_signature_is_refused(stocked: Desk) -> None:
    assert Api(stocked, {})("POST", "/webhook/drift", NOTE)[0] == 401
    assert Api(stocked, stocked.token("admin"))("POST", "/webhook/drift", NOTE)[0] == 401
