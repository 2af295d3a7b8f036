"""The addresses of E2-30: good, bad, forbidden, unauthenticated and foreign requests for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from core.access import SCOPES
from core.model import Incident, IncidentStatus, Severity
from tests.api.desk import Desk
from tests.store.samples import INCIDENT

OWN = {"x-tenant-id": "acme"}
PAID = {
    "source": "shopify",
    "event_type": "order_paid",
    "event_id": "e1",
    "order_id": "SO-1",
    "occurred_at": "2025-08-18T10:00:00Z",
    "total_amount_cents": 12_345,
    "fragile": True,
}
PICKED = {**PAID, "source": "wms", "event_type": "pick_completed", "event_id": "e2"}


class Api:
    """A client with the headers of one role."""

    def __init__(self, desk: Desk, headers: Mapping[str, str]) -> None:
        self.client: TestClient = desk.client()
        self.headers = dict(headers)

    def __call__(self, method: str, path: str, document: object = None, **more: str) -> tuple[int, dict]:
        headers = {**self.headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        reply = self.client.request(method, path, headers=headers, json=document)
        return reply.status_code, reply.json()

    def send(self, path: str, content: bytes, kind: str = "application/json") -> tuple[int, dict]:
        reply = self.client.post(path, headers={**self.headers, "content-type": kind}, content=content)
        return reply.status_code, reply.json()


def late(incident_id: str, reason: str, severity: Severity, order: str, **more: object) -> Incident:
    own = replace(
        INCIDENT,
        incident_id=incident_id,
        tenant="acme",
        playbook="order_sla",
        dedup_key=f"order:acme:{order}:{reason}",
        type=reason,
        subject=order,
        severity=severity,
        status=IncidentStatus.OPEN,
    )
    return replace(own, **more)  # type: ignore[arg-type]


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """Two exceptions of our tenant and one of another."""
    with desk.wb.store.begin() as books:
        books.incidents.add(late("INC-0000E001", "PICK_DELAY", Severity.MEDIUM, "SO-1"))
        books.incidents.add(late("INC-0000E002", "CARRIER_ISSUE", Severity.HIGH, "SO-2"))
        books.incidents.add(late("INC-0000E003", "PICK_DELAY", Severity.MEDIUM, "SO-1", tenant="other"))
    return desk


@pytest.fixture
def api(stocked: Desk) -> Api:
    return Api(stocked, {**stocked.token("responder"), **OWN})


@pytest.fixture
def admin(stocked: Desk) -> Api:
    return Api(stocked, {**stocked.token("admin"), **OWN})


def stored(desk: Desk, tenant: str = "acme") -> int:
    with desk.wb.store.read() as books:
        return books.order_events.count(tenant)


ROUTES = [
    ("POST", "/ingest/events", PAID, "incidents:write"),
    ("POST", "/ingest/shopify", PAID, "incidents:write"),
    ("POST", "/ingest/wms", PICKED, "incidents:write"),
    ("POST", "/ingest/carrier", {**PAID, "source": "carrier", "event_type": "delivered"}, "incidents:write"),
    ("POST", "/ingest/batch", [PAID], "incidents:write"),
    ("GET", "/exceptions", None, "incidents:read"),
    ("GET", "/exceptions/stats", None, "incidents:read"),
    ("GET", "/exceptions/INC-0000E001", None, "incidents:read"),
    ("PATCH", "/exceptions/INC-0000E001", {"status": "ACKNOWLEDGED"}, "incidents:write"),
    ("POST", "/exceptions/INC-0000E001/resolve", {}, "incidents:write"),
    ("POST", "/admin/replay", {}, "tools:manage"),
    ("GET", "/admin/dlq", None, "tools:manage"),
    ("POST", "/admin/lint-policy", {"policy": ""}, "tools:manage"),
]


def test_every_address_has_its_scope_and_wants_the_own_tenant(stocked: Desk) -> None:
    """E2-04: a tenant that is missing or too long is 400, another one is 403, and none of it changes anything."""
    nobody = Api(stocked, OWN)
    for method, path, document, scope in ROUTES:
        assert nobody(method, path, document)[0] == 401, path
        for role in ("viewer", "responder", "admin"):
            api = Api(stocked, stocked.token(role))
            if scope not in SCOPES[role]:
                assert api(method, path, document, x_tenant_id="acme")[0] == 403, (role, path)
                continue
            for named, status in (("", 400), ("a" * 65, 400), ("a" * 64, 403), ("other", 403), ("ACME", 403)):
                found, reply = api(method, path, document, x_tenant_id=named)
                assert (found, reply["error"]["field"]) == (status, "X-Tenant-Id"), (path, named)
            status, reply = api(method, path, document)
            assert (status, reply["error"]["message"][:22]) == (400, "X-Tenant-Id is missing"), path
    assert stored(stocked) == 0
    with stocked.wb.store.read() as books:
        assert books.incidents.get("acme", "INC-0000E001").status is IncidentStatus.OPEN


def test_one_event_is_stored_once(stocked: Desk, api: Api) -> None:
    """E2-01: also when the process that knew its key is gone."""
    status, first = api("POST", "/ingest/events", PAID)
    assert (status, first["status"], first["event_id"], first["source"]) == (201, "stored", "e1", "shopify")
    assert first["correlation_id"].startswith("ord-")
    assert api("POST", "/ingest/shopify", PAID) == (200, {**first, "status": "duplicate"})
    object.__setattr__(stocked.wb, "known_events", type(stocked.wb.known_events)(10))
    assert api("POST", "/ingest/events", PAID) == (200, {**first, "status": "duplicate"})
    assert stored(stocked) == 1
    assert api("POST", "/ingest/wms", {k: v for k, v in PICKED.items() if k != "source"})[0] == 201
    assert api("POST", "/ingest/wms", PICKED)[1]["correlation_id"] == first["correlation_id"]


def test_events_are_not_held_up_by_the_limit_of_other_requests(stocked: Desk, api: Api) -> None:
    """A sender may tell 100 times as many a minute as others may ask."""
    burst = [api("POST", "/ingest/events", {**PAID, "event_id": f"b{i}"})[0] for i in range(120)]
    assert set(burst) == {201}
    asked = [api("GET", "/exceptions/stats")[0] for _ in range(120)]
    assert (asked[0], asked[-1]) == (200, 429)


def test_tenants_are_apart(stocked: Desk, api: Api) -> None:
    """E2-04: the same event of another tenant is another event, also for what is kept in memory."""
    other = Api(stocked, {**stocked.token("admin", "other"), "x-tenant-id": "other"})
    assert api("POST", "/ingest/events", PAID)[1]["status"] == "stored"
    status, theirs = other("POST", "/ingest/events", PAID)
    assert (status, theirs["status"]) == (201, "stored")
    assert theirs["correlation_id"] != api("POST", "/ingest/events", PAID)[1]["correlation_id"]
    assert (stored(stocked), stored(stocked, "other")) == (1, 1)
    assert [i["incident_id"] for i in other("GET", "/exceptions")[1]["items"]] == ["INC-0000E003"]
    assert other("GET", "/exceptions/stats")[1]["total"] == 1
    for method, path, document, _ in ROUTES:
        if "INC-0000E001" in path:
            assert other(method, path, document)[0] == 404, path
    api("POST", "/ingest/batch", [{}])
    assert other("GET", "/admin/dlq")[1]["total"] == 0
    (letter,) = Api(stocked, {**stocked.token("admin"), **OWN})("GET", "/admin/dlq")[1]["items"]
    assert other("POST", "/admin/replay", {"ids": [letter["id"]]})[0] == 404


def test_two_identical_posts_at_once_are_one_row(stocked: Desk, api: Api) -> None:
    """E2-02."""
    ready = Barrier(2)

    def post(_turn: int) -> str:
        client = Api(stocked, api.headers)
        ready.wait()
        return client("POST", "/ingest/events", PAID)[1]["status"]

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(post, range(2))) == ["duplicate", "stored"]
    assert stored(stocked) == 1


BAD = [
    ({**PAID, "event_type": "pick_completed"}, "event_type"),
    ({**PAID, "source": "sap"}, "source"),
    ({**PAID, "event_id": ""}, "event_id"),
    ({**PAID, "event_id": "x" * 129}, "event_id"),
    ({**PAID, "order_id": 7}, "order_id"),
    ({**PAID, "occurred_at": "yesterday"}, "occurred_at"),
    ({**PAID, "occurred_at": "2025-02-30T10:00:00Z"}, "occurred_at"),
    ({**PAID, "fragile": "yes"}, "fragile"),
    ({**PAID, "items_count": -1}, "items_count"),
    ({**PAID, "payload": []}, "payload"),
    ({k: v for k, v in PAID.items() if k != "occurred_at"}, "occurred_at"),
    ([PAID], "event"),
    ("x", "event"),
    (None, "event"),
]


def test_a_bad_event_is_refused_by_field(stocked: Desk, api: Api) -> None:
    """E2-05."""
    for document, field in BAD:
        status, reply = api.send("/ingest/events", json.dumps(document).encode())
        assert (status, reply["error"]["code"], reply["error"]["field"]) == (400, "input", field), document
    assert api("POST", "/ingest/wms", PAID)[1]["error"]["field"] == "source"
    for raw in (b"", b"{", b"\xff", b'{"event_id": NaN}', b"[" * 100_000):
        status, reply = api.send("/ingest/events", raw)
        assert (status, reply["error"]["field"]) == (400, "body"), raw[:20]
    assert stored(stocked) == 0


def test_a_body_over_the_limit_is_refused(stocked: Desk, api: Api) -> None:
    """E2-05: 1,048,576 bytes are taken, one more is not."""
    room = 1_048_576 - len(json.dumps({**PAID, "note": ""}).encode())
    for path in ("/ingest/events", "/ingest/shopify"):
        assert api.send(path, json.dumps({**PAID, "note": "x" * room}).encode())[0] in (200, 201)
    for _, path, _, scope in ROUTES[:5]:
        status, reply = api.send(path, b" " * 1_048_577)
        assert (status, reply["error"]["code"]) == (413, "too_large"), scope
    assert stored(stocked) == 1


def test_a_batch_keeps_good_rows_and_lists_bad_ones(stocked: Desk, api: Api) -> None:
    """E2-05."""
    rows = [PAID, {**PAID, "event_id": ""}, PICKED, PAID, {"event_id": "e9"}]
    for document in (rows, {"events": rows}):
        status, reply = api("POST", "/ingest/batch", document)
        assert status == 200
        assert [(e["index"], e["field"], e["event_id"]) for e in reply["errors"]] == [
            (1, "event_id", ""),
            (4, "source", "e9"),
        ]
        first = document is rows
        assert (reply["stored"], reply["duplicates"], reply["rejected"]) == ((2, 1, 2) if first else (0, 3, 2))
        kinds = ["stored", "rejected", "stored", "duplicate", "rejected"] if first else None
        assert kinds is None or [r["status"] for r in reply["results"]] == kinds
    assert stored(stocked) == 2
    for bad in ({}, {"events": {}}, "x", 3, None):
        status, reply = api.send("/ingest/batch", json.dumps(bad).encode())
        assert (status, reply["error"]["field"]) == (400, "events")
    assert api("POST", "/ingest/batch", [])[1]["stored"] == 0


def test_files_are_taken_by_line(stocked: Desk, api: Api) -> None:
    """E2-05: the line is that of the file, its head counted."""
    head = "source,event_type,event_id,order_id,occurred_at,fragile,items_count,payload,note\n"
    body = (
        'shopify,order_paid,e1,SO-1,2025-08-18T10:00:00Z,true,3,"{""zip"":""1""}",hello\n'
        "wms,pick_completed,e2,SO-1,2025-08-18,,,,\n"
        "wms,pick_completed,e3,SO-1,2025-08-18T11:00:00Z,maybe,,,\n"
    )
    status, reply = api.send("/ingest/batch", (head + body).encode(), "text/csv; charset=utf-8")
    assert (status, reply["stored"], reply["rejected"]) == (200, 1, 2)
    assert [(e["line"], e["field"]) for e in reply["errors"]] == [(3, "occurred_at"), (4, "fragile")]
    lines = f"{json.dumps(PAID)}\n\n{{\n{json.dumps(PICKED)}\n"
    status, reply = api.send("/ingest/batch", lines.encode(), "application/x-ndjson")
    assert (reply["stored"], reply["duplicates"], [e["line"] for e in reply["errors"]]) == (1, 1, [3])
    assert stocked.actions()[:2] == ["events_uploaded", "events_uploaded"]


# --- exceptions -------------------------------------------------------------------------------------


def test_exceptions_are_filtered_and_paged(api: Api) -> None:
    for query, expected in (
        ("", {"INC-0000E001", "INC-0000E002"}),
        ("reason=PICK_DELAY", {"INC-0000E001"}),
        ("reason=pick_delay,CARRIER_ISSUE", {"INC-0000E001", "INC-0000E002"}),
        ("severity=high", {"INC-0000E002"}),
        ("status=RESOLVED", set()),
        ("order_id=SO-2", {"INC-0000E002"}),
        ("order_id=SO-9", set()),
    ):
        status, reply = api("GET", f"/exceptions?{query}")
        assert (status, {i["incident_id"] for i in reply["items"]}) == (200, expected), query
    status, reply = api("GET", "/exceptions?page_size=1&sort=severity")
    assert ([i["incident_id"] for i in reply["items"]], reply["total"]) == (["INC-0000E002"], 2)
    for query, field in (
        ("status=x", "status"),
        ("severity=x", "severity"),
        ("reason=x", "reason"),
        ("page=0", "page"),
    ):
        status, reply = api("GET", f"/exceptions?{query}")
        assert (status, reply["error"]["field"]) == (400, field)


def test_an_exception_is_read_changed_and_resolved(stocked: Desk, api: Api) -> None:
    path = "/exceptions/INC-0000E001"
    assert api("GET", path)[1]["type"] == "PICK_DELAY"
    assert api("PATCH", path, {"status": "SOLVED"})[1]["error"]["field"] == "status"
    assert api("PATCH", path, {"severity": "LOW"})[0] == 400
    assert api("PATCH", path, {"status": "CLOSED"})[0] == 409
    assert api("PATCH", path, {"status": "dismissed"})[1]["error"]["field"] == "reason"
    status, changed = api("PATCH", path, {"status": "acknowledged"})
    assert (status, changed["status"]) == (200, "ACKNOWLEDGED")
    outdated = {"status": "IN_PROGRESS", "updated_at": "2020-01-01T00:00:00Z"}
    assert api("PATCH", path, outdated)[0] == 409
    assert api("POST", f"{path}/resolve", {"resolved_by": "somebody"})[0] == 400
    status, done = api("POST", f"{path}/resolve", {"reason": "picked"})
    assert (status, done["status"], done["resolved_at"]) == (200, "RESOLVED", stocked.clock.at.isoformat())
    assert done["resolved_by"] == done["timeline"][-1]["actor"] != ""
    assert api("POST", f"{path}/resolve", {})[0] == 409
    assert api("GET", "/exceptions/stats")[1] == {
        "total": 2,
        "active": 1,
        "by_status": {
            **dict.fromkeys(["ACKNOWLEDGED", "IN_PROGRESS", "MITIGATED", "CLOSED", "DISMISSED"], 0),
            "OPEN": 1,
            "RESOLVED": 1,
        },
        "by_severity": {"LOW": 0, "MEDIUM": 1, "HIGH": 1, "CRITICAL": 0},
        "by_reason": {"CARRIER_ISSUE": 1, "PICK_DELAY": 1},
        "active_by_reason": {"CARRIER_ISSUE": 1},
    }
    for other in (INCIDENT.incident_id, "INC-00000000", "INC-0000E003"):  # of another playbook, nobody's, another's
        assert api("GET", f"/exceptions/{other}")[0] == 404
        assert api("PATCH", f"/exceptions/{other}", {"status": "ACKNOWLEDGED"})[0] == 404
        assert api("POST", f"/exceptions/{other}/resolve", {})[0] == 404


# --- the policy -------------------------------------------------------------------------------------


def test_a_policy_is_linted(admin: Api) -> None:
    """E2-20: an incomplete policy misses its core minutes (high) and its multipliers (medium)."""
    status, reply = admin("POST", "/admin/lint-policy", {"policy": "sla:\n  pack_minutes: 180\n  ship_minutes: 1440\n"})
    assert status == 200
    assert all(set(i) >= {"type", "severity", "message", "suggested_fix", "line_number"} for i in reply["issues"])
    found = {(word, i["severity"]) for i in reply["issues"] for word in i["message"].split() if "pick_minutes" in word}
    assert {severity for _, severity in found} == {"high"}
    assert admin("POST", "/admin/lint-policy", {})[1]["error"]["field"] == "policy"
    assert admin("POST", "/admin/lint-policy", {"policy": 3})[0] == 400


# --- dead letters -----------------------------------------------------------------------------------


def refuse(desk: Desk, *, refuse: bool) -> None:
    """Makes the database itself refuse every order event, or take them again."""
    engine = create_engine(desk.wb.ctx.settings.database_url)
    with engine.begin() as connection:
        if refuse:
            body = "BEFORE INSERT ON order_events BEGIN SELECT RAISE(ABORT, 'no'); END"
            connection.execute(text(f"CREATE TRIGGER broken {body}"))
        else:
            connection.execute(text("DROP TRIGGER broken"))
    engine.dispose()


def test_an_event_the_store_refuses_waits_and_is_replayed_once(stocked: Desk, api: Api, admin: Api) -> None:
    """E2-06."""
    refuse(stocked, refuse=True)
    status, reply = api("POST", "/ingest/events", PAID)
    assert (status, reply["status"]) == (202, "queued")
    assert api("POST", "/ingest/events", PAID)[0] == 202
    (letter,) = admin("GET", "/admin/dlq?state=pending")[1]["items"]
    assert (letter["status"], letter["attempts"], letter["event_id"]) == ("PENDING", 1, "e1")
    assert letter["correlation_id"] == reply["correlation_id"]
    wait = datetime.fromisoformat(letter["next_retry"]) - stocked.clock.at
    assert timedelta(seconds=1) <= wait <= timedelta(seconds=1.25)
    assert admin("POST", "/admin/replay", {"ids": [letter["id"]]})[1]["pending"] == 1
    refuse(stocked, refuse=False)
    for done in (1, 0):
        status, reply = admin("POST", "/admin/replay", {})
        assert (status, reply["processed"], reply["failed"]) == (200, done, 0)
    assert admin("POST", "/admin/replay", {"ids": [letter["id"]]})[1]["processed"] == 1
    assert stored(stocked) == 1
    (letter,) = admin("GET", "/admin/dlq")[1]["items"]
    assert (letter["status"], letter["attempts"], letter["next_retry"], letter["error"]) == ("PROCESSED", 3, None, "")
    assert admin("GET", "/admin/dlq")[1]["depth"] == 0
    assert api("POST", "/ingest/events", PAID)[0] == 200
    assert stocked.actions().count("events_replayed") == 4


def test_bad_events_are_dead_letters_that_waiting_does_not_mend(stocked: Desk, api: Api, admin: Api) -> None:
    for _ in range(2):  # told again, it is the same letter
        api("POST", "/ingest/batch", [{**PAID, "event_id": ""}, "x", PAID])
    status, reply = admin("GET", "/admin/dlq")
    assert (status, reply["total"], reply["depth"]) == (200, 2, 2)
    assert {(i["status"], i["field"], i["next_retry"]) for i in reply["items"]} == {
        ("FAILED", "event_id", None),
        ("FAILED", "event", None),
    }
    assert admin("POST", "/admin/replay", {})[1]["failed"] == 2
    assert [i["attempts"] for i in admin("GET", "/admin/dlq")[1]["items"]] == [2, 2]
    assert admin("GET", "/admin/dlq?page_size=1&page=2")[1]["total"] == 2
    for query in ("state=x", "page_size=101", "page=x"):
        assert admin("GET", f"/admin/dlq?{query}")[0] == 400
    assert admin("POST", "/admin/replay", {"ids": ["DLQ-0"]})[0] == 404
    assert admin("POST", "/admin/replay", {"ids": "all"})[1]["error"]["field"] == "ids"
    assert admin("POST", "/admin/replay", {"letters": []})[0] == 400


def test_nothing_is_acknowledged_while_the_store_is_down(stocked: Desk, api: Api) -> None:
    engine = create_engine(stocked.wb.ctx.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events RENAME TO gone"))
        connection.execute(text("ALTER TABLE dead_letters RENAME TO gone_too"))
    engine.dispose()
    for path, document in (("/ingest/events", PAID), ("/ingest/batch", [PAID])):
        status, reply = api("POST", path, document)
        assert (status, reply["error"]["code"]) == (503, "store")
    assert stocked.wb.known_events.among(["idempo:acme:shopify:e1"], datetime(2020, 1, 1, tzinfo=UTC)) == frozenset()
