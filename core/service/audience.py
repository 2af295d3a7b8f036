"""The people table that segments are counted in: where it comes from, and quick looks at it while a rule is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Select, String, and_, cast, func, select

from core.access import Principal, require
from core.errors import ConfigError, InputError, NotFound
from core.load.file import load_file
from core.load.members import combinations, grouped
from core.load.report import Loaded
from core.load.rules import condition, parse_rules
from core.load.segment_loader import PEOPLE, SegmentLoader
from core.load.snapshots import People, names_people
from core.load.sql import load_select
from core.model import Column, ColumnType, Ints, Json, Provenance, Segment, Table
from core.redaction import mask_pii
from core.service.workbench import Workbench
from core.store.segments import CURRENT

PLAYBOOK = "segment_drift"
SAMPLE = 5
MOST_OVERLAPPING = 60  # segments in one overlap: one bit each
_MASKED = "[masked]"


class StoredPeople(BaseModel):
    """A loaded people table as the store keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    query: str = ""
    parquet: str
    sha256: str
    columns: Mapping[str, ColumnType]
    rows: int
    rejected_rows: int
    read_at: datetime

    @classmethod
    def of(cls, table: Table, query: str = "") -> StoredPeople:
        """The stored form of a loaded table."""
        p = table.provenance
        columns = {c.name: c.type for c in table.columns}
        return cls(uri=p.uri, query=query, parquet=table.path.name, sha256=p.sha256, columns=columns,
                   rows=p.rows, rejected_rows=p.rejected_rows, read_at=p.read_at)  # fmt: skip

    def table(self, folder: Path) -> Table:
        """The table it stands for."""
        provenance = Provenance("people", self.uri, self.sha256, self.rows, self.rejected_rows, self.read_at)
        columns = tuple(Column(n, t) for n, t in self.columns.items())
        return Table("people", columns, folder / self.parquet, provenance)


# --- where it comes from --------------------------------------------------------------------------


def stored(wb: Workbench, tenant: str) -> StoredPeople | None:
    """The tenant's own people table; None while the playbook's own is in use."""
    with wb.store.read() as books:
        body = books.people_tables.current(tenant)
    return None if body is None else StoredPeople.model_validate(body)


def current(wb: Workbench, tenant: str, *, fresh: bool = False) -> People:
    """The people table in use; with ``fresh`` a query is asked anew.

    Raises: NotFound when there is none, ProviderError when the warehouse fails.
    """
    own = stored(wb, tenant)
    if own is None:
        return _people(wb, _demo(wb))
    if fresh and own.query:
        return _people(wb, _asked(wb, own.query).table)
    return _people(wb, own.table(wb.ctx.engine.folder()))


def _people(wb: Workbench, table: Table) -> People:
    playbook = wb.events.get(PLAYBOOK)
    columns = SegmentLoader.model_validate(dict(playbook.loader_params) if playbook else {})
    return People(table, columns.conversion, columns.id_column)


def _demo(wb: Workbench) -> Table:
    path = wb.data / PLAYBOOK / PEOPLE
    if not wb.ctx.settings.telltale_demo or not path.is_file():
        raise NotFound("There is no people table yet.", hint="Upload one, or name a query.", field="people")
    stat = path.stat()
    key = ("people", str(path), stat.st_mtime_ns, stat.st_size)
    table = wb.definitions.get(key, lambda: _read(wb, path, PEOPLE).table)
    assert isinstance(table, Table)
    return table


def _read(wb: Workbench, source: Path | bytes, name: str) -> Loaded:
    limit = wb.ctx.settings.telltale_max_upload_mb * 1024 * 1024
    folder, now = wb.ctx.engine.folder(), wb.ctx.clock.now()
    loaded = load_file(source, name=name, folder=folder, now=now, max_bytes=limit, table="people")
    if isinstance(source, bytes):
        return loaded
    table = loaded.table  # a path of this machine says nothing to anybody
    return Loaded(replace(table, provenance=replace(table.provenance, uri=name)), loaded.report)


def _asked(wb: Workbench, query: str) -> Loaded:
    url = wb.ctx.settings.telltale_warehouse_url
    if url is None:
        raise ConfigError("There is no warehouse.", hint="Set TELLTALE_WAREHOUSE_URL.", field="TELLTALE_WAREHOUSE_URL")
    folder, now = wb.ctx.engine.folder(), wb.ctx.clock.now()
    loaded = load_select(url.get_secret_value(), query, table="people", folder=folder, now=now)
    table = loaded.table
    return Loaded(replace(table, provenance=replace(table.provenance, uri="query:people")), loaded.report)


def upload(wb: Workbench, who: Principal, name: str, content: bytes) -> Loaded:
    """A file as the people table from now on, and how it was read. Raises: InputError, TooLarge, Forbidden."""
    require(who, "incidents:write")
    loaded = _read(wb, content, name)
    _use(wb, who, StoredPeople.of(loaded.table), "people_uploaded")
    return loaded


def ask(wb: Workbench, who: Principal, query: str) -> Loaded:
    """The answer of one SELECT on the warehouse as the people table; it is asked anew at every snapshot.

    Raises: InputError for a statement that is refused, ConfigError without a warehouse, ProviderError, Forbidden.
    """
    require(who, "tools:manage")
    loaded = _asked(wb, query)
    _use(wb, who, StoredPeople.of(loaded.table, query), "people_queried")
    return loaded


def reset(wb: Workbench, who: Principal) -> None:
    """The playbook's own people table is in use again. Raises: Forbidden."""
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.people_tables.drop_current(who.tenant)
        body: dict[str, Json] = {"actor": who.user}
        books.audit.append(who.tenant, "person", "people_reset", body, now, correlation_id="people")


def _use(wb: Workbench, who: Principal, people: StoredPeople, action: str) -> None:
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.people_tables.save(who.tenant, CURRENT, people.model_dump(mode="json"), who.user, now)
        body: dict[str, Json] = {
            "uri": people.uri,
            "sha256": people.sha256,
            "rows": people.rows,
            "rejected_rows": people.rejected_rows,
            "actor": who.user,
        }
        books.audit.append(who.tenant, "person", action, body, now, correlation_id="people")


# --- looks at it ----------------------------------------------------------------------------------


def fields(wb: Workbench, who: Principal) -> tuple[Column, ...]:
    """The columns that rules may ask for. Raises: NotFound without a people table."""
    require(who, "incidents:read")
    return current(wb, who.tenant).table.columns


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value of a field, and how many people have it."""

    value: Json
    people: int


def suggestions(wb: Workbench, who: Principal, field: str, text: str = "", limit: int = 20) -> tuple[Suggestion, ...]:
    """The most frequent values of a field (with ``text`` in them); none that tell who somebody is.

    Raises: InputError for an unknown field, NotFound without a people table.
    """
    require(who, "incidents:read")
    table = current(wb, who.tenant).table
    known = table.column(field)
    if known is None:
        listed = ", ".join(c.name for c in table.columns)
        raise InputError(f"There is no field '{field}'.", hint=f"There are {listed}.", field="field")
    if names_people(known):
        return ()
    column = wb.ctx.engine.relation(table).c[field]
    parts: list[ColumnElement[Any]] = [column.label("value"), func.count().label("people")]
    query: Select[Any] = select(*parts).where(column.is_not(None)).group_by(column)
    if text:
        query = query.where(cast(column, String).icontains(text, autoescape=True))
    query = query.order_by(func.count().desc(), column).limit(limit)
    rows = wb.ctx.engine.fetch(query).to_pylist()
    found = [Suggestion(_plain(r["value"]), r["people"]) for r in rows]
    return tuple(s for s in found if not isinstance(s.value, str) or mask_pii(s.value) == s.value)


def _plain(value: object) -> Json:
    return value if isinstance(value, bool | int | float | str | None) else str(value)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a definition would select now: a count, some masked rows, and how it differs from the saved one."""

    count: int
    total: int
    sample: tuple[Mapping[str, Json], ...]
    saved: int | None = None  # how many the saved definition selects
    shared: int | None = None  # how many both select


def preview(wb: Workbench, who: Principal, definition: object, saved: Segment | None = None) -> Preview:
    """What a rule tree selects in the present people table, beside the saved segment's own.

    Raises: InputError naming the path of what is wrong, NotFound without a people table.
    """
    require(who, "incidents:read")
    people = current(wb, who.tenant)
    engine, relation = wb.ctx.engine, wb.ctx.engine.relation(people.table)
    draft = condition(parse_rules(definition), relation)
    masks = [draft]
    if saved is not None:
        try:
            before = condition(parse_rules(saved.definition), relation)
            masks += [before, and_(draft, before)]
        except InputError:
            saved = None  # it asks for a column that is gone: there is nothing to compare with
    sizes = grouped(engine, relation, (), masks).sizes
    order = relation.c[people.id_column or people.table.columns[0].name]
    rows = engine.fetch(relation.select().where(draft).order_by(order).limit(SAMPLE)).to_pylist()
    personal = {c.name for c in people.table.columns if names_people(c)}
    sample = tuple({k: _masked(v, k in personal) for k, v in row.items()} for row in rows)
    total = people.table.provenance.rows
    return Preview(sizes[0], total, sample, *(sizes[1:] if saved is not None else ()))


def _masked(value: object, personal: bool) -> Json:
    plain = _plain(value)
    if personal and plain is not None:
        return _MASKED
    return mask_pii(plain) if isinstance(plain, str) else plain


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many people every two segments share. Shape: ``shared`` is int64 [n, n], sizes on its diagonal."""

    segments: tuple[Segment, ...]
    shared: Ints


def overlap(wb: Workbench, who: Principal, segments: Sequence[Segment]) -> Overlap:
    """The members that segments share now; one that does not fit the people table is left out.

    Raises: InputError for more than 60 segments, NotFound without a people table.
    """
    require(who, "incidents:read")
    if len(segments) > MOST_OVERLAPPING:
        raise InputError(f"At most {MOST_OVERLAPPING} segments are compared at once.", field="segments")
    relation = wb.ctx.engine.relation(current(wb, who.tenant).table)
    kept, words, people = combinations(wb.ctx.engine, relation, segments)
    held = (words[:, None] >> np.arange(len(kept), dtype=np.int64)) & 1
    return Overlap(kept, held.T @ (held * people[:, None]))
