"""The book of people: who may sign in, with which role, for which tenant."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from core.store.people_tables import UserRow
from core.store.rowlocks import insert_once


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in. ``iss`` and ``sub`` are None until the first login with the e-mail address."""

    id: str
    tenant: str
    email: str
    iss: str | None
    sub: str | None
    role: str
    slack_user_id: str | None
    created_at: datetime
    created_by: str
    login_at: datetime | None
    last_seen_at: datetime | None
    valid_after: datetime | None
    disabled_at: datetime | None


class People:
    """People by identity, e-mail address and Slack user."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, tenant: str, email: str, role: str, actor: str, now: datetime) -> User:
        """The new person, not signed in yet. Raises: Conflict when the address is known already."""
        values = {
            "id": "usr-" + uuid.uuid4().hex[:12],
            "tenant": tenant,
            "email": email.casefold(),
            "role": role,
            "created_at": now,
            "created_by": actor,
        }
        if not insert_once(self._session, UserRow, values):
            raise Conflict(f"{email} has access already.", hint="Change the role instead.", field="email")
        return self.get(tenant, str(values["id"]))

    def get(self, tenant: str, user_id: str) -> User:
        """One person of the tenant. Raises: NotFound."""
        return _user(self._row(tenant, user_id))

    def list(self, tenant: str) -> tuple[User, ...]:
        """Everybody of the tenant, by address."""
        query = select(UserRow).where(UserRow.tenant == tenant).order_by(UserRow.email)
        return tuple(_user(row) for row in self._session.scalars(query))

    def by_identity(self, iss: str, sub: str) -> User | None:
        """The person whom the login provider ``iss`` calls ``sub``."""
        row = self._session.scalar(select(UserRow).where(UserRow.iss == iss, UserRow.sub == sub))
        return _user(row) if row else None

    def by_id(self, user_id: str) -> User | None:
        """The person of any tenant."""
        row = self._session.get(UserRow, user_id)
        return _user(row) if row else None

    def by_email(self, email: str) -> User | None:
        """The person of any tenant with this address."""
        row = self._session.scalar(select(UserRow).where(UserRow.email == email.casefold()))
        return _user(row) if row else None

    def by_slack(self, slack_user_id: str) -> User | None:
        """The person of any tenant whom Slack calls ``slack_user_id``."""
        row = self._session.scalar(select(UserRow).where(UserRow.slack_user_id == slack_user_id))
        return _user(row) if row else None

    def tenants(self) -> tuple[str, ...]:
        """Every tenant that has a person."""
        return tuple(self._session.scalars(select(UserRow.tenant).distinct().order_by(UserRow.tenant)))

    def bind(self, email: str, iss: str, sub: str) -> User | None:
        """The person with this address, who from now on is ``sub`` of ``iss``; None when there is none to bind."""
        free = UserRow.email == email.casefold(), UserRow.sub.is_(None), UserRow.disabled_at.is_(None)
        bound = update(UserRow).where(*free).values(iss=iss, sub=sub).returning(UserRow.id)
        self._session.execute(bound)
        return self.by_identity(iss, sub)

    def seen(self, user_id: str, now: datetime, login_at: datetime | None) -> None:
        """Notes when the person was last here, and the login behind it."""
        values = {"last_seen_at": now, **({"login_at": login_at} if login_at else {})}
        self._session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))

    def set_role(self, tenant: str, user_id: str, role: str) -> User:
        """The person with another role. Raises: NotFound."""
        row = self._row(tenant, user_id)
        row.role = role
        return self._kept(row)

    def set_slack(self, tenant: str, user_id: str, slack_user_id: str | None) -> User:
        """The person with another Slack user. Raises: NotFound; Conflict when it is somebody else's."""
        row = self._row(tenant, user_id)
        other = self.by_slack(slack_user_id) if slack_user_id else None
        if other and other.id != user_id:
            raise Conflict(f"The Slack user {slack_user_id} is mapped to somebody else.", field="slack_user_id")
        row.slack_user_id = slack_user_id
        return self._kept(row)

    def set_disabled(self, tenant: str, user_id: str, at: datetime | None) -> User:
        """Access ends at ``at``, and with it every session; None gives it back. Raises: NotFound."""
        row = self._row(tenant, user_id)
        row.disabled_at = at
        row.valid_after = at or row.valid_after
        return self._kept(row)

    def end_sessions(self, tenant: str, user_id: str, at: datetime) -> User:
        """Logins before ``at`` no longer count. Raises: NotFound."""
        row = self._row(tenant, user_id)
        row.valid_after = at
        return self._kept(row)

    def _row(self, tenant: str, user_id: str) -> UserRow:
        row = self._session.get(UserRow, user_id)
        if row is None or row.tenant != tenant:
            raise NotFound(f"There is no user '{user_id}'.", field="user")
        return row

    def _kept(self, row: UserRow) -> User:
        self._session.flush()
        return _user(row)


def _user(row: UserRow) -> User:
    return User(**{name: getattr(row, name) for name in User.__slots__})
