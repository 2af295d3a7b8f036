"""What every order costs by its events, compared with what was invoiced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, starmap

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, case, func, select, try_cast

from core.decide.assessment import Assessment, assessments
from core.decide.billing import (
    FLAGS,
    Bill,
    BillingError,
    Handling,
    Work,
    adjustment,
    adjustment_doc,
    bill,
    late_charge,
    month_total,
    tier,
)  # fmt: skip
from core.model import Dataset, Json, JsonObject, Table
from core.orders import Operation, OrderPolicy, Tariffs, policy_of
from core.ports import Engine

DAY = timedelta(days=1)
DAY_MICROS = 86_400_000_000
_NO_INVOICE: list[Mapping[str, object] | None] = [None]
COUNTED: Mapping[Operation, str] = {
    Operation.PICK: "picks", Operation.PACK: "packs", Operation.LABEL: "labels", Operation.KITTING: "kittings",
    Operation.RETURN: "returns",
}  # fmt: skip
EXTRAS: Mapping[str, str] = {  # field of a payload: true, or how many
    "gift_wrap": "gift_wraps", "photo": "photos", "quality_check": "quality_checks",
    "custom_packaging": "custom_packagings",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Billed:
    """One order with its work and calendar month, its bill or why there is none, and its invoice if it has one."""

    order_id: str
    month: str  # YYYY-MM, of its first event on the tenant's calendar
    work: Work
    bill: Bill | None
    error: str  # code of the billing error
    message: str
    invoice: Mapping[str, object] | None
    last: datetime | None = None  # its newest event


def billed(engine: Engine, dataset: Dataset, now: datetime) -> list[Billed]:
    """Every order with a bill or an invoice, by id; counts come from its events until ``now``."""
    policy = policy_of(dataset.documents["policies"])
    rows = engine.fetch(_statement(engine, dataset.tables["events"], policy, now))
    months = _months(rows["first"], str(dataset.documents.get("timezone") or "UTC"))
    sizes, known = Counter(months), _Known(policy.tariffs)
    invoices = _invoices(engine, dataset)
    found = []
    for order, month, work, last in zip(
        rows["order_id"].to_pylist(), months, _works(rows), rows["last"].to_pylist(), strict=True
    ):
        made, code, message = known.bill(work, sizes[month])
        for invoice in invoices.pop(order, _NO_INVOICE):
            if made is not None or invoice is not None:
                found.append(Billed(order, month, work, made, code, message, invoice, last))
    missing = "The order has no event; there is nothing to bill."
    found += [
        Billed(order, "", Work(), None, "no_core_operation", missing, invoice)
        for order, unknown in sorted(invoices.items())
        for invoice in unknown
    ]
    return found


class _Known:
    """Bills of equal work in equal months, made once."""

    def __init__(self, tariffs: Tariffs) -> None:
        self._tariffs = tariffs
        self._made: dict[tuple[Work, int], tuple[Bill | None, str, str]] = {}

    def bill(self, work: Work, month_orders: int) -> tuple[Bill | None, str, str]:
        """The bill, or the code and message of why there is none."""
        key = (work, tier(self._tariffs, month_orders))
        if key not in self._made:
            try:
                self._made[key] = bill(work, self._tariffs, month_orders), "", ""
            except BillingError as exc:
                self._made[key] = None, exc.code, exc.message
        return self._made[key]


def _months(first: pa.ChunkedArray, zone: str) -> list[str]:
    """The calendar month of each moment in the tenant's time zone."""
    found: list[str] = pc.strftime(first.cast(pa.timestamp("s", tz=zone), safe=False), format="%Y-%m").to_pylist()
    return found


def invoice_doc(b: Billed, policy: OrderPolicy, now: datetime) -> JsonObject:
    """A billed order as the report shows it: invoiced, recomputed, and what becomes of the difference."""
    doc: dict[str, Json] = {
        "order_id": b.order_id,
        "invoice_id": None,
        "month": b.month,
        "recomputed_cents": b.bill.cents if b.bill else None,
        "invoiced_cents": None,
        "delta_cents": None,
        "adjustment": None,
        "late": None,
        "receipt": b.bill.text if b.bill else "",
        "steps": [{"text": s.text, "cents": s.cents} for s in b.bill.steps] if b.bill else [],
        "error": {"code": b.error, "message": b.message} if b.error else None,
    }
    if b.invoice is None:
        return doc
    amount = b.invoice["amount_cents"]
    assert isinstance(amount, int)
    doc |= {"invoice_id": str(b.invoice["invoice_id"]), "invoiced_cents": amount, "late": _late(b, amount, policy, now)}
    issued = b.invoice["issued_at"]
    doc["issued_at"] = issued.isoformat() if isinstance(issued, datetime) else None
    if b.bill is not None:
        age = (now - issued) // DAY if isinstance(issued, datetime) else 0
        doc["delta_cents"] = b.bill.cents - amount
        doc["adjustment"] = adjustment_doc(adjustment(amount, b.bill.cents, age, policy.tariffs))
    return doc


def _late(b: Billed, amount: int, policy: OrderPolicy, now: datetime) -> JsonObject | None:
    """What a late payment of the invoice costs; None when it is not late."""
    assert b.invoice is not None
    due, paid = b.invoice["due_at"], b.invoice["paid_at"]
    if not isinstance(due, datetime) or amount < 0:
        return None
    until = paid if isinstance(paid, datetime) else now
    days = (until - due) // DAY
    if days <= policy.tariffs.late_payment_days:
        return None
    charge = late_charge(amount, days, policy.tariffs)
    return {"days_overdue": days, "fee_cents": charge.fee_cents, "interest_cents": charge.interest_cents}


def totals(found: list[Billed], docs: list[JsonObject], policy: OrderPolicy) -> JsonObject:
    """Each month's bills with the monthly minimum, and the sums of what is to be corrected."""
    months: dict[str, list[int]] = {}
    seen: set[str] = set()
    for b in found:
        if b.bill is not None and b.order_id not in seen:
            seen.add(b.order_id)
            months.setdefault(b.month, []).append(b.bill.cents)
    return {
        "orders": len(seen),
        "months": [
            {"month": m, "orders": len(c), "bills_cents": sum(c), "total_cents": month_total(c, policy.tariffs)}
            for m, c in sorted(months.items())
        ],
        "adjustments": {
            str(h): {"count": len(of), "delta_cents": sum(of)}
            for h in Handling
            for of in [list(_deltas(docs, h))]
        },
        "errors": sum(1 for b in found if b.error),
    }  # fmt: skip


def _deltas(docs: list[JsonObject], handling: Handling) -> Iterator[int]:
    for doc in docs:
        found = doc["adjustment"]
        if isinstance(found, Mapping) and found["handling"] == handling and isinstance(found["delta_cents"], int):
            yield found["delta_cents"]


@assessments.register("order_invoices", "Invoices against what the events cost")
class OrderInvoices(Assessment):
    """Recomputes every order's bill and compares it with its invoice. Source: acceptance E2-24 to E2-26."""

    most: int = Field(5_000, ge=0, description="Orders that a report lists; wrong invoices come first")

    def assess(self, dataset: Dataset, engine: Engine, now: datetime) -> JsonObject:
        """Documents ``invoices`` (one an order) and ``billing`` (month totals and sums)."""
        policy = policy_of(dataset.documents["policies"])
        found = billed(engine, dataset, now)
        docs = [invoice_doc(b, policy, now) for b in found if b.invoice is not None]
        docs.sort(key=lambda d: (d["adjustment"] is None and d["error"] is None, str(d["order_id"])))
        rest = (b for b in found if b.invoice is None)
        first = [*docs, *(invoice_doc(b, policy, now) for b in islice(rest, max(0, self.most - len(docs))))]
        return {
            "invoices": first[: self.most],
            "billing": {**totals(found, docs, policy), "listed": len(first[: self.most])},
        }


# --- SQL --------------------------------------------------------------------------------------


def _statement(engine: Engine, events: Table, policy: OrderPolicy, now: datetime):  # type: ignore[no-untyped-def]  # a Select of many columns
    e = engine.relation(events)
    types: dict[Operation, list[str]] = {op: [] for op in Operation}
    for event_type, operation in policy.billable_events.items():
        types[operation].append(event_type)
    return (
        select(
            e.c.order_id,
            func.min(e.c.occurred_at).label("first"),
            func.max(e.c.occurred_at).label("last"),
            *(func.count().filter(e.c.event_type.in_(names)).label(COUNTED[op]) for op, names in types.items()),
            *(func.coalesce(func.max(_many(e.c.payload, f)), 0, type_=BigInteger).label(n) for f, n in EXTRAS.items()),
            *(func.coalesce(func.bool_or(e.c[f]), False).label(f) for f in FLAGS),
        )
        .where(e.c.occurred_at <= bindparam("now", now))
        .group_by(e.c.order_id)
        .order_by(e.c.order_id)
    )


def _many(payload: ColumnElement[str], field: str) -> ColumnElement[int]:
    """How often a payload says something was done: true is once."""
    text = func.json_extract_string(payload, f"$.{field}", type_=Text)
    return case((text == "true", 1), (text == "false", 0), else_=func.greatest(try_cast(text, BigInteger), 0))


def _works(rows: pa.Table) -> Iterator[Work]:
    """The work of each row."""
    first, last = (rows[name].cast(pa.int64()).to_pylist() for name in ("first", "last"))
    days = [max(1, (b - a) // DAY_MICROS) for a, b in zip(first, last, strict=True)]
    core = [rows[name].to_pylist() for name in COUNTED.values()]
    extras = [rows[name].to_pylist() for name in EXTRAS.values()]
    flags = [rows[name].to_pylist() for name in FLAGS]
    return starmap(Work, zip(*core, days, *extras, *flags, strict=True))


def _invoices(engine: Engine, dataset: Dataset) -> dict[str, list[Mapping[str, object] | None]]:
    """The invoices of each order."""
    table = dataset.tables.get("invoices")
    rows: list[dict[str, object]] = [] if table is None else engine.fetch(select(engine.relation(table))).to_pylist()
    found: dict[str, list[Mapping[str, object] | None]] = {}
    for row in sorted(rows, key=lambda r: str(r["invoice_id"])):
        for name in ("issued_at", "due_at", "paid_at"):
            if isinstance(at := row[name], datetime):
                row[name] = at.astimezone(UTC)
        found.setdefault(str(row["order_id"]), []).append(row)
    return found
