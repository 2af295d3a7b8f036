"""The application as a whole: addresses, headers, and who is let in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from core.access import Scope
from server.security import FORWARDING, SECURITY_HEADERS, GuardedRoute, Signed

ROOT = Path(__file__).parents[2]


def test_every_route_declares_who_may_use_it(client: TestClient) -> None:
    import app

    assert {route.path for route in app.ROUTES} >= {"/healthz", "/health", "/readyz", "/metrics", "/docs"}
    for route in app.ROUTES:
        assert isinstance(route, GuardedRoute), route
        assert isinstance(route.rule, Signed) or route.rule in ("public", *get_args(Scope)), route.path


def test_no_route_is_mounted_past_the_list(client: TestClient) -> None:
    import app

    served = [route for route in app.app._starlette_app.routes if type(route).__module__.startswith("server")]
    assert served == app.ROUTES


@pytest.mark.parametrize("path", ["/healthz", "/health"])
def test_process_is_up(client: TestClient, path: str) -> None:
    assert client.get(path).json() == {"status": "ok"}


def test_store_is_ready(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE incidents_created_total counter" in answer.text


def test_docs_list_every_route_with_its_docstring(client: TestClient) -> None:
    import app

    page = client.get("/docs").text
    for route in app.ROUTES:
        assert route.endpoint.__doc__
        assert f"<td>{route.path}</td>" in page


@pytest.mark.parametrize("path", ["/", "/healthz", "/incidents", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/_stcore/metrics", "/app/static/mark.svg"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "10.0.0.7", "[", ""])
def test_foreign_host_name_is_refused(client: TestClient, path: str, host: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "127.0.0.1:8501", "[::1]:8501"])
def test_names_of_this_machine_are_let_in(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("header", FORWARDING)
def test_a_proxy_in_between_is_refused(client: TestClient, header: str) -> None:
    assert client.get("/healthz", headers={header: "127.0.0.1"}).status_code == 403


def test_another_machine_is_refused(client: TestClient) -> None:
    import app

    # Without `with`: the lifespan runs once per process and `client` has started it.
    stranger = TestClient(app.app, base_url="http://127.0.0.1:8501", client=("10.0.0.5", 50000))
    assert stranger.get("/healthz").status_code == 403
    with pytest.raises(WebSocketDisconnect) as closed, stranger.websocket_connect("/_stcore/stream"):
        pass
    assert closed.value.code == 1008


def test_websocket_of_a_foreign_name_is_refused(client: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/_stcore/stream", headers={"host": "evil.example"}),
    ):
        pass
    assert closed.value.code == 1008


def test_agent_interface_is_off(client: TestClient) -> None:
    assert client.post("/_stcore/agent/interact", json={}).status_code in (403, 404)


def test_open_door_without_login_does_not_start(tmp_path: Path) -> None:
    command = ["-m", "streamlit", "run", str(ROOT / "app.py"), "--server.address", "0.0.0.0", "--server.port", "0"]
    result = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode != 0
    assert "not on 0.0.0.0" in result.stderr + result.stdout
