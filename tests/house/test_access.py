"""Roles and scopes: default deny, and exactly the acceptance table."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from core.access import ROLES, SCOPES, Principal, Role, Scope, least_role, local, require
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


@pytest.mark.parametrize("role", ROLES)
def test_the_least_role_of_everything_a_role_holds_is_itself(role: Role) -> None:
    assert least_role(SCOPES[role]) == role


def test_a_token_leaves_of_a_role_only_its_scopes() -> None:
    robot = Principal("ada", "acme", "responder", frozenset({"incidents:read", "tools:manage"}), token="robot")
    assert robot.can("incidents:read")
    assert not robot.can("tools:manage")  # the role does not hold it
    with pytest.raises(Forbidden, match="The token robot does not hold incidents:write"):
        require(robot, "incidents:write")


UI = sorted(path for folder in ("ui", "pages") for path in (Path(__file__).parents[2] / folder).glob("*.py"))


@pytest.mark.parametrize("path", UI, ids=lambda path: path.stem)
def test_no_page_keeps_a_person_between_two_clicks(path: Path) -> None:
    """Callbacks and fragments run without the shell: one that was handed a person would act with their old role."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            handed = [k.value for k in node.keywords if k.arg in ("args", "kwargs")]
            names = {n.id for value in handed for n in ast.walk(value) if isinstance(n, ast.Name)}
            assert not names & {"who", "me", "principal"}, f"line {node.lineno}"
        if isinstance(node, ast.Assign) and "session_state" in ast.unparse(node.targets[0]):
            assert not ast.unparse(node.value).startswith(("auth.current", "auth.standing")), f"line {node.lineno}"
            assert ast.unparse(node.value) not in ("who", "me"), f"line {node.lineno}"
