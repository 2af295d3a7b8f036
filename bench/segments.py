"""How long a snapshot of many segments over a large people table takes, and how much memory.

``python -m bench.segments [--people 1000000] [--segments 100]``; the people are made up, seed 1.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.engine.sql import SqlEngine
from core.load.snapshots import People, count
from core.model import Column, ColumnType, Provenance, Segment, Table

AT = datetime(2026, 1, 8, 2, tzinfo=UTC)
TYPES = {
    "id": ColumnType.INTEGER,
    "ltv": ColumnType.NUMBER,
    "last_active_days": ColumnType.INTEGER,
    "sessions": ColumnType.INTEGER,
    "plan": ColumnType.TEXT,
    "platform": ColumnType.TEXT,
    "country": ColumnType.TEXT,
    "city": ColumnType.TEXT,
    "newsletter": ColumnType.BOOLEAN,
    "email": ColumnType.TEXT,
    "converted": ColumnType.BOOLEAN,
}


def people(folder: Path, rows: int, seed: int) -> Table:
    """A made-up people table of one day; other seeds are other days with mostly the same ids."""
    rng = np.random.default_rng(seed)
    ids = np.arange(rows) + seed * rows // 50
    columns = {
        "id": ids,
        "ltv": np.round(rng.gamma(2.0, 400.0, rows), 2),
        "last_active_days": rng.integers(0, 120, rows),
        "sessions": rng.poisson(12, rows),
        "plan": np.array(["free", "trial", "pro", "enterprise"])[rng.choice(4, rows, p=[0.5, 0.1, 0.3, 0.1])],
        "platform": np.array(["ios", "android", "web"])[rng.choice(3, rows, p=[0.45, 0.4, 0.15])],
        "country": np.array([f"C{i}" for i in range(40)])[rng.integers(0, 40, rows)],
        "city": np.array([f"City {i}" for i in range(150)])[rng.integers(0, 150, rows)],
        "newsletter": rng.random(rows) < 0.3,
        "email": np.char.add(ids.astype(str), "@example.com"),
        "converted": rng.random(rows) < 0.12,
    }
    path = folder / f"people-{seed}.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=122_880)  # as loading writes them
    provenance = Provenance("people", f"people-{seed}.csv", str(seed), rows, 0, AT)
    return Table("people", tuple(Column(n, t) for n, t in TYPES.items()), path, provenance)


def segments(number: int) -> list[Segment]:
    """Segments of two to five rules, some of them nested."""
    found = []
    for i in range(number):
        rules: list[dict[str, object]] = [
            {"field": "ltv", "operator": ">", "value": 100 + 15 * i},
            {"field": "last_active_days", "operator": "<=", "value": 3 + i % 90},
        ]
        if i % 2:
            rules.append({"field": "plan", "operator": "in", "value": ["pro", "enterprise"]})
        if i % 3 == 0:
            inner = [{"field": "city", "operator": "contains", "value": str(i % 10)}]
            inner.append({"field": "sessions", "operator": ">=", "value": 15})
            rules.append({"logicalOperator": "OR", "rules": inner})
        found.append(Segment(f"s{i}", f"Segment {i}", {"logicalOperator": "AND", "rules": rules}))  # type: ignore[dict-item]
    return found


def main() -> None:
    """Prints seconds and peak memory as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--segments", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as room:
        with multiprocessing.get_context("spawn").Pool(1) as elsewhere:  # their making shall not count as our memory
            now, before = elsewhere.starmap(people, [(Path(room), asked.people, day) for day in (1, 0)])
        engine = SqlEngine(Path(room))
        ready_mb = _peak_mb()
        started, cpu = time.perf_counter(), time.process_time()
        done = count(engine, People(now), segments(asked.segments), AT, before=before)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert not done.failed
        engine.close()
    document = {
        "people": asked.people,
        "segments": asked.segments,
        "attributes": sorted(done.snapshots[0].shares),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": _peak_mb(),
        "peak_mb_before": ready_mb,
        "median_size": int(np.median([s.size for s in done.snapshots])),
        "moves_known": all(s.velocity_in is not None for s in done.snapshots),
    }
    print(json.dumps(document, indent=2))


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
