"""Streamlit's own scripts and styles, compressed once and kept: a third of the bytes for every first visit."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER: Final = "/static/"
TYPES: Final = ("text/javascript", "application/javascript", "text/css")


@dataclass(frozen=True, slots=True)
class _Answer:
    start: Message
    body: bytes

    async def send(self, send: Send) -> None:
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})


class CompressedAssets:
    """Answers scripts and styles gzipped where the browser takes it.

    Streamlit sends them as they are, to save the server's time on every visit; kept in memory they cost it once.
    Their names carry a hash of their content, so a kept answer is never out of date.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[str, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _applies(scope):
            await self.app(scope, receive, send)
        elif kept := self._kept.get(scope["path"]):
            await kept.send(send)
        else:
            answer = await self._fetched(scope, receive)
            if _compressible(answer.start) and _whole(answer):
                answer = await anyio.to_thread.run_sync(_compressed, answer)
                self._kept[scope["path"]] = answer
            await answer.send(send)

    async def _fetched(self, scope: Scope, receive: Receive) -> _Answer:
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        start = next(message for message in messages if message["type"] == "http.response.start")
        return _Answer(start, b"".join(message.get("body", b"") for message in messages))


def _applies(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(FOLDER):
        return False
    headers = Headers(scope=scope)
    plain = "range" in headers or "if-none-match" in headers or "if-modified-since" in headers
    return not plain and "gzip" in headers.get("accept-encoding", "")


def _compressible(start: Message) -> bool:
    headers = Headers(scope=start)
    kind = headers.get("content-type", "").split(";")[0]
    return start["status"] == 200 and kind in TYPES and "content-encoding" not in headers


def _whole(answer: _Answer) -> bool:
    """Whether the body is all there: it is cut short when the first browser to ask goes away meanwhile."""
    length = Headers(scope=answer.start).get("content-length", "")
    return length.isdigit() and len(answer.body) == int(length)


def _compressed(answer: _Answer) -> _Answer:
    body = gzip.compress(answer.body, compresslevel=9, mtime=0)
    start = {**answer.start, "headers": list(answer.start["headers"])}
    headers = MutableHeaders(scope=start)
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    headers.add_vary_header("Accept-Encoding")
    return _Answer(start, body)
