from __future__ import annotations

import socket
import time
from contextlib import closing

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from core.adapters.http import LONGEST_REPLY, SafeHttp
from core.errors import InputError, ProviderError
from core.ports import Method

SECRET = "T0/B0/canary-webhook"
OPEN = SafeHttp(allow=["127.0.0.1", "localhost"])


def test_a_post_arrives_with_body_and_headers(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST", data=b'{"a": 1}', headers={"X-Id": "7"}).respond_with_data(
        "ok", status=200, headers={"X-Reply": "yes"}
    )
    reply = OPEN.post(httpserver.url_for("/hook"), b'{"a": 1}', {"X-Id": "7"})
    assert (reply.status, reply.text, reply.headers["x-reply"]) == (200, "ok", "yes")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
    ],
)
def test_no_private_address_is_reached_however_it_is_written(httpserver: HTTPServer, host: str) -> None:
    with pytest.raises(InputError):
        SafeHttp().post(f"https://{host}:{httpserver.port}/{SECRET}", b"", {})
    with pytest.raises(InputError):
        SafeHttp(allow=["example.com"]).post(f"http://{host}:{httpserver.port}/", b"", {})
    assert httpserver.log == []


def test_an_allowed_port_opens_no_other(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("ok")
    url = f"http://localhost:{httpserver.port}/"
    assert SafeHttp(allow=[f"localhost:{httpserver.port}"]).post(url, b"", {}).text == "ok"
    with pytest.raises(InputError):
        SafeHttp(allow=["localhost:1"]).post(url, b"", {})


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "ftp://x/", "https://", "https://u:p@127.0.0.1/", "https://x:99999/", "http://["],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        OPEN.post(url, b"", {})


def test_a_redirect_is_answered_not_followed(httpserver: HTTPServer) -> None:
    target = httpserver.url_for("/inside")
    httpserver.expect_request("/hook").respond_with_data("", status=302, headers={"Location": target})
    assert OPEN.post(httpserver.url_for("/hook"), b"", {}).status == 302
    assert [request.path for request, _ in httpserver.log] == ["/hook"]


def test_only_the_beginning_of_a_long_reply_is_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("x" * (LONGEST_REPLY * 3))
    assert OPEN.post(httpserver.url_for("/"), b"", {}).text == "x" * LONGEST_REPLY


def test_the_proxy_of_the_environment_is_not_used(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    httpserver.expect_request("/").respond_with_data("ok")
    assert OPEN.post(httpserver.url_for("/"), b"", {}).text == "ok"


def test_faults_are_named_by_host_without_the_secret_path(httpserver: HTTPServer) -> None:
    def slow(_: Request) -> Response:
        time.sleep(0.5)
        return Response("late")

    httpserver.expect_request(f"/{SECRET}").respond_with_handler(slow)
    with closing(socket.create_server(("127.0.0.1", 0))) as unused:
        closed = unused.getsockname()[1]
    cases = (
        (f"https://127.0.0.1:{httpserver.port}/{SECRET}", "tls", 10.0),
        (f"http://127.0.0.1:{closed}/{SECRET}", "connection", 10.0),
        (httpserver.url_for(f"/{SECRET}"), "timeout", 0.2),
    )
    for url, reason, timeout_s in cases:
        with pytest.raises(ProviderError) as caught:
            OPEN.post(url, b"", {}, timeout_s)
        error = caught.value
        assert (error.reason, error.retryable) == (reason, reason != "tls")
        assert SECRET not in f"{error} {error.__cause__}"
        assert error.__suppress_context__


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("PUT", b'{"a": 1}'), ("PATCH", b"{}"), ("DELETE", b"")])
def test_other_methods_keep_the_same_rules(httpserver: HTTPServer, method: Method, body: bytes) -> None:
    httpserver.expect_request("/thing", method=method).respond_with_data("done", status=202)
    reply = OPEN.request(method, httpserver.url_for("/thing"), body, {"Accept": "application/json"})
    assert (reply.status, reply.text) == (202, "done")
    with pytest.raises(InputError):
        SafeHttp().request(method, httpserver.url_for("/thing"), body, {})
    request, _ = httpserver.log[-1]
    assert (request.get_data(), request.headers.get("Content-Length", "0")) == (body, str(len(body)))
