"""Speed and memory of the service playbook: ``python -m bench.services`` prints a Markdown table.

The sentinel over 1,000 services x 15 one-minute rows, and the log templates of 1,000,000 error lines of one service,
each line with a number, an id and a quoted name of its own.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.adapters.clock import FixedClock
from core.context import Context
from core.detect.events import Scene
from core.detect.sentinel import Sentinel
from core.engine.sql import SqlEngine
from core.explain.log_templates import templates
from core.load.services import LOGS, METRICS, ServiceLoader
from core.model import CheckReport, Column, Provenance, Table

NOW = datetime(2025, 1, 15, 12, 0, 30, tzinfo=UTC)
SERVICES, MINUTES, LINES = 1_000, 15, 1_000_000
REPEATS = 5


def metrics_csv(seed: int = 1) -> bytes:
    """A row per service and minute; every hundredth service is over its limit."""
    rng = np.random.default_rng(seed)
    lines = ["ts,service,host,requests_total,error_count,latency_ms"]
    for s in range(SERVICES):
        for m in range(MINUTES):
            at = (NOW - timedelta(minutes=m, seconds=30)).isoformat()
            errors = rng.binomial(400, 0.12 if s % 100 == 0 else 0.004)
            lines.append(f"{at},service-{s},h1,400,{errors},{rng.normal(180, 15):.1f}")
    return "\n".join([*lines, ""]).encode()


def log_table(folder: Path, seed: int = 2) -> Table:
    """Error lines of the last hour, stored as the loader stores them."""
    rng = np.random.default_rng(seed)
    kinds = ("DatabaseConnectionTimeout", "HTTPConnectionError", "ValidationError", "TimeoutException")
    numbers, which = rng.integers(1, 90_000, LINES), rng.integers(0, len(kinds), LINES)
    ids = rng.integers(0, 2**63, LINES)
    text = [f"{kinds[k]}: order {n} of 'user {n}' failed after {n} ms (trace {i:016x})"
            for n, k, i in zip(numbers, which, ids, strict=True)]  # fmt: skip
    ts = np.sort(rng.integers(0, 3_600, LINES)) * 1_000_000 + int((NOW - timedelta(hours=1)).timestamp() * 1e6)
    columns = {
        "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
        "service": pa.array(["payment-service"] * LINES),
        "level": pa.array(["error"] * LINES),
        "message": pa.array(text),
        "error_type": pa.array([kinds[k] for k in which]),
        "host": pa.array(["h1"] * LINES),
    }
    path = folder / "logs.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd")
    provenance = Provenance("logs", "bench", "", LINES, 0, NOW)
    return Table("logs", tuple(Column(f.name, f.type) for f in LOGS.fields), path, provenance)


def timed(work: Callable[[], object]) -> tuple[str, object]:
    """The median seconds of some runs, by the wall and of the processor, as two cells; and the answer."""
    wall, cpu, answer = [], [], None
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        answer = work()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return f"{np.median(wall):.3f} | {np.median(cpu):.3f}", answer


def memory() -> float:
    """The largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measures loading, the sentinel and the log templates."""
    with tempfile.TemporaryDirectory() as room:
        engine = SqlEngine(Path(room))
        nobody: dict[str, object] = {"settings": None, "http": None, "ledger": None}
        ctx = Context(clock=FixedClock(NOW), engine=engine, **nobody)  # type: ignore[arg-type]
        source = metrics_csv()
        print(
            f"| step | rows | s (median of {REPEATS}) | CPU s | peak memory MiB | answer |\n|---|---|---|---|---|---|"
        )
        data, loaded = timed(lambda: ServiceLoader().load({"metrics.csv": source}, {}, ctx, NOW))
        rows = SERVICES * MINUTES
        print(f"| load {METRICS.table}.csv | {rows:,} | {data} | {memory():.0f} | |")
        scene = Scene(loaded, CheckReport(), NOW, engine)  # type: ignore[arg-type]
        took, seen = timed(lambda: Sentinel().detect(scene))
        found = len(seen.findings)  # type: ignore[attr-defined]
        print(f"| sentinel, {SERVICES:,} services | {rows:,} | {took} | {memory():.0f} | {found} findings |")
        logs = log_table(Path(room))
        before = memory()
        onset = NOW - timedelta(minutes=10)
        took, kinds = timed(
            lambda: templates(
                engine, logs, "payment-service", start=NOW - timedelta(hours=1), onset=onset, now=NOW, most=20
            )
        )
        grew = f"{memory():.0f} ({before:.0f} before)"
        print(f"| log templates | {LINES:,} | {took} | {grew} | {len(kinds)} templates |")  # type: ignore[arg-type]
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
