"""Keys of machines: shown once, kept as a hash, limited to scopes and a time."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from core.access import SCOPES, Principal, least_role, require
from core.errors import InputError
from core.model import Json
from core.service.people import SEEN_EVERY, role_of
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.tokens import Token

MARK: Final = "tlt_"  # how every token begins, so that scanners find a leaked one
LONGEST: Final = timedelta(days=366)


def resolve(wb: Workbench, secret: str) -> Principal | None:
    """The one a token stands for: its owner with no more than the token's scopes; None when it does not count."""
    if not secret.startswith(MARK):
        return None
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        token = books.tokens.by_hash(_hash(secret))
        owner = books.people.by_id(token.owner) if token and token.owner else None
    if token is None or token.revoked_at or token.expires_at <= now:
        return None
    if token.owner and (owner is None or owner.disabled_at):
        return None
    if token.last_used_at is None or now - token.last_used_at >= SEEN_EVERY:
        with wb.store.begin() as books:
            books.tokens.used(token.id, now)
    scopes = frozenset(s for s in SCOPES["admin"] if s in token.scopes)
    return Principal(
        user=owner.email if owner else f"token:{token.name}",
        tenant=token.tenant,
        role=role_of(owner.role) if owner else least_role(scopes),
        scopes=scopes,
        token=token.name,
    )


def listing(wb: Workbench, who: Principal) -> tuple[Token, ...]:
    """Every token of the tenant, newest first, without its secret. Raises: Forbidden."""
    require(who, "tools:manage")
    with wb.store.read() as books:
        return books.tokens.list(who.tenant)


def add(wb: Workbench, who: Principal, name: str, scopes: Iterable[str], days: int) -> tuple[Token, str]:
    """A token and its secret, which is kept nowhere.

    Its owner is the person who makes it: it never may more than they may then.
    Raises: InputError for the name, the scopes or the days; Forbidden.
    """
    require(who, "tools:manage")
    wanted, name, lasts = frozenset(scopes), name.strip(), timedelta(days=days)
    if not name or len(name) > 100:
        raise InputError("A token's name has 1 to 100 characters.", field="name")
    if not wanted or not wanted <= SCOPES["admin"]:
        raise InputError(f"Choose from {', '.join(sorted(SCOPES['admin']))}.", field="scopes")
    if not timedelta(days=1) <= lasts <= LONGEST:
        raise InputError(f"A token lasts 1 to {LONGEST.days} days.", field="days")
    for scope in SCOPES["admin"] & wanted:
        require(who, scope)
    secret, now = MARK + secrets.token_urlsafe(32), wb.ctx.clock.now()
    with wb.store.begin() as books:
        owner = books.people.by_email(who.user)
        token = books.tokens.add(
            who.tenant,
            name,
            prefix=secret[:8],
            sha256=_hash(secret),
            scopes=sorted(wanted),
            owner=owner.id if owner else None,
            actor=who.user,
            now=now,
            expires_at=now + lasts,
        )
        body: dict[str, Json] = {"name": name, "scopes": list(token.scopes), "expires_at": token.expires_at.isoformat()}
        _audit(wb, books, who, "token_created", token, body)
    return token, secret


def revoke(wb: Workbench, who: Principal, token_id: str) -> Token:
    """The token, which counts no longer. Raises: NotFound, Forbidden."""
    require(who, "tools:manage")
    with wb.store.begin() as books:
        token = books.tokens.revoke(who.tenant, token_id, wb.ctx.clock.now())
        _audit(wb, books, who, "token_revoked", token, {"name": token.name})
    return token


def _hash(secret: str) -> str:
    # A token has 256 random bits, so nothing slower than one hash is needed.
    return hashlib.sha256(secret.encode()).hexdigest()


def _audit(wb: Workbench, books: Books, who: Principal, action: str, token: Token, body: Mapping[str, Json]) -> None:
    decision: dict[str, Json] = {**body, "prefix": token.prefix, "actor": who.user}
    now = wb.ctx.clock.now()
    books.audit.append(who.tenant, "person", action, decision, now, correlation_id=token.id, approved_by=who.user)
