"""Made-up orders with planted exceptions: the same seed gives the same orders, and shares are exact over each 10,000.

``python data/order_sla/generator.py --help`` makes one order, a batch, or a stream that can be posted to an
ingestion route. The truth about what was planted is written beside the events and is never read by the product.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

BLOCK = 10_000
SHARES = {  # of all orders, in hundredths of a percent: 13.01 % in sum
    "DELIVERY_DELAY": 439,
    "CUSTOMER_UNAVAILABLE": 264,
    "INVENTORY_SHORTAGE": 220,
    "ADDRESS_INVALID": 176,
    "PAYMENT_FAILED": 132,
    "DAMAGED_PACKAGE": 70,
}
DEMO_SHARES = {**SHARES, "PICK_DELAY": 120, "PACK_DELAY": 60, "MISSING_SCAN": 60}
REASONS = {
    "DELIVERY_DELAY": "CARRIER_ISSUE",
    "CUSTOMER_UNAVAILABLE": "CARRIER_ISSUE",
    "DAMAGED_PACKAGE": "CARRIER_ISSUE",
    "INVENTORY_SHORTAGE": "STOCK_MISMATCH",
    "ADDRESS_INVALID": "ADDRESS_ERROR",
    "PAYMENT_FAILED": "OTHER",
}
FIRST = 1001
CARRIERS = ("ups", "fedex", "dhl", "usps")
ZIPS = ("10115", "94107", "SW1A 1AA", "K1A 0B6", "75001", "1012 AB")
SLOT = timedelta(minutes=10)  # the demo's orders come at this pace, on a grid of time that does not move
DEMO_DAYS = 4
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Order:
    """One order's events in time order, what was planted in it, and when that can first be seen."""

    def __init__(self, order_id: str, label: str) -> None:
        self.order_id = order_id
        self.label = label
        self.events: list[dict[str, object]] = []
        self.visible_at: datetime | None = None

    def add(self, source: str, kind: str, at: datetime, **more: object) -> None:
        """Notes one event; its id is made from the order and its place."""
        self.events.append(
            {
                "source": source,
                "event_type": kind,
                "event_id": f"{self.order_id}-{len(self.events) + 1}",
                "order_id": self.order_id,
                "occurred_at": at.isoformat().replace("+00:00", "Z"),
                **more,
            }
        )

    def until(self, now: datetime) -> list[dict[str, object]]:
        """The events that happened by ``now``."""
        return [e for e in self.events if datetime.fromisoformat(str(e["occurred_at"])) <= now]


@lru_cache(maxsize=64)
def labels(seed: int, block: int, shares: tuple[tuple[str, int], ...] = tuple(SHARES.items())) -> tuple[str, ...]:
    """What is planted in each order of a block of 10,000: exactly its shares, in an order of their own."""
    planted = [name for name, share in shares for _ in range(share)]
    planted += [""] * (BLOCK - len(planted))
    random.Random(f"{seed}:block:{block}").shuffle(planted)
    return tuple(planted)


def order(seed: int, index: int, paid: datetime, shares: dict[str, int] | None = None, start: int = FIRST) -> Order:
    """The order with this number, paid at ``paid``: a life within every default promise, but for what is planted."""
    label = labels(seed, index // BLOCK, tuple((shares or SHARES).items()))[index % BLOCK]
    rng = random.Random(f"{seed}:{index}")
    made = Order(f"ORD-{start + index}", label)
    items, carrier = rng.randint(1, 5), rng.choice(CARRIERS)
    service = rng.choices(("standard", "express", "overnight"), (80, 15, 5))[0]
    picked = paid + timedelta(minutes=rng.randint(15, 105))
    packed = picked + timedelta(minutes=rng.randint(10, 150))
    shipped = packed + timedelta(minutes=rng.randint(60, 900))
    arrives = shipped + timedelta(
        hours={"standard": rng.randint(20, 66), "express": rng.randint(12, 30)}.get(service, 14)
    )
    if label == "PICK_DELAY":
        late = timedelta(minutes=rng.randint(400, 600))
        picked, packed, shipped, arrives = (t + late for t in (picked, packed, shipped, arrives))
        made.visible_at = paid + timedelta(minutes=120 * 3)
    if label == "PACK_DELAY":
        late = timedelta(minutes=rng.randint(500, 800))
        packed, shipped, arrives = (t + late for t in (packed, shipped, arrives))
        made.visible_at = picked + timedelta(minutes=180 * 3)
    made.add("shopify", "order_paid", paid, **_body(rng, label, items, carrier, service))
    if label in ("INVENTORY_SHORTAGE", "ADDRESS_INVALID", "PAYMENT_FAILED"):
        made.visible_at = paid
    made.add("wms", "pick_completed", picked)
    if label == "MISSING_SCAN":
        made.visible_at = picked + timedelta(minutes=270 * 3)
        return made
    made.add("wms", "pack_completed", packed)
    made.add("wms", "ship_label_printed", packed + timedelta(minutes=5), carrier=carrier)
    made.add("carrier", "picked_up", shipped, carrier=carrier)
    _deliver(made, rng, carrier, shipped, arrives)
    return made


def _body(rng: random.Random, label: str, items: int, carrier: str, service: str) -> dict[str, object]:
    """What the shop says of an order: names and addresses are made up."""
    lines = [
        {"sku": f"SKU-{rng.randint(100, 999)}", "quantity": 1, "available_quantity": rng.randint(5, 50)}
        for _ in range(items)
    ]
    if label == "INVENTORY_SHORTAGE":
        lines[0] |= {"quantity": 6, "available_quantity": rng.randint(0, 5)}
    bad = rng.choice(("", "00000", "99999", "ZZ"))
    payload: dict[str, object] = {
        "shipping_address": {"city": "Springfield", "zip": bad if label == "ADDRESS_INVALID" else rng.choice(ZIPS)},
        "financial_status": "failed" if label == "PAYMENT_FAILED" else "paid",
        "service_level": service,
        "line_items": lines,
    }
    flags = {
        name: True
        for name, share in (("fragile", 8), ("rush", 5), ("oversized", 3), ("hazmat", 1))
        if rng.randint(1, 100) <= share
    }
    return {
        "payload": payload,
        "carrier": carrier,
        "items_count": items,
        "line_count": items,
        "total_amount_cents": rng.randint(900, 25_000),
        **flags,
    }


def _deliver(made: Order, rng: random.Random, carrier: str, shipped: datetime, arrives: datetime) -> None:
    """The way to the client, with what was planted on it."""
    on_the_way = shipped + timedelta(hours=2)
    if made.label == "DAMAGED_PACKAGE":
        made.add("carrier", "in_transit", on_the_way, carrier=carrier, payload={"package_condition": "damaged"})
        made.visible_at = on_the_way
    else:
        made.add("carrier", "in_transit", on_the_way, carrier=carrier)
    if made.label == "DELIVERY_DELAY":
        if rng.random() < 0.5:
            made.add("shopify", "fulfillment_update", arrives, payload={"fulfillment_status": "delayed"})
            made.visible_at = arrives
        else:
            day = arrives.date()
            made.add(
                "shopify", "fulfillment_update", on_the_way + timedelta(minutes=1),
                payload={"estimated_delivery_date": day.isoformat()},
            )  # fmt: skip
            made.visible_at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        return
    if made.label == "CUSTOMER_UNAVAILABLE":
        made.add("carrier", "delivery_failed", arrives, carrier=carrier)
        again = {"delivery_attempts": 2, "delivery_status": "failed_delivery"}
        made.add("carrier", "delivery_failed", arrives + timedelta(hours=5), carrier=carrier, payload=again)
        made.visible_at = arrives
        return
    made.add("carrier", "out_for_delivery", arrives - timedelta(hours=3), carrier=carrier)
    made.add("carrier", "delivered", arrives, carrier=carrier)


# --- Batches ----------------------------------------------------------------------------------


def batch(seed: int, n: int, now: datetime, days: float = 7.0, start: int = FIRST) -> list[Order]:
    """``n`` orders paid over ``days`` that ended five days before ``now``: all that is planted has happened."""
    first, pace = now - timedelta(days=days + 5), timedelta(days=days) / max(n, 1)
    return [order(seed, i, first + _whole_minutes(pace * i), start=start) for i in range(n)]


def _whole_minutes(span: timedelta) -> timedelta:
    return span - span % timedelta(minutes=1)


def recent(seed: int, now: datetime, days: int = DEMO_DAYS) -> list[Order]:
    """The demo: every order of the last days, on a grid of time: an order of this minute is there in the next."""
    last = (now - EPOCH) // SLOT
    slots = range(last - int(timedelta(days=days) / SLOT) + 1, last + 1)
    return [order(seed, slot % 1_000_000, EPOCH + SLOT * slot, DEMO_SHARES, start=0) for slot in slots]


def generate(
    seed: int,
    out: Path,
    now: datetime | None = None,
    healed: datetime | None = None,
    orders: int | None = None,
    days: int = DEMO_DAYS,
) -> list[Path]:
    """Writes events.jsonl, invoices.csv and truth.csv into ``out``: the orders of the last ``days``, or a batch.

    Missing scans of the demo came in at ``healed``, when somebody asked for them again.
    """
    now = now or datetime(2025, 8, 18, 14, 0, tzinfo=UTC)
    out.mkdir(parents=True, exist_ok=True)
    made = recent(seed, now, days) if orders is None else batch(seed, orders, now)
    for o in made:
        if o.label == "MISSING_SCAN" and healed is not None and o.visible_at is not None and o.visible_at < healed:
            o.add("wms", "pack_completed", healed)
    paths = [out / name for name in ("events.jsonl", "invoices.csv", "truth.csv")]
    with paths[0].open("w", encoding="utf-8") as stream:
        for event in sorted(
            (e for o in made for e in o.until(now)), key=lambda e: (str(e["occurred_at"]), str(e["event_id"]))
        ):
            stream.write(json.dumps(event, separators=(",", ":")) + "\n")
    _write(paths[1], ("invoice_id", "order_id", "amount_cents", "issued_at", "due_at"), _invoices(seed, made, now))
    _write(paths[2], ("order_id", "label", "reason", "visible_at"), _truth(made, now))
    return paths


def _write(path: Path, head: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])


def _truth(made: list[Order], now: datetime) -> Iterator[tuple[object, ...]]:
    """What was planted and can be seen by ``now``."""
    for o in made:
        if o.label and o.visible_at is not None and o.visible_at <= now:
            yield o.order_id, o.label, REASONS.get(o.label, o.label), o.visible_at.isoformat()


def _invoices(seed: int, made: list[Order], now: datetime) -> Iterator[tuple[object, ...]]:
    """An invoice for each order that was handed over by ``now``, three in a hundred of them wrong.

    The amount is the tariff's own for one pick, pack and label and the days stored; a wrong one is off by a round sum.
    """
    sizes = Counter(str(o.events[0]["occurred_at"])[:7] for o in made if o.until(now))
    for o in made:
        events = o.until(now)
        if not any(e["event_type"] == "picked_up" for e in events):
            continue
        rng = random.Random(f"{seed}:{o.order_id}:invoice")
        wrong = rng.choice((30, -15, 630, 2430)) if rng.random() < 0.03 else 0
        issued = datetime.fromisoformat(str(events[-1]["occurred_at"]))
        yield (
            f"INV-{o.order_id[4:]}",
            o.order_id,
            max(0, _amount(events, sizes[str(events[0]["occurred_at"])[:7]]) + wrong),
            f"{issued:%Y-%m-%d}",
            f"{issued + timedelta(days=30):%Y-%m-%d}",
        )


def _amount(events: list[dict[str, object]], month_orders: int) -> int:
    at = [datetime.fromisoformat(str(e["occurred_at"])) for e in events]
    cents = 65 + 5 * max(1, (max(at) - min(at)) // timedelta(days=1))
    for flag, num, den in (("rush", 2, 1), ("oversized", 3, 2), ("hazmat", 3, 1), ("fragile", 6, 5)):
        if any(e.get(flag) for e in events):
            cents = cents * num // den
    for least, keep in ((1000, 85), (500, 90), (100, 95)):
        if month_orders >= least:
            return cents * keep // 100
    return cents


# --- Stream -----------------------------------------------------------------------------------


def stream(
    seed: int, every_s: float, send: Callable[[dict[str, object]], None], *, count: int = 0, delay_s: float = 2.0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC), sleep: Callable[[float], None] = time.sleep,
) -> int:  # fmt: skip
    """Sends an order every ``every_s`` seconds, its events ``delay_s`` apart; answers how many. ``count`` 0 never ends.

    Each order's life ended before it is sent, so that none of its events is from the future.
    """
    sent = 0
    while not count or sent < count:
        for i, event in enumerate(order(seed, sent, now() - timedelta(days=5)).events):
            if i:
                sleep(delay_s)
            send(event)
        sent += 1
        if not count or sent < count:
            sleep(every_s)
    return sent


def poster(url: str, token: str, tenant: str) -> Callable[[dict[str, object]], None]:
    """Posts one event to an ingestion route."""
    if not url.startswith(("http://", "https://")):
        raise SystemExit(f"--post {url}: expected an http or https address")

    def send(event: dict[str, object]) -> None:
        headers = {"Content-Type": "application/json", "X-Tenant-Id": tenant, "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(url, json.dumps(event).encode(), headers, method="POST")  # noqa: S310 - checked
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - checked
            reply.read()

    return send


def _show(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> None:
    """One order, a batch or a stream, on stdout or to an ingestion route."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("single", "batch", "stream"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--orders", type=int, default=999, help="orders of a batch: 1001 to 1999 by default")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between the orders of a stream")
    parser.add_argument("--count", type=int, default=0, help="orders of a stream; 0: until stopped")
    parser.add_argument("--post", default="", help="address of POST /ingest/events")
    parser.add_argument("--token", default="", help="bearer token of the sender")
    parser.add_argument("--tenant", default="demo-3pl")
    parser.add_argument("--delay", type=float, default=2.0, help="seconds between the posts of one order")
    given = parser.parse_args()
    send: Callable[[dict[str, object]], None]
    send = poster(given.post, given.token, given.tenant) if given.post else _show
    if given.mode == "stream":
        stream(given.seed, given.every, send, count=given.count, delay_s=given.delay if given.post else 0.0)
        return
    for made in batch(given.seed, 1 if given.mode == "single" else given.orders, datetime.now(UTC)):
        for event in made.events:
            send(event)
            if given.post:
                time.sleep(given.delay)


if __name__ == "__main__":
    sys.exit(main())
