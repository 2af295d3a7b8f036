"""Taking order events: each is kept once, however often it is told, and what cannot be kept is not lost."""

from __future__ import annotations

import enum
import hashlib
import json
import logging
import random
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from core import telemetry
from core.access import Principal, require
from core.errors import InputError, StoreError, TooLarge
from core.load.correlation import correlation_id
from core.load.order_files import event_documents
from core.load.orders import COUNTS, FLAGS, MOST_ID, OrderEvent, parse_event
from core.model import Json, JsonObject
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.dead_letters import DeadLetter, LetterState
from core.store.order_events import NewEvent

FILES = ("jsonl", "ndjson", "csv")
MIB = 1024 * 1024
CHUNK = 1000  # lines of a file that share a transaction
MOST_SHOWN = 1000  # rejected lines of one file that are told, and kept as dead letters
log = logging.getLogger("telltale")
_compact = json.JSONEncoder(separators=(",", ":")).encode


class Status(enum.StrEnum):
    """What became of an event."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUEUED = "queued"  # the store would not take it now; it is tried again
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the event at ``place``: from 0 in a batch, the line from 1 in a file."""

    place: int
    status: Status
    source: str = ""
    event_id: str = ""
    correlation_id: str = ""
    field: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a file's lines; ``rejected`` are the first of ``errors``."""

    name: str
    stored: int
    duplicates: int
    queued: int
    errors: int
    rejected: tuple[Outcome, ...]


def one(wb: Workbench, who: Principal, document: Json, source: str | None = None) -> Outcome:
    """What became of one event. Raises: InputError naming the field, StoreError when nothing was kept; Forbidden."""
    require(who, "incidents:write")
    (done,) = _take(wb, who.tenant, [(0, document)], source)
    if done.status is Status.REJECTED:
        raise InputError(done.message, field=done.field)
    return done


def batch(wb: Workbench, who: Principal, documents: Sequence[Json], source: str | None = None) -> tuple[Outcome, ...]:
    """What became of each event: good ones are kept whatever the others are. Raises: StoreError, Forbidden."""
    require(who, "incidents:write")
    return _take(wb, who.tenant, list(enumerate(documents)), source)


def upload(wb: Workbench, who: Principal, name: str, content: bytes, source: str | None = None) -> Uploaded:
    """What became of the lines of a .jsonl or .csv file; uploaded again, it adds what was missing.

    Raises: InputError for a file that cannot be read; StoreError, Forbidden.
    """
    require(who, "incidents:write")
    if name.rsplit(".", 1)[-1].lower() not in FILES:
        raise InputError(f"{name}: expected a file called *.{', *.'.join(FILES)}.", field="file")
    if len(content) > (limit := wb.ctx.settings.telltale_max_upload_mb) * MIB:
        raise TooLarge(f"{name}: larger than {limit} MiB.", field="file")
    lines = _lines(event_documents(content, name=name, folder=wb.ctx.engine.folder()))
    counts, rejected = dict.fromkeys(Status, 0), list[Outcome]()
    while told := list(islice(lines, CHUNK)):
        for done in _take(wb, who.tenant, told, source, letters=MOST_SHOWN - len(rejected)):
            counts[done.status] += 1
            if done.status is Status.REJECTED and len(rejected) < MOST_SHOWN:
                rejected.append(done)
    stored, duplicates, queued, errors = (counts[s] for s in Status)
    with wb.store.begin() as books:
        books.audit.append(
            who.tenant,
            "person",
            "events_uploaded",
            {
                "actor": who.user,
                "file": name,
                "sha256": hashlib.sha256(content).hexdigest(),
                **{str(s): n for s, n in counts.items()},
            },
            wb.ctx.clock.now(),
            correlation_id=name,
        )
    return Uploaded(name, stored, duplicates, queued, errors, tuple(rejected))


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that holds no document."""

    text: str
    why: InputError


def _lines(numbered: Iterable[tuple[int, str, Json | InputError]]) -> Iterator[tuple[int, Json | Unread]]:
    return ((line, Unread(text, found) if isinstance(found, InputError) else found) for line, text, found in numbered)


def _take(
    wb: Workbench, tenant: str, told: Sequence[tuple[int, Json | Unread]], source: str | None, letters: int = MOST_SHOWN
) -> tuple[Outcome, ...]:
    started, now = time.perf_counter(), wb.ctx.clock.now()
    outcomes: dict[int, Outcome] = {}
    rows: list[tuple[int, str, NewEvent]] = []  # line, key, row
    dead: list[DeadLetter] = []
    for line, document in told:
        try:
            if isinstance(document, Unread):
                raise document.why
            event = parse_event(document, source)
        except InputError as exc:
            outcomes[line] = _rejected(line, document, exc)
            if len(dead) < letters:
                said = document.text if isinstance(document, Unread) else document
                dead.append(_dead(tenant, source, said, outcomes[line], now))
        else:
            row = row_of(tenant, event, now)
            rows.append((line, key(row), row))
    known = wb.known_events.among([name for _, name, _ in rows], now)
    fresh = [row for _, name, row in rows if name not in known]
    telemetry.keys_looked_up(len(rows) - len(fresh), len(fresh))
    added = _kept(wb, fresh, dead, source, now)
    if added is not None:
        ttl = timedelta(seconds=wb.ctx.settings.telltale_idempotency_s)
        wb.known_events.remember([name for _, name, _ in rows if name not in known], now + ttl)
    for line, name, row in rows:
        outcomes[line] = _told(line, name, row, known, added)
    done = tuple(outcomes[line] for line, _ in told)
    kept = sum(o.status is Status.STORED for o in done)
    failed = sum(o.status in (Status.QUEUED, Status.REJECTED) for o in done)
    telemetry.ingested(kept, failed, time.perf_counter() - started)
    return done


def _told(line: int, name: str, row: NewEvent, known: Collection[str], added: set[str] | None) -> Outcome:
    """The outcome of a row; of equal ones in a request the first is the one that was stored."""
    if name in known:
        status = Status.DUPLICATE
    elif added is None:
        status = Status.QUEUED
    elif name in added:
        added.remove(name)
        status = Status.STORED
    else:
        status = Status.DUPLICATE
    return Outcome(line, status, row.source, row.event_id, row.correlation_id)


def _kept(
    wb: Workbench, rows: Sequence[NewEvent], dead: Sequence[DeadLetter], source: str | None, now: datetime
) -> set[str] | None:
    """The keys of the rows that are new; None when the store took the rows as dead letters only.

    Raises: StoreError when it took nothing; then nobody was told that it did.
    """
    if not rows and not dead:
        return set()

    def work(books: Books) -> set[str]:
        books.dead_letters.add(dead)
        return {named(*new) for new in books.order_events.add(rows)}

    try:
        added = wb.store.add(work)
    except StoreError as error:
        waiting = [_waiting(wb, row, source, str(error), now) for row in rows]
        wb.store.add(lambda books: books.dead_letters.add((*dead, *waiting)))
        log.warning("%d order events could not be kept; they are tried again: %s", len(rows), error.__cause__)
        count_letters(wb)
        return None
    if dead:
        count_letters(wb)
    return added


def count_letters(wb: Workbench) -> None:
    """Tells the metrics how many dead letters there are."""
    with wb.store.read() as books:
        telemetry.dead_letters(books.dead_letters.depth())


def key(row: NewEvent) -> str:
    """What names an event among all tenants. Source: E2-01."""
    return named(row.tenant, row.source, row.event_id)


def named(tenant: str, source: str, event_id: str) -> str:
    """The same, of its three parts."""
    return f"idempo:{tenant}:{source}:{event_id}"


def row_of(tenant: str, event: OrderEvent, now: datetime) -> NewEvent:
    """The event as it is stored."""
    flags = event.rush | event.oversized << 1 | event.hazmat << 2 | event.fragile << 3
    return NewEvent(
        tenant,
        event.source,
        event.event_id,
        event.order_id,
        event.event_type,
        event.occurred_at,
        now,
        correlation_id(tenant, event.order_id),
        event.carrier,
        event.line_count,
        event.total_amount_cents,
        event.items_count,
        flags,
        _compact(event.payload) if event.payload else None,
    )


def wait(wb: Workbench, attempts: int) -> timedelta:
    """How long after so many failed attempts the next one waits: doubled each time, and up to a quarter by chance."""
    settings = wb.ctx.settings
    seconds = settings.telltale_ingest_wait_s * 2 ** min(attempts - 1, 30)
    return timedelta(seconds=min(settings.telltale_ingest_max_wait_s, seconds * random.uniform(1, 1.25)))  # noqa: S311 (a wait)


def _rejected(line: int, document: Json | Unread, error: InputError) -> Outcome:
    named = document.get("event_id") if isinstance(document, dict) else None
    event_id = named[:MOST_ID] if isinstance(named, str) else ""
    return Outcome(line, Status.REJECTED, "", event_id, "", error.field or "event", error.message)


def _dead(tenant: str, source: str | None, document: Json, why: Outcome, now: datetime) -> DeadLetter:
    """A letter that waiting does not mend: its document is no event."""
    return DeadLetter(
        id=_letter_id(source, document),
        tenant=tenant,
        source=source or "",
        event_id=why.event_id,
        correlation_id=why.correlation_id,
        document=document,
        error=why.message,
        field=why.field,
        state=LetterState.FAILED,
        attempts=1,
        next_retry_at=None,
        created_at=now,
        updated_at=now,
    )


def _waiting(wb: Workbench, row: NewEvent, source: str | None, why: str, now: datetime) -> DeadLetter:
    """A letter that is tried again soon."""
    document = document_of(row)
    return DeadLetter(
        id=_letter_id(source, document),
        tenant=row.tenant,
        source=source or "",
        event_id=row.event_id,
        correlation_id=row.correlation_id,
        document=document,
        error=why,
        field="",
        state=LetterState.PENDING,
        attempts=1,
        next_retry_at=now + wait(wb, 1),
        created_at=now,
        updated_at=now,
    )


def document_of(row: NewEvent) -> JsonObject:
    """The event as JSON, as it may be told again."""
    document: dict[str, Json] = {
        "source": row.source,
        "event_id": row.event_id,
        "order_id": row.order_id,
        "event_type": row.event_type,
        "occurred_at": row.occurred_at.isoformat(),
    }
    document |= {name: value for name in COUNTS if (value := getattr(row, name)) is not None}
    document |= {name: True for bit, name in enumerate(FLAGS) if row.flags >> bit & 1}
    document |= {"payload": json.loads(row.payload)} if row.payload else {}
    return document | ({"carrier": row.carrier} if row.carrier else {})


def _letter_id(source: str | None, document: Json) -> str:
    said = json.dumps([source, document], sort_keys=True)
    return "DLQ-" + hashlib.sha256(said.encode()).hexdigest()[:16].upper()
