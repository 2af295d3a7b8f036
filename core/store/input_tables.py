"""The table of stored inputs; migration 0005 builds exactly this."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from core.store.tables import Row


class InputRow(Row):
    """What stands in for one of a playbook's files: an uploaded file's content, or a query on the warehouse."""

    __tablename__ = "inputs"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    playbook: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    original: Mapped[str]
    query: Mapped[str]
    saved_at: Mapped[datetime]
    saved_by: Mapped[str]
