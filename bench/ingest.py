"""How many order events a second are taken durably, in batches and one by one, and how fast they are read back.

``python -m bench.ingest [--seconds 4]``: SQLite (synchronous=FULL) and PostgreSQL (synchronous_commit on), beside what
the disk itself does and what the bare driver does with the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import create_engine, text

from core.access import Principal
from core.adapters.clock import SystemClock
from core.service import ingest
from core.service.workbench import Known
from core.settings import Settings
from core.store.books import Store
from core.store.order_events import NewEvent
from tests import postgres

AT = datetime(2025, 8, 18, 10, tzinfo=UTC)
WHO = Principal("bench", "demo-3pl", "admin")
COLUMNS = ", ".join(NewEvent._fields)


def fdatasync_per_s(folder: Path) -> float:
    """How often the disk makes a page durable."""
    with (folder / "sync").open("wb") as out:
        started = time.perf_counter()
        for _ in range(200):
            out.write(b"x" * 4096)
            out.flush()
            os.fdatasync(out.fileno())
    return 200 / (time.perf_counter() - started)


def documents(thread: int, batch: int, size: int) -> list[dict[str, Any]]:
    """One batch as a warehouse would tell it; ids are scattered, five events an order."""
    first = (thread * 1_000_000 + batch) * size
    return [
        {
            "source": "wms",
            "event_type": "pick_completed",
            "event_id": f"{hash((i, 7)) & 0xFFFFFFFFFFFFFFFF:016x}-{i}",
            "order_id": f"SO-{i // 5:08d}",
            "occurred_at": "2025-08-18T10:00:00Z",
            "line_count": 3,
            "items_count": 4,
            "payload": {"zone": "A-12", "picker": f"p{i % 40}"},
        }
        for i in range(first, first + size)
    ]


def rate(tell: Callable[[int, int], int], threads: int, seconds: float) -> tuple[int, int]:
    """Events a second of wall time and of processor time, told by so many threads at once."""
    counts, stop = [0] * threads, time.perf_counter() + seconds

    def work(thread: int) -> None:
        batch = 0
        while time.perf_counter() < stop:
            counts[thread] += tell(thread, batch)
            batch += 1

    started, cpu = time.perf_counter(), time.process_time()
    running = [threading.Thread(target=work, args=(t,)) for t in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    wall, used = time.perf_counter() - started, time.process_time() - cpu
    return round(sum(counts) / wall), round(sum(counts) / used)


def measured(url: str, seconds: float) -> dict[str, Any]:
    """Every figure of one database."""
    store = Store.open(url)
    context = SimpleNamespace(clock=SystemClock(), settings=Settings(_env_file=None))
    found: dict[str, Any] = {}
    for offset, (size, threads) in enumerate(((100, 1), (100, 4), (1000, 1), (1, 1), (1, 8))):
        wb: Any = SimpleNamespace(store=store, ctx=context, known_events=Known(50_000))

        def tell(thread: int, batch: int, wb: Any = wb, size: int = size, offset: int = offset) -> int:
            done = ingest.batch(wb, WHO, documents(offset * 10 + thread, batch, size))
            assert all(o.status is ingest.Status.STORED for o in done)
            return len(done)

        wall, cpu = rate(tell, threads, seconds)
        found[f"{size} x {threads}"] = {"events_s": wall, "events_per_cpu_s": cpu}
    again: Any = SimpleNamespace(store=store, ctx=context, known_events=Known(50_000))
    found["100 x 1, all duplicates"] = {
        "events_s": rate(lambda _t, b: len(ingest.batch(again, WHO, documents(0, b % 20, 100))), 1, seconds)[0]
    }
    found["read"] = _read(store)
    store.close()
    return found


def _read(store: Store) -> dict[str, Any]:
    started, cpu, rows = time.perf_counter(), time.process_time(), 0
    before = _peak_mb()
    with store.read() as books:
        for batch in books.order_events.read(WHO.tenant):
            rows += batch.num_rows
    took, used = time.perf_counter() - started, time.process_time() - cpu
    return {
        "rows": rows,
        "rows_s": round(rows / took),
        "rows_per_cpu_s": round(rows / used),
        "more_mb": _peak_mb() - before,
    }


def bare(path: Path, seconds: float) -> dict[str, int]:
    """The same rows by the driver alone, one thread: what there is to lose."""
    Store.open(f"sqlite:///{path}").close()
    words = (
        f"INSERT INTO order_events ({COLUMNS}) VALUES ({', '.join('?' * len(NewEvent._fields))}) ON CONFLICT DO NOTHING"
    )

    more = ("ord-0123456789abcdef", "", 3, None, 4, 0)

    def tell(thread: int, batch: int) -> int:
        at, told = "2025-08-18 10:00:00.000000", documents(thread, batch, 100)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            words,
            [
                (
                    WHO.tenant,
                    "wms",
                    d["event_id"],
                    d["order_id"],
                    d["event_type"],
                    at,
                    at,
                    *more,
                    json.dumps(d["payload"]),
                )
                for d in told
            ],
        )
        connection.execute("COMMIT")
        return 100

    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=FULL")
    wall, cpu = rate(tell, 1, seconds)
    connection.close()
    return {"events_s": wall, "events_per_cpu_s": cpu}


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Prints all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        document: dict[str, Any] = {"load_average": os.getloadavg()[0], "fdatasync_s": round(fdatasync_per_s(folder))}
        document["bare sqlite3, 100 x 1"] = bare(folder / "bare.db", asked.seconds)
        document["sqlite"] = measured(f"sqlite:///{folder / 'state.db'}", asked.seconds)
    with postgres.running() as cluster:
        engine = create_engine(cluster.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("ALTER SYSTEM SET fsync = on"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
        document["postgresql"] = measured(cluster.new_database(), asked.seconds)
    document["peak_mb"] = _peak_mb()
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
