"""What alerts are judged beside: warehouse, orchestrator, dbt and business, asked at once, each within its time."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from core.alert import BLOCKS
from core.errors import WorkbenchError
from core.events import EventFiles
from core.model import Json, JsonObject
from core.service import inputs
from core.service.workbench import Workbench

TIMEOUT_S = 5.0
KEPT_S = 30  # an answer stands this long: a storm of alerts does not ask for each
PLAYBOOK = "data_incidents"
DEMO = ("lineage.csv",)
log = logging.getLogger("telltale")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one provider knows, and further files it has, such as a dbt manifest."""

    source: str
    data: JsonObject
    files: Mapping[str, bytes] = field(default_factory=dict)
    took_s: float = 0.0


Provider: TypeAlias = Callable[[Workbench, str], Answer]


def files(wb: Workbench, tenant: str) -> EventFiles:
    """The context blocks as files, with the tenant's own lineage, business table and history over them."""
    now = wb.ctx.clock.now()
    key = ("alert contexts", tenant, int(now.timestamp()) // KEPT_S)
    found = wb.definitions.get(key, lambda: _gathered(wb, tenant, now))
    assert isinstance(found, dict)
    try:
        own = inputs.files(wb, wb.events[PLAYBOOK], tenant, demo=False)
    except WorkbenchError as error:  # a query of the tenant's own failed; alerts are judged without it
        log.warning("the tenant's own context could not be read: %s", error)
        block = {"status": "missing", "source": "the tenant's own query", "reason": str(error)}
        own = {"context/business.json": json.dumps(block).encode()}
    replaced = {name.removesuffix(".csv") + ".json" for name in own if name.startswith("context/")}
    return {**{k: v for k, v in found.items() if k not in replaced}, **own}


def _gathered(wb: Workbench, tenant: str, now: datetime) -> dict[str, Path | bytes]:
    from core.service.alert_providers import providers

    asked = providers(wb)
    made: dict[str, Path | bytes] = {}
    if wb.ctx.settings.telltale_demo:  # demo tables stand in for what is not connected
        folder = wb.data / PLAYBOOK
        names = [f"context/{b}.json" for b in BLOCKS if b not in asked]
        names += [name for name in DEMO if "dbt" not in asked]
        made.update({name: folder / name for name in names if (folder / name).exists()})
    for name, outcome in gather(wb, tenant, asked).items():
        if isinstance(outcome, Answer):
            block: Json = {
                "source": outcome.source, "fetched_at": now.isoformat(), "took_s": outcome.took_s, "data": outcome.data,
            }  # fmt: skip
            made.update(outcome.files)
        else:
            block = {"status": "missing", "source": name, "reason": outcome}
        made[f"context/{name}.json"] = json.dumps(block, default=str).encode()
    return made


def gather(
    wb: Workbench, tenant: str, asked: Mapping[str, Provider], timeout_s: float = TIMEOUT_S
) -> dict[str, Answer | str]:
    """Every provider's answer, or why there is none; all at once, none waited for longer than the timeout.

    Source: DI-08.
    """
    if not asked:
        return {}
    pool = ThreadPoolExecutor(max_workers=len(asked), thread_name_prefix="telltale-context")
    started: dict[str, Future[Answer]] = {name: pool.submit(_timed, ask, wb, tenant) for name, ask in asked.items()}
    until, found = time.monotonic() + timeout_s, dict[str, Answer | str]()
    for name, future in started.items():
        try:
            found[name] = future.result(timeout=max(0.0, until - time.monotonic()))
        except TooSlow:
            found[name] = f"no answer within {timeout_s:g} s"
        except WorkbenchError as error:
            found[name] = str(error)
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _timed(ask: Provider, wb: Workbench, tenant: str) -> Answer:
    began = time.perf_counter()
    return replace(ask(wb, tenant), took_s=time.perf_counter() - began)
