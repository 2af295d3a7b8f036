"""How many requests one caller may make."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from core.access import Principal
from core.errors import WorkbenchError
from server.errors import answer
from server.limits import CALLERS, Limits, TooMany
from server.security import GuardedRoute


class Watch:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_bucket_holds_ten_seconds_and_refills_steadily() -> None:
    watch = Watch()
    limits = Limits(lambda: 60, watch)
    for _ in range(10):
        limits.take("ana")
    with pytest.raises(TooMany) as refused:
        limits.take("ana")
    assert refused.value.retry_after_s == pytest.approx(1.0)
    limits.take("bo")
    watch.s = 1.0
    limits.take("ana")
    with pytest.raises(TooMany):
        limits.take("ana")
    watch.s = 1000.0
    for _ in range(10):
        limits.take("ana")
    with pytest.raises(TooMany):
        limits.take("ana")


def test_being_refused_costs_nothing() -> None:
    watch = Watch()
    limits = Limits(lambda: 6, watch)
    limits.take("ana")
    for _ in range(100):
        with pytest.raises(TooMany):
            limits.take("ana")
    watch.s = 10.0
    limits.take("ana")


def test_the_longest_quiet_caller_is_forgotten_first() -> None:
    limits = Limits(lambda: 6, Watch())
    limits.take("ana")
    for i in range(CALLERS):
        limits.take(str(i))
    limits.take("ana")
    with pytest.raises(TooMany):
        limits.take(str(CALLERS - 1))


ANA = Principal("ana", "acme", "viewer")


def ok(_request: Request) -> Response:
    """Fine."""
    return PlainTextResponse("ok")


def served(who: dict[str, Principal], rule: str = "incidents:read", method: str = "GET") -> TestClient:
    def identify(request: Request) -> Principal | None:
        return who.get(request.headers.get("x-test", ""))

    route = GuardedRoute("/x", ok, rule=rule, identify=identify, methods=[method])  # type: ignore[arg-type]
    route.guard.limits = Limits(lambda: 12, Watch())  # two at once
    return TestClient(Starlette(routes=[route], exception_handlers={WorkbenchError: answer}))


def test_each_caller_has_its_own_and_hears_when_to_come_back() -> None:
    client = served({"ana": ANA, "bo": replace(ANA, user="bo"), "far": replace(ANA, tenant="other")})
    assert [client.get("/x", headers={"x-test": "ana"}).status_code for _ in range(3)] == [200, 200, 429]
    reply = client.get("/x", headers={"x-test": "ana"})
    assert (reply.headers["retry-after"], reply.json()["error"]["code"]) == ("5", "too_many")
    for other in ("bo", "far"):
        assert client.get("/x", headers={"x-test": other}).status_code == 200


def test_guessing_from_one_address_is_slowed_down() -> None:
    client = served({})
    assert [client.get("/x").status_code for _ in range(3)] == [401, 401, 429]


def test_public_addresses_are_limited_where_they_take_something() -> None:
    assert [served({}, "public", "POST").post("/x").status_code for _ in range(3)] == [200, 200, 200]
    client = served({}, "public", "POST")
    assert [client.post("/x").status_code for _ in range(3)] == [200, 200, 429]
    probe = served({}, "public")
    assert [probe.get("/x").status_code for _ in range(5)] == [200] * 5
