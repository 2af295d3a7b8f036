"""The book of inputs: a tenant's own files and queries, in the place of a playbook's demo files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.store.input_tables import InputRow


@dataclass(frozen=True, slots=True)
class StoredInput:
    """One file of a playbook: the content hash of an upload (and its own name), or a query."""

    playbook: str
    file: str
    sha256: str
    original: str
    query: str
    saved_at: datetime
    saved_by: str


class Inputs:
    """Inputs by playbook and file."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def set(self, tenant: str, stored: StoredInput) -> None:
        """The file is this from now on."""
        self._session.merge(InputRow(tenant=tenant, **asdict(stored)))
        self._session.flush()

    def remove(self, tenant: str, playbook: str, file: str) -> bool:
        """The file is the demo's again; False when it was."""
        gone = delete(InputRow).where(InputRow.tenant == tenant, InputRow.playbook == playbook, InputRow.file == file)
        return self._session.scalar(gone.returning(InputRow.file)) is not None

    def list(self, tenant: str, playbook: str) -> tuple[StoredInput, ...]:
        """Every input of the playbook, by file."""
        query = select(InputRow).where(InputRow.tenant == tenant, InputRow.playbook == playbook)
        rows = self._session.scalars(query.order_by(InputRow.file))
        return tuple(
            StoredInput(r.playbook, r.file, r.sha256, r.original, r.query, r.saved_at, r.saved_by) for r in rows
        )
