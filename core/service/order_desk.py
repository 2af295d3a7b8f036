"""Reads of the order pages: every order as it stands now, what broke its promise, and what will soon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.access import Principal, require
from core.detect.events import Scene
from core.events import load_events, sight
from core.model import CheckReport, Dataset, Finding, Json, JsonObject, Provenance
from core.order_views import OrderBoard, order_board
from core.service import casework, inputs
from core.service.exceptions import PLAYBOOK
from core.service.workbench import Workbench


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """All orders at ``board.at`` with the data they were judged on; ``findings`` are in the policy's priority."""

    dataset: Dataset
    board: OrderBoard
    findings: tuple[Finding, ...]
    predictions: tuple[JsonObject, ...]
    notes: tuple[str, ...]
    own: bool  # the tenant's own events, not the demo's

    @property
    def at(self) -> datetime:
        """The judged moment."""
        return self.board.at

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where each table came from."""
        return self.dataset.provenance

    @property
    def rejects(self) -> Mapping[str, tuple[JsonObject, ...]]:
        """The first rejected rows of each file, with line and reason."""
        found = self.dataset.documents.get("rejects")
        named = found if isinstance(found, Mapping) else {}
        return {table: tuple(_objects(rows)) for table, rows in named.items()}

    @property
    def policy_errors(self) -> tuple[str, ...]:
        """Why the newest policy text is not in force; empty when it is."""
        found = self.dataset.documents.get("policy_errors")
        return tuple(str(e) for e in found) if isinstance(found, list | tuple) else ()

    def of(self, order_id: str) -> tuple[Finding, ...]:
        """The order's exceptions and doubts about its events."""
        return tuple(f for f in self.findings if f.subject == order_id)


def look(wb: Workbench, who: Principal, at: datetime | None = None) -> OrderDesk:
    """How all orders stand now, or at ``at``; nothing is kept and no check is run.

    Raises: InputError when the events cannot be read.
    """
    require(who, "incidents:read")
    playbook, now = wb.events[PLAYBOOK], at or wb.ctx.clock.now()
    dataset = loaded(wb, who.tenant, now)
    known = casework.known_cases(wb, playbook, who.tenant)
    seen = sight(playbook, Scene(dataset, CheckReport(), now, wb.ctx.engine, known.open, known.past))
    return OrderDesk(
        dataset=dataset,
        board=order_board(wb.ctx.engine, dataset, now),
        findings=seen.findings,
        predictions=tuple(_objects(seen.extra.get("predictions", []))),
        notes=seen.notes,
        own=_own(dataset),
    )


def loaded(wb: Workbench, tenant: str, now: datetime) -> Dataset:
    """The tables and documents that a run would judge."""
    playbook = wb.events[PLAYBOOK]
    documents = inputs.documents(wb, PLAYBOOK, tenant)
    demo = playbook.demo_beside or not documents
    return load_events(playbook, inputs.files(wb, playbook, tenant, demo=demo, at=now), documents, wb.ctx, now)


def _own(dataset: Dataset) -> bool:
    uri = dataset.tables["events"].provenance.uri
    return uri.startswith(("store:", "upload:"))


def _objects(rows: Json) -> list[JsonObject]:
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list | tuple) else []
