"""Who may come in: people by their login, Slack users by mapping. Asked anew at every decision."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from core.access import ROLES, Principal, Role, require
from core.errors import Conflict, Forbidden, InputError
from core.model import Json
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.people import User

SEEN_EVERY: Final = timedelta(minutes=1)  # how often being here is written down
SKEW: Final = timedelta(minutes=5)  # a provider's clock may be ahead by this much
_EMAIL = re.compile(r"[^@\s,;<>]{1,64}@[^@\s,;<>]{1,190}")
_SLACK = re.compile(r"[UW][A-Z0-9]{2,20}")


class Outside(Enum):
    """Why somebody is not let in."""

    SIGNED_OUT = "Nobody is signed in."
    ENDED = "Your session has ended."
    UNKNOWN = "You are signed in, but nobody has given you access yet."
    DISABLED = "Your access was ended."


@dataclass(frozen=True, slots=True)
class _Login:
    iss: str
    sub: str
    at: datetime
    email: str  # empty unless the provider says that it verified the address


def admit(wb: Workbench, claims: Mapping[str, object]) -> Principal | Outside:
    """The person behind a login, as the store knows them at this moment, or why they are not let in.

    A first login binds the row of its verified e-mail address to ``(iss, sub)``; from then on only that counts.
    """
    login = _login(claims)
    now = wb.ctx.clock.now()
    if login is None or login.at > now + SKEW:
        return Outside.SIGNED_OUT
    if now - login.at > timedelta(hours=wb.ctx.settings.telltale_session_hours):
        return Outside.ENDED
    with wb.store.read() as books:
        user = books.people.by_identity(login.iss, login.sub)
    user = user or _bound(wb, login)
    if user is None or user.disabled_at:
        _turned_away(wb, login, user)
        return Outside.DISABLED if user else Outside.UNKNOWN
    # A login counts whole seconds, so one in the second of the logout is not told from the one before it.
    if user.valid_after and int(login.at.timestamp()) <= int(user.valid_after.timestamp()):
        return Outside.ENDED
    _note(wb, user, login, now)
    return principal(user)


def principal(user: User) -> Principal:
    """The person as the one who acts."""
    return Principal(user=user.email, tenant=user.tenant, role=role_of(user.role))


def _login(claims: Mapping[str, object]) -> _Login | None:
    iss, sub, at = claims.get("iss"), claims.get("sub"), claims.get("iat")
    if claims.get("is_logged_in") is not True or not isinstance(iss, str) or not isinstance(sub, str):
        return None
    if not iss or not sub or not isinstance(at, int | float) or not 0 < at < 1e11:
        return None
    email, verified = claims.get("email"), claims.get("email_verified") in (True, "true")
    return _Login(iss, sub, datetime.fromtimestamp(at, UTC), email if isinstance(email, str) and verified else "")


def _bound(wb: Workbench, login: _Login) -> User | None:
    if not login.email:
        return None
    with wb.store.read() as books:
        waiting = books.people.by_email(login.email)
    if waiting is None or waiting.sub is not None:
        return None
    with wb.store.begin() as books:
        return books.people.bind(login.email, login.iss, login.sub)


def _note(wb: Workbench, user: User, login: _Login, now: datetime) -> None:
    fresh = user.login_at is None or login.at > user.login_at
    if not fresh and user.last_seen_at and now - user.last_seen_at < SEEN_EVERY:
        return
    with wb.store.begin() as books:
        books.people.seen(user.id, now, login.at if fresh else None)
        if fresh:
            body: dict[str, Json] = {"actor": user.email, "role": user.role, "iss": login.iss}
            at = int(login.at.timestamp())
            books.audit.append(
                user.tenant, "person", "login", body, now, correlation_id=user.id, event_id=f"login:{user.id}:{at}"
            )


def _turned_away(wb: Workbench, login: _Login, user: User | None) -> None:
    """One line a login in the audit, however often the page is asked for."""
    mark = hashlib.sha256(f"{login.iss}|{login.sub}|{login.at.isoformat()}|{user is None}".encode()).hexdigest()
    tenant = user.tenant if user else wb.tenant
    body: dict[str, Json] = {
        "actor": user.email if user else login.email or login.sub,
        "iss": login.iss,
        "why": "disabled" if user else "unknown",
    }
    with wb.store.begin() as books:
        now = wb.ctx.clock.now()
        books.audit.append(tenant, "person", "access_refused", body, now, event_id=f"refused:{mark}")


def refused(wb: Workbench, who: Principal, where: str, error: Forbidden) -> None:
    """Writes down that somebody asked for what their role does not hold; at most once a minute each."""
    now = wb.ctx.clock.now()
    mark = f"{who.tenant}|{who.user}|{who.token}|{where}|{error.message}|{now:%Y-%m-%dT%H:%M}"
    body: dict[str, Json] = {"actor": who.user, "token": who.token, "where": where, "why": error.message}
    with wb.store.begin() as books:
        books.audit.append(
            who.tenant,
            "person",
            "access_refused",
            body,
            now,
            event_id=f"refused:{hashlib.sha256(mark.encode()).hexdigest()}",
        )


def by_slack(wb: Workbench, slack_user_id: str, tenant: str | None = None) -> Principal | None:
    """The person whom an administrator mapped to the Slack user, of any tenant or only of this one."""
    with wb.store.read() as books:
        user = books.people.by_slack(slack_user_id) if slack_user_id else None
    if user is None or user.disabled_at or (tenant is not None and user.tenant != tenant):
        return None
    return principal(user)


def tenants(wb: Workbench) -> tuple[str, ...]:
    """Every tenant there is: that of the process, and those of people."""
    with wb.store.read() as books:
        return tuple(sorted({wb.tenant, *books.people.tenants()}))


def users(wb: Workbench, who: Principal) -> tuple[User, ...]:
    """Everybody of the tenant, by address. Raises: Forbidden."""
    require(who, "tools:manage")
    with wb.store.read() as books:
        return books.people.list(who.tenant)


def add_user(wb: Workbench, who: Principal, email: str, role: str) -> User:
    """A person who may sign in from now on. Raises: InputError, Conflict, Forbidden."""
    require(who, "tools:manage")
    email = email.strip().casefold()
    if not _EMAIL.fullmatch(email):
        raise InputError(f"'{email}' is not an e-mail address.", field="email")
    with wb.store.begin() as books:
        user = books.people.add(who.tenant, email, role_of(role), who.user, wb.ctx.clock.now())
        _audit(wb, books, who, "user_added", user, {"role": user.role})
    return user


def set_role(wb: Workbench, who: Principal, user_id: str, role: str) -> User:
    """The person with another role, from their next click on. Raises: InputError, Conflict, NotFound, Forbidden."""
    require(who, "tools:manage")
    with wb.store.begin() as books:
        old = books.people.get(who.tenant, user_id)
        if role_of(role) != "admin":
            _keep_one_admin(books, old)
        user = books.people.set_role(who.tenant, user_id, role_of(role))
        _audit(wb, books, who, "role_changed", user, {"from": old.role, "to": user.role})
    return user


def set_disabled(wb: Workbench, who: Principal, user_id: str, *, disabled: bool) -> User:
    """The person without access and without any session, or with access again.

    Raises: Conflict for the last administrator, NotFound, Forbidden.
    """
    require(who, "tools:manage")
    with wb.store.begin() as books:
        if disabled:
            _keep_one_admin(books, books.people.get(who.tenant, user_id))
        user = books.people.set_disabled(who.tenant, user_id, wb.ctx.clock.now() if disabled else None)
        _audit(wb, books, who, "user_disabled" if disabled else "user_enabled", user, {})
    return user


def set_slack(wb: Workbench, who: Principal, user_id: str, slack_user_id: str) -> User:
    """The person as the one behind a Slack user; empty takes the mapping away.

    Raises: InputError for what is no Slack member id, Conflict, NotFound, Forbidden.
    """
    require(who, "tools:manage")
    wanted = slack_user_id.strip().upper()
    if wanted and not _SLACK.fullmatch(wanted):
        raise InputError(
            f"'{wanted}' is not a Slack member id.",
            hint="It begins with U or W: profile, three dots, Copy member ID.",
            field="slack_user_id",
        )
    with wb.store.begin() as books:
        user = books.people.set_slack(who.tenant, user_id, wanted or None)
        _audit(wb, books, who, "slack_user_mapped", user, {"slack_user_id": wanted})
    return user


def end_sessions(wb: Workbench, who: Principal) -> None:
    """Logs the person out everywhere: no login before now counts. Nothing happens to who has no login."""
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        user = books.people.by_email(who.user)
        if user is not None and user.tenant == who.tenant:
            books.people.end_sessions(user.tenant, user.id, now)
            _audit(wb, books, who, "logout", user, {})


def role_of(text: str) -> Role:
    """The role of that name. Raises: InputError listing the known ones."""
    found = next((role for role in ROLES if role == text), None)
    if found is None:
        raise InputError(f"There is no role '{text}'.", hint=f"Known: {', '.join(ROLES)}.", field="role")
    return found


def _keep_one_admin(books: Books, user: User) -> None:
    active = [u.id for u in books.people.list(user.tenant) if u.role == "admin" and not u.disabled_at]
    if active == [user.id]:
        raise Conflict(f"{user.email} is the last administrator.", hint="Make somebody else one first.", field="role")


def _audit(wb: Workbench, books: Books, who: Principal, action: str, user: User, body: Mapping[str, Json]) -> None:
    decision: dict[str, Json] = {"user": user.email, **body, "actor": who.user}
    now = wb.ctx.clock.now()
    books.audit.append(who.tenant, "person", action, decision, now, correlation_id=user.id, approved_by=who.user)
