"""A person of one tenant sees nothing of another, on any page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import access
from core.service import people
from core.service.workbench import Workbench

ROOT = Path(__file__).parents[2]
AUTH = {"cookie_secret": "0" * 64, "redirect_uri": "http://127.0.0.1:8501/oauth2callback", "client_id": "telltale"}
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
MARK = "canaryshop"
CSV = b"day,amount\n" + b"\n".join(f"2026-01-{d:02},{100 + d}".encode() for d in range(1, 29))


@pytest.fixture
def far(opened: Callable[..., AppTest], bench: Workbench, saved: Callable[[str, bytes], str]) -> Callable[..., AppTest]:
    """Opens a page as the administrator of a tenant beside the one that saved a source."""
    saved(MARK, CSV)
    people.add_user(bench, access.Principal("cli", "far", "admin"), "far@x.example", "admin")
    person = {"is_logged_in": True, "iss": "https://idp", "sub": "1", "email": "far@x.example", "email_verified": True}

    def open_page(page: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=60)
        at.secrets["auth"] = AUTH
        at.user = {**person, "iat": int(time.time())}
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    return open_page


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_nothing_of_another_tenant(far: Callable[..., AppTest], page: str) -> None:
    at = far(page, source=MARK)
    assert not at.exception
    assert at.title
    assert MARK not in str(at.main)
    assert MARK not in str(at.sidebar)


def test_the_tenant_itself_sees_it(far: Callable[..., AppTest], opened: Callable[..., AppTest]) -> None:
    at = opened("data", source=MARK)
    assert MARK in str(at.main)
