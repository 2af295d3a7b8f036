"""A workbench with people, tokens and incidents of two tenants, and its routes behind a configured login."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from core.access import SCOPES, Principal, Role
from core.bootstrap import build
from core.errors import WorkbenchError
from core.service import people, tokens
from core.service.workbench import Workbench
from core.settings import Settings
from server.identity import Identity, answering
from server.login import USER_COOKIE, Login
from server.routes import routes
from server.security import GuardedRoute
from tests.store.samples import INCIDENT, RUN

HERE = "http://127.0.0.1:8501"
LOGIN = Login("0" * 64, HERE)
MARK = "canary-of-acme"  # in everything that only acme may see
SECRET = "whsec_" + "c2VjcmV0LW9mLWdyYWZhbmEtc2VjcmV0"


@dataclass
class Hand:
    """A clock that stands at this second until the test moves it."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Desk:
    """The workbench and ready-made callers."""

    wb: Workbench
    clock: Hand
    identity: Identity
    routes: list[GuardedRoute]

    def client(self, *more: GuardedRoute) -> TestClient:
        served = Starlette(
            routes=[*self.routes, *more], exception_handlers={WorkbenchError: answering(lambda: self.wb)}
        )
        return TestClient(served, base_url=HERE, raise_server_exceptions=False)

    def token(self, role: Role, tenant: str = "acme", days: int = 30) -> Mapping[str, str]:
        """The header of a machine with everything the role holds."""
        who = Principal("cli", tenant, "admin")
        _, secret = tokens.add(self.wb, who, f"{role} of {tenant}", SCOPES[role], days)
        return bearer(secret)

    def actions(self, tenant: str = "acme") -> list[str]:
        """What the tenant's audit says, latest first."""
        with self.wb.store.read() as books:
            return [entry.action for entry in books.audit.list(tenant, limit=100)]


def bearer(secret: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {secret}"}


def cookie(**changes: object) -> Mapping[str, str]:
    """The header of a browser whose login says this, signed as Streamlit signs it."""
    person = {"is_logged_in": True, "origin": HERE, "iss": "https://idp", "sub": "1", "iat": int(time.time())}
    text = json.dumps({**person, "email": "vera@acme.example", "email_verified": True, **changes})
    return {"cookie": f"{USER_COOKIE}={create_signed_value(LOGIN.secret, USER_COOKIE, text).decode()}"}


def laid_out(home: Path) -> Desk:
    """The desk in a home of its own."""
    clock = Hand()
    settings = Settings(
        _env_file=None,
        telltale_home=home,
        telltale_tenant="acme",
        telltale_demo=False,
        telltale_webhook_secrets=SecretStr(f"grafana={SECRET}, other/pager={SECRET}"),
    )
    wb = build(settings, clock)
    with wb.store.begin() as books:
        books.runs.save(replace(RUN, id=f"run-{MARK}", headline=MARK))
        books.incidents.add(replace(INCIDENT, title=MARK, run_id=f"run-{MARK}"))
    people.add_user(wb, Principal("cli", "acme", "admin"), "vera@acme.example", "viewer")
    identity = Identity(lambda: wb, LOGIN)
    return Desk(wb, clock, identity, routes(lambda: wb, identity))
