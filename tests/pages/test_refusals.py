"""What a role does not hold is refused on every page alike, and the refusal is written down."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal
from core.service import people
from core.service.workbench import Workbench
from tests.pages.test_tenants import AUTH, ROOT

ADMIN = Principal("cli", "default", "admin")


@pytest.fixture
def as_viewer(bench: Workbench) -> Callable[[str], AppTest]:
    """Opens a page as somebody who may only read."""
    people.add_user(bench, ADMIN, "vera@x.example", "viewer")
    person = {"is_logged_in": True, "iss": "https://idp", "sub": "1", "email": "vera@x.example", "email_verified": True}

    def open_page(page: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=60)
        at.secrets["auth"] = AUTH
        at.user = {**person, "iat": int(time.time())}
        at.switch_page(str(ROOT / "pages" / f"{page}.py"))
        return at.run()

    return open_page


def refusals(bench: Workbench) -> list[tuple[object, object]]:
    with bench.store.read() as books:
        lines = books.audit.list("default", limit=100)
    return [(line.decision["actor"], line.decision["why"]) for line in lines if line.action == "access_refused"]


def test_dp21_a_refused_button_is_in_the_audit(as_viewer: Callable[[str], AppTest], bench: Workbench) -> None:
    """The page itself does nothing for it: showing the problem writes it down."""
    at = as_viewer("today")
    assert refusals(bench) == []
    at.button(key="today_run").click().run()
    assert "The role viewer does not hold incidents:write." in [e.value for e in at.error]
    assert refusals(bench) == [("vera@x.example", "The role viewer does not hold incidents:write.")]
