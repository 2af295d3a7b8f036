"""Around Streamlit's login: the page somebody wanted is kept, cookies are secure, and routes can read who it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN_PATH: Final = "/auth/login"
CALLBACK_PATH: Final = "/oauth2callback"
RETURN_COOKIE: Final = "telltale_return"
RETURN_S: Final = 15 * 60  # how long somebody may take at the login provider
USER_COOKIE: Final = "_streamlit_user"
USER_COOKIE_S: Final = 31 * 24 * 3600  # as Streamlit takes it; the store's own limit is much shorter
LONGEST_TARGET: Final = 2000
MACHINES: Final = (
    "/auth/",
    "/oauth2callback",
    "/api/",
    "/webhook/",
    "/_stcore/",
    "/media/",
    "/static/",
    "/app/static/",
)
_CHUNKS = re.compile(r"chunks-(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Login:
    """What ``[auth]`` of secrets.toml says: the cookies' secret, and the address people see."""

    secret: str
    origin: str

    @property
    def secure(self) -> bool:
        """Whether the browser speaks https."""
        return self.origin.startswith("https://")


def claims(cookies: Mapping[str, str], login: Login) -> Mapping[str, object]:
    """What the login provider said of the person, from Streamlit's signed cookie; empty when there is none."""
    text = _signed(cookies, USER_COOKIE, login.secret)
    parts = _CHUNKS.fullmatch(text or "")
    if parts:
        pieces = [_signed(cookies, f"{USER_COOKIE}_{i + 1}", login.secret) for i in range(int(parts.group(1)))]
        # A missing piece could leave valid JSON that says something else.
        text = None if None in pieces else "".join(filter(None, pieces))
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("origin") == login.origin else {}


def _signed(cookies: Mapping[str, str], name: str, secret: str) -> str | None:
    try:
        text = URLSafeTimedSerializer(secret, salt=name).loads(cookies.get(name, ""), max_age=USER_COOKIE_S)
    except BadSignature:
        return None
    return text if isinstance(text, str) else None


def safe_target(referer: str, origin: str) -> str | None:
    """The path and query of a page of ours that somebody came from; None for everything else."""
    try:
        parts = urlsplit(referer)
    except ValueError:
        return None
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    usable = (
        f"{parts.scheme}://{parts.netloc}" == origin
        and path.startswith("/")
        and not path.startswith(("//", *MACHINES))
        and len(target) <= LONGEST_TARGET
        and all("!" <= c <= "~" and c != "\\" for c in target)
    )
    return target if usable else None


class ReturnToPage:
    """Brings people back to the page they asked for: Streamlit's login always ends on the first page.

    The browser tells the page in the Referer of the way to the login. It is kept, signed and tied to the login's
    ``state``, in a cookie that only the callback gets, and replaces the callback's redirect.
    """

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self.app = app
        self._origin = login.origin
        self._secure = "; Secure" if login.secure else ""
        self._signer = URLSafeTimedSerializer(login.secret, salt=RETURN_COOKIE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] == "http" and path == LOGIN_PATH:
            send = self._leaving(scope, send)
        elif scope["type"] == "http" and path == CALLBACK_PATH:
            send = self._coming_back(scope, send)
        await self.app(scope, receive, send)

    def _leaving(self, scope: Scope, send: Send) -> Send:
        target = safe_target(Headers(scope=scope).get("referer", ""), self._origin)

        async def keeping(message: Message) -> None:
            if target and _redirects(message):
                answer = MutableHeaders(scope=message)
                state = _state(urlsplit(answer["location"]).query)
                if state:
                    self._set(answer, self._signer.dumps([state, target]), RETURN_S)
            await send(message)

        return keeping

    def _coming_back(self, scope: Scope, send: Send) -> Send:
        kept = cookie_parser(Headers(scope=scope).get("cookie", "")).get(RETURN_COOKIE, "")
        target = self._target(kept, _state(scope.get("query_string", b"").decode("latin-1")))

        async def returning(message: Message) -> None:
            if target and _redirects(message):
                answer = MutableHeaders(scope=message)
                answer["location"] = target
                self._set(answer, "", 0)
            await send(message)

        return returning

    def _target(self, kept: str, state: str) -> str | None:
        try:
            known, target = self._signer.loads(kept, max_age=RETURN_S)
        except (BadSignature, ValueError, TypeError):
            return None
        return str(target) if state and known == state else None

    def _set(self, answer: MutableHeaders, text: str, max_age: int) -> None:
        where = f"Path={CALLBACK_PATH}; Max-Age={max_age}; HttpOnly; SameSite=Lax{self._secure}"
        answer.append("set-cookie", f"{RETURN_COOKIE}={text}; {where}")


def _redirects(message: Message) -> bool:
    return message["type"] == "http.response.start" and message["status"] in (302, 303, 307)


def _state(query: str) -> str:
    return parse_qs(query).get("state", [""])[0]


class SecureCookies:
    """Marks every cookie Secure; used where the browser speaks https, because Streamlit never does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [_secured(*pair) for pair in message.get("headers", ())]}
            await send(message)

        await self.app(scope, receive, marking if scope["type"] == "http" else send)


def _secured(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    missing = name.lower() == b"set-cookie" and b"; secure" not in value.lower()
    return name, value + b"; Secure" if missing else value
