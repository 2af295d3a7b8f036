"""Every page opens, in every theme and width, and nothing leaves this machine."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.browser.screen import settle
from tests.browser.server import Server, serving

TITLES = {
    "/": "Today",
    "/incidents": "Incidents",
    "/explore": "Explore",
    "/quality": "Data quality",
    "/detectors": "Detectors",
    "/segments": "Segments",
    "/segment_builder": "Segment builder",
    "/services": "Services",
    "/approvals": "Approvals",
    "/runbooks": "Runbooks",
    "/data_incidents": "Data incidents",
    "/alert_inbox": "Alert inbox",
    "/data": "Data",
    "/alerts": "Alerts",
    "/audit": "Audit and cost",
    "/people": "Users and tokens",
}
BACKGROUND = {"dark": "rgb(15, 17, 23)", "light": "rgb(255, 255, 255)"}


def menu(page: Page) -> list[str]:
    # A link's text is its icon's name, then its title.
    return [text.split("\n")[-1] for text in page.get_by_test_id("stSidebarNavLink").all_inner_texts()]


@pytest.mark.parametrize(("path", "title"), TITLES.items())
def test_page_opens_under_its_own_link(visit: Visit, path: str, title: str) -> None:
    page = visit(path)
    assert page.title() == f"{title} · Telltale"
    assert page.get_by_role("heading", level=1).inner_text()


@pytest.mark.parametrize("path", TITLES)
def test_page_fits_a_phone(visit: Visit, path: str) -> None:
    page = visit(path, width=390, scheme="light")
    overflow = page.get_by_test_id("stMain").evaluate("main => main.scrollWidth - main.clientWidth")
    assert overflow <= 0


@pytest.mark.parametrize("scheme", BACKGROUND)
def test_theme_follows_the_browser(visit: Visit, scheme: str) -> None:
    page = visit("/", scheme=scheme)
    colour = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    assert colour == BACKGROUND[scheme]


def test_fonts_are_ours(visit: Visit, server: Server) -> None:
    page = visit("/")
    family = page.get_by_role("heading", level=1).evaluate("heading => getComputedStyle(heading).fontFamily")
    loaded = page.evaluate("() => performance.getEntriesByType('resource').map(entry => entry.name)")
    assert family.startswith("Inter")
    assert f"{server.url}/app/static/fonts/inter-latin-wght-normal.woff2" in loaded


def test_first_request_after_start_is_a_deep_link(visit: Visit, tmp_path: Path) -> None:
    """A fresh process must run the shell first: the full menu and the badge, never the bare page."""
    with serving(tmp_path) as fresh:
        page = visit("/quality", base=fresh.url)
        assert page.title() == "Data quality · Telltale"
        assert set(TITLES.values()) <= set(menu(page))
        assert page.get_by_text("Local mode: no login").is_visible()
        page.context.close()  # before its server stops


def test_menu_leads_to_every_page(visit: Visit) -> None:
    page = visit("/")
    for path, title in TITLES.items():
        page.get_by_test_id("stSidebarNavLink").filter(has_text=re.compile(f"{title}$")).click()
        page.wait_for_function("title => document.title === title", arg=f"{title} · Telltale")
        settle(page)
        assert urlsplit(page.url).path == path
