"""Where the context of alerts comes from: the warehouse's own schema, Airflow, dbt's artifacts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

from core.access import Principal
from core.adapters.airflow import AirflowReader
from core.adapters.http import SafeHttp
from core.alert import items, mapping, moment
from core.errors import ProviderError
from core.load.dbt import changed, failures, generated_at
from core.load.lineage import from_manifest
from core.load.schema import changes_of, models_of, read_columns, tables_of
from core.model import Json, JsonObject
from core.service.alert_contexts import TIMEOUT_S, Answer, Provider
from core.service.workbench import Workbench

RECENT = timedelta(hours=24)
MOST_TABLES = 500
MOST_RUNS = 50
LONGEST = 128 * 1024 * 1024  # bytes of an artifact
DBT = "dbt"


def providers(wb: Workbench) -> Mapping[str, Provider]:
    """The providers that are set up, by the block they fill. A business table is a file or query of the playbook."""
    settings = wb.ctx.settings
    ready: dict[str, tuple[object, Provider]] = {
        "warehouse": (settings.telltale_warehouse_url, warehouse),
        "orchestrator": (settings.airflow_url, orchestrator),
        "dbt": (settings.telltale_dbt_artifacts, dbt),
    }
    return {name: ask for name, (there, ask) in ready.items() if there}


# --- Warehouse --------------------------------------------------------------------------------------------------------


def warehouse(wb: Workbench, tenant: str) -> Answer:
    """What changed in the schema, seen by the workbench's own snapshots; one is taken now."""
    source = snapshot(wb, tenant)
    now = wb.ctx.clock.now()
    with wb.store.read() as books:
        kept = books.schemas.list(tenant, source)
    found = changes_of([(s.taken_at, s.columns) for s in reversed(kept)])
    recent = [c for c in found if (at := moment(c["at"])) is not None and now - at <= RECENT]
    tables = tables_of(kept[0].columns)
    named = {str(c["table"]) for c in recent}
    told = [*sorted(named & tables.keys()), *sorted(tables.keys() - named)][:MOST_TABLES]
    data: JsonObject = {
        "recent_schema_changes": list(recent),
        "affected_tables": sorted(named),
        "tables": len(tables),
        "snapshots": len(kept),
        "entities": {t: {"columns": list(tables[t])} for t in told},
    }
    return Answer(f"snapshots of {source}", data)


def snapshot(wb: Workbench, tenant: str) -> str:
    """Takes a snapshot of the warehouse's columns; answers the source's name. Raises: as the warehouse does."""
    url = wb.ctx.settings.telltale_warehouse_url
    assert url is not None
    source = make_url(url.get_secret_value()).set(username=None, password=None, query={}).render_as_string()
    columns = read_columns(url.get_secret_value(), wb.ctx.engine, wb.ctx.clock.now(), TIMEOUT_S)
    with wb.store.begin() as books:
        books.schemas.save(tenant, source, wb.ctx.clock.now(), columns)
    return source


def job(wb: Workbench, who: Principal) -> str:
    """The scheduled snapshot, in a sentence."""
    from core.access import require

    require(who, "incidents:write")
    if wb.ctx.settings.telltale_warehouse_url is None:
        return "There is no warehouse to take a snapshot of."
    return f"Snapshot of {snapshot(wb, who.tenant)} taken."


# --- Airflow ----------------------------------------------------------------------------------------------------------


def orchestrator(wb: Workbench, tenant: str) -> Answer:  # noqa: ARG001 (one Airflow serves every tenant)
    """The newest runs of every DAG, how long they took, and what failed in the last 24 h."""
    reader = AirflowReader(wb.ctx.settings, SafeHttp(wb.ctx.settings.http_hosts, 4 * 1024 * 1024), TIMEOUT_S)
    token, now = reader.token(), wb.ctx.clock.now()
    runs = [
        mapping(r)
        for r in items(reader.get(f"/api/v2/dags/~/dagRuns?order_by=-start_date&limit={MOST_RUNS}", token)["dag_runs"])
    ]
    failed = [r for r in runs if r.get("state") == "failed" and _within(r, now - RECENT)]
    entities: dict[str, Json] = {}
    for dag in dict.fromkeys(str(r.get("dag_id")) for r in runs):
        entities[dag] = _dag([r for r in runs if r.get("dag_id") == dag])
    errors: list[Json] = [e for r in failed[:3] for e in _failed_tasks(reader, token, r)]
    data: JsonObject = {"failures_24h": len(failed), "recent_errors": errors, "entities": entities}
    return Answer("Airflow REST API v2", data)


def _within(run: JsonObject, since: object) -> bool:
    at = moment(run.get("start_date")) or moment(run.get("run_after"))
    return at is not None and at >= since  # type: ignore[operator]


def _dag(runs: list[JsonObject]) -> JsonObject:
    """One DAG by its runs, newest first."""
    newest = runs[0]
    hung = next((r for r in runs if r.get("state") == "running"), None)
    took = [
        round((end - start).total_seconds() / 60, 2)
        for r in runs
        if r.get("state") == "success"
        and (start := moment(r.get("start_date"))) is not None
        and (end := moment(r.get("end_date"))) is not None
    ]
    return {
        "dag_status": str(newest.get("state")),
        "dag_run_id": (hung or newest).get("dag_run_id"),
        "last_run": newest.get("start_date"),
        "recent_run_minutes": list(took),
    }


def _failed_tasks(reader: AirflowReader, token: str, run: JsonObject) -> list[Json]:
    dag, ident = quote(str(run.get("dag_id")), safe=""), quote(str(run.get("dag_run_id")), safe="")
    rows = items(reader.get(f"/api/v2/dags/{dag}/dagRuns/{ident}/taskInstances?limit=50", token).get("task_instances"))
    wanted = [mapping(r) for r in rows if mapping(r).get("state") in ("failed", "upstream_failed")]
    return [{k: r.get(k) for k in ("dag_id", "dag_run_id", "task_id", "state", "try_number")} for r in wanted]


# --- dbt --------------------------------------------------------------------------------------------------------------


def dbt(wb: Workbench, tenant: str) -> Answer:
    """Failed tests, models that changed since the manifest before, and the lineage."""
    place = wb.ctx.settings.telltale_dbt_artifacts or ""
    manifest_raw, manifest = _artifact(wb, place, "manifest.json")
    _, results = _artifact(wb, place, "run_results.json", optional=True)
    checksums = models_of(manifest)
    with wb.store.begin() as books:
        books.schemas.save(tenant, DBT, wb.ctx.clock.now(), dict(checksums))
        kept = books.schemas.list(tenant, DBT)
    before = next((mapping(s.columns) for s in kept if s.sha256 != kept[0].sha256), None)
    data: JsonObject = {
        "failed_tests": list(failures(results, manifest)),
        "changed_models": [] if before is None else list(changed({k: str(v) for k, v in before.items()}, checksums)),
        "models": len(checksums),
        "generated_at": generated_at(results) or generated_at(manifest),
    }
    return Answer("dbt artifacts", data, {"lineage.csv": _lineage(manifest_raw)})


def _artifact(wb: Workbench, place: str, name: str, *, optional: bool = False) -> tuple[bytes, Json]:
    try:
        raw = _read(wb, place, name)
        return raw, json.loads(raw)
    except (OSError, ValueError, RecursionError, ProviderError) as error:
        if optional:
            return b"", {}
        raise ProviderError(f"dbt's {name} cannot be read.", retryable=True, reason="dbt") from error


def _read(wb: Workbench, place: str, name: str) -> bytes:
    if not place.startswith(("http://", "https://")):
        return (Path(place) / name).read_bytes()
    http = SafeHttp(wb.ctx.settings.http_hosts, LONGEST)
    reply = http.request("GET", f"{place.rstrip('/')}/{name}", b"", {}, TIMEOUT_S)
    if reply.status != 200:
        raise ProviderError(f"dbt's {name}: status {reply.status}.", retryable=True, reason="dbt")
    return reply.text.encode()


def _lineage(manifest: bytes) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["from", "to", "kind", "owner"])
    writer.writeheader()
    writer.writerows(mapping(edge) for edge in from_manifest(manifest))
    return out.getvalue().encode()
