"""Deliberate errors as HTTP answers: ``{"error": {"code", "field", "message"}}`` with the fitting status."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import JSONResponse

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
from server.limits import TooMany


class Unauthorized(WorkbenchError):
    """No identity, or one that is not valid."""

    code = "unauthorized"


STATUS: dict[type[WorkbenchError], int] = {
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    InputError: 400,
    BudgetExceeded: 429,
    TooMany: 429,
    ConfigError: 500,
    ProviderError: 502,
    StoreError: 503,
}


def answer(_request: Request, error: WorkbenchError) -> JSONResponse:
    """The error as JSON, with the status of the nearest class of its family."""
    status = next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)
    body = {"error": {"code": error.code, "field": error.field, "message": str(error)}}
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, TooMany):
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    return JSONResponse(body, status_code=status, headers=headers)
