"""Invoices against what the events cost: corrections are found once, booked or decided by a person."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core import telemetry
from core.access import Principal, require
from core.decide.billing import Handling
from core.decide.order_invoices import Billed, billed, invoice_doc, totals
from core.errors import InputError
from core.events import load_events
from core.load.export import neutral
from core.model import Dataset, JsonObject
from core.orders import OrderPolicy, policy_of
from core.service import inputs
from core.service.order_policies import PLAYBOOK
from core.service.workbench import Workbench
from core.store.books import Books
from core.store.order_policies import StoredAdjustment

LOOKBACK: Final = timedelta(hours=24)
STATES: Final[Mapping[str, str]] = {
    Handling.BOOKED: "BOOKED",
    Handling.APPROVAL: "WAITING",
    Handling.MANUAL_REVIEW: "MANUAL_REVIEW",
}
EXPORTED: Final = (
    "order_id", "invoice_id", "month", "invoiced_cents", "recomputed_cents", "delta_cents", "handling", "rationale",
    "receipt", "error",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Billing:
    """Every bill as of ``at``, what is to be corrected, and month totals. Units: cents."""

    at: datetime
    invoices: tuple[JsonObject, ...]
    totals: JsonObject
    own: bool  # the tenant's own events, not the demo's


@dataclass(frozen=True, slots=True)
class Corrected:
    """What one billing flow found."""

    checked: int
    wrong: int
    new: tuple[StoredAdjustment, ...]
    errors: int


def look(wb: Workbench, who: Principal, at: datetime | None = None) -> Billing:
    """Every bill now, or at ``at``; nothing is kept. Raises: InputError, Forbidden."""
    require(who, "incidents:read")
    now = at or wb.ctx.clock.now()
    dataset, policy, found = _billed(wb, who.tenant, now)
    docs = [invoice_doc(b, policy, now) for b in found]
    uri = dataset.tables["events"].provenance.uri
    return Billing(now, tuple(docs), totals(found, docs, policy), uri.startswith(("store:", "upload:")))


def _billed(wb: Workbench, tenant: str, now: datetime) -> tuple[Dataset, OrderPolicy, list[Billed]]:
    playbook = wb.events[PLAYBOOK]
    held = inputs.documents(wb, PLAYBOOK, tenant)
    dataset = load_events(playbook, inputs.files(wb, playbook, tenant, demo=True), held, wb.ctx, now)
    return dataset, policy_of(dataset.documents["policies"]), billed(wb.ctx.engine, dataset, now)


def correct(wb: Workbench, who: Principal, since: timedelta | None = LOOKBACK) -> Corrected:
    """Keeps a correction for each wrong invoice of an order of which anything happened within ``since`` (None: any).

    The same correction is kept once. Raises: InputError, Forbidden.
    """
    require(who, "incidents:write")
    now = wb.ctx.clock.now()
    _, policy, found = _billed(wb, who.tenant, now)
    recent = [b for b in found if b.invoice is not None and (since is None or b.last is None or b.last >= now - since)]
    docs = [invoice_doc(b, policy, now) for b in recent]
    drafts = [_draft(doc, now) for doc in docs if doc["adjustment"] is not None]
    with wb.store.begin() as books:
        new = tuple(d for d in drafts if books.adjustments.add(who.tenant, d))
        for adjustment in new:
            _audited(books, who, "invoice_adjustment_found", adjustment, now)
    for _ in new:
        telemetry.invoice_adjusted()
    return Corrected(len(recent), len(drafts), new, sum(1 for d in docs if d["error"] is not None))


def _draft(doc: JsonObject, now: datetime) -> StoredAdjustment:
    made = doc["adjustment"]
    assert isinstance(made, Mapping)
    invoiced, recomputed, delta = doc["invoiced_cents"], doc["recomputed_cents"], made["delta_cents"]
    assert isinstance(invoiced, int)
    assert isinstance(recomputed, int)
    assert isinstance(delta, int)
    key = f"{doc['invoice_id']}\0{doc['order_id']}\0{invoiced}\0{recomputed}"
    state = STATES[str(made["handling"])]
    booked = state == "BOOKED"
    return StoredAdjustment(
        id="ADJ-" + hashlib.sha256(key.encode()).hexdigest()[:12].upper(),
        invoice_id=str(doc["invoice_id"]),
        order_id=str(doc["order_id"]),
        invoiced_cents=invoiced,
        recomputed_cents=recomputed,
        delta_cents=delta,
        rationale=str(made["rationale"]),
        state=state,
        created_at=now,
        decided_at=now if booked else None,
        decided_by="system" if booked else None,
        reason="below the limit of automatic credits" if booked else "",
    )


def adjustments(wb: Workbench, who: Principal, states: Sequence[str] = ()) -> Sequence[StoredAdjustment]:
    """Kept corrections, newest first. Raises: Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.adjustments.list(who.tenant, states)


def decide(wb: Workbench, who: Principal, adjustment_id: str, *, approve: bool, reason: str = "") -> StoredAdjustment:
    """A waiting correction approved or rejected. Raises: NotFound, Conflict, Forbidden; InputError without a reason."""
    require(who, "actions:approve")
    if not approve and not reason.strip():
        raise InputError("A rejection needs a reason.", field="reason")
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        state = "APPROVED" if approve else "REJECTED"
        done = books.adjustments.decide(who.tenant, adjustment_id, state, who.user, reason.strip(), now)
        _audited(books, who, f"invoice_adjustment_{state.lower()}", done, now)
    return done


def _audited(books: Books, who: Principal, what: str, a: StoredAdjustment, now: datetime) -> None:
    books.audit.append(
        who.tenant,
        "billing",
        what,
        {
            "adjustment": a.id,
            "invoice_id": a.invoice_id,
            "order_id": a.order_id,
            "delta_cents": a.delta_cents,
            "state": a.state,
            "reason": a.reason,
            "actor": who.user,
        },
        now,
        correlation_id=a.id,
        approved_by=a.decided_by,
    )


def export(wb: Workbench, who: Principal, at: datetime | None = None) -> bytes:
    """Every bill as CSV that no spreadsheet runs as a formula. Raises: InputError, Forbidden."""
    require(who, "incidents:read")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(EXPORTED)
    for doc in look(wb, who, at).invoices:
        made, error = doc["adjustment"], doc["error"]
        row = {
            **doc,
            "handling": made["handling"] if isinstance(made, Mapping) else "",
            "rationale": made["rationale"] if isinstance(made, Mapping) else "",
            "error": error["code"] if isinstance(error, Mapping) else "",
        }
        writer.writerow([_cell(row[name]) for name in EXPORTED])
    return out.getvalue().encode("utf-8")


def _cell(value: object) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else neutral(str(value))
