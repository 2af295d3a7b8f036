"""The workbench as one ASGI application: pages, HTTP addresses and the clock in one process.

Start it with ``make run`` or, in this folder, ``streamlit run app.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request

from core.access import Principal
from core.bootstrap import background, workbench
from core.errors import WorkbenchError
from server.assets import CompressedAssets
from server.errors import answer
from server.routes import routes
from server.security import LoopbackOnly, SecurityHeaders, refuse_open_door
from ui import auth

ROOT = Path(__file__).parent
LOGIN = auth.login_configured()


def identify(_request: Request) -> Principal | None:
    """The caller of a route: the local administrator, or nobody yet when a login is configured."""
    return None if LOGIN else auth.local()


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Refuses an open door, then runs the workbench's background work as long as the server runs."""
    refuse_open_door(st.get_option("server.address"), login=LOGIN)
    beside = await anyio.to_thread.run_sync(background)
    await anyio.to_thread.run_sync(beside.start)
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(beside.stop)


ROUTES = routes(workbench, identify)

app = st.App(
    ROOT / "ui" / "shell.py",
    lifespan=lifespan,
    routes=ROUTES,
    middleware=[
        Middleware(SecurityHeaders),
        *([] if LOGIN else [Middleware(LoopbackOnly)]),
        Middleware(CompressedAssets),
    ],
    exception_handlers={WorkbenchError: answer},
)
