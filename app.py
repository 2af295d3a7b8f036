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

from core.bootstrap import background, workbench
from core.errors import WorkbenchError
from server.assets import CompressedAssets
from server.identity import Identity, answering
from server.login import Login, ReturnToPage, SecureCookies
from server.routes import routes
from server.security import LoopbackOnly, SecurityHeaders, refuse_open_door, refuse_unknown_host
from ui import auth

ROOT = Path(__file__).parent
LOGIN = Login(*auth.login_settings()) if auth.login_configured() else None


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Refuses an open door, then runs the workbench's background work as long as the server runs."""
    refuse_open_door(st.get_option("server.address"), login=LOGIN is not None)
    if LOGIN:
        refuse_unknown_host(LOGIN.origin, st.get_option("server.allowedHosts"))
    beside = await anyio.to_thread.run_sync(background)
    await anyio.to_thread.run_sync(beside.start)
    try:
        yield
    finally:
        await anyio.to_thread.run_sync(beside.stop)


ROUTES = routes(workbench, Identity(workbench, LOGIN))
GATE = (
    [Middleware(ReturnToPage, login=LOGIN), *([Middleware(SecureCookies)] if LOGIN.secure else [])]
    if LOGIN
    else [Middleware(LoopbackOnly)]
)

app = st.App(
    ROOT / "ui" / "shell.py",
    lifespan=lifespan,
    routes=ROUTES,
    middleware=[
        Middleware(SecurityHeaders),
        *GATE,
        Middleware(CompressedAssets),
    ],
    exception_handlers={WorkbenchError: answering(workbench)},
)
