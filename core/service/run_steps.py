"""The last step of a run with budgets: what it sent and proposed, and whether every phase kept its time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core.alert import items
from core.model import Json, Run
from core.service.workbench import Workbench
from core.steps import judged


def closed(wb: Workbench, run: Run, budgets: Mapping[str, float], start: datetime, began: float) -> Run:
    """The run with its steps judged, kept. Units: ``began`` as time.perf_counter. Source: DI-20."""
    sent, asked = (len(items(run.report.get(k))) for k in ("deliveries", "actions"))
    acted: Json = {
        "step": "act",
        "phase": "respond",
        "start": start.isoformat(),
        "seconds": time.perf_counter() - began,
        "input": f"{len(items(run.report.get('decisions')))} decisions",
        "output": f"{sent} messages, {asked} actions",
    }
    rows = judged([*items(run.report.get("steps")), acted], budgets)
    done = replace(run, report={**run.report, "steps": rows})
    with wb.store.begin() as books:
        books.runs.save(done)
    return done
