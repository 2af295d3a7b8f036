"""Who may do what: viewer < responder < admin, default deny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from core.errors import Forbidden

Role: TypeAlias = Literal["viewer", "responder", "admin"]
Scope: TypeAlias = Literal["incidents:read", "incidents:write", "actions:approve", "tools:manage"]

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

    def can(self, scope: Scope) -> bool:
        """Whether the role holds the scope."""
        return scope in SCOPES[self.role]


def local(tenant: str) -> Principal:
    """The one person of a workbench without login, which only answers its own machine."""
    return Principal(user="local", tenant=tenant, role="admin")


def require(principal: Principal, scope: Scope) -> None:
    """Returns when the principal holds the scope.

    Raises: Forbidden naming the role and the scope it lacks.
    """
    if not principal.can(scope):
        raise Forbidden(
            f"The role {principal.role} does not hold {scope}.", hint="Ask an administrator for it.", field="role"
        )
