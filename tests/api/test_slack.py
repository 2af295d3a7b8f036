"""Approving in Slack: genuine presses of known people only, and the message says what became of it (DP-18, DP-19)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.access import Principal
from core.bootstrap import build
from core.errors import WorkbenchError
from core.model import Action, ActionState, Proposal
from core.service import actions, answers, execution, people
from core.service.execution import Verdict
from core.service.workbench import Workbench
from core.settings import Settings
from server.identity import Identity, answering
from server.routes import slack
from tests.api.desk import Hand
from tests.store.samples import INCIDENT

SECRET = "test-secret"
ADMIN = Principal("cli", "acme", "admin")
THERE = "/webhook/integrations/slack"
OURS = replace(INCIDENT, playbook="service_incidents", subject="payment-service")
ROLLBACK = Proposal(
    action_type="rollback",
    title="Roll back payment-service",
    description="To v2.3.9.",
    eta_minutes=5,
    risk_score=0.2,
    params={"target_version": "v2.3.9"},
    adapter="sandbox",
)


@dataclass
class Corner:
    """A workbench with a Slack app whose API is a server on this machine."""

    wb: Workbench
    clock: Hand
    server: HTTPServer

    def propose(self) -> Action:
        return actions.propose(self.wb, OURS, [ROLLBACK])[0]

    def client(self) -> TestClient:
        mounted = slack.routes(lambda: self.wb, Identity(lambda: self.wb, None))
        app = Starlette(routes=mounted, exception_handlers={WorkbenchError: answering(lambda: self.wb)})
        return TestClient(app, base_url="http://127.0.0.1:8501")

    def press(self, value: str, user: str = "U0ANA", ts: str = "1.1", **headers: str) -> Any:
        body = pressed(value, user, ts)
        signed = {**signature(body, int(self.clock.now().timestamp())), **headers}
        return self.client().post(THERE, content=body, headers={k: v for k, v in signed.items() if v})

    def state(self, action: Action) -> ActionState:
        return actions.get(self.wb, ADMIN, action.action_id).state

    def said(self) -> list[Any]:
        """What Slack was told to show, oldest first."""
        return [request.get_json() for request, _ in self.server.log]


def pressed(value: str, user: str, ts: str) -> bytes:
    button = {"type": "button", "action_id": "answer_0", "action_ts": ts, **({"value": value} if value else {})}
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": "T0"},
        "container": {"type": "message", "message_ts": "1700.1", "channel_id": "C0OPS"},
        "actions": [button],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def signature(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    signed = hmac.new(secret.encode(), b"v0:%d:" % at + body, hashlib.sha256).hexdigest()
    return {
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={signed}",
        "content-type": "application/x-www-form-urlencoded",
    }


@pytest.fixture
def corner(tmp_path: Path, httpserver: HTTPServer) -> Iterator[Corner]:
    clock = Hand()
    httpserver.expect_request("/api/chat.update").respond_with_json({"ok": True})
    settings = Settings(
        _env_file=None,
        telltale_home=tmp_path,
        telltale_tenant="acme",
        telltale_live_actions=True,
        slack_bot_token=SecretStr("xoxb-canary-token"),
        slack_channel="C0OPS",
        slack_signing_secret=SecretStr(SECRET),
        slack_api_url=httpserver.url_for("/api"),
    )
    wb = build(settings, clock)
    with wb.store.begin() as books:
        books.incidents.add(OURS)
    for name, role, slack_id in (("ana", "responder", "U0ANA"), ("vera", "viewer", "U0VERA")):
        user = people.add_user(wb, ADMIN, f"{name}@acme.example", role)
        people.set_slack(wb, ADMIN, user.id, slack_id)
    yield Corner(wb, clock, httpserver)
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]


def value(action: Action, word: str = "approve") -> str:
    return f"{word}|{action.incident_id}|{action.action_id}"


def test_dp19_a_responder_approves_in_slack_and_the_message_follows(corner: Corner) -> None:
    action = corner.propose()
    reply = corner.press(value(action))
    assert (reply.status_code, reply.content) == (200, b"")
    done = actions.get(corner.wb, ADMIN, action.action_id)
    assert (done.state, done.approvals) == (ActionState.EXECUTED, ("ana@acme.example",))
    first, second = corner.said()
    assert (first["channel"], first["ts"]) == ("C0OPS", "1700.1")
    assert "Approved, being carried out" in first["text"]
    assert "Carried out: Roll back payment-service" in second["text"]
    assert "approve|" not in json.dumps(second)  # no button is left
    assert "ana@acme.example" in json.dumps(second)
    incident = actions.history(corner.wb, ADMIN, action.incident_id)[1]
    assert (incident.approved_by, incident.decision["reason"]) == ("ana@acme.example", "approved in Slack")


def test_dp19_a_rejection_in_slack_calls_nothing(corner: Corner) -> None:
    action = corner.propose()
    assert corner.press(value(action, "reject")).status_code == 200
    assert corner.state(action) is ActionState.REJECTED
    assert "Rejected: Roll back" in corner.said()[0]["text"]
    assert execution.tick(corner.wb, {}) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "abc"},
        {"x-slack-signature": "v1=" + "0" * 64},
    ],
)
def test_dp19_scenario5_a_forged_press_is_401_and_nothing_changes(corner: Corner, headers: dict[str, str]) -> None:
    action = corner.propose()
    assert corner.press(value(action), **headers).status_code == 401
    assert corner.state(action) is ActionState.PROPOSED
    assert corner.said() == []


@pytest.mark.parametrize("off", [-301, 301])
def test_dp19_a_press_that_is_too_old_or_too_new_is_refused(corner: Corner, off: int) -> None:
    action = corner.propose()
    body = pressed(value(action), "U0ANA", "1.1")
    late = signature(body, int(corner.clock.now().timestamp()) + off)
    assert corner.client().post(THERE, content=body, headers=late).status_code == 401
    assert corner.state(action) is ActionState.PROPOSED


def test_dp19_the_golden_signature_is_taken(corner: Corner) -> None:
    body = b"payload=%7B%7D"
    assert signature(body, 1700000000)["x-slack-signature"] == (
        "v0=afce71d67fa783c5de9016095ace7275b04577cf9e6c394b6b076c6ac06bd2c9"
    )
    corner.clock.at = corner.clock.at.fromtimestamp(1700000000, corner.clock.at.tzinfo)
    reply = corner.client().post(THERE, content=body, headers=signature(body, 1700000000))
    assert reply.status_code == 400  # genuine, but no button was pressed


def test_dp19_a_replayed_press_is_refused(corner: Corner) -> None:
    action = corner.propose()
    assert corner.press(value(action, "reject")).status_code == 200
    assert corner.press(value(action, "reject")).status_code == 401


def test_dp19_the_slack_user_must_be_mapped_to_somebody_who_may(corner: Corner) -> None:
    action = corner.propose()
    assert corner.press(value(action), user="U0NOBODY").status_code == 403
    assert corner.press(value(action), user="U0VERA").status_code == 403
    ana = next(u for u in people.users(corner.wb, ADMIN) if u.email.startswith("ana"))
    people.set_disabled(corner.wb, ADMIN, ana.id, disabled=True)
    assert corner.press(value(action)).status_code == 403
    assert corner.state(action) is ActionState.PROPOSED


def test_dp16_a_second_approve_in_slack_is_400_and_the_message_says_what_was_decided(corner: Corner) -> None:
    action = corner.propose()
    actions.reject(corner.wb, ADMIN, action.action_id, "wrong cause")
    assert corner.press(value(action)).status_code == 400
    assert "Rejected: Roll back" in corner.said()[0]["text"]
    assert "wrong cause" in json.dumps(corner.said()[0])


@pytest.mark.parametrize("bad", ["approve|INC-1|ACT-1", "delete|INC-0000AAAA|ACT-0000000000000000", "x"])
def test_a_button_of_somebody_else_is_not_understood(corner: Corner, bad: str) -> None:
    assert corner.press(bad).status_code == 400


def test_a_link_button_is_only_acknowledged_and_a_foreign_action_not_found(corner: Corner) -> None:
    assert corner.press("").status_code == 200
    action = corner.propose()
    assert corner.press(f"approve|INC-FFFFFFFF|{action.action_id}", ts="2.1").status_code == 404
    assert corner.state(action) is ActionState.PROPOSED


def test_dp19_the_bypass_works_only_outside_production(corner: Corner) -> None:
    action = corner.propose()

    def unsigned(production: bool) -> int:
        known = corner.wb.ctx.settings.model_copy(
            update={"slack_unsigned": True, "telltale_production": production, "slack_signing_secret": None}
        )
        bench = replace(corner, wb=replace(corner.wb, ctx=replace(corner.wb.ctx, settings=known)))
        body = pressed(value(action, "reject"), "U0ANA", "3.1")
        return int(bench.client().post(THERE, content=body).status_code)

    assert unsigned(production=True) == 401
    assert unsigned(production=False) == 200


def test_a_slack_that_is_down_does_not_undo_a_decision(corner: Corner) -> None:
    corner.server.clear()
    corner.server.expect_request("/api/chat.update").respond_with_json({"ok": False, "error": "fatal_error"}, 500)
    action = corner.propose()
    assert corner.press(value(action)).status_code == 200
    assert corner.state(action) is ActionState.APPROVED
    assert execution.tick(corner.wb, {}) == 1
    assert corner.state(action) is ActionState.EXECUTED


def test_the_message_follows_a_decision_on_the_page_once_for_each_state(corner: Corner) -> None:
    action = corner.propose()
    asked = replace(corner.wb.channels["slack_bot"].compose(answers.message(corner.wb, OURS, action)), run_id="r")
    with corner.wb.store.begin() as books:
        queued = books.outbox.enqueue(asked, "acme", "system", corner.clock.now())
        books.outbox.mark_sent(queued.id, "C0OPS:1700.9", corner.clock.now())
    shown = answers.Shown()
    assert shown.refresh(corner.wb) == 0
    actions.approve(corner.wb, ADMIN, action.action_id)
    assert [shown.refresh(corner.wb), shown.refresh(corner.wb)] == [1, 0]
    execution.tick(corner.wb, {})
    assert shown.refresh(corner.wb) == 1
    corner.clock.at += timedelta(seconds=20)
    execution.tick(corner.wb, {"service_incidents": lambda _wb, _a: Verdict(True, "0.2 % of 5 %")})
    assert shown.refresh(corner.wb) == 1
    last = corner.said()[-1]
    assert (last["ts"], len(corner.said())) == ("1700.9", 3)
    assert "it helped" in last["text"]
    assert "xoxb-canary-token" not in json.dumps(corner.said())
