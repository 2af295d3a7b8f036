"""The analytics of data incidents over what is stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from core.access import Principal, require
from core.alert import items, mapping, moment
from core.incident_analytics import Analytics, CostRules, Record, analysed
from core.model import Incident
from core.service.incident_history import PLAYBOOK, verdict_of
from core.service.workbench import Workbench

MOST = 10_000


def analytics(wb: Workbench, who: Principal, since: datetime | None = None) -> Analytics:
    """The figures over the incidents since then; all of them without a moment."""
    require(who, "incidents:read")
    found = records(wb, who)
    return analysed([r for r in found if since is None or r.detected_at >= since], rules(wb))


def rules(wb: Workbench) -> CostRules:
    """The playbook's numbers for costs."""
    return CostRules.model_validate(dict(wb.events[PLAYBOOK].costs))


def records(wb: Workbench, who: Principal) -> tuple[Record, ...]:
    """Every stored data incident as the figures need it, newest first."""
    require(who, "incidents:read")
    with wb.store.read() as books:
        found = books.incidents.list(who.tenant, playbook=PLAYBOOK, limit=MOST)
    return tuple(record_of(i) for i in found)


def record_of(incident: Incident) -> Record:
    """One incident as the figures need it."""
    metrics, decision = mapping(incident.body.get("metrics")), mapping(incident.body.get("decision"))
    times = [at for m in items(metrics.get("members")) if (at := moment(mapping(m).get("at"))) is not None]
    record = Record(
        incident_id=incident.incident_id,
        severity=incident.severity.name,
        source=str(metrics.get("source") or "unknown"),
        action=str(decision.get("recommended_action") or "notify_team"),
        status=str(incident.status),
        began_at=min(times, default=None),
        detected_at=incident.created_at,
        resolved_at=incident.resolved_at,
        verdict=verdict_of(incident),
        occurrences=incident.occurrences,
    )
    return replace(record, alerts=max(len(times), 1))
