"""Every route for every kind of caller, and every use case for every role. A new one is covered by being there."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import cast, get_args

import pytest

import core.service
from core.access import SCOPES, Principal, Role, Scope
from core.errors import Forbidden
from server.security import GuardedRoute, Signed
from tests.api.desk import MARK, Desk
from tests.store.samples import INCIDENT

ROLES = get_args(Role)
IDS = {"incident_id": INCIDENT.incident_id, "run_id": f"run-{MARK}"}


def methods(route: GuardedRoute) -> list[str]:
    return sorted((route.methods or set()) - {"HEAD"})


def path(route: GuardedRoute) -> str:
    return route.path_format.format(**{name: IDS.get(name, "x") for name in route.param_convertors})


def ask(desk: Desk, route: GuardedRoute, method: str, headers: Mapping[str, str]) -> tuple[int, str]:
    reply = desk.client().request(method, path(route), headers=headers, json={} if method != "GET" else None)
    assert reply.status_code < 500, (route.path, reply.text)
    return reply.status_code, reply.text


def test_every_route_lets_in_exactly_its_callers(desk: Desk) -> None:
    """DP-21: who is nobody hears 401, who may not hears 403, and only then comes anything else."""
    headers = {role: desk.token(cast("Role", role)) for role in ROLES}
    for route in desk.routes:
        for method in methods(route):
            nobody, _ = ask(desk, route, method, {})
            if route.rule == "public":
                assert nobody != 403, route.path
                continue
            assert nobody == 401, route.path
            if isinstance(route.rule, Signed):
                continue
            for role in ROLES:
                status, _ = ask(desk, route, method, headers[role])
                held = route.rule in SCOPES[cast("Role", role)]
                assert (status == 403) is not held, (route.path, method, role, status)
                assert status != 401, (route.path, method, role)


def test_no_route_shows_another_tenant_anything(desk: Desk) -> None:
    stranger = desk.token("admin", "other")
    for route in desk.routes:
        for method in methods(route):
            status, text = ask(desk, route, method, stranger)
            assert MARK not in text, route.path
            if "incident_id" in route.param_convertors and route.rule != "public":
                assert status in (400, 404), (route.path, method, status)
    with desk.wb.store.read() as books:
        assert books.incidents.get("acme", INCIDENT.incident_id).updated_at == INCIDENT.updated_at


def test_a_route_that_changes_something_is_never_open(desk: Desk) -> None:
    """Public means reading, or verifying a signature itself."""
    for route in desk.routes:
        if set(methods(route)) - {"GET"} and route.rule == "public":
            assert route.path.startswith("/webhook/"), route.path
            assert ask(desk, route, "POST", {})[0] in (400, 401), route.path


FOR_ANYBODY = {"people.refused", "people.end_sessions"}  # about oneself
UseCase = tuple[Callable[..., object], Scope]


def use_cases() -> Iterator[UseCase]:
    """Every public function of the services that acts for somebody, with the scope its first statement asks for."""
    for module in pkgutil.iter_modules(core.service.__path__):
        loaded = importlib.import_module(f"core.service.{module.name}")
        for node in ast.parse(inspect.getsource(loaded)).body:
            if isinstance(node, ast.FunctionDef) and [a.arg for a in node.args.args[:2]] == ["wb", "who"]:
                name = f"{module.name}.{node.name}"
                if not node.name.startswith("_") and name not in FOR_ANYBODY:
                    yield getattr(loaded, node.name), scope_of(name, node)


def scope_of(name: str, node: ast.FunctionDef) -> Scope:
    preamble = ast.Import, ast.ImportFrom
    first = next(s for s in node.body if not isinstance(s, preamble) and ast.get_docstring(node) != text_of(s))
    call = first.value if isinstance(first, ast.Expr) else None
    right = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "require"
    assert right, f"core.service.{name} does not begin with require(who, ...)"
    assert isinstance(call, ast.Call)
    return cast("Scope", ast.literal_eval(call.args[1]))


def text_of(statement: ast.stmt) -> str | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return inspect.cleandoc(str(value.value)) if isinstance(value, ast.Constant) else None


def test_every_use_case_asks_first_and_refuses_who_may_not() -> None:
    """With nothing but the person given, a use case that asked later would fail in another way."""
    checked = 0
    for act, scope in use_cases():
        for role in ROLES:
            if scope in SCOPES[cast("Role", role)]:
                continue
            needed = [p for p in inspect.signature(act).parameters.values() if p.default is p.empty]
            given = {p.name: None for p in needed} | {"who": Principal("x", "acme", cast("Role", role))}
            with pytest.raises(Forbidden, match=f"{role} does not hold {scope}"):
                act(**given)
            checked += 1
    assert checked >= 30
