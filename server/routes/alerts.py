"""Where monitoring tools send their alerts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core import telemetry
from core.access import Principal, require
from core.errors import WorkbenchError
from core.service import alert_inbox, tokens
from core.service.workbench import Workbench
from server.errors import Unauthorized
from server.limits import Limits
from server.security import GuardedRoute, Identify, Signed
from server.signatures import message_id

PER_MINUTE: Final = 120_000  # a storm is what this address is for; senders of alerts give up on 429
SENDER: Final = frozenset({"incidents:read", "incidents:write"})


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """The one address for alerts of any shape."""

    def verify(request: Request, body: bytes) -> Principal:
        who = sender(wb(), request, body, identify)
        require(who, "incidents:write")
        return who

    async def received(request: Request) -> Response:
        """Takes alerts (generic, Alertmanager, Datadog, CloudWatch): 202 with their ids once they are kept."""
        who, message = request.state.principal, getattr(request.state, "message", "")
        body = await request.body()
        try:
            done = await anyio.to_thread.run_sync(lambda: alert_inbox.receive(wb(), who, body, message=message))
        except WorkbenchError as error:  # answered before it reaches who counts around this
            telemetry.alert_refused(error.code)
            raise
        answer = {
            "alert_id": done.alert_ids[0], "alert_ids": list(done.alert_ids), "new": done.new,
            "repeated": done.repeated, "notes": list(done.notes),
        }  # fmt: skip
        return JSONResponse(answer, status_code=202)

    route = GuardedRoute("/webhook/alerts", received, rule=Signed(verify), identify=identify, methods=["POST"])
    route.guard.limits = Limits(lambda: PER_MINUTE)
    route.app = _Counted(route.guard)
    return [route]


class _Counted:
    """Counts what the guard refuses: no identity, no right, a body that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except WorkbenchError as error:
            telemetry.alert_refused(error.code)
            raise


def sender(wb: Workbench, request: Request, body: bytes, identify: Identify) -> Principal:
    """Who sent it: a signature of a known sender if there is one, else a token (Bearer, or as a Basic password).

    Raises: Unauthorized; a signature that does not hold is never made up for by anything else.
    """
    if "webhook-signature" in request.headers:
        return _signed(wb, request, body)
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    basic = kind.lower() == "basic"  # all that SNS can send, as part of the address
    who = tokens.resolve(wb, _password(given)) if basic else identify(request)
    if who is None:
        raise Unauthorized("Alerts need a token or a signature.")
    return who


def _signed(wb: Workbench, request: Request, body: bytes) -> Principal:
    now = wb.ctx.clock.now()
    for (tenant, name), secret in wb.ctx.settings.senders.items():
        try:
            given = message_id(request.headers, body, secret, now)
        except Unauthorized:
            continue
        request.state.message = f"{name}:{given}"
        return Principal(f"sender:{name}", tenant, "responder", SENDER, token=name)  # type: ignore[arg-type]
    raise Unauthorized("The signature of this message does not hold.")


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
