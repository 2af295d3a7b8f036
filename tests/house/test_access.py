"""Roles and scopes: default deny, and exactly the acceptance table."""

from __future__ import annotations

from typing import get_args

import pytest

from core.access import Principal, Role, Scope, local, require
from core.errors import Forbidden

MAY = {
    ("viewer", "incidents:read"),
    ("responder", "incidents:read"),
    ("responder", "incidents:write"),
    ("responder", "actions:approve"),
    ("admin", "incidents:read"),
    ("admin", "incidents:write"),
    ("admin", "actions:approve"),
    ("admin", "tools:manage"),
}


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("scope", get_args(Scope))
def test_role_holds_exactly_its_scopes(role: Role, scope: Scope) -> None:
    person = Principal("ada", "acme", role)
    assert person.can(scope) == ((role, scope) in MAY)
    if person.can(scope):
        require(person, scope)
    else:
        with pytest.raises(Forbidden, match=f"{role} does not hold {scope}"):
            require(person, scope)


def test_local_person_is_the_administrator_of_the_configured_tenant() -> None:
    assert local("acme") == Principal("local", "acme", "admin")
