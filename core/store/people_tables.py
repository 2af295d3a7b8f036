"""The tables of people, their tokens, and signatures that were used; migration 0003 builds exactly these."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.model import Json
from core.store.tables import Row


class UserRow(Row):
    """A person who may sign in. ``iss`` and ``sub`` are empty until the first login with the e-mail address."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("iss", "sub"), Index(None, "tenant", "email"))
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    iss: Mapped[str | None]
    sub: Mapped[str | None]
    role: Mapped[str]
    slack_user_id: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    login_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    valid_after: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]


class TokenRow(Row):
    """A key of a machine, kept as its hash. ``owner`` is the person whose role limits it, if any."""

    __tablename__ = "api_tokens"
    __table_args__ = (Index(None, "tenant", "created_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    name: Mapped[str]
    prefix: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[Json]
    owner: Mapped[str | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class UsedSignatureRow(Row):
    """A signed message that was taken once, until its signature would be too old anyway."""

    __tablename__ = "used_signatures"
    __table_args__ = (Index(None, "expires_at"),)
    key: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
