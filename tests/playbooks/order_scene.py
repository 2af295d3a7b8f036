"""Orders for tests: events in a line each, and what the playbook says of them at a moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace

from core.decide.order_invoices import OrderInvoices
from core.detect.events import Scene
from core.detect.orders import OrderSla
from core.engine.sql import SqlEngine
from core.load.order_loader import OrderLoader
from core.load.orders import EVENT_TYPES
from core.model import CheckReport, Dataset, Finding, JsonObject, Sighting

MONDAY, SATURDAY = "2025-08-18", "2025-08-16"
_NUMBERS = count(1)
_SOURCE = {kind: source for source, kinds in EVENT_TYPES.items() for kind in kinds}


def event(kind: str, at: str, order: str = "ORD-1", **more: object) -> dict[str, object]:
    """One event; ``at`` is a time of Monday 2025-08-18, or a whole ISO time."""
    moment = at if "T" in at else f"{MONDAY}T{at}:00Z"
    number = next(_NUMBERS)
    return {
        "source": _SOURCE[kind],
        "event_type": kind,
        "event_id": f"e{number}",
        "order_id": order,
        "occurred_at": moment,
        **more,
    }


def jsonl(events: Iterable[Mapping[str, object]]) -> bytes:
    """Events as a file."""
    return "\n".join(json.dumps(e) for e in events).encode()


def moment(at: str) -> datetime:
    """A time of Monday, or a whole ISO time, as UTC."""
    text = at if "T" in at else f"{MONDAY}T{at}"
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """What detector and billing said."""

    dataset: Dataset
    sighting: Sighting
    billing: JsonObject

    @property
    def findings(self) -> list[Finding]:
        """What is an exception."""
        return [f for f in self.sighting.findings if not f.suppressed_by]

    @property
    def reasons(self) -> list[str]:
        """The reasons in their order."""
        return [f.type for f in self.findings]

    @property
    def quality(self) -> list[str]:
        """What is wrong with the events."""
        return [f.summary for f in self.sighting.findings if f.kind == "quality"]

    @property
    def predictions(self) -> list[JsonObject]:
        """What will break its promise."""
        return list(self.sighting.extra["predictions"])  # type: ignore[arg-type]


def load(
    engine: SqlEngine,
    events: Iterable[Mapping[str, object]],
    now: str,
    policy: str = "",
    invoices: str = "",
    zone: str = "UTC",
) -> Dataset:
    """The dataset of the events."""
    ctx = SimpleNamespace(engine=engine, settings=SimpleNamespace(telltale_timezone=zone))
    files = {"events.jsonl": jsonl(events)}
    if policy:
        files["policies.yaml"] = policy.encode()
    if invoices:
        files["invoices.csv"] = invoices.encode()
    return OrderLoader().load(files, {}, ctx, moment(now))  # type: ignore[arg-type]


def see(engine: SqlEngine, events: Iterable[Mapping[str, object]], now: str, policy: str = "", **more: str) -> Seen:
    """What detector and billing say of the events at ``now``."""
    dataset = load(engine, events, now, policy, **more)
    scene = Scene(dataset, CheckReport(), moment(now), engine)
    return Seen(dataset, OrderSla().detect(scene), OrderInvoices().assess(dataset, engine, moment(now)))
