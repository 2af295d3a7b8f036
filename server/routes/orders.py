"""Order events in, exceptions of orders out, and the dead letters between. Source: acceptance E2-30."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn

import anyio
from pydantic import AwareDatetime, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.access import Principal
from core.audit.report import incident_json
from core.decide.lifecycle import parse_status
from core.decide.severity import strict
from core.errors import Forbidden, InputError
from core.model import Json, JsonObject
from core.orders import Reason
from core.service import dead_letters, exceptions, ingest
from core.service.ingest import Outcome, Status, Uploaded
from core.service.workbench import Workbench
from core.store.dead_letters import DeadLetter, LetterState
from core.store.incidents import SORTS
from server.limits import Limits
from server.requests import Strict, body, caller, choice, paging, several
from server.security import GuardedRoute, Identify

HTTP: Final = {Status.STORED: 201, Status.DUPLICATE: 200, Status.QUEUED: 202}
FILES: Final = {"text/csv": "upload.csv", "application/x-ndjson": "upload.jsonl", "application/jsonl": "upload.jsonl"}
MOST_TENANT: Final = 64
_run = anyio.to_thread.run_sync


class Change(Strict):
    """What is to become of an exception; ``updated_at`` as the caller last saw it."""

    status: str = Field(min_length=1, max_length=40)
    reason: str = Field("", max_length=2000)
    updated_at: AwareDatetime | None = None


class Resolve(Strict):
    """How it was resolved; by whom is never asked, it is the caller."""

    reason: str = Field("", max_length=2000)


class Replay(Strict):
    """Which dead letters; none means all that are not processed."""

    ids: list[str] = Field(default_factory=list, max_length=dead_letters.MOST)


class Lint(Strict):
    """A policy as YAML text."""

    policy: str = Field(max_length=500_000)


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """Every address of E2-30. Each needs the header X-Tenant-Id with the caller's own tenant."""
    return [*_ingest(wb, identify), *_exceptions(wb, identify), *_admin(wb, identify)]


def _ingest(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    async def events(request: Request) -> Response:
        """Takes one event of any source: 201; 200 for a duplicate, 202 when it is tried again later, 400 by field."""
        return await _one(request, None)

    async def shopify(request: Request) -> Response:
        """Takes one event of the shop, like `/ingest/events`."""
        return await _one(request, "shopify")

    async def wms(request: Request) -> Response:
        """Takes one event of the warehouse, like `/ingest/events`."""
        return await _one(request, "wms")

    async def carrier(request: Request) -> Response:
        """Takes one event of a carrier, like `/ingest/events`."""
        return await _one(request, "carrier")

    async def _one(request: Request, source: str | None) -> Response:
        who = member(request)
        document = _json(await request.body())
        done = await _run(ingest.one, wb(), who, document, source)
        return JSONResponse(_outcome(done), status_code=HTTP[done.status])

    async def batch(request: Request) -> Response:
        """Takes many: JSON (a list, or `{"events": [...]}`), CSV or JSON lines. Good ones are kept, bad ones listed."""
        who = member(request)
        raw = await request.body()
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind in FILES:
            return JSONResponse(_uploaded(await _run(ingest.upload, wb(), who, FILES[kind], raw)))
        documents = _documents(_json(raw))
        return JSONResponse(_batch(await _run(ingest.batch, wb(), who, documents)))

    addresses = {"events": events, "shopify": shopify, "wms": wms, "carrier": carrier, "batch": batch}
    taken = [
        GuardedRoute(f"/ingest/{name}", endpoint, rule="incidents:write", identify=identify, methods=["POST"])
        for name, endpoint in addresses.items()
    ]
    limits = Limits(lambda: wb().ctx.settings.telltale_events_per_minute)
    for route in taken:
        route.guard.limits = limits
    return taken


def _exceptions(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    def listed(request: Request) -> Response:
        """Exceptions by page: page, page_size, sort, order, status, severity, reason, order_id."""
        who, asked = member(request), paging(request, tuple(SORTS))
        wanted = exceptions.Asked(
            statuses=several(request, "status", parse_status),
            severities=several(request, "severity", strict),
            reasons=several(request, "reason", lambda word: choice(word.upper(), "reason", tuple(Reason))),
            order_id=request.query_params.get("order_id"),
            sort=asked.sort,
            descending=asked.descending,
            number=asked.number,
            size=asked.size,
        )
        found, total = exceptions.page(wb(), who, wanted)
        rows = [incident_json(i) for i in found]
        return JSONResponse({"items": rows, "page": asked.number, "page_size": asked.size, "total": total})

    def stats(request: Request) -> Response:
        """How many exceptions there are: in all and open, by status, severity and reason."""
        return JSONResponse(exceptions.stats(wb(), member(request)))

    def read(request: Request) -> Response:
        """One exception with its evidence and explanation."""
        found = exceptions.get(wb(), member(request), request.path_params["incident_id"])
        return JSONResponse(incident_json(found))

    async def change(request: Request) -> Response:
        """Moves an exception to another status; 409 with the allowed ones where it may not."""
        who, asked = member(request), await body(request, Change)
        move = partial(exceptions.move, seen=asked.updated_at)
        done = await _run(move, wb(), who, request.path_params["incident_id"], asked.status, asked.reason)
        return JSONResponse(incident_json(done))

    async def resolve(request: Request) -> Response:
        """Resolves an exception in the caller's name."""
        who, asked = member(request), await body(request, Resolve)
        incident_id = request.path_params["incident_id"]
        done = await _run(exceptions.move, wb(), who, incident_id, "RESOLVED", asked.reason)
        return JSONResponse(incident_json(done))

    base, one = "/exceptions", "/exceptions/{incident_id}"
    return [
        GuardedRoute(base, listed, rule="incidents:read", identify=identify),
        GuardedRoute(f"{base}/stats", stats, rule="incidents:read", identify=identify),
        GuardedRoute(one, read, rule="incidents:read", identify=identify),
        GuardedRoute(one, change, rule="incidents:write", identify=identify, methods=["PATCH"]),
        GuardedRoute(f"{one}/resolve", resolve, rule="incidents:write", identify=identify, methods=["POST"]),
    ]


def _admin(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    def letters(request: Request) -> Response:
        """Dead letters, newest first: page, page_size, state."""
        who, asked = member(request), paging(request, ("created_at",), 100)
        states = several(request, "state", lambda word: LetterState(choice(word.upper(), "state", tuple(LetterState))))
        found = dead_letters.page(wb(), who, states, number=asked.number, size=asked.size)
        rows = [_letter(letter) for letter in found.items]
        return JSONResponse(
            {
                "items": rows,
                "page": asked.number,
                "page_size": asked.size,
                "total": found.total,
                "depth": found.depth,
            }
        )

    async def replay(request: Request) -> Response:
        """Tries dead letters again: those of `ids`, or all that are not processed. What is kept already stays once."""
        who, asked = member(request), await body(request, Replay)
        done = await _run(dead_letters.replay, wb(), who, asked.ids)
        counts = Counter(letter.state for letter in done)
        rows = [_letter(letter) for letter in done]
        return JSONResponse({"items": rows, **{state.lower(): counts[state] for state in LetterState}})

    async def lint(request: Request) -> Response:
        """What is wrong or missing in a policy: `[{type, severity, message, suggested_fix, line_number}]`."""
        member(request)
        asked = await body(request, Lint)
        return JSONResponse({"issues": list(await _run(_linted, asked.policy))})

    return [
        GuardedRoute("/admin/dlq", letters, rule="tools:manage", identify=identify),
        GuardedRoute("/admin/replay", replay, rule="tools:manage", identify=identify, methods=["POST"]),
        GuardedRoute("/admin/lint-policy", lint, rule="tools:manage", identify=identify, methods=["POST"]),
    ]


def member(request: Request) -> Principal:
    """The caller, who named their own tenant.

    Raises: InputError when X-Tenant-Id is missing or longer than 64 characters, Forbidden for another tenant.
    Source: E2-04.
    """
    who, named = caller(request), request.headers.get("x-tenant-id", "")
    if not 1 <= len(named) <= MOST_TENANT:
        state = f"{len(named)} characters long" if named else "missing"
        raise InputError(f"X-Tenant-Id is {state}; expected 1 to {MOST_TENANT} characters.", field="X-Tenant-Id")
    if named != who.tenant:
        raise Forbidden("X-Tenant-Id is not the caller's tenant.", field="X-Tenant-Id")
    return who


def _json(raw: bytes) -> Json:
    try:
        found: Json = json.loads(raw, parse_constant=_refused)
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", field="body") from None
    return found


def _refused(name: str) -> NoReturn:
    raise ValueError(name)


def _documents(given: Json) -> Sequence[Json]:
    found = given.get("events") if isinstance(given, dict) else given
    if not isinstance(found, list):
        raise InputError("Expected a list of events, or an object with the list 'events'.", field="events")
    return found


def _outcome(done: Outcome) -> JsonObject:
    kept: dict[str, Json] = {"status": str(done.status), "source": done.source, "event_id": done.event_id}
    return {**kept, "correlation_id": done.correlation_id}


def _bad(done: Outcome, place: str) -> JsonObject:
    return {place: done.place, "event_id": done.event_id, "field": done.field, "message": done.message}


def _batch(done: Sequence[Outcome]) -> JsonObject:
    counts = Counter(outcome.status for outcome in done)
    return {
        **_counts(counts[Status.STORED], counts[Status.DUPLICATE], counts[Status.QUEUED], counts[Status.REJECTED]),
        "errors": [_bad(outcome, "index") for outcome in done if outcome.status is Status.REJECTED],
        "results": [{"index": outcome.place, **_outcome(outcome)} for outcome in done],
    }


def _uploaded(done: Uploaded) -> JsonObject:
    counts = _counts(done.stored, done.duplicates, done.queued, done.errors)
    return {**counts, "errors": [_bad(outcome, "line") for outcome in done.rejected]}


def _counts(stored: int, duplicates: int, queued: int, rejected: int) -> JsonObject:
    return {"stored": stored, "duplicates": duplicates, "queued": queued, "rejected": rejected}


def _letter(letter: DeadLetter) -> JsonObject:
    return {
        "id": letter.id,
        "source": letter.source,
        "event_id": letter.event_id,
        "correlation_id": letter.correlation_id,
        "status": str(letter.state),
        "error": letter.error,
        "field": letter.field,
        "attempts": letter.attempts,
        "next_retry": letter.next_retry_at.isoformat() if letter.next_retry_at else None,
        "created_at": letter.created_at.isoformat(),
        "updated_at": letter.updated_at.isoformat(),
        "document": letter.document,
    }


def _linted(text: str) -> Sequence[JsonObject]:
    from core.service import order_policies

    return order_policies.lint(text)
