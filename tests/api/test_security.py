"""The guard of single routes, with fakes instead of the workbench."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from core.access import Principal
from core.errors import (
    BudgetExceeded,
    ConfigError,
    Conflict,
    Forbidden,
    InputError,
    NotFound,
    ProviderError,
    StoreError,
    TooLarge,
    WorkbenchError,
)
from core.service.workbench import Workbench
from server.errors import answer
from server.routes import routes
from server.security import GuardedRoute, Rule, is_loopback, refuse_open_door

VIEWER = Principal("vera", "acme", "viewer")
HERE = "http://127.0.0.1:8501"


async def echo(request: Request) -> Response:
    """What was sent."""
    body = await request.body()
    return JSONResponse({"bytes": len(body)})


def served(*mounted: GuardedRoute) -> TestClient:
    return TestClient(Starlette(routes=mounted, exception_handlers={WorkbenchError: answer}), base_url=HERE)


def posting(rule: Rule, who: Principal | None, limit: int = 10) -> TestClient:
    return served(GuardedRoute("/x", echo, rule=rule, identify=lambda _: who, methods=["POST"], max_body=limit))


def test_a_route_without_a_rule_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="rule"):
        GuardedRoute("/x", echo, identify=lambda _: None)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("rule", "who", "status"),
    [
        ("public", None, 200),
        ("incidents:read", None, 401),
        ("incidents:read", VIEWER, 200),
        ("incidents:write", VIEWER, 403),
        ("tools:manage", VIEWER, 403),
    ],
)
def test_rule_decides_who_is_let_in(rule: Rule, who: Principal | None, status: int) -> None:
    assert posting(rule, who).post("/x").status_code == status


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "null"])
def test_a_page_of_another_origin_cannot_post(origin: str) -> None:
    assert posting("public", None).post("/x", headers={"origin": origin}).status_code == 403


def test_a_page_of_our_own_origin_can_post() -> None:
    assert posting("public", None).post("/x", content=b"0123456789", headers={"origin": HERE}).json() == {"bytes": 10}


def test_a_declared_body_over_the_limit_is_refused() -> None:
    reply = posting("public", None).post("/x", content=b"0123456789+")
    assert reply.status_code == 413
    assert reply.json()["error"]["field"] == "body"


def test_an_undeclared_body_is_refused_while_it_is_read() -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"012345"] * 1000

    assert posting("public", None).post("/x", content=chunks()).status_code == 413


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("Row 3: price is empty.", field="price"), 400),
        (Forbidden("No."), 403),
        (NotFound("No such run."), 404),
        (Conflict("Closed."), 409),
        (TooLarge("Big."), 413),
        (BudgetExceeded("Spent."), 429),
        (ConfigError("Wrong."), 500),
        (ProviderError("Down.", retryable=True), 502),
        (StoreError("Gone."), 503),
    ],
)
def test_each_error_has_its_status_and_shape(error: WorkbenchError, status: int) -> None:
    def failing(_request: Request) -> Response:
        raise error

    reply = served(GuardedRoute("/x", failing, rule="public", identify=lambda _: None)).get("/x")
    assert reply.status_code == status
    assert reply.json() == {"error": {"code": error.code, "field": error.field, "message": str(error)}}


def test_ready_only_while_the_store_answers() -> None:
    def down() -> None:
        raise StoreError("The state store does not answer.")

    bench = cast(Workbench, SimpleNamespace(store=SimpleNamespace(ping=down)))
    client = served(*routes(lambda: bench, lambda _: None))
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_starts_without_login(address: str) -> None:
    refuse_open_door(address, login=False)


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "192.168.1.4", "example.com"])
def test_open_address_needs_a_login(address: str | None) -> None:
    refuse_open_door(address, login=True)
    with pytest.raises(ConfigError, match="Without a login"):
        refuse_open_door(address, login=False)


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.evil.example", "2130706433", "0x7f.1", None])
def test_lookalikes_are_not_loopback(host: str | None) -> None:
    assert not is_loopback(host)
