"""Fix templates: the playbook's rows, and a tenant's own in their place; checked and audited."""

from __future__ import annotations

from dataclasses import dataclass

from core.access import Principal, require
from core.errors import InputError
from core.explain.fix_templates import DEFAULTS, FixTemplate, read_template
from core.model import Json
from core.service.workbench import Workbench
from core.store.fix_templates import StoredTemplate

PLAYBOOK = "data_incidents"
KINDS = ("airflow_dag", "schema", "lock", "resource")


@dataclass(frozen=True, slots=True)
class Fix:
    """The fix of one kind of alert; ``own`` says that the tenant edited it."""

    kind: str
    template: FixTemplate | None  # None: for this kind people look into it by hand
    own: bool
    saved_by: str = ""


def listing(wb: Workbench, who: Principal) -> tuple[Fix, ...]:
    """The fix of every kind as it holds now."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        stored = {s.kind: s for s in books.fix_templates.list(who.tenant)}
    shipped = _shipped(wb)
    return tuple(
        Fix(kind, read_template(stored[kind].template), own=True, saved_by=stored[kind].saved_by)
        if kind in stored
        else Fix(kind, shipped.get(kind), own=False)
        for kind in KINDS
    )


def _shipped(wb: Workbench) -> dict[str, FixTemplate]:
    given = wb.events[PLAYBOOK].explain_params.get("templates")
    own = {str(k): read_template(v) for k, v in given.items()} if isinstance(given, dict) else {}
    return {**DEFAULTS, **own}


def save(wb: Workbench, who: Principal, kind: str, template: Json) -> Fix:
    """The tenant's own fix of a kind from now on. Raises: InputError naming the field, Forbidden. Source: DI-19."""
    require(who, "tools:manage")
    if kind not in KINDS:
        raise InputError(f"There is no fix for '{kind}'.", hint=f"Known: {', '.join(KINDS)}.", field="kind")
    read = read_template(template)
    row, now = read.model_dump(mode="json"), wb.ctx.clock.now()
    with wb.store.begin() as books:
        books.fix_templates.set(who.tenant, StoredTemplate(kind, row, now, who.user))
        books.audit.append(
            who.tenant, "person", "fix_template_changed", {"actor": who.user, "kind": kind, "template": row}, now,
            correlation_id=kind, approved_by=who.user,
        )  # fmt: skip
    return Fix(kind, read, own=True, saved_by=who.user)


def reset(wb: Workbench, who: Principal, kind: str) -> None:
    """The playbook's own fix of a kind holds again. Raises: Forbidden."""
    require(who, "tools:manage")
    with wb.store.begin() as books:
        if books.fix_templates.remove(who.tenant, kind):
            books.audit.append(
                who.tenant, "person", "fix_template_changed", {"actor": who.user, "kind": kind, "removed": True},
                wb.ctx.clock.now(), correlation_id=kind, approved_by=who.user,
            )  # fmt: skip
