"""How fast alerts are taken and decided: 10,000 in a burst, on SQLite and PostgreSQL, with p99 of the answer.

Run: ``python -m bench.alerts [--count 10000] [--threads 16]``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from core.access import Principal
from core.bootstrap import build
from core.service import alert_inbox
from core.service.workbench import Workbench
from core.settings import Settings
from tests import postgres

ENTITIES = 40  # a storm is many alerts on few things


def main() -> None:
    """Prints one line for each database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        measure("SQLite", Path(room) / "a", None, given.count, given.threads)
        with postgres.running() as cluster:
            measure("PostgreSQL", Path(room) / "b", cluster.new_database(), given.count, given.threads)


def measure(name: str, home: Path, url: str | None, count: int, threads: int) -> None:
    """Takes every alert from several threads at once, then decides them."""
    secret = SecretStr(url) if url else None
    wb = build(Settings(_env_file=None, telltale_home=home, telltale_database_url=secret, openai_api_key=None))
    who = Principal("bench", "default", "responder")
    bodies = [body(n) for n in range(count)]
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        took = list(pool.map(lambda raw: timed(wb, who, raw), bodies))
    taken = time.perf_counter() - began
    began = time.perf_counter()
    handled = alert_inbox.tick(wb)
    decided = time.perf_counter() - began
    with wb.store.read() as books:
        waiting, rows = books.received.waiting(), len(books.received.list("default", limit=count + 1))
        incidents = len(books.incidents.list("default", limit=count))
    print(
        f"{name}: {count:,} alerts, {threads} senders: taken in {taken:.1f} s ({60 * count / taken:,.0f} a minute), "
        f"p50 {quantile(took, 0.5):.1f} ms, p99 {quantile(took, 0.99):.1f} ms; decided in {decided:.1f} s "
        f"({60 * handled / decided:,.0f} a minute); kept {rows:,}, waiting {waiting}, incidents {incidents}"
    )
    wb.store.close()
    wb.ctx.engine.close()  # type: ignore[attr-defined]


def timed(wb: Workbench, who: Principal, raw: bytes) -> float:
    """Milliseconds until one alert is durably kept."""
    began = time.perf_counter()
    alert_inbox.receive(wb, who, raw)
    return 1000 * (time.perf_counter() - began)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def body(n: int) -> bytes:
    """One alert of a storm."""
    at = datetime(2025, 12, 13, 12, tzinfo=UTC) + timedelta(seconds=n / 200)
    return json.dumps(
        {"alert_id": f"B-{n}", "title": "DAG overrun", "severity": "high", "source": "bench",
         "timestamp": at.isoformat(),
         "metric": {"dag_id": f"dag_{n % ENTITIES}", "expected_duration_minutes": 60, "actual_duration_minutes": 100,
                    "status": "running"}}
    ).encode()  # fmt: skip


if __name__ == "__main__":
    main()
