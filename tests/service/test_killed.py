"""SIGKILL at any moment: nothing is kept by half, no alert is lost, nothing is there twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from pytest_httpserver import HTTPServer

from core.bootstrap import build
from core.model import ActionState, DeliveryState
from core.service import sending
from core.service.workbench import Workbench
from core.store.incidents import OPEN_STATES
from tests.service.killed import settings

ROOT = Path(__file__).parents[2]
SEED, KILLS = 20261121, 10
TENANTS = tuple(f"t{n}" for n in range(KILLS))


@contextmanager
def working(home: Path, slack: str) -> Iterator[subprocess.Popen[str]]:
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-m", "tests.service.killed", str(home), slack, str(SEED), str(KILLS)]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.kill()


def test_ten_kills_leave_nothing_half_done_lost_or_twice(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": True, "channel": "C1", "ts": "1.1"})
    slack = httpserver.url_for("/api")
    with working(tmp_path, slack) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "killed\n"
        wb = build(settings(tmp_path, slack))
        got_to = Counter(_consistent(wb, tenant) for tenant in TENANTS)
        assert len(got_to) > 1, got_to  # the kills struck at different stages
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.wait(300) == 0
    while sending.deliver(wb, "later", limit=100, now=wb.ctx.clock.now() + timedelta(days=2)):
        continue
    told = "".join(request.get_data(as_text=True) for request, _ in httpserver.log)
    for tenant in TENANTS:
        _consistent(wb, tenant)
        _complete(wb, tenant, told)
    wb.store.close()


def _consistent(wb: Workbench, tenant: str) -> str:
    """How far the tenant's work got; whatever is there of it is whole."""
    with wb.store.read() as books:
        segments = {s.id for s in books.segments.list(tenant)}
        snapshots = books.snapshots.list(tenant)
        runs = books.runs.list(tenant, limit=1000)
        incidents = books.incidents.list(tenant, limit=1000)
        queued = books.outbox.list(tenant, limit=10_000)
        keys = [books.outbox.payload(tenant, d.id).dedup_key for d in queued]
        actions = books.actions.list(tenant, limit=1000)
        lines = books.audit.list(tenant, limit=10_000)
        assert books.audit.verify(tenant).ok
    by_day: dict[object, set[str]] = {}
    for snapshot in snapshots:
        by_day.setdefault(snapshot.ts.date(), set()).add(snapshot.segment)
    assert all(kept == segments for kept in by_day.values())
    assert bool(segments) == bool(snapshots)
    assert {i.run_id for i in incidents} <= {r.id for r in runs}
    alerts = "\n".join(key for key in keys if ":alert:" in key)
    assert [i.incident_id for i in incidents if i.incident_id not in alerts] == []
    assert [key for key, count in Counter(i.dedup_key for i in incidents).items() if count > 1] == []
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    written = Counter(line.action for line in lines)
    assert (written["action_proposed"], written["message_queued"]) == (len(actions), len(queued))
    assert written["findings"] == len(runs)
    return f"{len(runs)} runs, {len(queued)} messages, {len(actions)} actions"


def _complete(wb: Workbench, tenant: str, told: str) -> None:
    """After the same work once more: every open incident was told, and every open question asked."""
    with wb.store.read() as books:
        opened = books.incidents.list(tenant, statuses=OPEN_STATES, limit=1000)
        waiting = books.actions.list(tenant, states=(ActionState.PROPOSED,), limit=1000)
        sent = books.outbox.list(tenant, limit=10_000)
    subjects = {i.subject for i in opened}
    assert {"payment-service", "high-value"} <= subjects
    assert {d.state for d in sent} == {DeliveryState.SENT}
    assert [i.incident_id for i in opened if i.incident_id not in told] == []
    asked = [a for a in waiting if a.proposal.requires_approval]
    assert len(asked) >= 2
    assert [a.action_id for a in asked if f"|{a.action_id}" not in told] == []
