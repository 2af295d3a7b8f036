"""Who may do what: viewer < responder < admin, default deny."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from core.errors import Forbidden

Role: TypeAlias = Literal["viewer", "responder", "admin"]
Scope: TypeAlias = Literal["incidents:read", "incidents:write", "actions:approve", "tools:manage"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
SCOPES: Mapping[Role, frozenset[Scope]] = {
    "viewer": frozenset({"incidents:read"}),
    "responder": frozenset({"incidents:read", "incidents:write", "actions:approve"}),
    "admin": frozenset(get_args(Scope)),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated person behind a request; never taken from a header or a form field."""

    user: str
    tenant: str
    role: Role
    scopes: frozenset[Scope] | None = None  # of a token or sender: what is left of the role
    token: str = ""  # the token or sender that stands for the user; empty for the person in the browser

    def can(self, scope: Scope) -> bool:
        """Whether the role holds the scope, and the token too when there is one."""
        return scope in SCOPES[self.role] and (self.scopes is None or scope in self.scopes)


def local(tenant: str) -> Principal:
    """The one person of a workbench without login, which only answers its own machine."""
    return Principal(user="local", tenant=tenant, role="admin")


def least_role(scopes: Iterable[Scope]) -> Role:
    """The lowest role that holds every one of the scopes."""
    wanted = frozenset(scopes)
    return next(role for role in ROLES if wanted <= SCOPES[role])


def require(principal: Principal, scope: Scope) -> None:
    """Returns when the principal holds the scope.

    Raises: Forbidden naming the role and the scope it lacks.
    """
    if principal.can(scope):
        return
    holder = f"The token {principal.token}" if scope in SCOPES[principal.role] else f"The role {principal.role}"
    raise Forbidden(f"{holder} does not hold {scope}.", hint="Ask an administrator for it.", field="role")
