"""The book of received alerts."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core.redaction import Redactor
from core.store import alert_tables  # noqa: F401 (its tables belong to the migrations)


class Received:
    """Alerts as they came in."""

    def __init__(self, session: Session, redactor: Redactor) -> None:
        self._session = session
        self._redactor = redactor
