"""Around the login: people come back to the page they wanted, and only to a page of ours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core.errors import ConfigError
from server.login import Login, ReturnToPage, SecureCookies, safe_target
from server.security import refuse_unknown_host

HERE = "https://t.example"
LOGIN = Login("0" * 64, HERE)


def to_provider(_request: Request) -> Response:
    return RedirectResponse("https://idp.example/auth?client_id=x&state=s1", 302)


def to_first_page(_request: Request) -> Response:
    reply = RedirectResponse("/", 302)
    reply.set_cookie("a", "1")
    reply.set_cookie("b", "2", secure=True)
    return reply


@pytest.fixture
def browser() -> TestClient:
    routes = [Route("/auth/login", to_provider), Route("/oauth2callback", to_first_page)]
    middleware = [Middleware(ReturnToPage, login=LOGIN), Middleware(SecureCookies)]
    return TestClient(Starlette(routes=routes, middleware=middleware), base_url=HERE, follow_redirects=False)


def back(browser: TestClient, query: str) -> str:
    return browser.get(f"/oauth2callback?{query}").headers["location"]


def test_people_come_back_to_the_page_they_wanted(browser: TestClient) -> None:
    wanted = "/incidents?incident=INC-0000AAAA&tag=a%26b%20%C3%A9"
    left = browser.get("/auth/login?provider=x", headers={"referer": f"{HERE}{wanted}"})
    kept = left.headers["set-cookie"]
    assert "Path=/oauth2callback; Max-Age=900; HttpOnly; SameSite=Lax; Secure" in kept
    assert back(browser, "code=c&state=s1") == wanted
    assert back(browser, "code=c&state=s1") == "/"  # once


@pytest.mark.parametrize("query", ["code=c&state=s2", "code=c", "state=", ""])
def test_the_page_belongs_to_one_login(browser: TestClient, query: str) -> None:
    browser.get("/auth/login?provider=x", headers={"referer": f"{HERE}/audit"})
    assert back(browser, query) == "/"


@pytest.mark.parametrize("kept", ["", "x", "WyJzMSIsICIvL2V2aWwiXQ.x.y"])
def test_a_forged_cookie_leads_to_the_first_page(browser: TestClient, kept: str) -> None:
    browser.cookies.set("telltale_return", kept)
    assert back(browser, "code=c&state=s1") == "/"


@pytest.mark.parametrize(
    "referer",
    [
        "",
        "https://evil.example/audit",
        "http://t.example/audit",
        "https://t.example.evil.example/audit",
        "https://user@t.example/audit",
        "https://t.example//evil.example",
        "https://t.example/\\evil.example",
        "https://t.example/a\r\nset-cookie: x",
        "javascript:alert(1)",
        "https://t.example/auth/logout",
        "https://t.example/api/v1/incidents",
        "https://t.example/oauth2callback?code=1",
        "https://[",
        "https://t.example/" + "a" * 3000,
    ],
)
def test_hostile_targets_are_dropped(browser: TestClient, referer: str) -> None:
    assert safe_target(referer, HERE) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_a_target_always_stays_here(tail: str) -> None:
    found = safe_target(f"{HERE}/{tail}", HERE)
    assert found is None or (found.startswith("/") and not found.startswith(("//", "/\\")) and found.isascii())


def test_every_cookie_is_secure_once(browser: TestClient) -> None:
    cookies = browser.get("/oauth2callback").headers.get_list("set-cookie")
    assert [cookie.lower().count("; secure") for cookie in cookies] == [1, 1]


@pytest.mark.parametrize("allowed", [[], ["*"], ["t.example"], ["*.example"], ["localhost", " T.example "]])
def test_the_address_people_see_may_connect(allowed: list[str]) -> None:
    refuse_unknown_host(HERE, allowed)


@pytest.mark.parametrize("allowed", [["localhost"], ["*.t.example"], ["evil.example"]])
def test_an_address_that_could_not_connect_does_not_start(allowed: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"allowedHosts lacks t\.example"):
        refuse_unknown_host(HERE, allowed)


def test_a_login_that_is_half_configured_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import auth

    whole: Mapping[str, str] = {"cookie_secret": "s" * 20, "redirect_uri": "http://127.0.0.1:{port}/oauth2callback"}
    monkeypatch.setattr(auth.st, "secrets", {"auth": whole})
    assert auth.login_settings() == ("s" * 20, "http://127.0.0.1:8501")
    for key in whole:
        monkeypatch.setattr(auth.st, "secrets", {"auth": {k: v for k, v in whole.items() if k != key}})
        with pytest.raises(ConfigError, match=key):
            auth.login_settings()
