"""The books of segments and of their snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.model import Json, Segment, Snapshot
from core.redaction import Redactor
from core.segments import segment_doc, segment_of
from core.store.rowlocks import insert_once
from core.store.segment_tables import PeopleTableRow, SegmentRow, SnapshotRow

CURRENT = "current"
KEPT_DAYS = 400
_AT_ONCE = 500  # rows of one INSERT


class Segments:
    """Segment definitions, by name."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor

    def add(self, tenant: str, segment: Segment, now: datetime) -> Segment:
        """Keeps a new segment. Raises: Conflict when its name or id is taken."""
        kept = replace(segment, created_at=now, updated_at=now)
        if not insert_once(self._session, SegmentRow, self._values(tenant, kept)):
            raise _taken(segment)
        return self.get(tenant, segment.id)

    def save(self, tenant: str, segment: Segment, now: datetime) -> Segment:
        """Replaces the segment of this id; ``updated_at`` always grows. Raises: NotFound, Conflict for a taken name."""
        before = self._row(tenant, segment.id)
        after = max(now, before.updated_at + timedelta(microseconds=1))
        kept = replace(segment, created_at=before.created_at, updated_at=after)
        try:
            with self._session.begin_nested():
                for name, value in self._values(tenant, kept).items():
                    setattr(before, name, value)
                self._session.flush()
        except IntegrityError:
            raise _taken(segment) from None
        return kept

    def get(self, tenant: str, segment_id: str) -> Segment:
        """The segment. Raises: NotFound, also for another tenant's."""
        return segment_of(self._row(tenant, segment_id).body)

    def list(self, tenant: str) -> tuple[Segment, ...]:
        """Every segment of the tenant, by name."""
        query = select(SegmentRow).where(SegmentRow.tenant == tenant).order_by(SegmentRow.name)
        return tuple(segment_of(row.body) for row in self._session.scalars(query))

    def delete(self, tenant: str, segment_id: str) -> int:
        """The segment and its snapshots are gone; answers how many snapshots. Raises: NotFound."""
        self._session.delete(self._row(tenant, segment_id))
        gone = delete(SnapshotRow).where(SnapshotRow.tenant == tenant, SnapshotRow.segment == segment_id)
        removed = self._session.execute(gone.returning(SnapshotRow.day)).all()
        self._session.flush()
        return len(removed)

    def _row(self, tenant: str, segment_id: str) -> SegmentRow:
        row = self._session.get(SegmentRow, (tenant, segment_id))
        if row is None:
            raise NotFound(f"There is no segment '{segment_id}'.", field="segment")
        return row

    def _values(self, tenant: str, segment: Segment) -> dict[str, object]:
        return {
            "tenant": tenant,
            "id": segment.id,
            "name": segment.name,
            "body": self._redactor.json(segment_doc(segment)),
            "created_at": segment.created_at,
            "updated_at": segment.updated_at,
        }


def _taken(segment: Segment) -> Conflict:
    return Conflict(f"There is a segment called '{segment.name}' (or with the id '{segment.id}').", field="name")


class Snapshots:
    """One snapshot per segment and UTC day."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, tenant: str, snapshots: Sequence[Snapshot]) -> int:
        """Keeps the snapshots, each in place of the one its segment has of that day; answers how many were replaced."""
        latest = list({(s.segment, day_of(s.ts)): s for s in snapshots}.values())
        replaced = 0
        for start in range(0, len(latest), _AT_ONCE):
            some = latest[start : start + _AT_ONCE]
            replaced += self._count(tenant, some)
            self._upsert(tenant, some)
        return replaced

    def _count(self, tenant: str, snapshots: Sequence[Snapshot]) -> int:
        keys = {(s.segment, day_of(s.ts)) for s in snapshots}
        query = select(SnapshotRow.segment, SnapshotRow.day).where(
            SnapshotRow.tenant == tenant,
            SnapshotRow.segment.in_({segment for segment, _ in keys}),
            SnapshotRow.day.in_({day for _, day in keys}),
        )
        return sum((segment, day) in keys for segment, day in self._session.execute(query))

    def _upsert(self, tenant: str, snapshots: Sequence[Snapshot]) -> None:
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        statement = insert(SnapshotRow).values([_values(tenant, s) for s in snapshots])
        fresh = {c.name: c for c in statement.excluded if not c.primary_key}
        key = SnapshotRow.__mapper__.primary_key
        self._session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=fresh))
        self._session.expire_all()

    def list(
        self, tenant: str, segment: str | None = None, *, since: datetime | None = None, limit: int = 100_000
    ) -> tuple[Snapshot, ...]:
        """The newest ``limit`` snapshots of one segment or of all, oldest first."""
        query = select(SnapshotRow).where(SnapshotRow.tenant == tenant)
        if segment is not None:
            query = query.where(SnapshotRow.segment == segment)
        if since is not None:
            query = query.where(SnapshotRow.ts >= since)
        newest = query.order_by(SnapshotRow.ts.desc(), SnapshotRow.segment).limit(limit)
        return tuple(_snapshot(row) for row in self._session.scalars(newest))[::-1]

    def newest(self, tenant: str, per_segment: int) -> tuple[Snapshot, ...]:
        """The newest ``per_segment`` snapshots of each segment, oldest first."""
        rank = func.row_number().over(partition_by=SnapshotRow.segment, order_by=SnapshotRow.ts.desc()).label("rank")
        ranked = select(SnapshotRow.segment, SnapshotRow.day, rank).where(SnapshotRow.tenant == tenant).subquery()
        query = select(SnapshotRow).where(SnapshotRow.tenant == tenant)
        same = (SnapshotRow.segment == ranked.c.segment) & (SnapshotRow.day == ranked.c.day)
        query = query.join(ranked, same & (ranked.c.rank <= per_segment)).order_by(SnapshotRow.ts, SnapshotRow.segment)
        return tuple(_snapshot(row) for row in self._session.scalars(query))

    def latest(self, tenant: str) -> dict[str, Snapshot]:
        """Each segment's newest snapshot, by segment."""
        last = select(SnapshotRow.segment, func.max(SnapshotRow.ts).label("ts")).where(SnapshotRow.tenant == tenant)
        newest = last.group_by(SnapshotRow.segment).subquery()
        query = select(SnapshotRow).where(SnapshotRow.tenant == tenant)
        query = query.join(newest, (SnapshotRow.segment == newest.c.segment) & (SnapshotRow.ts == newest.c.ts))
        return {row.segment: _snapshot(row) for row in self._session.scalars(query)}

    def forget(self, tenant: str, now: datetime, days: int = KEPT_DAYS) -> int:
        """Snapshots and people tables older than ``days`` are gone; answers how many snapshots."""
        oldest = day_of(now - timedelta(days=days))
        old = delete(SnapshotRow).where(SnapshotRow.tenant == tenant, SnapshotRow.day < oldest)
        gone = self._session.execute(old.returning(SnapshotRow.day)).all()
        tables = delete(PeopleTableRow).where(PeopleTableRow.tenant == tenant, PeopleTableRow.day < oldest)
        self._session.execute(tables)  # "current" sorts after every date
        return len(gone)


class PeopleTables:
    """Which people table is in use, and in which one each day's snapshots were counted."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, tenant: str, key: str, body: Json, actor: str, now: datetime) -> None:
        """The table of a day (ISO date), or the one in use from now on (``CURRENT``)."""
        self._session.merge(PeopleTableRow(tenant=tenant, day=key, body=body, saved_by=actor, saved_at=now))
        self._session.flush()

    def current(self, tenant: str) -> Json:
        """The table in use; None when it is the playbook's own."""
        row = self._session.get(PeopleTableRow, (tenant, CURRENT))
        return row.body if row else None

    def drop_current(self, tenant: str) -> None:
        """The playbook's own table is in use again."""
        here = (PeopleTableRow.tenant == tenant, PeopleTableRow.day == CURRENT)
        self._session.execute(delete(PeopleTableRow).where(*here))

    def before(self, tenant: str, day: str) -> Json:
        """The table of the newest day before ``day``; None when there is none."""
        earlier = select(PeopleTableRow).where(PeopleTableRow.tenant == tenant, PeopleTableRow.day < day)
        row = self._session.scalar(earlier.order_by(PeopleTableRow.day.desc()).limit(1))
        return row.body if row else None


def day_of(ts: datetime) -> str:
    """The UTC day of a moment, as an ISO date."""
    return ts.astimezone(UTC).date().isoformat()


def _values(tenant: str, s: Snapshot) -> dict[str, object]:
    return {
        "tenant": tenant,
        "segment": s.segment,
        "day": day_of(s.ts),
        "ts": s.ts,
        "size": s.size,
        "shares": {a: dict(shares) for a, shares in s.shares.items()},
        "conv_rate": s.conv_rate,
        "velocity_in": s.velocity_in,
        "velocity_out": s.velocity_out,
        "source": s.source,
    }


def _snapshot(row: SnapshotRow) -> Snapshot:
    assert isinstance(row.shares, dict)
    return Snapshot(
        row.segment, row.ts, row.size, row.shares, row.conv_rate, row.velocity_in, row.velocity_out, row.source
    )
