"""An incident from the fault to the mended service: pages, Slack, Jira, Airflow and a login, all over real HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from core.access import Principal
from core.bootstrap import build
from core.model import Action, ActionState, Incident, IncidentStatus
from core.service import actions, inputs, people, tools
from core.service.health import PLAYBOOK
from core.service.workbench import Workbench
from core.settings import Settings
from tests.browser import sign_in
from tests.browser.screen import Faults, settle
from tests.browser.server import ROOT, Server, serving
from tests.browser.stand_ins import DAG, TICKET, Town, approval, press, town

ADMIN = Principal("cli", "default", "admin")
REX, VERA = "U0REX", "U0VERA"
OWN = ("metrics.csv", "logs.csv", "deployments.csv", "services.csv")


@dataclass(frozen=True)
class Duty:
    """The office of the people on call: a running workbench, what it is connected to, and a look into its store."""

    server: Server
    town: Town
    wb: Workbench
    files: Path
    env: dict[str, str]

    def made(self, healed: datetime | None = None) -> dict[str, Path]:
        """The service's tables up to this minute: failing since ten minutes, or well since ``healed``."""
        tools.generate(PLAYBOOK, 1, self.files, now=datetime.now(UTC), healed=healed)
        return {name: self.files / name for name in OWN}

    def feed(self, healed: datetime) -> None:
        """What a tenant's own exporter does every minute."""
        metrics = self.made(healed)["metrics.csv"]
        inputs.put_file(self.wb, ADMIN, PLAYBOOK, "metrics.csv", metrics.read_bytes(), "metrics.csv")

    def incident(self) -> Incident | None:
        with self.wb.store.read() as books:
            return books.incidents.find_latest("default", "service:payment-service:error_rate")

    def action(self, kind: str = "rollback") -> Action:
        found = self.incident()
        assert found is not None
        return next(a for a in actions.of_incident(self.wb, ADMIN, found.incident_id) if a.proposal.action_type == kind)

    def audited(self) -> list[str]:
        with self.wb.store.read() as books:
            return [entry.action for entry in books.audit.list("default", limit=10_000)][::-1]

    def refused(self) -> list[object]:
        with self.wb.store.read() as books:
            lines = books.audit.list("default", limit=10_000)
        return [line.decision["actor"] for line in lines if line.action == "access_refused"]


def playbooks(to: Path) -> Path:
    """One's own copy of the playbooks, whose rollback is a DAG in Airflow."""
    shutil.copytree(ROOT / "playbooks", to)
    book = to / PLAYBOOK / "playbook.yaml"
    text = book.read_text("utf-8")
    ours = text.replace("risk_score: 0.20, adapter: sandbox", "risk_score: 0.20, adapter: airflow")
    assert ours != text
    book.write_text(f"{ours}\nremedies: {{airflow: {{jobs: {{rollback: {{dag: {DAG}}}}}}}}}\n", "utf-8")
    return to


@pytest.fixture
def duty(tmp_path: Path) -> Iterator[Duty]:
    home = tmp_path / "home"
    with sign_in.provider_of(("ana", "vera")) as provider, town() as connected:
        sign_in.put_secrets(home, provider)
        own = playbooks(tmp_path / "playbooks")
        wb = build(Settings(_env_file=None, telltale_home=home, telltale_playbooks=own))
        people.add_user(wb, ADMIN, "ana@x.example", "admin")
        for name, role, slack in (("rex", "responder", REX), ("vera", "viewer", VERA)):
            user = people.add_user(wb, ADMIN, f"{name}@x.example", role)
            people.set_slack(wb, ADMIN, user.id, slack)
        env = {
            "TELLTALE_DEMO": "false",
            "TELLTALE_LIVE_ACTIONS": "true",
            "TELLTALE_PLAYBOOKS": str(own),
            "PYTHONPATH": f"{Path(__file__).parent / 'watch'}:{ROOT}",
            "FOREIGN_LOG": str(tmp_path / "foreign.log"),
            **connected.settings(),
        }
        with serving(home, **env) as server:
            yield Duty(server, connected, wb, tmp_path / "files", env)
            assert "Traceback" not in server.log.read_text()
        wb.store.close()
    assert (tmp_path / "foreign.log").read_text() == ""


@pytest.fixture
def faults() -> Iterator[Faults]:
    seen = Faults()
    yield seen
    assert seen == Faults()


@pytest.fixture
def person(chromium: Browser, duty: Duty, faults: Faults) -> Iterator[Callable[[str, str], Page]]:
    """Signs somebody in, each in a browser of their own that reaches nothing but this machine."""
    contexts: list[BrowserContext] = []

    def come_in(sub: str, path: str) -> Page:
        context = chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        context.route(lambda url: urlsplit(url).hostname != "127.0.0.1", lambda route: route.abort())
        contexts.append(context)
        page = context.new_page()
        sign_in.enter(page, duty.server.url + path, sub)
        faults.watch(page)  # not before: the login provider's own page asks for a style sheet elsewhere
        return page

    yield come_in
    for context in contexts:
        context.close()


def until(
    true: Callable[[], object], what: str, *, seconds: float, meanwhile: Callable[[], object] | None = None
) -> float:
    """Returns when it holds; the seconds that took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"{what}: not within {seconds:g} s"
        if meanwhile is not None:
            meanwhile()
        time.sleep(0.25)
    return time.monotonic() - begun


def upload(page: Page, duty: Duty, files: list[Path]) -> None:
    """Puts the tenant's own files in place, as an administrator does on the page."""
    page.goto(f"{duty.server.url}/services?services_tab=Data", wait_until="commit")
    settle(page, timeout_s=60)
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([str(f) for f in files])
    expect(page.get_by_text("in use from now on.")).to_be_visible(timeout=60_000)
    settle(page, timeout_s=60)


def watch(page: Page, duty: Duty) -> None:
    """Switches the sentinel's clock on."""
    page.goto(f"{duty.server.url}/services?services_tab=Schedule", wait_until="commit")
    settle(page, timeout_s=60)
    page.get_by_text("Runs by the clock").click()
    settle(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible(timeout=30_000)


def card(place: Page | Locator, key: str, action: Action) -> Locator:
    return place.locator(f".st-key-{key}_card_{action.action_id}")


def test_from_the_fault_to_the_mended_service(duty: Duty, person: Callable[[str, str], Page]) -> None:
    """Scenarios 1 and 5 with DP-01, DP-15 to DP-22."""
    ana = person("ana", "/services?services_tab=Data")
    upload(ana, duty, list(duty.made(healed=datetime.now(UTC) - timedelta(hours=1)).values()))
    watch(ana, duty)
    assert duty.incident() is None

    upload(ana, duty, [duty.made()["metrics.csv"], duty.files / "logs.csv"])
    found_s = until(lambda: duty.town.shown("[CRITICAL] Incident detected: payment-service"), "the alert", seconds=75)
    until(lambda: duty.town.shown("Approval needed: Roll back payment-service"), "the question", seconds=15)
    incident = duty.incident()
    assert incident is not None
    assert incident.incident_id in json.dumps(duty.town.messages)
    until(lambda: (i := duty.incident()) and i.body["ticket_key"] == TICKET, "the ticket", seconds=15)
    assert (duty.town.ticket["project"], duty.town.ticket["priority"]) == ({"key": "OPS"}, {"name": "Highest"})

    _evidence_on_the_page(ana, duty, incident)
    _a_viewer_is_refused(person("vera", "/approvals"), duty)
    took_ms = _approved_in_slack(duty)
    _the_job_was_started_once(duty)
    _mended(ana, duty)
    _told_in_place(duty)
    _audit(duty)
    print(f"\nalert {found_s:.1f} s after the upload; Slack's press answered in {took_ms:.0f} ms")


def _evidence_on_the_page(ana: Page, duty: Duty, incident: Incident) -> None:
    address = f"{duty.server.url}/services?service=payment-service"
    ana.goto(address, wait_until="commit")
    settle(ana, timeout_s=60)
    expect(ana.get_by_text("847 of 1,000 error lines (84.7 %)").first).to_be_visible(timeout=30_000)
    expect(ana.get_by_text("confidence 0.92").first).to_be_visible()
    ana.goto(f"{address}&incident={incident.incident_id}", wait_until="commit")
    settle(ana, timeout_s=60)
    drawer = ana.get_by_role("dialog")
    expect(drawer.get_by_text(f"ticket {TICKET}")).to_be_visible(timeout=30_000)
    drawer.get_by_role("tab", name="What to do").click()
    rollback = card(drawer, "drawer", duty.action())
    rollback.get_by_text("Exact request").click()
    expect(rollback.get_by_text(f"{duty.town.url}/api/v2/dags/{DAG}/dagRuns")).to_be_visible(timeout=30_000)


def _a_viewer_is_refused(vera: Page, duty: Duty) -> None:
    """Who may only read has no button; whose role was taken away since the page was drawn is refused and noted."""
    action = duty.action()
    row = card(vera, "approvals", action)
    expect(row.get_by_text("The role viewer reads")).to_be_visible(timeout=60_000)
    assert row.get_by_role("button", name="Approve").count() == 0
    user = next(u for u in people.users(duty.wb, ADMIN) if u.email.startswith("vera"))
    people.set_role(duty.wb, ADMIN, user.id, "responder")
    vera.reload(wait_until="commit")
    settle(vera, timeout_s=60)
    expect(row.get_by_role("button", name="Approve")).to_be_visible(timeout=30_000)
    people.set_role(duty.wb, ADMIN, user.id, "viewer")
    row.get_by_role("button", name="Approve").click()
    expect(vera.get_by_text("The role viewer does not hold actions:approve.")).to_be_visible(timeout=30_000)
    assert duty.action().state is ActionState.PROPOSED
    assert "vera@x.example" in duty.refused()


def _approved_in_slack(duty: Duty) -> float:
    """DP-19: nobody's, forged, late and repeated presses change nothing; the answer does not wait for Airflow."""
    question = duty.town.shown("Approval needed: Roll back payment-service")
    assert question is not None
    ts, yes = question[0], approval(question[1])
    assert yes == f"approve|{duty.action().incident_id}|{duty.action().action_id}"
    at = duty.server.url
    assert press(at, ts, yes, REX, action_ts="1", secret="guessed")[0] == 401
    assert press(at, ts, yes, REX, action_ts="2", age_s=301)[0] == 401
    assert press(at, ts, yes, REX, action_ts="3", age_s=-310)[0] == 401
    assert press(at, ts, yes, "U0NOBODY", action_ts="4")[0] == 403
    before = duty.refused().count("vera@x.example")
    assert press(at, ts, yes, VERA, action_ts="5")[0] == 403
    assert duty.refused().count("vera@x.example") == before + 1
    assert duty.action().state is ActionState.PROPOSED
    assert duty.town.started == []

    status, took_ms = press(at, ts, yes, REX, action_ts="6")
    assert status == 200
    assert not duty.town.waited_in_vain  # Airflow answers only further down: nothing waited for it
    assert duty.action().approvals == ("rex@x.example",)
    assert press(at, ts, yes, REX, action_ts="6")[0] == 401
    assert press(at, ts, yes, REX, action_ts="7")[0] == 400
    assert duty.town.asked.wait(5)
    assert duty.action().state is ActionState.APPROVED
    duty.town.free.set()
    until(lambda: duty.action().state is ActionState.EXECUTED, "the remedy", seconds=20)
    assert not duty.town.waited_in_vain
    return took_ms


def _the_job_was_started_once(duty: Duty) -> None:
    action = duty.action()
    ((told, key),) = duty.town.started
    assert (told["dag_run_id"], key) == (action.action_id, action.action_id)
    assert told["conf"]["target_version"] == "v2.3.9"
    assert told["conf"]["subject"] == "payment-service"
    assert action.result["status"] == 200


def _mended(ana: Page, duty: Duty) -> None:
    """The tenant's new metrics are good: the action is verified and its incident mitigated."""
    healed = duty.action().executed_at
    assert healed is not None
    upload(ana, duty, [duty.made(healed)["metrics.csv"]])

    def verified() -> bool:
        return duty.action().state is not ActionState.EXECUTED

    until(verified, "the verification", seconds=120, meanwhile=lambda: duty.feed(healed))
    incident = duty.incident()
    assert incident is not None
    assert (duty.action().state, incident.status) == (ActionState.VERIFIED, IncidentStatus.MITIGATED)
    address = f"{duty.server.url}/services?service=payment-service&incident={incident.incident_id}"
    ana.goto(address, wait_until="commit")
    settle(ana, timeout_s=60)
    drawer = ana.get_by_role("dialog")
    badges = drawer.locator(".stMarkdownBadge")
    expect(badges.filter(has_text="mitigated").first).to_be_visible(timeout=30_000)
    drawer.get_by_role("tab", name="What to do").click()
    rollback = card(drawer, "drawer", duty.action())
    expect(rollback.get_by_text("Approved by rex@x.example")).to_be_visible(timeout=30_000)
    expect(rollback.locator(".stMarkdownBadge").filter(has_text="verified").first).to_be_visible()


def _told_in_place(duty: Duty) -> None:
    """The question itself became the answer; the ticket followed."""
    until(lambda: duty.town.shown("Carried out, and it helped: Roll back payment-service"), "the message", seconds=20)
    ts, message = duty.town.shown("Carried out, and it helped: Roll back") or ("", {})
    assert "rex@x.example" in json.dumps(message)
    assert approval(message) == ""
    told = [text.partition(":")[0] for at, text in duty.town.updates if at == ts]
    assert told[0] == "Approved, being carried out"
    assert list(dict.fromkeys(told))[1:] == ["Carried out", "Carried out, and it helped"]
    assert sum("Incident detected" in m["text"] for m in duty.town.messages.values()) == 1
    until(lambda: "verified: Roll back payment-service" in str(duty.town.comments), "the comment", seconds=20)
    assert duty.town.statuses == ["To Do", "In Progress"]


def _audit(duty: Duty) -> None:
    """Every step is in the chain, and the chain holds."""
    steps = [
        "detected", "explanation", "decision", "action_proposed", "message_sent", "access_refused", "action_approved",
        "action_executed", "action_verified",
    ]  # fmt: skip
    written = duty.audited()
    assert [s for s in steps if s not in written] == []
    order = [written.index(s) for s in ("detected", "action_proposed", "action_approved", "action_executed")]
    assert order == sorted(order)
    env = {"TELLTALE_HOME": str(duty.server.home), "PATH": "/usr/bin:/bin", **duty.env}
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "audit", "verify", "--json"],
        cwd=duty.server.home, env=env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert (said["ok"], said["lines"] >= len(written)) == (True, True)
