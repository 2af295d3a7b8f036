"""The whole way in, with a real login provider on this machine and its cookies in Chromium."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.access import Principal
from core.bootstrap import build
from core.service import people
from core.service.workbench import Workbench
from core.settings import Settings
from tests.browser import sign_in
from tests.browser.screen import settle
from tests.browser.server import Server, serving
from tests.browser.sign_in import log_in, provider_of, put_secrets

ADMIN = Principal("cli", "default", "admin")


@dataclass(frozen=True)
class Office:
    """A running workbench behind a login, and a second look into its store."""

    server: Server
    provider: str
    wb: Workbench

    def user(self, email: str, role: str) -> str:
        return people.add_user(self.wb, ADMIN, email, role).id

    def runs_of(self, email: str) -> int:
        with self.wb.store.read() as books:
            return [run.actor for run in books.runs.list("default")].count(email)

    def actions(self) -> list[str]:
        with self.wb.store.read() as books:
            return [entry.action for entry in books.audit.list("default", limit=200)][::-1]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with provider_of(("ana", "vera", "mallory")) as address:
        yield address


@pytest.fixture(scope="module")
def office(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    home = tmp_path_factory.mktemp("office")
    put_secrets(home, provider)
    wb = build(Settings(_env_file=None, telltale_home=home))
    with serving(home, TELLTALE_DEMO="false") as server:
        yield Office(server, provider, wb)
    wb.store.close()


Enter = Callable[..., Page]


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser of its own that reaches nothing but this machine."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
    yield context
    context.close()


@pytest.fixture
def enter(office: Office, context: BrowserContext) -> Enter:
    """Opens an address and signs in as somebody."""

    def come_in(path: str, sub: str) -> Page:
        page = context.new_page()
        sign_in.enter(page, office.server.url + path, sub)
        return page

    return come_in


def where(page: Page) -> str:
    parts = urlsplit(page.url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def status(office: Office, context: BrowserContext, path: str) -> int:
    return context.request.get(office.server.url + path).status


def test_the_first_request_after_start_is_a_deep_link_and_the_login_leads_back_to_it(
    office: Office, enter: Enter, context: BrowserContext
) -> None:
    """Signed out nothing of the page is sent; the first administrator is bound at the first login."""
    office.user("ana@x.example", "admin")
    page = enter("/people?tag=a%26b", "ana")
    expect(page.get_by_role("heading", name="Users and tokens")).to_be_visible(timeout=30_000)
    assert where(page) == "/people?tag=a%26b"
    expect(page.get_by_test_id("stSidebar")).to_contain_text("admin")
    assert "login" in office.actions()
    cookies = {c["name"]: c for c in context.cookies()}
    assert (cookies["_streamlit_user"]["httpOnly"], cookies["_streamlit_user"]["sameSite"]) == (True, "Lax")
    assert "telltale_return" not in cookies


def test_without_a_row_there_is_no_access(office: Office, enter: Enter) -> None:
    page = enter("/incidents", "mallory")
    expect(page.get_by_role("heading", name="No access")).to_be_visible()
    expect(page.get_by_text("Ask an administrator for access.")).to_be_visible()
    assert page.get_by_test_id("stSidebarNavLink").count() == 0
    assert office.actions().count("access_refused") == 1


def test_a_role_counts_at_every_click(office: Office, enter: Enter, context: BrowserContext) -> None:
    """DP-21: a viewer is refused a write; promoted, the next click works; revoked, the next one does not."""
    vera = office.user("vera@x.example", "viewer")
    page = enter("/data", "vera")
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible(timeout=30_000)
    links = [t.split("\n")[-1] for t in page.get_by_test_id("stSidebarNavLink").all_inner_texts()]
    assert "Today" in links
    assert "Users and tokens" not in links

    page.goto(office.server.url + "/people", wait_until="commit")
    expect(page.get_by_text("The role viewer does not hold tools:manage.")).to_be_visible(timeout=30_000)
    assert page.get_by_text("API tokens").count() == 0

    page.goto(office.server.url + "/", wait_until="commit")
    run = page.get_by_role("button", name="Run and save").first
    expect(run).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)
    run.click()
    expect(page.get_by_text("The role viewer does not hold incidents:write.")).to_be_visible(timeout=30_000)
    assert office.runs_of("vera@x.example") == 0

    people.set_role(office.wb, ADMIN, vera, "responder")
    settle(page)
    page.get_by_role("button", name="Run and save").first.click()
    expect(page.get_by_text("preview, not saved")).to_be_hidden(timeout=60_000)
    settle(page, timeout_s=60)
    assert office.runs_of("vera@x.example") == 1

    people.set_disabled(office.wb, ADMIN, vera, disabled=True)
    page.get_by_role("button", name="Run and save").first.dispatch_event("click")  # the toast covers it
    expect(page.get_by_role("heading", name="No access")).to_be_visible(timeout=30_000)
    assert office.runs_of("vera@x.example") == 1


def test_logging_out_ends_every_session(office: Office, enter: Enter, context: BrowserContext) -> None:
    page = enter("/audit", "ana")
    other = context.new_page()
    other.goto(office.server.url + "/alerts", wait_until="commit")
    settle(other, timeout_s=60)
    copied = context.cookies()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{office.provider}/**")
    context.add_cookies(copied)  # type: ignore[arg-type]
    other.get_by_test_id("stSidebarNavLink").filter(has_text=re.compile("Incidents$")).last.click()
    expect(other.get_by_text("Your session has ended.")).to_be_visible(timeout=30_000)
    log_in(other, "ana")
    expect(other.get_by_role("heading", name="Incidents", exact=True)).to_be_visible(timeout=30_000)


def test_a_token_is_shown_once_and_revoked(office: Office, enter: Enter, context: BrowserContext) -> None:
    page = enter("/people", "ana")
    page.get_by_label("Name").fill("export")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("it is not shown again")).to_be_visible(timeout=30_000)
    secret = page.get_by_test_id("stCode").inner_text().strip()
    assert secret.startswith("tlt_")
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_test_id("stCode")).to_be_hidden(timeout=30_000)
    page.reload(wait_until="commit")
    settle(page, timeout_s=60)
    assert secret not in page.content()
    assert secret not in json.dumps(office.actions())
    page.get_by_role("button", name="Revoke").first.click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_text("Revoked and expired: 1")).to_be_visible(timeout=30_000)
    assert "token_revoked" in office.actions()


def test_the_server_answers_probes_to_anybody(office: Office) -> None:
    with urllib.request.urlopen(f"{office.server.url}/healthz") as reply:
        assert reply.status == 200
