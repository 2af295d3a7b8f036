"""The real workbench in a process of its own, as `make run` starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a developer has configured must not reach a test: no real mail, chat or model.
FOREIGN = (
    "TELLTALE_",
    "OPENAI_",
    "SMTP_",
    "SLACK_",
    "TEAMS_",
    "WEBHOOK_",
    "PAGERDUTY_",
    "JIRA_",
    "AIRFLOW_",
    "STREAMLIT_",
)


@dataclass(frozen=True)
class Server:
    """A running workbench: its address, its home folder, its process id and what it has printed."""

    url: str
    home: Path
    pid: int
    log: Path


@contextmanager
def serving(home: Path, *, timeout_s: float = 60, **env: str) -> Iterator[Server]:
    """Starts the workbench with ``home`` as TELLTALE_HOME, waits for ``/readyz`` and stops it at the end."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)]
    # The working directory is the home folder, so a developer's .env in the repository is not read either.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    settings = {**inherited, "TELLTALE_HOME": str(home), "PYTHONPATH": str(ROOT), **env}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=home, env=settings, stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, f"{url}/readyz", log, timeout_s)
        yield Server(url, home, process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], url: str, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} did not answer; exit code {process.poll()}; log:\n{log.read_text()[-4000:]}")
