"""The context of alerts from real servers and databases on this machine, and the fixes that rest on it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from core.access import Principal
from core.bootstrap import ROOT, build
from core.errors import Forbidden, InputError, ProviderError
from core.load.alert_contexts import blocks
from core.model import Action, ActionState, CheckReport, Proposal
from core.service import alert_contexts, alert_inbox, alert_providers, fixes, incident_figures, incident_history, jobs
from core.service.alert_contexts import Answer, gather
from core.service.alert_verification import data_incident
from core.service.workbench import Recent, Workbench
from core.settings import Settings
from tests.service.conftest import Hand

NOW = datetime(2025, 12, 13, 23, 15, tzinfo=UTC)
DEMO = ROOT / "data" / "data_incidents"
ADMIN = Principal("ada", "default", "admin")
RUNS = "/api/v2/dags/~/dagRuns"


@pytest.fixture
def clock() -> Hand:
    return Hand(NOW)


def opened(tmp_path: Path, clock: Hand, **more: object) -> Workbench:
    settings = Settings(_env_file=None, telltale_home=tmp_path / "home", openai_api_key=None, **more)  # type: ignore[arg-type]
    return replace(build(settings, clock), checks=Recent[CheckReport](8))


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "w.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, legacy TEXT, amount REAL NOT NULL)")
    db.close()
    return path


def change(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


@pytest.fixture
def wb(tmp_path: Path, clock: Hand) -> Iterator[Workbench]:
    bench = opened(tmp_path, clock)
    yield bench
    bench.store.close()


def told(wb: Workbench) -> dict:
    return blocks(alert_contexts.files(wb, "default"), wb.ctx.clock.now())


def test_demo_tables_stand_in_and_are_absent_without_the_demo(wb: Workbench, tmp_path: Path, clock: Hand) -> None:
    assert {b["source"] for b in told(wb).values()} == {"demo table"}
    bare = opened(tmp_path / "bare", clock, telltale_demo=False)
    assert {b["status"] for b in told(bare).values()} == {"missing"}
    bare.store.close()


def test_the_warehouse_is_compared_with_its_own_past(tmp_path: Path, clock: Hand, warehouse: Path) -> None:
    url = f"sqlite:///{warehouse}"
    wb = opened(tmp_path, clock, telltale_warehouse_url=SecretStr(url), telltale_demo=False)
    assert jobs.run(wb, ADMIN, "data_incidents.snapshot", "k").startswith("Snapshot of sqlite")
    clock.forward(minutes=10)
    change(warehouse, "ALTER TABLE orders DROP COLUMN legacy")
    block = told(wb)["warehouse"]
    (seen,) = block["data"]["recent_schema_changes"]
    assert (seen["table"], seen["change"], seen["column"]) == ("main.orders", "column_removed", "legacy")
    assert (seen["not_before"], seen["at"]) == (NOW.isoformat(), clock.now().isoformat())
    assert block["data"]["entities"]["main.orders"]["columns"] == ["id", "amount"]
    assert (block["source"], block["age_s"]) == (f"snapshots of {url}", 0.0)
    alert = {"alert_id": "S", "source": "x", "timestamp": clock.forward(minutes=1).isoformat(), "severity": "high",
             "metric": {"table": "orders", "column_removed": "legacy"}}  # fmt: skip
    clock.forward(minutes=1)
    found = alert_inbox.trial(wb, ADMIN, json.dumps(alert)).look.cases[0]
    assert "11 min" not in found.answer["root_cause"]
    assert "1 min before the alert" in found.answer["root_cause"]
    wb.store.close()


def run_row(dag: str, ident: str, state: str, start: str, end: str | None) -> dict:
    return {"dag_id": dag, "dag_run_id": ident, "state": state, "start_date": start, "end_date": end}


def test_airflow_is_read_over_its_api(tmp_path: Path, clock: Hand, httpserver: HTTPServer) -> None:
    rows = [
        run_row("etl", "r3", "running", "2025-12-13T17:00:00Z", None),
        run_row("etl", "r2", "success", "2025-12-12T17:00:00Z", "2025-12-12T19:00:00Z"),
        run_row("load", "q1", "failed", "2025-12-13T12:00:00Z", "2025-12-13T12:10:00Z"),
    ]
    httpserver.expect_request("/auth/token", method="POST").respond_with_json({"access_token": "T"}, status=201)
    httpserver.expect_request(RUNS, headers={"Authorization": "Bearer T"}).respond_with_json({"dag_runs": rows})
    tasks = [{"dag_id": "load", "dag_run_id": "q1", "task_id": "copy", "state": "failed", "try_number": 2, "x": 1}]
    httpserver.expect_request("/api/v2/dags/load/dagRuns/q1/taskInstances").respond_with_json({"task_instances": tasks})
    url = httpserver.url_for("").rstrip("/")
    wb = opened(tmp_path, clock, airflow_url=url, airflow_user="u", airflow_password=SecretStr("p"))
    data = told(wb)["orchestrator"]["data"]
    assert data["failures_24h"] == 1
    assert data["recent_errors"][0]["task_id"] == "copy"
    etl = data["entities"]["etl"]
    assert (etl["dag_status"], etl["dag_run_id"], etl["recent_run_minutes"]) == ("running", "r3", [120.0])
    wb.store.close()


def test_dbt_artifacts_from_folder_and_address(tmp_path: Path, clock: Hand, httpserver: HTTPServer) -> None:
    from tests.load.test_alerts import MANIFEST

    manifest = json.loads(json.dumps(MANIFEST))
    results = {"metadata": {"generated_at": "2025-12-13T20:00:00Z"},
               "results": [{"unique_id": "test.p.nn", "status": "fail", "failures": 3}]}  # fmt: skip
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "run_results.json").write_text(json.dumps(results))
    wb = opened(tmp_path, clock, telltale_dbt_artifacts=str(folder))
    found = alert_contexts.files(wb, "default")
    data = blocks(found, NOW)["dbt"]["data"]
    assert (data["failed_tests"][0]["model"], data["changed_models"]) == ("prod.core.orders", [])
    assert b"prod.core.orders,prod.mart.daily,table" in found["lineage.csv"]
    manifest["nodes"]["model.p.mart"]["checksum"] = {"name": "sha256", "checksum": "new"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    clock.forward(minutes=1)
    assert told(wb)["dbt"]["data"]["changed_models"] == ["prod.mart.daily"]
    wb.store.close()
    httpserver.expect_request("/dbt/manifest.json").respond_with_json(manifest)
    httpserver.expect_request("/dbt/run_results.json").respond_with_data("down", status=503)
    host = f"127.0.0.1:{httpserver.port}, localhost:{httpserver.port}"
    wb = opened(tmp_path / "b", clock, telltale_dbt_artifacts=httpserver.url_for("/dbt"), telltale_http_allow=host)
    assert told(wb)["dbt"]["data"]["models"] == 2
    wb.store.close()


def test_a_failed_or_slow_provider_is_missing_and_the_others_load(wb: Workbench) -> None:
    def failing(*_: object) -> Answer:
        raise ProviderError("down", retryable=True)

    def slow(*_: object) -> Answer:
        time.sleep(0.6)
        return Answer("late", {"a": 1}, {})

    found = gather(wb, "default", {"a": failing, "b": slow, "c": lambda *_: Answer("c", {"x": 1})}, timeout_s=0.2)
    assert (found["a"], found["b"]) == ("down", "no answer within 0.2 s")
    assert isinstance(found["c"], Answer)


def test_what_is_set_up_is_asked(tmp_path: Path, clock: Hand, warehouse: Path) -> None:
    wb = opened(tmp_path, clock, airflow_url="http://127.0.0.1:9", telltale_dbt_artifacts=str(tmp_path / "none"))
    assert set(alert_providers.providers(wb)) == {"orchestrator", "dbt"}
    found = told(wb)
    assert {n: b["status"] for n, b in found.items()} == {
        "warehouse": "ok", "orchestrator": "missing", "dbt": "missing", "business": "ok",
    }  # fmt: skip
    wb.store.close()


# --- Fixes, verification, figures -------------------------------------------------------------------------------------

LOCK = {"alert_id": "L", "severity": "critical", "source": "x", "timestamp": "2025-12-13T23:00:00Z", "title": "Locked",
        "metric": {"lock_name": "orders-lock"}}  # fmt: skip


def test_a_tenants_own_fix_is_checked_audited_and_used_di19(wb: Workbench) -> None:
    assert {f.kind: f.template and f.template.action_type for f in fixes.listing(wb, ADMIN)} == {
        "airflow_dag": "restart_dag", "schema": "backfill_data", "lock": "clear_lock", "resource": None,
    }  # fmt: skip
    own = {
        "action_type": "kill_session",
        "title": "End {entity}",
        "adapter": "webhook",
        "eta_minutes": 1,
        "risk_score": 0.1,
    }
    with pytest.raises(Forbidden):
        fixes.save(wb, replace(ADMIN, role="responder"), "lock", own)
    for bad in ({**own, "request": {"url": "x"}}, {**own, "risk_score": 2}, {**own, "adapter": "shell"}, {}, [],
                {**own, "request": {"a": "https://evil"}}, {**own, "more": 1}):  # fmt: skip
        with pytest.raises(InputError):
            fixes.save(wb, ADMIN, "lock", bad)
    with pytest.raises(InputError, match="no fix"):
        fixes.save(wb, ADMIN, "weather", own)
    fixes.save(wb, ADMIN, "lock", own)
    (drafted,) = alert_inbox.trial(wb, ADMIN, json.dumps(LOCK)).look.cases[0].proposals
    assert (drafted.action_type, drafted.title, drafted.risk_score) == ("kill_session", "End orders-lock", 0.1)
    fixes.reset(wb, ADMIN, "lock")
    (drafted,) = alert_inbox.trial(wb, ADMIN, json.dumps(LOCK)).look.cases[0].proposals
    assert (drafted.action_type, drafted.eta_minutes, drafted.risk_score) == ("clear_lock", 2, 0.3)
    with wb.store.read() as books:
        assert sum(e.action == "fix_template_changed" for e in books.audit.list("default")) == 2


def executed(wb: Workbench, adapter: str, **params: str) -> Action:
    alert_inbox.receive(wb, ADMIN, json.dumps(LOCK).encode())
    alert_inbox.tick(wb)
    with wb.store.read() as books:
        incident = books.incidents.list("default", playbook="data_incidents")[0]
    now = wb.ctx.clock.now()
    draft = Proposal("x", "x", "", 1, 0.1, params, adapter)
    return Action("ACT-1", incident.incident_id, "default", 0, draft, "live", ActionState.EXECUTED, "", now, now, now,
                  executed_at=now)  # fmt: skip


def test_a_lock_is_verified_by_the_tools_own_word(wb: Workbench, clock: Hand) -> None:
    action = executed(wb, "webhook", verify="resolved_alert")
    assert not data_incident(wb, action).good
    clock.forward(minutes=2)
    ended = {**LOCK, "alert_id": "L2", "resolved": True, "timestamp": clock.now().isoformat()}
    alert_inbox.receive(wb, ADMIN, json.dumps(ended).encode())
    alert_inbox.tick(wb)
    assert data_incident(wb, action).good


@pytest.mark.parametrize(
    ("state", "started", "good"),
    [("success", "2025-12-13T17:00:00Z", True), ("running", "2025-12-13T23:16:00Z", True),
     ("running", "2025-12-13T17:00:00Z", False), ("failed", "2025-12-13T23:16:00Z", False)],
)  # fmt: skip
def test_a_restart_is_verified_by_the_runs_state(
    tmp_path: Path, clock: Hand, httpserver: HTTPServer, state: str, started: str, good: bool
) -> None:
    row = {"state": state, "start_date": started}
    httpserver.expect_request("/api/v2/dags/etl/dagRuns/r1").respond_with_json(row)
    httpserver.expect_request(RUNS).respond_with_json({"dag_runs": []})
    url = httpserver.url_for("").rstrip("/")
    wb = opened(tmp_path, clock, airflow_url=url, airflow_token=SecretStr("T"))
    action = executed(wb, "airflow", verify="run_state", dag_id="etl", dag_run_id="r1")
    assert data_incident(wb, action).good is good
    wb.store.close()


def test_figures_over_stored_incidents(wb: Workbench, clock: Hand) -> None:
    assert incident_figures.analytics(wb, ADMIN).mttr.value is None
    executed(wb, "sandbox")
    clock.forward(minutes=30)
    from core.service import incidents

    with wb.store.read() as books:
        incident = books.incidents.list("default", playbook="data_incidents")[0]
    incident_history.judge(wb, ADMIN, incident.incident_id, "real")
    incidents.move(wb, ADMIN, incident.incident_id, "resolved", "lock released")
    found = incident_figures.analytics(wb, ADMIN)
    assert (found.mttr.value, found.mttr.n, found.cost_total.value) == (30, 1, 30 * 5600)
    assert (found.detection.value, found.false_positives.value) == (15, 0)
    (past,) = incident_history.documents(wb, "default")["history"]
    assert (past["resolution"], past["verdict"], past["kind"]) == ("lock released", "real", "lock")
