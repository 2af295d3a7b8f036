"""Service tables for tests: rows as CSV, the demo set at a fixed moment, and one look at them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from core.adapters.clock import FixedClock
from core.context import Context
from core.engine.sql import SqlEngine
from core.load.services import ServiceLoader
from core.model import Dataset, Json

ROOT = Path(__file__).parents[1]
NOW = datetime(2025, 1, 15, 12, 0, 30, tzinfo=UTC)
METRICS = "ts,service,host,requests_total,error_count,latency_ms"
LOGS = "ts,service,level,message,error_type,host"
DEPLOYMENTS = "ts,service,version,previous_version,author,description,status"
SERVICES = "service,team,criticality,on_call_channel,runbook_url"
Files = dict[str, Path | bytes]


def csv(header: str, rows: Sequence[Sequence[object]]) -> bytes:
    """Rows below a header; times as ISO 8601."""
    lines = [",".join(c.isoformat() if isinstance(c, datetime) else str(c) for c in row) for row in rows]
    return "\n".join([header, *lines, ""]).encode()


def ago(minutes: float) -> datetime:
    """A moment before now."""
    return NOW - timedelta(minutes=minutes)


@lru_cache
def _demo(seed: int) -> Mapping[str, bytes]:
    spec = importlib.util.spec_from_file_location("service_demo", ROOT / "data" / "service_incidents" / "generator.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with TemporaryDirectory() as room:
        module.generate(seed, Path(room), NOW)
        found = sorted(p for p in Path(room).rglob("*") if p.is_file())
        return {p.relative_to(room).as_posix(): p.read_bytes() for p in found}


def demo(seed: int = 7) -> Files:
    """The generated demo files at ``NOW``, by name."""
    return dict(_demo(seed))


@dataclass
class World:
    """An engine over a folder, with the loader in front."""

    engine: SqlEngine
    ctx: Context

    def load(self, files: Files, documents: Mapping[str, Json] | None = None, now: datetime = NOW) -> Dataset:
        """The dataset of these files at a moment."""
        return ServiceLoader().load(files, documents or {}, self.ctx, now)


def world(folder: Path) -> World:
    """A world below a folder; close its engine afterwards."""
    engine = SqlEngine(folder)
    nobody: Mapping[str, object] = {"settings": None, "http": None, "ledger": None}
    return World(engine, Context(clock=FixedClock(NOW), engine=engine, **nobody))  # type: ignore[arg-type]
