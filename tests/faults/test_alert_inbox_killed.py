"""Processes that decide alerts are killed at random moments: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.access import Principal
from core.bootstrap import build
from core.service import actions, alert_inbox
from core.settings import Settings
from tests import postgres
from tests.service.conftest import Hand

ROOT = Path(__file__).parents[2]
WHO = Principal("ana", "default", "responder")
START = datetime(2025, 12, 13, 12, tzinfo=UTC)
KILLS = 4
ALERTS = 60
WORKER = """
import sys, time
from pathlib import Path
from pydantic import SecretStr
from core.bootstrap import build
from core.service import alert_inbox
from core.settings import Settings
alert_inbox.LEASE_S, alert_inbox.BATCH = 1.0, 5
url = SecretStr(sys.argv[2]) if len(sys.argv) > 2 else None
wb = build(Settings(_env_file=None, telltale_home=Path(sys.argv[1]), telltale_database_url=url, openai_api_key=None))
print("ready", flush=True)
while True:
    alert_inbox.tick(wb)
    time.sleep(0.05)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
    else:
        with postgres.running() as cluster:
            yield cluster.new_database()


def body(n: int) -> bytes:
    at = (START + timedelta(seconds=n)).isoformat()
    metric = {
        "dag_id": f"dag_{n}",
        "expected_duration_minutes": 60,
        "actual_duration_minutes": 300,
        "status": "running",
    }
    row = {"alert_id": f"K-{n}", "severity": "critical", "source": "x", "timestamp": at, "metric": metric,
           "related_context": {"downstream_systems_waiting": 3}}  # fmt: skip
    return json.dumps(row).encode()


def worker(home: Path, url: str | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(home), *([url] if url else [])]
    started = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_killed_workers_lose_and_double_nothing(tmp_path: Path, url: str | None) -> None:
    rng = random.Random(5)
    settings = Settings(
        _env_file=None,
        telltale_home=tmp_path,
        telltale_database_url=SecretStr(url) if url else None,
        openai_api_key=None,
    )
    wb = build(settings, Hand(datetime.now(UTC)))
    for n in range(ALERTS):
        alert_inbox.receive(wb, WHO, body(n))
    for _ in range(KILLS):
        running = worker(tmp_path, url)
        time.sleep(rng.uniform(0.02, 0.6))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert running.stdout is not None
        running.stdout.close()
    last = worker(tmp_path, url)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with wb.store.read() as books:
            if not books.received.waiting():
                break
        time.sleep(0.2)
    last.kill()
    last.wait()
    assert last.stdout is not None
    last.stdout.close()
    with wb.store.read() as books:
        rows = books.received.list("default", limit=ALERTS + 1)
        found = books.incidents.list("default", playbook="data_incidents", limit=ALERTS + 1)
        assert books.audit.verify("default").ok
    assert [(r.state, r.action) for r in rows] == [("done", "auto_fix")] * ALERTS
    assert len(found) == ALERTS
    assert {i.occurrences for i in found} == {1}
    for incident in found:
        (action,) = actions.of_incident(wb, WHO, incident.incident_id)
        assert action.proposal.action_type == "restart_dag"
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]
