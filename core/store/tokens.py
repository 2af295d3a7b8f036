"""The book of machines' keys: only their hashes are kept."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.store.people_tables import TokenRow


@dataclass(frozen=True, slots=True)
class Token:
    """A machine's key without the key: ``prefix`` is how it begins."""

    id: str
    tenant: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    owner: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class Tokens:
    """Keys by tenant and by hash."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        tenant: str,
        name: str,
        *,
        prefix: str,
        sha256: str,
        scopes: Sequence[str],
        owner: str | None,
        actor: str,
        now: datetime,
        expires_at: datetime,
    ) -> Token:
        """The new key."""
        row = TokenRow(
            id="tok-" + uuid.uuid4().hex[:12],
            tenant=tenant,
            name=name,
            prefix=prefix,
            sha256=sha256,
            scopes=list(scopes),
            owner=owner,
            created_at=now,
            created_by=actor,
            expires_at=expires_at,
        )
        self._session.add(row)
        self._session.flush()
        return _token(row)

    def list(self, tenant: str) -> tuple[Token, ...]:
        """Every key of the tenant, newest first."""
        query = select(TokenRow).where(TokenRow.tenant == tenant).order_by(TokenRow.created_at.desc(), TokenRow.id)
        return tuple(_token(row) for row in self._session.scalars(query))

    def by_hash(self, sha256: str) -> Token | None:
        """The key with this hash, whether or not it still counts."""
        row = self._session.scalar(select(TokenRow).where(TokenRow.sha256 == sha256))
        return _token(row) if row else None

    def used(self, token_id: str, now: datetime) -> None:
        """Notes when the key was last used."""
        self._session.execute(update(TokenRow).where(TokenRow.id == token_id).values(last_used_at=now))

    def revoke(self, tenant: str, token_id: str, now: datetime) -> Token:
        """The key, which no longer counts; a second time changes nothing. Raises: NotFound."""
        row = self._session.get(TokenRow, token_id)
        if row is None or row.tenant != tenant:
            raise NotFound(f"There is no token '{token_id}'.", field="token")
        row.revoked_at = row.revoked_at or now
        self._session.flush()
        return _token(row)


def _token(row: TokenRow) -> Token:
    fields = {name: getattr(row, name) for name in Token.__slots__ if name != "scopes"}
    scopes = row.scopes if isinstance(row.scopes, list) else []
    return Token(**fields, scopes=tuple(str(scope) for scope in scopes))
