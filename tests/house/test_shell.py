"""The way in: who may pass the shell, seen without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import access
from core.bootstrap import workbench
from core.service import people
from core.store.people import User

ROOT = Path(__file__).parents[2]
AUTH = {"cookie_secret": "0" * 64, "redirect_uri": "http://127.0.0.1:8501/oauth2callback", "client_id": "telltale"}
ADMIN = access.Principal("cli", "default", "admin")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    workbench.cache_clear()
    return AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=30)


def claims(**changes: object) -> dict[str, object]:
    person = {"is_logged_in": True, "iss": "https://idp", "sub": "1", "email": "ana@example.com"}
    return {**person, "email_verified": True, "iat": int(time.time()), **changes}


@pytest.fixture
def signed_in(shell: AppTest) -> Callable[..., AppTest]:
    """The shell behind a login, with these claims in its cookie."""

    def with_claims(**changes: object) -> AppTest:
        shell.secrets["auth"] = AUTH
        shell.user = claims(**changes)
        return shell

    return with_claims


def add(role: str) -> User:
    return people.add_user(workbench(), ADMIN, "ana@example.com", role)


def titles(shell: AppTest) -> list[str]:
    return [title.value for title in shell.title]


def test_without_login_everybody_here_is_the_administrator(shell: AppTest) -> None:
    shell.run()
    assert not shell.exception
    assert "Local mode: no login" in shell.sidebar.markdown[0].value


def test_a_configured_login_asks_for_it_and_shows_nothing_else(shell: AppTest) -> None:
    shell.secrets["auth"] = AUTH
    shell.run()
    assert not shell.exception
    assert titles(shell) == ["Sign in"]
    assert [button.label for button in shell.button] == ["Log in"]
    assert not shell.sidebar.markdown


def test_every_provider_has_its_button(shell: AppTest) -> None:
    provider = {"client_id": "x", "client_secret": "y", "server_metadata_url": "https://idp/x"}
    shell.secrets["auth"] = {k: v for k, v in AUTH.items() if k != "client_id"} | {"okta": provider, "google": provider}
    shell.run()
    assert [button.label for button in shell.button] == ["Log in with okta", "Log in with google"]


def test_signed_in_without_a_row_is_no_access(signed_in: Callable[..., AppTest]) -> None:
    shell = signed_in().run()
    assert not shell.exception
    assert titles(shell) == ["No access"]
    assert "Ask an administrator" in shell.error[0].value
    assert "ana@example.com" in shell.text[0].value


@pytest.mark.parametrize(("role", "heading"), [("admin", "Users and tokens"), ("responder", None), ("viewer", None)])
def test_a_role_opens_its_pages(signed_in: Callable[..., AppTest], role: str, heading: str | None) -> None:
    shell = signed_in()
    add(role)
    shell.switch_page(str(ROOT / "pages" / "people.py")).run()
    assert not shell.exception
    assert titles(shell) == ([heading] if heading else [])
    if heading is None:
        assert f"The role {role} does not hold tools:manage." in shell.error[0].value


def test_a_changed_role_counts_at_the_next_click(signed_in: Callable[..., AppTest]) -> None:
    shell = signed_in()
    user = add("viewer")
    shell.switch_page(str(ROOT / "pages" / "people.py")).run()
    assert not shell.title
    people.set_role(workbench(), ADMIN, user.id, "admin")
    assert titles(shell.run()) == ["Users and tokens"]
    people.add_user(workbench(), ADMIN, "bo@example.com", "admin")
    people.set_disabled(workbench(), ADMIN, user.id, disabled=True)
    assert titles(shell.run()) == ["No access"]


def test_a_session_ends_by_age(signed_in: Callable[..., AppTest]) -> None:
    shell = signed_in(iat=int(datetime.now(UTC).timestamp()) - 9 * 3600)
    add("viewer")
    shell.run()
    assert titles(shell) == ["Sign in"]
    assert shell.markdown[0].value == "Your session has ended."


def test_a_login_of_another_person_with_the_same_address_is_not_them(signed_in: Callable[..., AppTest]) -> None:
    shell = signed_in(sub="2")
    add("admin")
    assert isinstance(people.admit(workbench(), claims()), access.Principal)
    assert titles(shell.run()) == ["No access"]
