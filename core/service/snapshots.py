"""Snapshots of segments: taken now, uploaded, looked back at; a day's snapshots are kept together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.access import Principal, require
from core.errors import InputError
from core.load.snapshot_files import ParsedSnapshots, parse_snapshots
from core.load.snapshots import Counted, People, count
from core.model import Json, Segment, Snapshot, Table
from core.service import audience
from core.service.audience import StoredPeople
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.segments import day_of

_RECENT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Taken:
    """The snapshots that were kept, how many of the same day they replaced, and what could not be counted."""

    snapshots: tuple[Snapshot, ...]
    replaced: int
    failed: Mapping[str, str]  # by segment id
    notes: tuple[str, ...]


def take(wb: Workbench, who: Principal, segment_id: str | None = None) -> Taken:
    """A snapshot now of one segment, or of all that are watched; it replaces that of the same UTC day.

    A segment that does not fit the people table fails alone; the others are kept in one transaction. What is older
    than 400 days is dropped. Raises: NotFound for an unknown segment or without a people table, InputError when the
    one segment asked for cannot be counted, ProviderError, Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    segments, tracked, before = _asked(wb, who.tenant, segment_id, now)
    if not segments:
        return Taken((), 0, {}, ("No segment is watched.",))
    people = audience.current(wb, who.tenant, fresh=True)
    counted = count(wb.ctx.engine, people, segments, now, before=before, tracked=tracked)
    if segment_id is not None and counted.failed:
        raise InputError(counted.failed[segment_id], field="definition")
    with wb.store.begin() as books:
        kept = _existing(books, who.tenant, counted.snapshots)
        replaced = books.snapshots.save(who.tenant, kept)
        _remember(books, who, people, now)
        dropped = books.snapshots.forget(who.tenant, now)
        _audit(books, who, "snapshots_taken", _summary(kept, replaced, counted, people, dropped), now)
    return Taken(tuple(kept), replaced, counted.failed, counted.notes)


def _asked(
    wb: Workbench, tenant: str, segment_id: str | None, now: datetime
) -> tuple[list[Segment], frozenset[str], Table | None]:
    """The segments to count, the attributes that their last snapshots followed, and the last day's people table."""
    with wb.store.read() as books:
        if segment_id is not None:
            segments = [books.segments.get(tenant, segment_id)]
        else:
            segments = [s for s in books.segments.list(tenant) if s.is_active and s.watch.monitoring]
        latest = books.snapshots.latest(tenant)
        body = books.people_tables.before(tenant, day_of(now))
    recent = [latest[s.id] for s in segments if s.id in latest and latest[s.id].ts >= now - _RECENT]
    folder = wb.ctx.engine.folder()
    before = StoredPeople.model_validate(body).table(folder) if body is not None else None
    return segments, frozenset(a for s in recent for a in s.shares), before


def _existing(books: Books, tenant: str, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """Those whose segment nobody deleted while they were counted."""
    there = {s.id for s in books.segments.list(tenant)}
    return [s for s in snapshots if s.segment in there]


def _remember(books: Books, who: Principal, people: People, now: datetime) -> None:
    """Keeps which table this day was counted in: the next day's movement is seen in it."""
    body = StoredPeople.of(people.table).model_dump(mode="json")
    books.people_tables.save(who.tenant, day_of(now), body, who.user, now)


def _summary(
    kept: Sequence[Snapshot], replaced: int, counted: Counted, people: People, dropped: int
) -> Mapping[str, Json]:
    provenance = people.table.provenance
    return {
        "segments": [s.segment for s in kept],
        "replaced": replaced,
        "failed": dict(counted.failed),
        "people": {"uri": provenance.uri, "sha256": provenance.sha256, "rows": provenance.rows},
        "dropped": dropped,
    }


def job(wb: Workbench, who: Principal) -> str:
    """Takes a snapshot of every watched segment; answers what it did in a sentence."""
    require(who, "incidents:write")
    done = take(wb, who)
    failed = f", {len(done.failed)} could not be counted: {'; '.join(done.failed.values())}" if done.failed else ""
    return f"{len(done.snapshots)} snapshots taken{failed}"


def upload(wb: Workbench, who: Principal, name: str, content: bytes) -> ParsedSnapshots:
    """The snapshots of a CSV or JSON file, kept; each replaces that of its segment and day. Rejected rows say why.

    Raises: InputError when it is no such file or holds no snapshot, TooLarge, Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        segments = books.segments.list(who.tenant)
    parsed = parse_snapshots(content, segments, name=name)
    if not parsed.snapshots:
        why = f" Line {parsed.rejects[0].line}: {parsed.rejects[0].reason}." if parsed.rejects else ""
        raise InputError(f"{name}: there is no snapshot in it.{why}", field="file")
    with wb.store.begin() as books:
        replaced = books.snapshots.save(who.tenant, _existing(books, who.tenant, parsed.snapshots))
        what: dict[str, Json] = {
            "file": name,
            "snapshots": len(parsed.snapshots),
            "rejected": len(parsed.rejects),
            "replaced": replaced,
        }
        _audit(books, who, "snapshots_uploaded", what, now)
    return parsed


def history(
    wb: Workbench, who: Principal, segment_id: str | None = None, *, since: datetime | None = None, limit: int = 10_000
) -> tuple[Snapshot, ...]:
    """The newest ``limit`` snapshots of one segment or of all, oldest first.

    Raises: NotFound for a segment that is unknown and has none.
    """
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.snapshots.list(who.tenant, segment_id, since=since, limit=limit)
        if not found and segment_id is not None:
            books.segments.get(who.tenant, segment_id)
    return found


def _audit(books: Books, who: Principal, action: str, body: Mapping[str, Json], now: datetime) -> None:
    books.audit.append(
        who.tenant, "person", action, {**body, "actor": who.user}, now, correlation_id="snapshots", approved_by=who.user
    )
