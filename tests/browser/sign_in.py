"""A login provider on this machine, the settings that point a workbench to it, and the clicks of signing in."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.screen import settle
from tests.browser.server import free_port


@contextmanager
def provider_of(names: Sequence[str]) -> Iterator[str]:
    """The address of a login provider that takes everybody at their word; its own process, for it warns a lot."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    for name in names:
        person = {"sub": name, "email": f"{name}@x.example", "email_verified": True}
        command += ["--user-claims", json.dumps(person)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(15)


def put_secrets(home: Path, provider: str) -> None:
    """A workbench in ``home`` lets people sign in at the provider."""
    (home / ".streamlit").mkdir(parents=True)
    (home / ".streamlit" / "secrets.toml").write_text(
        f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{"c0ffee" * 12}"
client_id = "telltale"
client_secret = "none"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""
    )


def enter(page: Page, address: str, sub: str) -> None:
    """Opens the address, signs in as somebody, and ends where the address leads."""
    page.goto(address, wait_until="commit")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=60_000)
    log_in(page, sub)


def log_in(page: Page, sub: str) -> None:
    """Signs in on the page that asks for it."""
    settle(page, timeout_s=60)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name=sub, exact=True).first.click()
    settle(page, timeout_s=60)
