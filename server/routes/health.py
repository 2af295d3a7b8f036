"""Whether the process is up and ready, what it has counted, and what addresses there are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from core import telemetry
from server.security import GuardedRoute, Identify

PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Telltale: addresses</title>
<style>
body {{ font: 16px system-ui; margin: 2rem }}
td, th {{ text-align: left; padding: .4rem 1rem .4rem 0; vertical-align: top }}
</style>
<h1>Addresses</h1>
<table><tr><th>Method<th>Address<th>Who<th>Answers</tr>{rows}</table>
</html>
"""


def health(_request: Request) -> Response:
    """The process is up: `{"status": "ok"}`."""
    return JSONResponse({"status": "ok"})


def metrics(_request: Request) -> Response:
    """What the process has counted, in Prometheus' text format. Keep it off the internet at your proxy."""
    return PlainTextResponse(telemetry.exposition(), media_type=telemetry.CONTENT_TYPE)


def readiness(ping: Callable[[], None]) -> Callable[[Request], Response]:
    """The endpoint that answers whether ``ping`` (the store) answers."""

    def ready(_request: Request) -> Response:
        """The state store answers: `{"status": "ready"}`; 503 when it is down."""
        ping()
        return JSONResponse({"status": "ready"})

    return ready


def contents(listed: Sequence[GuardedRoute]) -> Callable[[Request], Response]:
    """The endpoint that lists the addresses, from their docstrings."""

    def docs(_request: Request) -> Response:
        """This page."""
        return HTMLResponse(PAGE.format(rows="".join(_row(route) for route in listed)))

    return docs


def _row(route: GuardedRoute) -> str:
    methods = ", ".join(sorted((route.methods or set()) - {"HEAD"}))
    says = inspect.getdoc(route.endpoint) or ""
    return (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in (methods, route.path, str(route.rule), says)) + "</tr>"
    )


def routes(ping: Callable[[], None], identify: Identify) -> list[GuardedRoute]:
    """The addresses every deployment probes; all public, none tells business data."""
    ready = readiness(ping)
    return [
        GuardedRoute("/healthz", health, rule="public", identify=identify),
        GuardedRoute("/health", health, rule="public", identify=identify),
        GuardedRoute("/readyz", ready, rule="public", identify=identify),
        GuardedRoute("/metrics", metrics, rule="public", identify=identify),
    ]
