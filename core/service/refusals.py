"""Runs that were refused: kept with their reason, and nothing is sent."""

from __future__ import annotations

from datetime import datetime

from core.errors import WorkbenchError
from core.model import JsonObject, Run, Source, Trigger
from core.service.workbench import Workbench


def keep_refused(
    wb: Workbench, trigger: Trigger, name: str, run_id: str, started: datetime, error: WorkbenchError
) -> None:
    """A refused run is kept with its reason, and sends nothing."""
    now = wb.ctx.clock.now()
    report: JsonObject = {
        "run": {"id": run_id, "playbook": name, "tenant": trigger.tenant, "status": "failed_check"},
        "error": {"code": error.code, "field": error.field, "message": str(error)},
    }
    with wb.store.begin() as books:
        books.runs.save(
            Run(
                id=run_id,
                playbook=name,
                tenant=trigger.tenant,
                as_of=trigger.as_of,
                started_at=started,
                ended_at=now,
                status="failed_check",
                light=None,
                headline=error.message,
                source=Source.RULES,
                actor=trigger.actor,
                trigger=trigger.kind,
                report=report,
            )
        )
        books.audit.append(
            trigger.tenant,
            "load",
            "run_refused",
            {"run_id": run_id, "actor": trigger.actor, "message": str(error)},
            now,
            correlation_id=run_id,
        )
