"""Segments: written, changed, imported, accepted as they are; every change is audited in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.access import Principal, require
from core.errors import Conflict, InputError, NotFound
from core.load.rules import condition, parse_rules
from core.load.segment_loader import SEGMENTS, SNAPSHOTS
from core.load.segments import TYPES, SegmentForm, parse_segment, read_yaml, slug, write_yaml
from core.load.snapshot_files import parse_snapshots
from core.model import Json, Segment
from core.segments import segment_doc, snapshot_doc
from core.service import audience
from core.service.audience import PLAYBOOK
from core.service.workbench import Workbench
from core.store.books import Books

PER_SEGMENT = 60  # newest snapshots that a check gets to see; the detectors ask for 14


def get(wb: Workbench, who: Principal, segment_id: str) -> Segment:
    """One segment of the person's tenant. Raises: NotFound."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.segments.get(who.tenant, segment_id)


def listing(wb: Workbench, who: Principal) -> tuple[Segment, ...]:
    """Every segment of the person's tenant, by name."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.segments.list(who.tenant)


def create(wb: Workbench, who: Principal, document: object) -> Segment:
    """A new segment from its document; its id is made of its name unless it has one.

    Raises: InputError naming the field, Conflict for a name or id that is taken, Forbidden.
    """
    require(who, "incidents:write")
    form = parse_segment(document)
    _require_fitting(wb, who.tenant, form)
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        segment = form.segment(form.id or _free_id(books, who.tenant, form.name))
        kept = books.segments.add(who.tenant, segment, now)
        _audit(books, who, "segment_created", {"segment": kept.id, "after": segment_doc(kept)}, now)
    return kept


def update(
    wb: Workbench, who: Principal, segment_id: str, document: object, *, seen: datetime | None = None
) -> Segment:
    """The segment as its document says; ``seen`` is the ``updated_at`` that the person had on screen.

    What the document leaves out is at its default, but what was accepted as normal stays so.
    Raises: InputError naming the field, NotFound, Conflict for a taken name or a change since ``seen``, Forbidden.
    """
    require(who, "incidents:write")
    form = parse_segment(document)
    if form.id not in (None, segment_id):
        raise InputError(f"id: expected '{segment_id}'; an id cannot be changed.", field="id")
    with wb.store.read() as books:
        books.segments.get(who.tenant, segment_id)
    _require_fitting(wb, who.tenant, form)
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        before = books.segments.get(who.tenant, segment_id)
        if seen is not None and before.updated_at != seen:
            raise Conflict(f"Segment '{before.name}' was changed meanwhile.", hint="Reload and try again.")
        kept = books.segments.save(who.tenant, _changed(form, before), now)
        change: dict[str, Json] = {"segment": kept.id, "before": segment_doc(before), "after": segment_doc(kept)}
        _audit(books, who, "segment_updated", change, now)
    return kept


def _changed(form: SegmentForm, before: Segment) -> Segment:
    after = form.segment(before.id)
    return after if form.normal_since is not None else replace(after, normal_since=before.normal_since)


def delete(wb: Workbench, who: Principal, segment_id: str) -> None:
    """The segment and its snapshots are gone; its incidents and the audit stay. Raises: NotFound, Forbidden."""
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        before = books.segments.get(who.tenant, segment_id)
        snapshots = books.segments.delete(who.tenant, segment_id)
        gone: dict[str, Json] = {"segment": segment_id, "snapshots": snapshots, "before": segment_doc(before)}
        _audit(books, who, "segment_deleted", gone, now)


def accept_as_new_normal(
    wb: Workbench, who: Principal, segment_id: str, kind: str, since: datetime | None = None
) -> Segment:
    """The segment with its baselines of one incident type beginning at ``since`` (default: the start of this UTC day).

    Raises: InputError for an unknown type or a time to come, NotFound, Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    if kind not in TYPES:
        raise InputError(f"type: '{kind}' is not one of {', '.join(TYPES)}.", field="type")
    at = since or now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if at > now:
        raise InputError("since: expected a time that has come.", field="since")
    with wb.store.begin() as books:
        before = books.segments.get(who.tenant, segment_id)
        accepted = replace(before, normal_since={**before.normal_since, kind: at})
        kept = books.segments.save(who.tenant, accepted, now)
        _audit(books, who, "segment_accepted", {"segment": segment_id, "type": kind, "since": at.isoformat()}, now)
    return kept


# --- several at once ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import made of a file's segments."""

    created: tuple[Segment, ...]
    updated: tuple[Segment, ...]
    unchanged: tuple[Segment, ...]


def export_yaml(wb: Workbench, who: Principal, ids: Sequence[str] = ()) -> str:
    """The segments (all, or those named) as YAML that can be imported. Raises: NotFound."""
    require(who, "incidents:read")
    found = listing(wb, who)
    by_id = {s.id: s for s in found}
    if missing := [i for i in ids if i not in by_id]:
        raise NotFound(f"There is no segment '{missing[0]}'.", field="segment")
    return write_yaml([by_id[i] for i in ids] if ids else found)


def import_yaml(wb: Workbench, who: Principal, text: str | bytes, name: str = SEGMENTS) -> Imported:
    """The file's segments, each new or in place of the one with its id or name; all of them or none.

    Raises: InputError naming the file and the line or path, Conflict, Forbidden.
    """
    require(who, "incidents:write")
    segments = read_yaml(text, name)
    for i, segment in enumerate(segments):
        _require_columns(wb, who.tenant, segment.definition, f"segments[{i}].definition")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        done = _imported(books, who.tenant, segments, now)
        what: dict[str, Json] = {
            "file": name,
            "created": [s.id for s in done.created],
            "updated": [s.id for s in done.updated],
        }
        _audit(books, who, "segments_imported", what, now)
    return done


def _imported(books: Books, tenant: str, segments: Sequence[Segment], now: datetime) -> Imported:
    there = books.segments.list(tenant)
    by_id, by_name = {s.id: s for s in there}, {s.name: s for s in there}
    created, updated, unchanged = [], [], []
    for segment in segments:
        before = by_id.get(segment.id) or by_name.get(segment.name)
        if before is None:
            created.append(books.segments.add(tenant, segment, now))
            continue
        since = segment.normal_since or before.normal_since
        after = replace(segment, id=before.id, normal_since=since)
        if after == replace(before, created_at=None, updated_at=None):
            unchanged.append(before)
        else:
            updated.append(books.segments.save(tenant, after, now))
    return Imported(tuple(created), tuple(updated), tuple(unchanged))


def seed_demo(wb: Workbench, who: Principal) -> bool:
    """Whether the demo's segments and snapshots were put into an empty store; its last day is moved to today.

    Raises: Forbidden.
    """
    require(who, "incidents:write")
    folder, now = wb.data / PLAYBOOK, wb.ctx.clock.now()
    if not (folder / SEGMENTS).is_file() or listing(wb, who):
        return False
    segments = read_yaml((folder / SEGMENTS).read_bytes())
    parsed = parse_snapshots((folder / SNAPSHOTS).read_bytes(), segments, name=f"demo:{SNAPSHOTS}")
    days = now.date() - max(s.ts.date() for s in parsed.snapshots)
    moved = [replace(s, ts=s.ts + days) for s in parsed.snapshots]
    with wb.store.begin() as books:
        if books.segments.list(who.tenant):
            return False
        _imported(books, who.tenant, segments, now)
        books.snapshots.save(who.tenant, [s for s in moved if s.ts <= now] or moved)
        _audit(books, who, "demo_loaded", {"segments": [s.id for s in segments], "snapshots": len(moved)}, now)
    return True


def documents(wb: Workbench, tenant: str) -> Mapping[str, Json]:
    """What the ``segments`` loader reads of the store: definitions and their newest snapshots; empty without any."""
    with wb.store.read() as books:
        segments = books.segments.list(tenant)
        snapshots = books.snapshots.newest(tenant, PER_SEGMENT) if segments else ()
    if not segments:
        return {}
    known = {s.id for s in segments}
    return {
        "segments": [segment_doc(s) for s in segments],
        "snapshots": [snapshot_doc(s) for s in snapshots if s.segment in known],
    }


# --- shared ---------------------------------------------------------------------------------------


def _require_fitting(wb: Workbench, tenant: str, form: SegmentForm) -> None:
    _require_columns(wb, tenant, form.definition.doc(), "definition")


def _require_columns(wb: Workbench, tenant: str, definition: object, where: str) -> None:
    """Returns when the rules fit the people table, or when there is none to fit. Raises: InputError naming the path."""
    try:
        relation = wb.ctx.engine.relation(audience.current(wb, tenant).table)
    except NotFound:
        return
    condition(parse_rules(definition, where), relation, where)


def _free_id(books: Books, tenant: str, name: str) -> str:
    """An id made of the name that no segment has and that no old incident is about: those are not its own."""
    wanted, number = slug(name), 1
    taken = {s.id for s in books.segments.list(tenant)}
    if any(s.name == name for s in books.segments.list(tenant)):
        return wanted  # adding it will say that the name is taken
    candidate = wanted
    while candidate in taken or _had_incidents(books, tenant, candidate):
        number += 1
        candidate = f"{wanted[:76]}-{number}"
    return candidate


def _had_incidents(books: Books, tenant: str, segment_id: str) -> bool:
    return any(books.incidents.find_latest(tenant, f"segment:{segment_id}:{kind}") for kind in TYPES)


def _audit(books: Books, who: Principal, action: str, body: Mapping[str, Json], now: datetime) -> None:
    books.audit.append(
        who.tenant,
        "person",
        action,
        {**body, "actor": who.user},
        now,
        correlation_id=str(body.get("segment", "segments")),
        approved_by=who.user,
    )
