"""The order detector and the bills over a million events, and both against planted truth.

``python -m bench.orders`` prints seconds of processor and wall time and the growth of resident memory.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import pyarrow as pa

from core.decide.order_invoices import OrderInvoices
from core.detect.events import Scene
from core.detect.orders import OrderSla
from core.engine.sql import SqlEngine
from core.load.order_files import EVENT_SCHEMA, no_invoices, stored_table
from core.load.order_loader import OrderLoader
from core.load.order_policies import shipped_policy
from core.model import CheckReport, Dataset
from core.orders import policy_doc
from core.service import tools

NOW = datetime(2025, 8, 18, 14, tzinfo=UTC)
MINUTE = 60_000_000
T = TypeVar("T")
TYPES = (
    ("shopify", "order_paid"), ("wms", "pick_completed"), ("wms", "pack_completed"), ("wms", "ship_label_printed"),
    ("carrier", "picked_up"),
)  # fmt: skip
PAYLOAD = (
    '{"shipping_address":{"zip":"10115"},"financial_status":"paid","service_level":"standard",'
    '"line_items":[{"sku":"A","quantity":1,"available_quantity":9}]}'
)


def events(n_orders: int, seed: int = 1) -> pa.Table:
    """Five events of each order over the last two days, 13 % of the orders slow at some stage."""
    rng = np.random.default_rng(seed)
    now = int(NOW.timestamp() * 1e6)
    at = now - rng.integers(0, 2 * 1440 * MINUTE, n_orders)
    slow = rng.random(n_orders) < 0.13
    steps = [np.zeros(n_orders, dtype=np.int64)]
    for low, high in ((15, 110), (10, 160), (5, 6), (60, 900)):
        steps.append(rng.integers(low * MINUTE, high * MINUTE, n_orders) * np.where(slow, 4, 1))
    times = np.concatenate([at + s for s in np.cumsum(steps, axis=0)])
    ids = np.char.add("ORD-", np.arange(n_orders).astype(str))
    n = n_orders * len(TYPES)
    columns = {
        "source": pa.array(np.repeat([s for s, _ in TYPES], n_orders)),
        "event_id": pa.array(np.char.add("e", np.arange(n).astype(str))),
        "order_id": pa.array(np.tile(ids, len(TYPES))),
        "event_type": pa.array(np.repeat([t for _, t in TYPES], n_orders)),
        "occurred_at": pa.array(times, pa.timestamp("us", tz="UTC")),
        "received_at": pa.array(times, pa.timestamp("us", tz="UTC")),
        "payload": pa.array([PAYLOAD] * n_orders + [None] * (n - n_orders)),
        "carrier": pa.array(np.repeat(["ups"], n)),
        **{name: pa.nulls(n, pa.int64()) for name in ("line_count", "total_amount_cents", "items_count")},
        **{name: pa.array(rng.random(n) < 0.02) for name in ("rush", "oversized", "hazmat", "fragile")},
    }
    return pa.table(columns).select(EVENT_SCHEMA.names).cast(EVENT_SCHEMA)


def timed(name: str, work: Callable[[], T]) -> T:
    """Runs the work and prints what it took."""
    before, cpu, wall = _rss(), time.process_time(), time.perf_counter()
    made = work()
    took, used = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name}: {took:.2f} s wall, {used:.2f} s processor, peak memory {before:,} -> {_rss():,} MiB")
    return made


def _rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def speed(folder: Path, n_orders: int) -> None:
    """A look at ``n_orders`` orders with five events each."""
    engine = SqlEngine(folder)
    table = stored_table("events", events(n_orders), folder=folder)
    documents = {"policies": policy_doc(shipped_policy()), "timezone": "Europe/Berlin"}
    dataset = Dataset({"events": table, "invoices": no_invoices(folder, NOW)}, documents)
    scene = Scene(dataset, CheckReport(), NOW, engine)
    seen = timed(f"detect {n_orders * len(TYPES):,} events of {n_orders:,} orders", lambda: OrderSla().detect(scene))
    print(f"  {len(seen.findings):,} findings, {len(seen.extra['predictions']):,} predictions")  # type: ignore[arg-type]
    found = timed("bills", lambda: OrderInvoices().assess(dataset, engine, NOW))
    print(f"  {found['billing']}")


def truth(folder: Path, seeds: range, n_orders: int) -> None:
    """What was planted against what was found."""
    engine = SqlEngine(folder)
    ctx = SimpleNamespace(engine=engine, settings=SimpleNamespace(telltale_timezone="UTC"))
    for seed in seeds:
        paths = tools.generate("order_sla", seed, folder / str(seed), now=NOW, orders=n_orders)
        with (folder / str(seed) / "truth.csv").open() as stream:
            planted = {(r["order_id"], r["reason"]) for r in csv.DictReader(stream)}
        dataset = OrderLoader().load({p.name: p for p in paths}, {}, ctx, NOW)  # type: ignore[arg-type]
        seen = OrderSla().detect(Scene(dataset, CheckReport(), NOW + timedelta(0), engine))
        found = {(f.subject, f.type) for f in seen.findings if not f.suppressed_by}
        hit, extra = len(planted & found), len(found - planted)
        print(f"seed {seed}: {hit} of {len(planted)} planted found, {extra} without a cause")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--truth", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="telltale-orders-") as room:
        speed(Path(room), given.orders)
        truth(Path(room), range(1, 4), given.truth)
