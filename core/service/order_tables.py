"""The order events that were told, as the table that the order playbook reads."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from core.service.workbench import Workbench
from core.store.order_events import SCHEMA

LOADER: Final = "orders"
FILE: Final = "events.parquet"
LOOKBACK: Final = timedelta(hours=168)  # whole orders of which anything occurred since: as long as exceptions are shown
STEP_S: Final = 3600  # how far the beginning moves at once, so that a table serves many looks
UNUSED_S: Final = 3600.0


def told(wb: Workbench, tenant: str, at: datetime) -> Mapping[str, Path]:
    """The tenant's events as of ``at`` as a Parquet file below the engine's folder; nothing when none were told.

    The file's name is made from what is in it, so it is written once for all looks at the same events.
    """
    mine = f"orders-{_short(tenant)}-"
    since = datetime.fromtimestamp((at - LOOKBACK).timestamp() // STEP_S * STEP_S, tz=UTC)
    with wb.store.read() as books:  # one view: the table holds what the mark stands for
        mark = books.order_events.mark(tenant)
        if mark is None:
            return {}
        path = wb.ctx.engine.folder().resolve() / f"{mine}{_short(f'{mark} {since.isoformat()}')}.parquet"
        if path.exists():
            os.utime(path)
        else:
            _write(path, books.order_events.read(tenant, since))
            _forget(path, mine)
    return {FILE: path}


def _write(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    draft = path.with_name(f".{path.stem}-{os.getpid()}-{time.monotonic_ns()}.draft")
    with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as out:
        for batch in batches:
            out.write_batch(batch)
    os.replace(draft, path)


def _forget(newest: Path, mine: str) -> None:
    """The tenant's tables that nobody asked for lately are gone."""
    oldest = time.time() - UNUSED_S
    for old in newest.parent.glob(f"{mine}*.parquet"):
        if old != newest and old.stat().st_mtime < oldest:
            old.unlink(missing_ok=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
