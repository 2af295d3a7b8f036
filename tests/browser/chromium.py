"""The Chromium on this machine that the browser tests drive.

``python -m tests.browser.chromium`` starts it once and shows its path; it fails when something is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """The path of a Chromium that starts: the system's own, else the one Playwright has downloaded."""
    return next((path for name in NAMES if (path := shutil.which(name)) and _starts(path)), None) or _downloaded()


def _downloaded() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and _starts(path) else None


def _starts(path: str) -> bool:
    # Ubuntu's chromium-browser may be a stub that only says "install the snap".
    return subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    found = executable()
    if not found:
        sys.exit("no Chromium found")
    with sync_playwright() as driver:
        driver.chromium.launch(executable_path=found, args=list(FLAGS)).close()
    print(found)
