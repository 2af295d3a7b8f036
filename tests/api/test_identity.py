"""Who a request comes from: tokens, login cookies, the local mode, and nobody."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from core.access import SCOPES, Principal
from core.service import people, tokens
from server.identity import Identity
from server.login import USER_COOKIE, claims
from server.security import GuardedRoute, Rule
from tests.api.desk import HERE, LOGIN, Desk, bearer, cookie

ADMIN = Principal("cli", "acme", "admin")


def whoami(request: Request) -> Response:
    """The caller."""
    who: Principal = request.state.principal
    return JSONResponse([who.user, who.tenant, who.role, who.token])


def asked(desk: Desk, rule: Rule = "incidents:read", identity: Identity | None = None) -> TestClient:
    ways = ["GET", "POST"]
    return desk.client(GuardedRoute("/who", whoami, rule=rule, identify=identity or desk.identity, methods=ways))


def test_a_token_of_a_program_is_itself(desk: Desk) -> None:
    reply = asked(desk).get("/who", headers=desk.token("responder", "other"))
    assert reply.json() == ["token:responder of other", "other", "responder", "responder of other"]


def test_a_token_of_a_person_is_that_person_with_its_scopes(desk: Desk) -> None:
    people.add_user(desk.wb, ADMIN, "root@acme.example", "admin")
    root = Principal("root@acme.example", "acme", "admin")
    _, secret = tokens.add(desk.wb, root, "export", ["incidents:read"], 30)
    assert asked(desk).get("/who", headers=bearer(secret)).json() == ["root@acme.example", "acme", "admin", "export"]
    reply = asked(desk, "tools:manage").get("/who", headers=bearer(secret))
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert "The token export does not hold tools:manage." in reply.json()["error"]["message"]
    assert desk.actions()[0] == "access_refused"


def test_a_token_is_never_more_than_its_owner_is_now(desk: Desk) -> None:
    owner = people.add_user(desk.wb, ADMIN, "root@acme.example", "admin")
    people.add_user(desk.wb, ADMIN, "two@acme.example", "admin")
    _, secret = tokens.add(desk.wb, Principal(owner.email, "acme", "admin"), "all", SCOPES["admin"], 30)
    ask = asked(desk, "actions:approve")
    assert ask.get("/who", headers=bearer(secret)).status_code == 200
    people.set_role(desk.wb, ADMIN, owner.id, "viewer")
    assert ask.get("/who", headers=bearer(secret)).status_code == 403
    people.set_disabled(desk.wb, ADMIN, owner.id, disabled=True)
    assert ask.get("/who", headers=bearer(secret)).status_code == 401


def test_a_token_ends(desk: Desk) -> None:
    _, secret = tokens.add(desk.wb, ADMIN, "ci", ["incidents:read"], 30)
    desk.clock.at += timedelta(days=30) - timedelta(seconds=1)
    assert asked(desk).get("/who", headers=bearer(secret)).status_code == 200
    assert tokens.listing(desk.wb, ADMIN)[0].last_used_at == desk.clock.at
    desk.clock.at += timedelta(seconds=1)
    assert asked(desk).get("/who", headers=bearer(secret)).status_code == 401


def test_a_revoked_token_is_refused_at_the_next_request(desk: Desk) -> None:
    token, secret = tokens.add(desk.wb, ADMIN, "ci", ["incidents:read"], 30)
    assert asked(desk).get("/who", headers=bearer(secret)).status_code == 200
    tokens.revoke(desk.wb, ADMIN, token.id)
    reply = asked(desk).get("/who", headers=bearer(secret))
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")


def test_the_store_holds_no_secret_of_a_token(desk: Desk) -> None:
    _, secret = tokens.add(desk.wb, ADMIN, "ci", ["incidents:read"], 30)
    kept = b"".join(path.read_bytes() for path in desk.wb.ctx.settings.telltale_home.glob("telltale.db*"))
    assert secret[:8].encode() in kept
    assert secret.encode() not in kept


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer tlt_", "Basic YTpi", "tlt_x", "bearer \x7f", "Bearer tlt_\xff"],
)
def test_a_bad_token_is_nobody_even_in_local_mode(desk: Desk, header: str) -> None:
    local = Identity(lambda: desk.wb, None)
    assert asked(desk, identity=local).get("/who").json()[:3] == ["local", "acme", "admin"]
    for identity in (local, desk.identity):
        headers = {b"authorization": header.encode("latin-1"), b"cookie": cookie()["cookie"].encode()}
        reply = asked(desk, identity=identity).get("/who", headers=headers)  # type: ignore[arg-type]
        assert reply.status_code == 401


def test_the_login_cookie_of_streamlit_is_read(desk: Desk) -> None:
    assert asked(desk).get("/who", headers=cookie()).json() == ["vera@acme.example", "acme", "viewer", ""]


@pytest.mark.parametrize(
    "header",
    [
        {"cookie": "_streamlit_user=x"},
        {"cookie": "_streamlit_user=eyJzdWIiOiAxfQ.aaaa.bbbb"},
        cookie(origin="http://evil.example"),
        cookie(is_logged_in=False),
        cookie(iat="now"),
        cookie(iat=0),
        cookie(iat=1e18),
        cookie(sub=None),
        cookie(email_verified=False, sub="2"),
        cookie(email="nobody@acme.example", sub="3"),
    ],
)
def test_any_other_cookie_is_nobody(desk: Desk, header: Mapping[str, str]) -> None:
    assert asked(desk).get("/who", headers=header).status_code == 401


def test_a_cookie_split_into_chunks_is_put_together(desk: Desk) -> None:
    jar: dict[str, str] = {}
    person = {"is_logged_in": True, "origin": HERE, "sub": "1", "groups": [secrets.token_hex(20) for _ in range(300)]}

    def sign(name: str, text: str) -> bytes:
        return create_signed_value(LOGIN.secret, name, text)

    set_cookie_with_chunks(
        lambda name, text: jar.update({name: sign(name, text).decode()}), sign, USER_COOKIE, person, cookie_attr_size=80
    )
    assert len(jar) > 2
    assert claims(jar, LOGIN) == person
    assert claims({k: v for k, v in jar.items() if not k.endswith("_2")}, LOGIN) == {}


@pytest.mark.parametrize(("origin", "status"), [(None, 401), ("http://evil.example", 403), (HERE, 200)])
def test_a_cookie_changes_something_only_from_our_own_page(desk: Desk, origin: str | None, status: int) -> None:
    headers = {**cookie(), **({"origin": origin} if origin else {})}
    assert asked(desk).post("/who", headers=headers).status_code == status


def test_logging_out_ends_a_copied_cookie(desk: Desk) -> None:
    copied = cookie(iat=int(desk.clock.at.timestamp()))
    assert asked(desk).get("/who", headers=copied).status_code == 200
    people.end_sessions(desk.wb, Principal("vera@acme.example", "acme", "viewer"))
    assert asked(desk).get("/who", headers=copied).status_code == 401
    desk.clock.at += timedelta(seconds=2)
    again = cookie(iat=int(desk.clock.at.timestamp()))
    assert asked(desk).get("/who", headers=again).status_code == 200
    assert [a for a in desk.actions() if a in ("login", "logout")] == ["login", "logout", "login"]


def test_a_cookie_is_too_old_after_the_session_hours(desk: Desk) -> None:
    header = cookie(iat=int(desk.clock.at.timestamp()))
    desk.clock.at += timedelta(hours=8)
    assert asked(desk).get("/who", headers=header).status_code == 200
    desk.clock.at += timedelta(seconds=1)
    assert asked(desk).get("/who", headers=header).status_code == 401
