"""Deciding on actions for other programs, under ``/api/v1``."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.audit.report import to_json
from core.errors import NotFound
from core.model import Action
from core.service import actions
from core.service.workbench import Workbench
from server.requests import Strict, body, caller
from server.security import GuardedRoute, Identify


class Decision(Strict):
    """Why; who is never asked, it is the caller."""

    reason: str = Field("", max_length=2000)


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """The actions of an incident, their history, and the two answers."""

    def listed(request: Request) -> Response:
        """The incident's actions as they were proposed."""
        found = actions.of_incident(wb(), caller(request), request.path_params["incident_id"])
        return JSONResponse({"items": [actions.as_json(a) for a in found], "total": len(found)})

    def history(request: Request) -> Response:
        """What was decided and done about the incident's actions, oldest first."""
        found = actions.history(wb(), caller(request), request.path_params["incident_id"])
        return JSONResponse({"items": [to_json(e) for e in found], "total": len(found)})

    async def approve(request: Request) -> Response:
        """Approves the action in the caller's name; 400 when it was decided before or is void."""
        return await _decided(request, actions.approve)

    async def reject(request: Request) -> Response:
        """Rejects the action with a reason; 400 when it was decided before."""
        return await _decided(request, actions.reject)

    async def _decided(request: Request, act: Callable[..., Action]) -> Response:
        reason = (await body(request, Decision)).reason
        done = await anyio.to_thread.run_sync(_of_incident, act, wb(), request, reason)
        return JSONResponse(actions.as_json(done))

    base = "/api/v1/incidents/{incident_id}/actions"
    return [
        GuardedRoute(base, listed, rule="incidents:read", identify=identify),
        GuardedRoute(f"{base}/history", history, rule="incidents:read", identify=identify),
        GuardedRoute(f"{base}/{{aid}}/approve", approve, rule="actions:approve", identify=identify, methods=["POST"]),
        GuardedRoute(f"{base}/{{aid}}/reject", reject, rule="actions:approve", identify=identify, methods=["POST"]),
    ]


def _of_incident(act: Callable[..., Action], wb: Workbench, request: Request, reason: str) -> Action:
    """Acts on the action if it is one of the incident in the address. Raises: NotFound besides."""
    who, aid = caller(request), request.path_params["aid"]
    if actions.get(wb, who, aid).incident_id != request.path_params["incident_id"]:
        raise NotFound(f"There is no action '{aid}' of this incident.", field="action")
    return act(wb, who, aid, reason)
