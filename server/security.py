"""Who may reach the server: the local-only gate, the headers of every answer, and the guard of our own routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import access
from core.errors import ConfigError, Forbidden, TooLarge
from server.errors import Unauthorized

Rule: TypeAlias = Literal["public"] | access.Scope
Identify: TypeAlias = Callable[[Request], access.Principal | None]

MAX_BODY_BYTES: Final = 1024 * 1024
FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": "frame-ancestors 'self'",
    "referrer-policy": "same-origin",
}


def is_loopback(host: str | None) -> bool:
    """Whether the host is a name or address of this machine that no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return host is not None and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_door(address: str | None, *, login: bool) -> None:
    """Returns when a login guards the workbench or only this machine can reach it.

    Raises: ConfigError otherwise; the process must not start.
    """
    if login or is_loopback(address):
        return
    raise ConfigError(
        f"Without a login the workbench listens on this machine only, not on {address or 'every address'}.",
        hint="Use --server.address 127.0.0.1, or configure [auth] in .streamlit/secrets.toml.",
        field="server.address",
    )


class LoopbackOnly:
    """Answers only this machine: peer address and Host must be loopback, and no proxy may stand between.

    The Host is checked because a foreign page can make its own name resolve to 127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_local(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "local only"})
        else:
            refusal = PlainTextResponse("Without a login the workbench answers this machine only.", status_code=403)
            await refusal(scope, receive, send)

    @staticmethod
    def _is_local(scope: Scope) -> bool:
        headers = Headers(scope=scope)
        client = scope.get("client") or (None,)
        hosts = headers.getlist("host")
        return (
            is_loopback(client[0])
            and len(hosts) == 1
            and is_loopback(_hostname(hosts[0]))
            and not any(name in headers for name in FORWARDING)
        )


def _hostname(netloc: str) -> str | None:
    try:
        return urlsplit(f"//{netloc}").hostname
    except ValueError:
        return None


class SecurityHeaders:
    """Adds the security headers to every HTTP answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in SECURITY_HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class GuardedRoute(Route):
    """A route that cannot be declared without its access rule.

    Before the endpoint runs, the caller is identified and must hold the rule's scope; a request that changes
    something must come from our own origin; a body over ``max_body`` bytes is refused while it is read.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Response | Awaitable[Response]],
        *,
        rule: Rule,
        identify: Identify,
        methods: Sequence[str] = ("GET",),
        max_body: int = MAX_BODY_BYTES,
    ) -> None:
        super().__init__(path, endpoint, methods=list(methods))
        self.rule = rule
        self.app = _Guard(self.app, rule, identify, max_body)


class _Guard:
    def __init__(self, app: ASGIApp, rule: Rule, identify: Identify, max_body: int) -> None:
        self.app, self.rule, self.identify, self.max_body = app, rule, identify, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        self._admit(request)
        await self.app(scope, _limited(request, receive, self.max_body), send)

    def _admit(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if request.method not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != request.headers.get("host"):
            raise Forbidden(f"A page of {origin} may not send requests here.", field="Origin")
        if self.rule == "public":
            return
        principal = self.identify(request)
        if principal is None:
            raise Unauthorized("This address needs a signed-in person.")
        access.require(principal, self.rule)
        request.state.principal = principal


def _limited(request: Request, receive: Receive, limit: int) -> Receive:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {limit:,} bytes.", field="body")
