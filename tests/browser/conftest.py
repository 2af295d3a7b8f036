"""Fixtures that start the workbench once and drive it with Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import FLAGS, executable
from tests.browser.screen import Faults, settle
from tests.browser.server import Server, serving


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The workbench with demo data and nothing configured, for tests that change nothing for others."""
    with serving(tmp_path_factory.mktemp("workbench")) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One headless Chromium."""
    path = executable()
    assert path, "no Chromium found: run `make chromium`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Visit(Protocol):
    """Opens an address in a browser context of its own and returns the settled page."""

    def __call__(
        self, path: str = "/", *, base: str | None = None, width: int = 1440, scheme: str = "dark"
    ) -> Page: ...


@pytest.fixture
def visit(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Visit]:
    """Opens pages; at the end none of them may have had a fault or shown an exception.

    ``base`` is the address of another workbench than the shared one.
    """
    faults, pages = Faults(), list[Page]()

    def open_page(path: str = "/", *, base: str | None = None, width: int = 1440, scheme: str = "dark") -> Page:
        phone = width < 600
        context = chromium.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            is_mobile=phone,
            has_touch=phone,
            accept_downloads=True,
        )
        page = context.new_page()
        faults.watch(page)
        pages.append(page)
        page.goto((base or request.getfixturevalue("server").url) + path, wait_until="commit")
        settle(page, timeout_s=60)  # the first page of a process also imports what it draws with
        return page

    yield open_page
    shown = [
        text for page in pages if not page.is_closed() for text in page.get_by_test_id("stException").all_inner_texts()
    ]
    for page in pages:
        page.context.close()
    assert shown == []
    assert faults == Faults()
