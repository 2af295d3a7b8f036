"""Slack, Jira and Airflow as a workbench meets them: real HTTP on this machine, answering as their documents say."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

SECRET, CHANNEL, TICKET, DAG = "signing-secret-of-the-app", "C0OPS", "OPS-1234", "roll_back_service"
HELD_S = 8.0  # shorter than the patience of the remedy


@dataclass
class Town:
    """The three services on one server, and what they were told."""

    http: HTTPServer
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)  # of Slack, by ts, as they are shown now
    updates: list[tuple[str, str]] = field(default_factory=list)  # (ts, text) in the order they came
    ticket: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    statuses: list[str] = field(default_factory=lambda: ["To Do"])
    started: list[tuple[dict[str, Any], str]] = field(default_factory=list)  # DAG runs with their Idempotency-Key
    asked: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)
    waited_in_vain: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.port}"

    def settings(self) -> dict[str, str]:
        """What points a workbench here."""
        return {
            "SLACK_BOT_TOKEN": "xoxb-test",
            "SLACK_CHANNEL": CHANNEL,
            "SLACK_SIGNING_SECRET": SECRET,
            "SLACK_API_URL": f"{self.url}/api",
            "JIRA_URL": self.url,
            "JIRA_EMAIL": "bot@x.example",
            "JIRA_TOKEN": "jira-token",
            "AIRFLOW_URL": self.url,
            "AIRFLOW_USER": "telltale",
            "AIRFLOW_PASSWORD": "airflow-password",
        }

    def shown(self, begins: str) -> tuple[str, dict[str, Any]] | None:
        """The message in the channel whose text begins so, with its ts."""
        return next(((ts, m) for ts, m in list(self.messages.items()) if m["text"].startswith(begins)), None)


@contextmanager
def town() -> Iterator[Town]:
    """The three services; at the end none of them may have been asked for what it does not have."""
    with HTTPServer(host="127.0.0.1", threaded=True) as http:
        built = Town(http)
        for path, answer in _routes(built).items():
            http.expect_request(path).respond_with_handler(answer)
        yield built
        built.free.set()
        http.check()


def _routes(at: Town) -> dict[str, Callable[[Request], Response]]:
    api, runs = "/rest/api/3", f"/api/v2/dags/{DAG}/dagRuns"
    issue = f"{api}/issue/{TICKET}"
    return {
        "/api/chat.postMessage": lambda r: _posted(at, r),
        "/api/chat.update": lambda r: _updated(at, r),
        f"{api}/search/jql": lambda _: _json({"issues": [{"key": TICKET}] if at.ticket else []}),
        f"{api}/issue": lambda r: _opened(at, r),
        issue: lambda _: _json({"fields": {"status": {"name": at.statuses[-1]}}}),
        f"{issue}/comment": lambda r: _commented(at, r),
        f"{issue}/transitions": lambda r: _moved(at, r),
        "/auth/token": lambda _: _json({"access_token": "jwt"}, 201),
        runs: lambda r: _started(at, r),
    }


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


def _posted(at: Town, request: Request) -> Response:
    told = request.get_json()
    if request.headers["Authorization"] != "Bearer xoxb-test" or told["channel"] != CHANNEL:
        return _json({"ok": False, "error": "invalid_auth"})
    ts = f"1700.{len(at.messages) + 1:06}"
    at.messages[ts] = told
    return _json({"ok": True, "channel": CHANNEL, "ts": ts})


def _updated(at: Town, request: Request) -> Response:
    told = request.get_json()
    if told["ts"] not in at.messages:
        return _json({"ok": False, "error": "message_not_found"})
    at.messages[told["ts"]] = told
    at.updates.append((told["ts"], told["text"]))
    return _json({"ok": True, "channel": CHANNEL, "ts": told["ts"]})


def _opened(at: Town, request: Request) -> Response:
    at.ticket.update(request.get_json()["fields"])
    return _json({"id": "10001", "key": TICKET}, 201)


def _commented(at: Town, request: Request) -> Response:
    at.comments.append(json.dumps(request.get_json()["body"]))
    return _json({"id": str(len(at.comments))}, 201)


def _moved(at: Town, request: Request) -> Response:
    """A workflow of three states; a move to the present one is not offered."""
    ways = {str(n): name for n, name in enumerate(("To Do", "In Progress", "Done")) if name != at.statuses[-1]}
    if request.method == "GET":
        return _json(
            {"transitions": [{"id": n, "name": f"to {name}", "to": {"name": name}} for n, name in ways.items()]}
        )
    at.statuses.append(ways[request.get_json()["transition"]["id"]])
    return Response(status=204)


def _started(at: Town, request: Request) -> Response:
    """A DAG run, begun only when the test lets it: meanwhile everything else must go on."""
    if request.headers.get("Authorization") != "Bearer jwt":
        return _json({"detail": "Not authenticated"}, 401)
    told = request.get_json()
    if told["dag_run_id"] in [run["dag_run_id"] for run, _ in at.started]:
        return _json({"detail": "DAGRun already exists"}, 409)
    at.started.append((told, request.headers.get("Idempotency-Key", "")))
    at.asked.set()
    at.waited_in_vain = not at.free.wait(HELD_S)
    return _json({"dag_id": DAG, "dag_run_id": told["dag_run_id"], "state": "queued"})


def press(
    workbench: str, ts: str, value: str, user: str, *, action_ts: str, secret: str = SECRET, age_s: int = 0
) -> tuple[int, float]:
    """A pressed button as Slack sends it; the status of the answer and the milliseconds it took."""
    button = {"type": "button", "action_id": "answer_0", "block_id": "b", "action_ts": action_ts, "value": value}
    payload = {
        "type": "block_actions",
        "user": {"id": user, "team_id": "T0"},
        "team": {"id": "T0"},
        "container": {"type": "message", "message_ts": ts, "channel_id": CHANNEL},
        "channel": {"id": CHANNEL},
        "actions": [button],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    at = int(time.time()) - age_s
    signature = hmac.new(secret.encode(), b"v0:%d:" % at + body, hashlib.sha256).hexdigest()
    headers = {
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": f"v0={signature}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    sent = urllib.request.Request(f"{workbench}/webhook/integrations/slack", body, headers)
    before = time.perf_counter()
    try:
        with urllib.request.urlopen(sent, timeout=30) as reply:
            reply.read()
            status: int = reply.status
    except urllib.error.HTTPError as refused:
        refused.close()
        status = refused.code
    return status, 1000 * (time.perf_counter() - before)


def approval(message: dict[str, Any]) -> str:
    """The value of the message's Approve button; empty when it has none."""
    elements = [e for block in message["blocks"] for e in block.get("elements", []) if isinstance(e, dict)]
    values = [str(e["value"]) for e in elements if str(e.get("value", "")).startswith("approve|")]
    return values[0] if values else ""
