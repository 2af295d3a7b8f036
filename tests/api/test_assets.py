"""Streamlit's scripts travel compressed; everything else passes through unchanged."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from server.assets import CompressedAssets

SCRIPT = "console.log('telltale');\n" * 500


class Origin:
    """A server of one folder that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, request: Request) -> Response:
        self.asked += 1
        kind = {"js": "text/javascript", "css": "text/css"}.get(request.url.path.rsplit(".")[-1], "text/html")
        status = 404 if "missing" in request.url.path else 200
        return PlainTextResponse(SCRIPT, status_code=status, media_type=kind, headers={"cache-control": "immutable"})

    def client(self) -> TestClient:
        app = Starlette(routes=[Route("/{path:path}", self.answer)], middleware=[Middleware(CompressedAssets)])
        return TestClient(app)


@pytest.mark.parametrize("path", ["/static/js/index.a1b2.js", "/static/css/index.a1b2.css"])
def test_script_is_compressed_once_and_reads_the_same(path: str) -> None:
    origin = Origin()
    client = origin.client()
    for _ in range(3):
        answer = client.get(path)
        assert answer.text == SCRIPT
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) < len(SCRIPT) / 10
        assert answer.headers["cache-control"] == "immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
    assert origin.asked == 1


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/js/index.js", {"accept-encoding": "identity"}),
        ("/static/js/index.js", {"range": "bytes=0-9"}),
        ("/static/js/index.js", {"if-none-match": '"a"'}),
        ("/static/index.html", {}),
        ("/media/own.js", {}),
        ("/static/js/missing.js", {}),
    ],
)
def test_anything_else_passes_unchanged_and_is_not_kept(path: str, headers: dict[str, str]) -> None:
    origin = Origin()
    client = origin.client()
    for _ in range(2):
        answer = client.get(path, headers=headers)
        assert answer.text == SCRIPT
        assert "content-encoding" not in answer.headers
    assert origin.asked == 2
