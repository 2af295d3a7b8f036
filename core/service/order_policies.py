"""The order policy of a tenant: validated, tried on the last days, saved as a version, rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.access import Principal, require
from core.decide.billing import month_total
from core.decide.order_invoices import Billed, billed
from core.detect.events import Scene
from core.errors import ConfigError, InputError
from core.events import load_events, sight
from core.load.order_policies import SHIPPED, ReadPolicy, parsed_policy, read_policy, shipped_policy
from core.load.policy_lint import lint_policy
from core.model import CheckReport, Dataset, Finding, Json, JsonObject
from core.orders import OrderPolicy, policy_doc
from core.service.workbench import Recent, Workbench
from core.store.order_policies import StoredPolicy

PLAYBOOK = "order_sla"
MOST_SHOWN = 500
_GOOD: list[OrderPolicy] = []  # the last shipped policy that could be read


@dataclass(frozen=True, slots=True)
class Current:
    """The policy in force. ``version`` 0 is the shipped one; ``errors`` say why a newer text is not in force."""

    version: int
    text: str
    policy: OrderPolicy
    errors: tuple[str, ...]
    saved_by: str = ""
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """One exception that only one of two policies has."""

    order_id: str
    reason: str
    summary: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What another policy would have made of the last days. Units: cents."""

    days: int
    orders: int
    appear: tuple[Changed, ...]
    vanish: tuple[Changed, ...]
    predictions: tuple[int, int]  # now, and then
    invoices_changed: int
    bills_delta_cents: int  # sum over orders
    months: tuple[tuple[str, int, int], ...]  # month, total now, total then
    examples: tuple[tuple[str, int, int], ...]  # order, bill now, bill then

    def doc(self) -> JsonObject:
        """The dry run as JSON."""
        return {
            "days": self.days,
            "orders": self.orders,
            "appear": [[c.order_id, c.reason, c.summary] for c in self.appear],
            "vanish": [[c.order_id, c.reason, c.summary] for c in self.vanish],
            "predictions": list(self.predictions),
            "invoices_changed": self.invoices_changed,
            "bills_delta_cents": self.bills_delta_cents,
            "months": [list(m) for m in self.months],
            "examples": [list(e) for e in self.examples],
        }


# --- Reading ----------------------------------------------------------------------------------


def lint(text: str, wb: Workbench | None = None) -> list[JsonObject]:
    """Every issue of a policy's text with type, severity, message, suggested_fix and line_number.

    With a workbench whose model answers, what the model finds odd follows what the rules found.
    """
    found = [issue.doc() for issue in lint_policy(text)]
    if wb is None or wb.ctx.model is None:
        return found
    from core.explain.order_questions import odd

    lines = {(i["line_number"], i["message"]) for i in found}
    return found + [i for i in odd(wb.ctx, text)[0] if (i["line_number"], i["message"]) not in lines]


def validate(text: str) -> ReadPolicy:
    """The text as understood: errors and warnings by line."""
    return read_policy(text)


def current(wb: Workbench, tenant: str) -> Current:
    """The policy that holds for a tenant; the last good one where the shipped file is broken, and it says so."""
    with wb.store.read() as books:
        kept = books.order_policies.current(tenant)
    if kept is not None:
        read = _READ.get(kept.text, lambda: read_policy(kept.text))
        if read.policy is not None:
            return Current(kept.version, kept.text, read.policy, (), kept.saved_by, kept.saved_at)
        fallen = tuple(f"version {kept.version} {e}" for e in read.errors)
        return _shipped(fallen)
    return _shipped(())


_READ: Recent[ReadPolicy] = Recent(32)


def _shipped(errors: tuple[str, ...]) -> Current:
    try:
        text, policy = SHIPPED.read_text("utf-8"), shipped_policy()
        _GOOD[:] = [policy]
    except (ConfigError, OSError) as exc:
        if not _GOOD:
            raise
        return Current(0, "", _GOOD[0], (*errors, str(exc)))
    return Current(0, text, policy, errors)


def documents(wb: Workbench, tenant: str) -> Mapping[str, Json]:
    """The policy as the playbook's loader takes it."""
    holds = current(wb, tenant)
    return {
        "policies": policy_doc(holds.policy),
        "policy_version": holds.version,
        "policy_errors": list(holds.errors),
    }


def history(wb: Workbench, who: Principal) -> tuple[StoredPolicy, ...]:
    """Every saved version, newest first. Raises: Forbidden."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        return books.order_policies.list(who.tenant)


# --- Trying -----------------------------------------------------------------------------------


def dry_run(wb: Workbench, who: Principal, text: str, days: int = 7, now: datetime | None = None) -> DryRun:
    """Which exceptions of the last days' orders would appear or vanish, and how their bills would change.

    Nothing is kept. Raises: InputError naming the line of a broken policy, Forbidden.
    """
    from core.service import inputs  # which asks here for the policy in force

    require(who, "incidents:read")
    if not 1 <= days <= 366:
        raise InputError(f"days is {days}; expected 1 to 366.", field="days")
    wanted = parsed_policy(text)
    playbook, at = wb.events[PLAYBOOK], now or wb.ctx.clock.now()
    held = inputs.documents(wb, PLAYBOOK, who.tenant)
    dataset = load_events(playbook, inputs.files(wb, playbook, who.tenant, demo=True), held, wb.ctx, at)
    other = Dataset(dataset.tables, {**dataset.documents, "policies": policy_doc(wanted)})
    then, here = _judged(wb, other, at), _judged(wb, dataset, at)
    since = at - timedelta(days=days)
    bills_here, bills_then = billed(wb.ctx.engine, dataset, at), billed(wb.ctx.engine, other, at)
    tariffs = (_policy(dataset).tariffs, wanted.tariffs)
    changed = _bills(bills_here, bills_then)
    return DryRun(
        days=days,
        orders=len({b.order_id for b in bills_here}),
        appear=_only(then[0], here[0], since),
        vanish=_only(here[0], then[0], since),
        predictions=(here[1], then[1]),
        invoices_changed=len(changed),
        bills_delta_cents=sum(b - a for _, a, b in changed),
        months=tuple(
            (m, month_total(a, tariffs[0]), month_total(b, tariffs[1])) for m, a, b in _months(bills_here, bills_then)
        ),
        examples=tuple(changed[:MOST_SHOWN]),
    )


def _policy(dataset: Dataset) -> OrderPolicy:
    return OrderPolicy.model_validate(dataset.documents["policies"])


def _judged(wb: Workbench, dataset: Dataset, at: datetime) -> tuple[dict[tuple[str, str], Finding], int]:
    """The exceptions by order and reason, and how many promises are about to break."""
    seen = sight(wb.events[PLAYBOOK], Scene(dataset, CheckReport(), at, wb.ctx.engine))
    found: dict[tuple[str, str], Finding] = {}
    for finding in seen.findings:
        if not finding.suppressed_by:
            found.setdefault((finding.subject, finding.type), finding)
    soon = seen.extra.get("predictions")
    return found, len(soon) if isinstance(soon, list) else 0


def _only(
    these: Mapping[tuple[str, str], Finding], those: Mapping[tuple[str, str], Finding], since: datetime
) -> tuple[Changed, ...]:
    gone = [f for key, f in these.items() if key not in those and f.end >= since]
    return tuple(Changed(f.subject, f.type, f.summary) for f in gone[:MOST_SHOWN])


def _bills(here: Sequence[Billed], then: Sequence[Billed]) -> list[tuple[str, int, int]]:
    """Orders whose bill changes, the largest change first; an order without a bill costs nothing."""
    before = {b.order_id: b.bill.cents if b.bill else 0 for b in here}
    after = {b.order_id: b.bill.cents if b.bill else 0 for b in then}
    changed = [(o, before.get(o, 0), after.get(o, 0)) for o in sorted({*before, *after})]
    return sorted((c for c in changed if c[1] != c[2]), key=lambda c: (-abs(c[2] - c[1]), c[0]))


def _months(here: Sequence[Billed], then: Sequence[Billed]) -> list[tuple[str, list[int], list[int]]]:
    def by_month(rows: Sequence[Billed]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for b in rows:
            if b.bill is not None:
                found.setdefault(b.month, {})[b.order_id] = b.bill.cents
        return found

    before, after = by_month(here), by_month(then)
    return [(m, list(before.get(m, {}).values()), list(after.get(m, {}).values())) for m in sorted({*before, *after})]


# --- Saving -----------------------------------------------------------------------------------


def save(wb: Workbench, who: Principal, text: str, note: str = "") -> StoredPolicy:
    """The text as the tenant's next version, in force from now on.

    Raises: InputError naming the line of a broken policy (nothing changes), Conflict, Forbidden.
    """
    require(who, "tools:manage")
    parsed_policy(text)
    return _kept(wb, who, text, note, None)


def rollback(wb: Workbench, who: Principal, version: int) -> StoredPolicy:
    """An earlier version's text (0: the shipped one) as a new version. Raises: NotFound, InputError, Forbidden."""
    require(who, "tools:manage")
    if version == 0:
        text = SHIPPED.read_text("utf-8")
    else:
        with wb.store.read() as books:
            text = books.order_policies.get(who.tenant, version).text
    parsed_policy(text)
    return _kept(wb, who, text, f"back to version {version}", version)


def _kept(wb: Workbench, who: Principal, text: str, note: str, restored: int | None) -> StoredPolicy:
    now = wb.ctx.clock.now()
    with wb.store.begin() as books:
        kept = books.order_policies.add(who.tenant, text, note.strip()[:500], who.user, now, restored)
        books.audit.append(
            who.tenant,
            "person",
            "order_policy_saved",
            {"version": kept.version, "note": kept.note, "restored_from": restored, "actor": who.user},
            now,
            correlation_id=f"{PLAYBOOK}:policy:{kept.version}",
            approved_by=who.user,
        )
    return kept
