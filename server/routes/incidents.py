"""Incidents for other programs, under ``/api/v1``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import anyio
from pydantic import AwareDatetime, Field, JsonValue, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.access import Principal
from core.audit.report import incident_json
from core.decide.lifecycle import parse_status
from core.decide.severity import strict
from core.errors import StoreError
from core.model import Action, Incident, JsonObject, Proposal
from core.service import actions, incidents, intake
from core.service.workbench import Workbench
from core.store.incidents import SORTS
from server.requests import Strict, body, caller, paging, several
from server.security import GuardedRoute, Identify

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,119}$"
KIND: Final = r"^[a-z][a-z0-9_]{0,59}$"


class NewIncident(Strict):
    """An incident that another program reports."""

    service: str = Field(pattern=NAME)
    type: str = Field("reported", pattern=KIND)
    severity: str = Field(min_length=1, max_length=40)
    title: str = Field(min_length=1, max_length=300)
    playbook: str = Field("service_incidents", pattern=KIND)
    dedup_key: str = Field("", max_length=300)
    detected_at: AwareDatetime | None = None
    text: str = Field("", max_length=10_000)
    metrics: dict[str, JsonValue] = Field(default_factory=dict, max_length=100)


class Change(Strict):
    """What is to become of an incident; ``updated_at`` as the caller last saw it."""

    status: str
    reason: str = Field("", max_length=2000)
    updated_at: AwareDatetime | None = None


class Hypothesis(Strict):
    """A cause as an agent ranks it, with what it saw."""

    cause: str = Field(min_length=1, max_length=1000)
    confidence: float = Field(ge=0, le=1)
    evidence: list[str] = Field(min_length=1, max_length=50)


class Event(Strict):
    """One line of an agent's timeline."""

    ts: AwareDatetime
    event: str = Field(max_length=1000)


class Rcca(Strict):
    """An agent's root cause report. Source: DP-10."""

    root_cause: str = Field(min_length=1, max_length=4000)
    timeline: list[Event] = Field(default_factory=list, max_length=200)
    hypotheses: list[Hypothesis] = Field(default_factory=list, max_length=20)
    confidence: float = Field(0.0, ge=0, le=1)
    evidence: list[JsonValue] = Field(default_factory=list, max_length=100)
    tool_calls_count: int = Field(0, ge=0)
    source: str = Field("AI", max_length=20)


class Proposed(Strict):
    """An action that an agent proposes; where it is carried out is decided by our configuration alone."""

    action_type: str = Field(pattern=KIND)
    title: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=2000)
    eta_minutes: int = Field(0, ge=0, le=10_000)
    risk_score: float = Field(1.0, ge=0, le=1)
    params: dict[str, JsonValue] = Field(default_factory=dict, max_length=50)
    adapter: str = Field("", pattern=r"^[a-z_]{0,40}$")


class AgentReport(Strict):
    """Either a root cause report or proposals."""

    incident_id: str = Field(min_length=1, max_length=40)
    agent: str = Field(pattern=NAME)
    rcca: Rcca | None = None
    proposals: list[Proposed] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _says_something(self) -> AgentReport:
        if (self.rcca is None) == (not self.proposals):
            raise ValueError("give either rcca or proposals")
        return self


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """List, report, read and change incidents; what an agent found about one."""

    def listed(request: Request) -> Response:
        """Incidents by page: page, page_size, sort, order, status, severity, service, playbook."""
        asked = paging(request, tuple(SORTS))
        found = intake.page(
            wb(),
            caller(request),
            statuses=several(request, "status", parse_status),
            severities=several(request, "severity", strict),
            service=request.query_params.get("service"),
            playbook=request.query_params.get("playbook"),
            sort=asked.sort,
            descending=asked.descending,
            number=asked.number,
            size=asked.size,
        )
        rows = [incident_json(i) for i in found.items]
        return JSONResponse({"items": rows, "page": asked.number, "page_size": asked.size, "total": found.total})

    async def create(request: Request) -> Response:
        """Reports an incident: 201; 200 when it is a repeat of one that is open."""
        new = await body(request, NewIncident)
        reported = intake.Reported(**new.model_dump(mode="python"))
        incident, isnew = await anyio.to_thread.run_sync(intake.create, wb(), caller(request), reported)
        return JSONResponse(incident_json(incident), status_code=201 if isnew else 200)

    def read(request: Request) -> Response:
        """One incident with its actions."""
        who, incident_id = caller(request), request.path_params["incident_id"]
        incident = incidents.get(wb(), who, incident_id)
        return JSONResponse(_with_actions(incident, actions.of_incident(wb(), who, incident_id)))

    async def change(request: Request) -> Response:
        """Moves an incident to another status; 409 with the allowed ones where it may not."""
        asked = await body(request, Change)
        seen: datetime | None = asked.updated_at
        move = partial(incidents.move, seen=seen)
        incident_id = request.path_params["incident_id"]
        done = await anyio.to_thread.run_sync(move, wb(), caller(request), incident_id, asked.status, asked.reason)
        return JSONResponse(incident_json(done))

    async def report(request: Request) -> Response:
        """What an agent found about an incident: a root cause report, or proposals that a person decides on."""
        told = await body(request, AgentReport)
        drafts = [Proposal(**p.model_dump()) for p in told.proposals]
        rcca = told.rcca.model_dump(mode="json") if told.rcca else None
        act = partial(intake.report, rcca=rcca, proposals=drafts)
        incident, proposed = await anyio.to_thread.run_sync(act, wb(), caller(request), told.incident_id, told.agent)
        return JSONResponse(_with_actions(incident, proposed), status_code=201)

    def kept_or_not(request: Request) -> Principal | None:
        try:
            return identify(request)
        except StoreError as error:  # who asks is looked up in the same store
            raise intake.NotPersisted("The incident could not be kept.", hint=error.hint) from error

    base = "/api/v1/incidents"
    return [
        GuardedRoute(base, listed, rule="incidents:read", identify=identify),
        GuardedRoute(base, create, rule="incidents:write", identify=kept_or_not, methods=["POST"]),
        GuardedRoute(f"{base}/{{incident_id}}", read, rule="incidents:read", identify=identify),
        GuardedRoute(f"{base}/{{incident_id}}", change, rule="incidents:write", identify=identify, methods=["PATCH"]),
        GuardedRoute("/api/v1/agent/report", report, rule="incidents:write", identify=identify, methods=["POST"]),
    ]


def _with_actions(incident: Incident, of: tuple[Action, ...]) -> JsonObject:
    return {**incident_json(incident), "actions": [actions.as_json(a) for a in of]}
