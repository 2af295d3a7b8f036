"""Segments, snapshots and drift incidents for other programs. Source: acceptance PU-22, PU-23."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import anyio
from pydantic import AwareDatetime, Field, JsonValue, RootModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.access import Principal
from core.audit.report import incident_json
from core.decide.lifecycle import parse_status
from core.decide.severity import strict
from core.errors import InputError
from core.load.segments import TYPES
from core.model import Incident, Json, Snapshot
from core.segments import segment_doc, snapshot_doc
from core.service import drift, segments, snapshots
from core.service.workbench import Workbench
from server.requests import Strict, body, caller, choice, several
from server.security import GuardedRoute, Identify, Signed
from server.signatures import sender

SENDER: Final = "drift"  # whose secret signs POST /webhook/drift
MOST_SNAPSHOTS: Final = 10_000
_run = anyio.to_thread.run_sync


class Document(RootModel[JsonValue]):
    """Any JSON; a segment's own reader says what is wrong with it."""


class Take(Strict):
    """Which segment a snapshot is taken of; none means all that are watched."""

    segmentId: str | None = Field(None, min_length=1, max_length=200)  # noqa: N815 (the key in JSON)


class Change(Strict):
    """What is to become of an incident; ``updated_at`` as the caller last saw it."""

    status: str = Field(min_length=1, max_length=40)
    reason: str = Field("", max_length=2000)
    updated_at: AwareDatetime | None = None


class Resolve(Strict):
    """Who says that it is over (the audit names the caller), and whether the present state is the new normal."""

    resolvedBy: str = Field(min_length=1, max_length=200)  # noqa: N815 (its name in JSON)
    acceptAsNewNormal: bool = False  # noqa: N815 (its name in JSON)


class Ignore(Strict):
    """Why an incident is dismissed."""

    reason: str = Field(min_length=1, max_length=2000)


class Note(Strict):
    """What another program says of an incident."""

    incidentId: str = Field(min_length=1, max_length=40)  # noqa: N815 (its name in JSON)
    segmentId: str = Field(min_length=1, max_length=200)  # noqa: N815 (its name in JSON)
    severity: str = Field(min_length=1, max_length=40)
    note: str = Field("", max_length=2000)


def routes(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    """Every address of PU-23 beside ``/health``."""
    return [*_segments(wb, identify), *_snapshots(wb, identify), *_incidents(wb, identify), _webhook(wb, identify)]


def _segments(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    def listed(request: Request) -> Response:
        """Every segment with its definition and how it is watched."""
        found = segments.listing(wb(), caller(request))
        return _items([segment_doc(s) for s in found])

    async def create(request: Request) -> Response:
        """A new segment: 201; 400 naming the field, 409 for a name that is taken."""
        document = (await body(request, Document)).root
        made = await _run(segments.create, wb(), caller(request), document)
        return JSONResponse(segment_doc(made), status_code=201)

    def read(request: Request) -> Response:
        """One segment."""
        return JSONResponse(segment_doc(segments.get(wb(), caller(request), request.path_params["segment_id"])))

    async def replace(request: Request) -> Response:
        """The segment as the body says it, as a whole; with `updated_at` 409 when somebody changed it since."""
        document = (await body(request, Document)).root
        change = partial(segments.update, seen=_seen(document))
        made = await _run(change, wb(), caller(request), request.path_params["segment_id"], document)
        return JSONResponse(segment_doc(made))

    def delete(request: Request) -> Response:
        """Removes a segment and its snapshots: 204. Its incidents and the audit stay."""
        segments.delete(wb(), caller(request), request.path_params["segment_id"])
        return Response(status_code=204)

    base, one = "/api/segments", "/api/segments/{segment_id}"
    return [
        GuardedRoute(base, listed, rule="incidents:read", identify=identify),
        GuardedRoute(base, create, rule="incidents:write", identify=identify, methods=["POST"]),
        GuardedRoute(one, read, rule="incidents:read", identify=identify),
        GuardedRoute(one, replace, rule="incidents:write", identify=identify, methods=["PUT"]),
        GuardedRoute(one, delete, rule="incidents:write", identify=identify, methods=["DELETE"]),
    ]


def _snapshots(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    def listed(request: Request) -> Response:
        """Snapshots of all segments, oldest first: since (ISO 8601), limit (the newest so many)."""
        return _items(_asked(request, None))

    def of_segment(request: Request) -> Response:
        """The snapshots of one segment, oldest first: since, limit."""
        return _items(_asked(request, request.path_params["segment_id"]))

    def _asked(request: Request, segment_id: str | None) -> Sequence[Json]:
        since, limit = _moment(request.query_params.get("since")), _limit(request.query_params.get("limit"))
        found: tuple[Snapshot, ...] = snapshots.history(wb(), caller(request), segment_id, since=since, limit=limit)
        return [snapshot_doc(s) for s in found]

    async def take(request: Request) -> Response:
        """Counts the people table now, for `segmentId` or for all that are watched; replaces this day's snapshots."""
        asked = await body(request, Take)
        done = await _run(snapshots.take, wb(), caller(request), asked.segmentId)
        return JSONResponse(
            {
                "snapshots": [snapshot_doc(s) for s in done.snapshots],
                "replaced": done.replaced,
                "failed": dict(done.failed),
                "notes": list(done.notes),
            }
        )

    return [
        GuardedRoute("/api/snapshots", listed, rule="incidents:read", identify=identify),
        GuardedRoute("/api/snapshots/segment/{segment_id}", of_segment, rule="incidents:read", identify=identify),
        GuardedRoute("/api/snapshots/take", take, rule="incidents:write", identify=identify, methods=["POST"]),
    ]


def _incidents(wb: Callable[[], Workbench], identify: Identify) -> list[GuardedRoute]:
    def listed(request: Request) -> Response:
        """Drift incidents, last changed first: status, type, severity, segment."""
        found = drift.listing(
            wb(),
            caller(request),
            statuses=several(request, "status", parse_status),
            severities=several(request, "severity", strict),
            types=several(request, "type", lambda word: choice(word, "type", TYPES)),
            segment=request.query_params.get("segment"),
        )
        return _items([incident_json(i) for i in found])

    def of_segment(request: Request) -> Response:
        """The drift incidents of one segment, also of one that was deleted."""
        found = drift.of_segment(wb(), caller(request), request.path_params["segment_id"])
        return _items([incident_json(i) for i in found])

    def read(request: Request) -> Response:
        """One drift incident with its evidence and explanation."""
        return JSONResponse(incident_json(drift.get(wb(), caller(request), request.path_params["incident_id"])))

    async def change(request: Request) -> Response:
        """Moves a drift incident to another status; 409 with the allowed ones where it may not."""
        asked = await body(request, Change)
        return await _moved(request, partial(drift.move, to=asked.status, reason=asked.reason, seen=asked.updated_at))

    async def resolve(request: Request) -> Response:
        """Resolves a drift incident; with `acceptAsNewNormal` the segment's baselines begin today."""
        asked = await body(request, Resolve)
        reason = f"resolved by {asked.resolvedBy.strip()}"
        return await _moved(request, partial(drift.resolve, reason=reason, accept=asked.acceptAsNewNormal))

    async def ignore(request: Request) -> Response:
        """Dismisses a drift incident with a reason."""
        asked = await body(request, Ignore)
        return await _moved(request, partial(drift.move, to="DISMISSED", reason=asked.reason))

    async def _moved(request: Request, move: Callable[..., Incident]) -> Response:
        incident_id = request.path_params["incident_id"]
        done = await _run(partial(move, wb(), caller(request), incident_id))
        return JSONResponse(incident_json(done))

    base, one = "/api/drift/incidents", "/api/drift/incidents/{incident_id}"
    return [
        GuardedRoute(base, listed, rule="incidents:read", identify=identify),
        GuardedRoute(one, read, rule="incidents:read", identify=identify),
        GuardedRoute("/api/drift/segment/{segment_id}/incidents", of_segment, rule="incidents:read", identify=identify),
        GuardedRoute(one, change, rule="incidents:write", identify=identify, methods=["PATCH"]),
        GuardedRoute(f"{one}/resolve", resolve, rule="incidents:write", identify=identify, methods=["POST"]),
        GuardedRoute(f"{one}/ignore", ignore, rule="incidents:write", identify=identify, methods=["POST"]),
    ]


def _webhook(wb: Callable[[], Workbench], identify: Identify) -> GuardedRoute:
    def verify(request: Request, raw: bytes) -> Principal:
        return sender(wb(), SENDER, wb().tenant, request.headers, raw)

    async def noted(request: Request) -> Response:
        """A note on a drift incident, signed as Standard Webhooks by the sender called drift; each message once."""
        told = await body(request, Note)
        severity = strict(told.severity)
        note = partial(drift.note, text=told.note)
        done = await _run(note, wb(), caller(request), told.incidentId, told.segmentId, severity)
        return JSONResponse({"incidentId": done.incident_id, "status": str(done.status)})

    return GuardedRoute("/webhook/drift", noted, rule=Signed(verify), identify=identify, methods=["POST"])


def _items(rows: Sequence[Json]) -> Response:
    return JSONResponse({"items": list(rows), "total": len(rows)})


def _seen(document: JsonValue) -> datetime | None:
    """When the caller last saw the segment changed, if its document says so."""
    said = document.get("updated_at") if isinstance(document, dict) else None
    return _moment(said, "updated_at") if isinstance(said, str) else None


def _moment(text: str | None, field: str = "since") -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(f"{field}: '{text[:40]}' is not a time such as 2026-01-31T02:00:00Z.", field=field) from None


def _limit(text: str | None) -> int:
    if text is None:
        return MOST_SNAPSHOTS
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_SNAPSHOTS:
        raise InputError(f"limit must be a whole number from 1 to {MOST_SNAPSHOTS}.", field="limit")
    return int(text[:9])
