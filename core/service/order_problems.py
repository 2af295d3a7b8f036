"""What is wrong with one order, by rules or in a model's words. Source: acceptance E2-19."""

from __future__ import annotations

from collections.abc import Mapping

from core.access import Principal, require
from core.detect.events import Scene
from core.errors import NotFound
from core.events import load_events, sight
from core.explain.order_notes import notes_for
from core.explain.order_questions import problems
from core.model import CheckReport, Finding, Json, JsonObject
from core.orders import Reason
from core.service import inputs
from core.service.order_policies import PLAYBOOK
from core.service.workbench import Workbench


def detect(wb: Workbench, who: Principal, order_id: str, *, ask_model: bool = True) -> JsonObject:
    """{has_problems, confidence, problems, recommendations, source, fallback_reason}. Raises: NotFound, Forbidden."""
    require(who, "incidents:read")
    playbook, now = wb.events[PLAYBOOK], wb.ctx.clock.now()
    held = inputs.documents(wb, PLAYBOOK, who.tenant)
    dataset = load_events(playbook, inputs.files(wb, playbook, who.tenant, demo=True), held, wb.ctx, now)
    seen = sight(playbook, Scene(dataset, CheckReport(), now, wb.ctx.engine))
    mine = [f for f in seen.findings if f.subject == order_id]
    if not mine and not any(order == order_id for order, _ in seen.healthy):
        raise NotFound(f"There is no order '{order_id}'.", field="order_id")
    rules = by_rules(mine)
    if not ask_model:
        return {**rules, "source": "Rules", "fallback_reason": ""}
    order: dict[str, Json] = {"order_id": order_id, "found": [f.summary.replace(order_id, "the order") for f in mine]}
    return problems(wb.ctx, order_id, order, rules)


def by_rules(findings: list[Finding]) -> JsonObject:
    """The findings of an order as problems."""
    real = [f for f in findings if not f.suppressed_by]
    steps = [text for f in real for _, text in notes_for(Reason(f.type), f.labels.get("label", "")).steps]
    return {
        "has_problems": bool(real),
        "confidence": 1.0 if findings else 0.0,
        "problems": [_problem(f) for f in real],
        "recommendations": list(dict.fromkeys(steps)),
    }


def _problem(f: Finding) -> JsonObject:
    values = f.details.get("values")
    field = next(iter(values), "") if isinstance(values, Mapping) else str(f.details.get("stage", ""))
    late = f"{f.change_abs:g} min late" if f.change_abs else "the order waits for a person"
    return {"type": f.type, "field": field, "reason": f.summary, "severity": f.severity.name, "impact": late}
