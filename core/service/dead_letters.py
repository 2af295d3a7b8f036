"""Dead letters: events that could not be kept are shown, tried again by themselves, and replayed on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.access import Principal, require
from core.errors import InputError, StoreError
from core.load.orders import parse_event
from core.service import ingest
from core.service.workbench import Workbench
from core.store.dead_letters import DeadLetter, LetterState

MOST: Final = 500  # letters of one replay, and of one tick
PENDING, FAILED, PROCESSED = LetterState.PENDING, LetterState.FAILED, LetterState.PROCESSED


@dataclass(frozen=True, slots=True)
class Page:
    """Some dead letters, how many there are in all of those states, and how many are not processed."""

    items: tuple[DeadLetter, ...]
    total: int
    depth: int


def page(
    wb: Workbench, who: Principal, states: Sequence[LetterState] = (), *, number: int = 1, size: int = 100
) -> Page:
    """The tenant's dead letters, newest first."""
    require(who, "tools:manage")
    with wb.store.read() as books:
        items, total = books.dead_letters.page(who.tenant, states, offset=(number - 1) * size, limit=size)
        return Page(items, total, books.dead_letters.depth(who.tenant))


def replay(wb: Workbench, who: Principal, ids: Sequence[str] = ()) -> tuple[DeadLetter, ...]:
    """The letters after another attempt: those with these ids, or the first of all that are not processed.

    One that was processed before stays so, and its event is there once.
    Raises: NotFound when there is no such letter, StoreError, Forbidden.
    """
    require(who, "tools:manage")
    with wb.store.read() as books:
        chosen = [books.dead_letters.get(who.tenant, i) for i in dict.fromkeys(ids)]
        chosen = chosen if ids else list(books.dead_letters.undone(who.tenant, MOST))
    done = tuple(letter if letter.state is PROCESSED else _again(wb, letter) for letter in chosen)
    ingest.count_letters(wb)
    with wb.store.begin() as books:
        books.audit.append(
            who.tenant,
            "person",
            "events_replayed",
            {"actor": who.user, "ids": [d.id for d in done], "processed": sum(d.state is PROCESSED for d in done)},
            wb.ctx.clock.now(),
            approved_by=who.user,
        )
    return done


def tick(wb: Workbench) -> int:
    """Tries again what is due, of all tenants; answers how many letters that were. Raises: StoreError."""
    with wb.store.read() as books:
        due = books.dead_letters.due(wb.ctx.clock.now(), MOST)
    for letter in due:
        _again(wb, letter)
    if due:
        ingest.count_letters(wb)
    return len(due)


def _again(wb: Workbench, letter: DeadLetter) -> DeadLetter:
    """The letter after one more attempt; its event and its new state are kept together."""
    now = wb.ctx.clock.now()
    tried = replace(letter, attempts=letter.attempts + 1, updated_at=now, next_retry_at=None)
    try:
        event = parse_event(letter.document, letter.source or None)
        row = ingest.row_of(letter.tenant, event, now)
        done = replace(tried, state=PROCESSED, error="", field="")
        with wb.store.begin() as books:
            books.order_events.add([row])
            books.dead_letters.save(done, letter.attempts)
    except InputError as error:
        done = replace(tried, state=FAILED, error=error.message, field=error.field or "event")
    except StoreError as error:
        more = tried.attempts <= wb.ctx.settings.telltale_ingest_retries
        later = now + ingest.wait(wb, tried.attempts) if more else None
        done = replace(tried, state=PENDING if more else FAILED, error=str(error), next_retry_at=later)
    if done.state is not PROCESSED:
        with wb.store.begin() as books:
            books.dead_letters.save(done, letter.attempts)
    return done
