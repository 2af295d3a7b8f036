"""Order events: what one looks like, read from a JSON document with the field named that is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.errors import InputError
from core.model import Json, JsonObject

MOST_ID = 128
MOST_NUMBER = 2**53 - 1  # every engine and JSON reader keeps such a whole number exactly
MOST_DEPTH = 20
EVENT_TYPES: Mapping[str, tuple[str, ...]] = {
    "shopify": ("order_paid", "order_fulfilled", "fulfillment_update", "order_cancelled"),
    "wms": (
        "pick_started", "pick_completed", "pack_started", "pack_completed", "ship_label_printed", "label_created",
        "manifested", "exception_reported", "kitting_completed", "return_processed",
    ),
    "carrier": (
        "pickup_scheduled", "picked_up", "shipment_dispatched", "in_transit", "out_for_delivery", "delivered",
        "delivery_failed", "returned",
    ),
}  # fmt: skip
FLAGS = ("rush", "oversized", "hazmat", "fragile")
COUNTS = ("line_count", "total_amount_cents", "items_count")
_BODY = ("tenant", "tenant_id", "source", "event_type", "event_id", "order_id", "occurred_at", "payload", "carrier")
_KNOWN = frozenset((*_BODY, *FLAGS, *COUNTS))
_TYPES = {source: frozenset(types) for source, types in EVENT_TYPES.items()}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)? ?(Z|z|[+-]\d{2}(:?\d{2})?)?")


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One thing that happened to an order. (tenant, source, event_id) names it; ``occurred_at`` is UTC-aware."""

    source: str
    event_id: str
    order_id: str
    event_type: str
    occurred_at: datetime
    payload: JsonObject = field(default_factory=dict)
    carrier: str = ""
    line_count: int | None = None
    total_amount_cents: int | None = None
    items_count: int | None = None
    rush: bool = False
    oversized: bool = False
    hazmat: bool = False
    fragile: bool = False


@dataclass(frozen=True, slots=True)
class BadEvent:
    """One document of a batch that is no event: its place (from 0), the field that is wrong, and why."""

    index: int
    field: str
    message: str
    event_id: str = ""


def parse_event(doc: Json, source: str | None = None) -> OrderEvent:
    """The event in a JSON document; ``source`` is that of the route it came by, which a given one must equal.

    A field that is none of the event's is kept in ``payload``, so nothing that was sent is lost.
    Raises: InputError naming the field and what was expected.
    """
    if not isinstance(doc, Mapping):
        raise InputError("An event is a JSON object.", field="event")
    given = _source(doc, source)
    kind = _text(doc, "event_type")
    if kind not in _TYPES[given]:
        allowed = ", ".join(EVENT_TYPES[given])
        raise InputError(f"event_type '{kind[:60]}' is no event of {given}; expected {allowed}.", field="event_type")
    return OrderEvent(
        source=given,
        event_id=_text(doc, "event_id"),
        order_id=_text(doc, "order_id"),
        event_type=kind,
        occurred_at=parse_moment(doc.get("occurred_at"), "occurred_at"),
        payload=_payload(doc),
        carrier="" if doc.get("carrier") in (None, "") else _text(doc, "carrier"),
        line_count=_count(doc, "line_count"),
        total_amount_cents=_count(doc, "total_amount_cents"),
        items_count=_count(doc, "items_count"),
        rush=_flag(doc, "rush"),
        oversized=_flag(doc, "oversized"),
        hazmat=_flag(doc, "hazmat"),
        fragile=_flag(doc, "fragile"),
    )


def parse_events(
    docs: Iterable[Json], source: str | None = None
) -> tuple[tuple[OrderEvent, ...], tuple[BadEvent, ...]]:
    """The good events of a batch in order, and every document that is none with its place and reason."""
    good, bad = [], []
    for i, doc in enumerate(docs):
        try:
            good.append(parse_event(doc, source))
        except InputError as exc:
            named = doc.get("event_id") if isinstance(doc, Mapping) else None
            bad.append(
                BadEvent(i, exc.field or "event", exc.message, named[:MOST_ID] if isinstance(named, str) else "")
            )
    return tuple(good), tuple(bad)


def event_doc(event: OrderEvent) -> dict[str, Json]:
    """The event as JSON; ``parse_event`` reads it back equal."""
    doc: dict[str, Json] = {
        "source": event.source,
        "event_id": event.event_id,
        "order_id": event.order_id,
        "event_type": event.event_type,
        "occurred_at": event.occurred_at.isoformat(),
    }
    doc |= {name: value for name in COUNTS if (value := getattr(event, name)) is not None}
    doc |= {name: True for name in FLAGS if getattr(event, name)}
    if event.carrier:
        doc["carrier"] = event.carrier
    if event.payload:
        doc["payload"] = dict(event.payload)
    return doc


def _source(doc: Mapping[str, Json], source: str | None) -> str:
    given = doc.get("source", source)
    if not isinstance(given, str) or given not in _TYPES:
        shown = f"'{given[:60]}'" if isinstance(given, str) else _shown(given)
        raise InputError(f"source is {shown}; expected one of {', '.join(_TYPES)}.", field="source")
    if source is not None and given != source:
        raise InputError(f"source is '{given}'; expected '{source}' on this route.", field="source")
    return given


def _text(doc: Mapping[str, Json], name: str) -> str:
    value = doc.get(name)
    if not isinstance(value, str):
        raise InputError(f"{name} is {_shown(value)}; expected a text of 1 to {MOST_ID} characters.", field=name)
    if not 1 <= len(value) <= MOST_ID or value.isspace():
        length = "empty" if not value.strip() else f"{len(value):,} characters long"
        raise InputError(f"{name} is {length}; expected 1 to {MOST_ID} characters.", field=name)
    if _CONTROL.search(value):
        raise InputError(f"{name} holds a control character; expected plain text.", field=name)
    return value


def parse_moment(value: Json, name: str) -> datetime:
    """An ISO 8601 time as UTC; one without a zone is UTC. Raises: InputError naming the field."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            at = datetime.fromisoformat(value.replace(" +", "+").replace(" Z", "Z"))
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    shown = f"'{value[:60]}'" if isinstance(value, str) else _shown(value)
    raise InputError(f"{name} is {shown}; expected an ISO 8601 time such as 2025-08-18T10:00:00Z.", field=name)


def _payload(doc: Mapping[str, Json]) -> JsonObject:
    payload = doc.get("payload")
    if payload is not None and not isinstance(payload, Mapping):
        raise InputError(f"payload is {_shown(payload)}; expected an object.", field="payload")
    more = {k: v for k, v in doc.items() if k not in _KNOWN}
    kept = {**more, **payload} if payload else more
    if kept:
        _storable(kept, 1)
    return kept


def _storable(value: Json, depth: int) -> None:
    """Raises: InputError for what a store cannot give back: nesting without end, NaN, half a character."""
    if depth > MOST_DEPTH:
        raise InputError(f"payload is nested more than {MOST_DEPTH} deep.", field="payload")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("payload holds a number that is not finite.", field="payload")
    if isinstance(value, str) and _NO_TEXT.search(value):
        raise InputError("payload holds a character that is no text.", field="payload")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _storable(key, depth)
            _storable(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _storable(item, depth + 1)


def _count(doc: Mapping[str, Json], name: str) -> int | None:
    value = doc.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NUMBER:
        raise InputError(f"{name} is {_shown(value)}; expected a whole number, 0 or more.", field=name)
    return value


def _flag(doc: Mapping[str, Json], name: str) -> bool:
    value = doc.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InputError(f"{name} is {_shown(value)}; expected true or false.", field=name)
    return value


def _shown(value: Json) -> str:
    """A value of a wrong type as people may read it."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)[:60]
    if isinstance(value, str):
        return f"'{value[:60]}'"
    return "an object" if isinstance(value, Mapping) else "a list"
