"""The segment playbook as a whole: its six scenarios through the service, four channels over real HTTP, no model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import yaml
from pytest_httpserver import HTTPServer

from core import telemetry
from core.access import Principal
from core.bootstrap import build
from core.model import ActionState, Incident, IncidentStatus, Run, Severity
from core.service import actions, alerts, casework, drift, segments, snapshots, verification
from core.service.workbench import Workbench
from core.settings import Settings
from tests.act.samples import everything_on
from tests.adapters import mail_server
from tests.adapters.mail_server import Post
from tests.service.conftest import Hand

DATA = Path(__file__).parents[2] / "data" / "segment_drift"
DAY = datetime(2026, 1, 8, tzinfo=UTC)
COLUMNS = ("segment", "ts", "size", "conv_rate", "velocity_in", "velocity_out", "attr_distributions")


@pytest.fixture
def clock() -> Hand:
    return Hand(datetime(2026, 2, 1, tzinfo=UTC))


@pytest.fixture
def who() -> Principal:
    return Principal(user="ana", tenant="default", role="responder")


@pytest.fixture
def post() -> Iterator[Post]:
    with mail_server.running() as running:
        yield running


@pytest.fixture
def wb(tmp_path: Path, clock: Hand, post: Post, httpserver: HTTPServer) -> Iterator[Workbench]:
    """E-mail, Slack, Teams and the signed webhook are on, and well unless the test says otherwise."""
    on = everything_on(httpserver.url_for("").rstrip("/"))
    off = dict.fromkeys(("slack_bot_token", "pagerduty_routing_key", "jira_url"))
    settings: Settings = on.model_copy(
        update={**off, "telltale_home": tmp_path, "smtp_port": post.port, "smtp_security": "none"}
    )
    httpserver.expect_request("/teams").respond_with_data("", status=202)
    httpserver.expect_request("/n8n").respond_with_data("ok")
    bench = build(settings, clock)
    yield bench
    bench.store.close()
    bench.ctx.engine.close()  # type: ignore[attr-defined]


def demo_rows() -> list[dict[str, str]]:
    return list(csv.DictReader((DATA / "snapshots.csv").read_text("utf-8").splitlines()))


def day_after(rows: list[dict[str, str]], days: int, like: int = 8, **change: str) -> list[dict[str, str]]:
    """The rows of day ``like`` once more, ``days`` after day 8; ``change`` is high-value's."""
    wanted = (DAY + timedelta(days=like - 8)).date().isoformat()
    at = (DAY + timedelta(days=days)).date().isoformat()
    picked = [r for r in rows if r["ts"].startswith(wanted)]
    return [{**r, "ts": at + r["ts"][10:], **(change if r["segment"] == "high-value" else {})} for r in picked]


def written(rows: list[dict[str, str]]) -> bytes:
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()


def check(
    wb: Workbench, who: Principal, rows: list[dict[str, str]], day: int = 8, segments: bytes | None = None
) -> Run:
    files = {
        "segments.yaml": segments or (DATA / "segments.yaml").read_bytes(),
        "snapshots.csv": written(rows),
    }
    at = DAY + timedelta(days=day - 8)
    return casework.run(wb, who, "segment_drift", files=files, as_of=at, kind="cli", ask_model=False)


def open_incidents(wb: Workbench) -> dict[str, Incident]:
    with wb.store.read() as books:
        return {i.type: i for i in books.incidents.list("default", playbook="segment_drift", limit=100)}


def severities(wb: Workbench) -> dict[str, str]:
    return {kind: i.severity.name for kind, i in open_incidents(wb).items()}


def simple(sizes: list[int], name: str = "trial", conv: str = "") -> list[dict[str, str]]:
    """Daily snapshots of one segment: day 1 is 1 January."""
    return [
        {
            "segment": name, "ts": f"2026-01-{n:02d}T02:00:00Z", "size": str(size), "conv_rate": conv,
            "velocity_in": "", "velocity_out": "", "attr_distributions": json.dumps({"plan": {"free": 1.0}}),
        }
        for n, size in enumerate(sizes, start=1)
    ]  # fmt: skip


GOLDEN = {
    "size_jump": "HIGH", "distribution_shift": "HIGH", "conversion_anomaly": "LOW", "inactivity_creep": "HIGH",
}  # fmt: skip


def test_scenario_1_demo_four_incidents_one_grouped_message(
    wb: Workbench, who: Principal, post: Post, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/slack").respond_with_data("ok")
    check(wb, who, demo_rows())
    assert severities(wb) == GOLDEN
    assert {i.subject for i in open_incidents(wb).values()} == {"high-value"}
    assert len(post.mails) == 1
    assert [r.path for r, _ in httpserver.log].count("/slack") == 1
    hook = next(json.loads(r.get_data()) for r, _ in httpserver.log if r.path == "/n8n")
    assert {"incidentId", "segmentId", "severity", "type", "evidence"} <= set(hook)
    assert (hook["segmentId"], hook["severity"], len(hook["incidents"])) == ("high-value", "HIGH", 4)
    mail = message_from_bytes(post.mails[0], policy=default).get_body(("plain",))
    assert mail is not None
    text = mail.get_content()
    for shown in ("High-value", "-42.00%", "android", "http://localhost:8501/segments?incident=INC-"):
        assert shown in text


def test_scenario_2_creep_is_one_incident_throughout(wb: Workbench, who: Principal) -> None:
    sizes = [10000, 9700, 9409, 9127, 8853, 8587, 8330, 8080, 7837, 7602, 7374]
    definition = yaml.safe_dump(
        {"segments": [{"id": "trial", "name": "Trial", "definition": {"rules": [{"field": "plan", "operator": "==",
                                                                                 "value": "trial"}]}}]}
    ).encode()  # fmt: skip
    found = {}
    for day in range(1, 12):
        check(wb, who, simple(sizes[:day]), day, definition)
        found[day] = open_incidents(wb).get("size_jump")
    assert [day for day, incident in found.items() if incident] == [8, 9, 10, 11]
    eighth, last = found[8], found[11]
    assert eighth is not None
    assert last is not None
    assert (eighth.severity.name, last.severity.name, last.occurrences) == ("LOW", "MEDIUM", 4)
    assert len({i.incident_id for i in found.values() if i}) == 1
    assert "-16.70%" in eighth.title
    assert "-23.98%" in last.title


@pytest.mark.parametrize(("limit", "size"), [(0.30, "LOW"), (1.0, None)])
def test_scenario_3_override(wb: Workbench, who: Principal, limit: float, size: str | None) -> None:
    document = yaml.safe_load((DATA / "segments.yaml").read_text("utf-8"))
    for segment in document["segments"] if isinstance(document, dict) else document:
        if segment.get("id", "").startswith("high") or segment["name"].lower().startswith("high"):
            segment.setdefault("baseline", {})["sizeChangePercent"] = limit
    check(wb, who, demo_rows(), segments=yaml.safe_dump(document).encode())
    assert severities(wb) == {k: v for k, v in {**GOLDEN, "size_jump": size}.items() if v}


def test_scenario_4_noise_is_suppressed_with_its_reason(wb: Workbench, who: Principal) -> None:
    definition = (
        b"segments:\n- {id: trial, name: Trial, definition: {rules: [{field: plan, operator: '==', value: t}]}}\n"
    )
    done = check(wb, who, simple([20, 14]), 2, definition)
    assert open_incidents(wb) == {}
    notes = " ".join(str(n) for n in done.report["notes"])  # type: ignore[union-attr]
    assert "small sample" in notes.lower() or "fewer than 30" in notes.lower()
    assert "conversion" in notes.lower()


def test_scenario_5_slack_500_leaves_the_others(
    wb: Workbench, who: Principal, post: Post, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "QUICK_WAIT_S", 0.0)
    httpserver.expect_request("/slack").respond_with_data("oops", status=500)
    before = telemetry.value("integration_call_failures_total", adapter="slack")
    done = check(wb, who, demo_rows())
    rows = done.report["deliveries"]
    assert isinstance(rows, list)
    assert {r["channel"]: (r["state"], r["attempts"]) for r in rows} == {
        "email": ("sent", 1), "slack": ("failed", 3), "teams": ("sent", 1), "webhook": ("sent", 1),
    }  # fmt: skip
    with wb.store.read() as books:
        tried = [e.decision["channel"] for e in books.audit.list("default", limit=500) if e.action == "message_failed"]
    assert tried == ["slack"] * 3
    assert telemetry.value("integration_call_failures_total", adapter="slack") - before == 3


def test_scenario_6_repeat_and_recovery(wb: Workbench, who: Principal, post: Post, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/slack").respond_with_data("ok")
    rows = demo_rows()
    check(wb, who, rows, 8)
    for extra in (1, 2):
        rows += day_after(demo_rows(), extra)
        check(wb, who, rows, 8 + extra)
    assert severities(wb) == GOLDEN
    assert {i.occurrences for i in open_incidents(wb).values()} == {3}
    assert len(post.mails) == 1
    for extra in (3, 4):
        rows += day_after(demo_rows(), extra, size="20000", velocity_out="1000")  # churn stays where it is
        check(wb, who, rows, 8 + extra)
    size = open_incidents(wb)["size_jump"]
    assert (size.status, size.resolved_by, size.occurrences) == (IncidentStatus.RESOLVED, "system", 3)
    subjects = [str(message_from_bytes(m, policy=default)["Subject"]) for m in post.mails]
    assert len(subjects) == 2
    assert "RECOVERED" in subjects[1]
    rows += day_after(demo_rows(), 5, size="20000", velocity_out="1000")
    check(wb, who, rows, 13)  # the way back is no new finding (PU-20)
    assert open_incidents(wb)["size_jump"].status is IncidentStatus.RESOLVED


def test_a_model_key_changes_words_only(wb: Workbench, who: Principal) -> None:
    """Without a model the same run is full: explanation, hypotheses and recommendations of known types."""
    done = check(wb, who, demo_rows())
    rows = done.report["explanations"]
    assert isinstance(rows, list)
    for row in rows:
        assert row["source"] == "Rules"
        assert row["summary"]
        assert row["hypotheses"]
        kinds = {r["type"] for r in row["recommendations"]}
        assert kinds
        assert kinds <= {"adjust_threshold", "split_segment", "archive_segment", "add_alert", "check_source"}


def test_viewer_may_look_but_not_run(wb: Workbench, who: Principal) -> None:
    from core.errors import Forbidden

    with pytest.raises(Forbidden):
        check(wb, replace(who, role="viewer"), demo_rows())


def test_a_follow_up_is_verified_by_the_next_snapshot_pu22(wb: Workbench, who: Principal, clock: Hand) -> None:
    """The action counts as helpful only when a snapshot taken after it is back at the incident's base."""
    clock.at = DAY + timedelta(hours=12)
    robot = Principal(user="sender:drift", tenant="default", role="responder")
    segments.import_yaml(wb, who, (DATA / "segments.yaml").read_bytes())
    snapshots.upload(wb, who, "snapshots.csv", written(demo_rows()))
    casework.run(wb, who, "segment_drift", kind="manual", ask_model=False)
    incident = open_incidents(wb)["size_jump"]
    drift.note(wb, robot, incident.incident_id, "high-value", Severity.HIGH, "source repaired")
    (action,) = actions.of_incident(wb, who, incident.incident_id)
    done = replace(action, state=ActionState.EXECUTED, mode="live", executed_at=clock.now())
    assert not verification.segment(wb, done).good
    clock.forward(days=1)
    back = day_after(demo_rows(), 1, size="20000", velocity_out="1000")
    snapshots.upload(wb, who, "snapshots.csv", written(back))
    assert verification.segment(wb, done).good
