"""The book of signatures that were used: a signed message is taken once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core.store.people_tables import UsedSignatureRow
from core.store.rowlocks import insert_once


class Replays:
    """Keys of signed messages, each kept until its signature would be too old anyway."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def first_use(self, key: str, now: datetime, ttl: timedelta) -> bool:
        """Whether nobody used the key within its time to live; from now on it counts as used.

        Of several threads or processes that ask at once, exactly one hears yes.
        """
        self._session.execute(delete(UsedSignatureRow).where(UsedSignatureRow.expires_at <= now))
        return insert_once(self._session, UsedSignatureRow, {"key": key, "expires_at": now + ttl})
