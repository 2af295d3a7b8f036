"""Who may reach the server: the local-only gate, the headers of every answer, and the guard of our own routes."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import access
from core.errors import ConfigError, Forbidden, TooLarge
from server.errors import Unauthorized
from server.limits import Limits


@dataclass(frozen=True, slots=True)
class Signed:
    """The rule of an address for machines that sign their messages: whoever ``verify`` answers has sent it.

    ``verify`` gets the request's headers and its body, runs in a thread, and raises Unauthorized.
    """

    verify: Callable[[Request, bytes], access.Principal]

    def __str__(self) -> str:
        return "signature"


Rule: TypeAlias = Literal["public"] | access.Scope | Signed
Identify: TypeAlias = Callable[[Request], access.Principal | None]

MAX_BODY_BYTES: Final = 1024 * 1024
READING: Final = ("GET", "HEAD")
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


def refuse_unknown_host(origin: str, allowed: Sequence[str]) -> None:
    """Returns when pages of the address that people see can connect.

    Raises: ConfigError otherwise: every page would stay empty, and nothing would say why.
    """
    host = urlsplit(origin).hostname or ""
    patterns = [name.strip().lower() for name in allowed]
    if not patterns or any(p in ("*", host) or (p.startswith("*.") and host.endswith(p[1:])) for p in patterns):
        return
    raise ConfigError(
        f"People sign in at {origin}, but server.allowedHosts lacks {host}.",
        hint=f"Set STREAMLIT_SERVER_ALLOWED_HOSTS={host}, or the line in .streamlit/config.toml.",
        field="server.allowedHosts",
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
    something must come from our own origin; a body over ``max_body`` bytes is refused while it is read; and one
    caller makes only so many requests. The endpoint finds the caller in ``request.state.principal``.
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
        self.guard = _Guard(self.app, rule, identify, max_body)
        self.app = self.guard


class _Guard:
    def __init__(self, app: ASGIApp, rule: Rule, identify: Identify, max_body: int) -> None:
        self.app, self.rule, self.identify, self.max_body = app, rule, identify, max_body
        self.limits: Limits | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        _own_origin(request)
        receive = _limited(request, receive, self.max_body)
        if isinstance(self.rule, Signed):
            receive = await self._admit_signed(request, self.rule, receive)
        elif self.rule != "public":
            await self._admit(request, self.rule)
        elif request.method not in READING:
            self._count(request, None)
        await self.app(scope, receive, send)

    async def _admit(self, request: Request, scope: access.Scope) -> None:
        principal = await anyio.to_thread.run_sync(self.identify, request)
        self._count(request, principal)
        if principal is None:
            raise Unauthorized("This address needs a signed-in person or a token.")
        request.state.principal = principal
        access.require(principal, scope)

    async def _admit_signed(self, request: Request, rule: Signed, receive: Receive) -> Receive:
        self._count(request, None)
        body = await Request(request.scope, receive).body()
        request.state.principal = await anyio.to_thread.run_sync(rule.verify, request, body)
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        return again

    def _count(self, request: Request, principal: access.Principal | None) -> None:
        if self.limits is None:
            return
        host = request.client.host if request.client else ""
        self.limits.take(f"{principal.tenant}|{principal.user}|{principal.token}" if principal else f"at {host}")


def _own_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if request.method not in READING and origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise Forbidden(f"A page of {origin} may not send requests here.", field="Origin")


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
