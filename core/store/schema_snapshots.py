"""The book of schema snapshots: the first and the last moment at which a source had each form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.model import Json
from core.store.alert_tables import SchemaSnapshotRow


@dataclass(frozen=True, slots=True)
class SchemaSnapshot:
    """What a source looked like at a moment; ``columns`` are rows in one canonical form."""

    source: str
    taken_at: datetime
    sha256: str
    columns: Json


class SchemaSnapshots:
    """Snapshots by source, newest first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, tenant: str, source: str, taken_at: datetime, columns: Json) -> SchemaSnapshot:
        """Keeps the snapshot. Of equal ones in a row the first and the last stay."""
        sha256 = hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()
        last = self.list(tenant, source, limit=2)
        stale = len(last) == 2 and all(s.sha256 == sha256 for s in last)
        same_moment = any(s.taken_at == taken_at for s in last)
        if stale or same_moment:
            self._session.execute(
                delete(SchemaSnapshotRow).where(
                    SchemaSnapshotRow.tenant == tenant,
                    SchemaSnapshotRow.source == source,
                    SchemaSnapshotRow.taken_at == (taken_at if same_moment else last[0].taken_at),
                )
            )
        self._session.add(
            SchemaSnapshotRow(tenant=tenant, source=source, taken_at=taken_at, sha256=sha256, columns=columns)
        )
        self._session.flush()
        return SchemaSnapshot(source, taken_at, sha256, columns)

    def list(self, tenant: str, source: str, limit: int = 20) -> tuple[SchemaSnapshot, ...]:
        """The newest snapshots of a source."""
        query = select(SchemaSnapshotRow).where(SchemaSnapshotRow.tenant == tenant, SchemaSnapshotRow.source == source)
        rows = self._session.scalars(query.order_by(SchemaSnapshotRow.taken_at.desc()).limit(limit))
        return tuple(SchemaSnapshot(r.source, r.taken_at, r.sha256, r.columns) for r in rows)
