"""Signed webhooks: each message of a known sender once, everything else 401."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from core.access import Principal
from core.errors import ConfigError
from server.errors import Unauthorized
from server.security import GuardedRoute, Signed
from server.signatures import message_id, sender
from tests.api.desk import SECRET, Desk

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
BODY = b'{"alert": "late"}'


def signed(at: datetime, body: bytes = BODY, id_: str = "msg_1", secret: str = SECRET) -> dict[str, str]:
    signature = Webhook(secret).sign(id_, at, body.decode())
    return {"webhook-id": id_, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


@pytest.fixture
def hook(desk: Desk) -> TestClient:
    def verify(request: Request, body: bytes) -> Principal:
        return sender(desk.wb, request.path_params["name"], "acme", request.headers, body)

    async def take(request: Request) -> Response:
        """Who sent what."""
        return JSONResponse([request.state.principal.user, (await request.body()).decode()])

    rule = Signed(verify)
    return desk.client(GuardedRoute("/webhook/{name}", take, rule=rule, identify=desk.identity, methods=["POST"]))


def test_a_signed_message_is_taken_once(desk: Desk, hook: TestClient) -> None:
    headers = signed(desk.clock.at)
    reply = hook.post("/webhook/grafana", content=BODY, headers=headers)
    assert reply.json() == ["sender:grafana", BODY.decode()]
    again = hook.post("/webhook/grafana", content=BODY, headers=headers)
    assert (again.status_code, again.json()["error"]["message"]) == (401, "This message was taken before.")
    assert hook.post("/webhook/grafana", content=BODY, headers=signed(desk.clock.at, id_="msg_2")).status_code == 200


def test_a_sender_may_report_and_never_approve(desk: Desk) -> None:
    who = sender(desk.wb, "grafana", "acme", signed(desk.clock.at), BODY)
    assert (who.tenant, who.can("incidents:write")) == ("acme", True)
    assert not who.can("actions:approve")
    assert not who.can("tools:manage")


@pytest.mark.parametrize("name", ["pager", "nobody", "grafana%00", "*"])
def test_an_unknown_sender_or_another_tenants_is_refused(desk: Desk, hook: TestClient, name: str) -> None:
    assert hook.post(f"/webhook/{name}", content=BODY, headers=signed(desk.clock.at)).status_code == 401


def test_a_message_over_the_limit_is_refused_before_its_signature(desk: Desk, hook: TestClient) -> None:
    assert hook.post("/webhook/grafana", content=b"x" * 1_100_000, headers=signed(desk.clock.at)).status_code == 413


@pytest.mark.parametrize("off", [-301, 301])
def test_a_message_of_another_time_is_refused(off: int) -> None:
    headers = signed(NOW + timedelta(seconds=off))
    with pytest.raises(Unauthorized):
        message_id(headers, BODY, SECRET, NOW)
    assert message_id(signed(NOW + timedelta(seconds=off - off // abs(off))), BODY, SECRET, NOW) == "msg_1"


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed(NOW)
    headers["webhook-signature"] = f"v1,AAAA v1a,x {headers['webhook-signature']}"
    assert message_id(headers, BODY, SECRET, NOW) == "msg_1"


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "msg_2"}, BODY),
        ({"webhook-timestamp": str(int(NOW.timestamp()) + 1)}, BODY),
        ({"webhook-signature": ""}, BODY),
        (signed(NOW, secret="whsec_" + base64.b64encode(b"another-secret").decode()), BODY),
        ({}, b"\xff\xfe"),
    ],
)
def test_anything_changed_is_refused(changed: Mapping[str, str], body: bytes) -> None:
    with pytest.raises(Unauthorized):
        message_id({**signed(NOW), **changed}, body, SECRET, NOW)


def test_a_secret_that_is_none_is_the_operators_fault() -> None:
    for secret in ("", "whsec_", "whsec_é"):
        with pytest.raises(ConfigError):
            message_id(signed(NOW), BODY, secret, NOW)


odd = st.text(max_size=40) | st.sampled_from(["v1,", "v1,==", ",", " ", "1e9", "-1", "nan", "inf", "٣", "9" * 30])


@settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(odd, odd, odd, st.binary(max_size=40))
@example("msg_1", str(int(NOW.timestamp())), "v1,é", b"")
def test_ten_thousand_malformed_messages_are_refused_without_a_fault(id_: str, at: str, sig: str, body: bytes) -> None:
    headers = {"webhook-id": id_, "webhook-timestamp": at, "webhook-signature": sig}
    with pytest.raises(Unauthorized):
        message_id(headers, body, SECRET, NOW)
