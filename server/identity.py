"""Who makes a request: a machine by its token, a person by their login, or the one person of a local workbench."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse

from core import access
from core.access import Principal
from core.errors import Forbidden, WorkbenchError
from core.service import people, tokens
from core.service.workbench import Workbench
from server.errors import answer
from server.login import Login, claims

READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Identity:
    """Asked for every request anew: a token or role that changed a moment ago counts as it is now."""

    wb: Callable[[], Workbench]
    login: Login | None  # None: local mode

    def __call__(self, request: Request) -> Principal | None:
        """The caller, or None. A bad token is nobody, also where a cookie or the local mode would do."""
        header = request.headers.get("authorization")
        if header is not None:
            kind, _, secret = header.partition(" ")
            return tokens.resolve(self.wb(), secret.strip()) if kind.lower() == "bearer" else None
        if self.login is None:
            return access.local(self.wb().tenant)
        # A browser sends its cookie with whatever page makes it ask; only our own pages may make it change something.
        if request.method not in READING and request.headers.get("origin") != self.login.origin:
            return None
        found = people.admit(self.wb(), claims(request.cookies, self.login))
        return found if isinstance(found, Principal) else None


def answering(wb: Callable[[], Workbench]) -> Callable[[Request, WorkbenchError], JSONResponse]:
    """Answers errors, and writes down when a known caller asked for what they may not do."""

    def handle(request: Request, error: WorkbenchError) -> JSONResponse:
        who = getattr(request.state, "principal", None)
        if isinstance(error, Forbidden) and isinstance(who, Principal):
            people.refused(wb(), who, f"{request.method} {request.url.path}", error)
        return answer(request, error)

    return handle
