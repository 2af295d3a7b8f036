"""The Services page without a browser: what counts as healthy, a check, cause and remedy, own data, who may decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Principal, local
from core.errors import InputError
from core.model import ActionState
from core.service import actions, casework, health, incidents, inputs
from core.service.health import PLAYBOOK, State
from core.service.workbench import Workbench
from ui import auth

ANA = local("default")
HEAD = "ts,service,host,requests_total,error_count,latency_ms"
Open = Callable[..., AppTest]


def texts(at: AppTest) -> str:
    shown = (*at.markdown, *at.header, *at.caption, *at.title, *at.info, *at.success, *at.warning, *at.error)
    return "\n".join(str(e.value) for e in shown).replace("\\", "")


def metric(at: AppTest, label: str) -> tuple[str, str]:
    found = next(m for m in at.metric if m.label == label)
    return found.value, found.delta


def rows(*lines: tuple[float, str, int, int, float]) -> bytes:
    """metrics.csv with lines (minutes ago, service, requests, errors, ms)."""
    now = datetime.now(UTC)
    told = [f"{now - timedelta(minutes=m):%Y-%m-%dT%H:%M:%SZ},{s},a,{r},{e},{ms}" for m, s, r, e, ms in lines]
    return "\n".join([HEAD, *told, ""]).encode()


@pytest.fixture
def incident(bench: Workbench) -> str:
    """The demo checked once: its one incident."""
    casework.run(bench, ANA, PLAYBOOK, ask_model=False)
    with bench.store.read() as books:
        (found,) = books.incidents.list("default", playbook=PLAYBOOK)
    return found.incident_id


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))


def test_the_demo_shows_both_measures_beside_their_limits(opened: Open) -> None:
    """DP-01, DP-04: 12.00 % and its limit on the card of the one service that is over it."""
    at = opened("services")
    assert not at.exception
    assert metric(at, "In order") == ("3 of 4", "1 over")
    rates = [(m.value, m.delta) for m in at.metric if m.label == "Error rate"]
    assert rates[0] == ("12.00 %", "limit 5 %")
    assert len(rates) == 4
    shown = texts(at)
    assert "Over its limit" in shown
    assert "limits 5 % errors and 1,000 ms p99, 100 requests needed" in shown


def test_stale_and_thin_data_never_look_healthy(opened: Open, bench: Workbench) -> None:
    """DP-02: no row in the window, or too few requests: unknown, and not counted as in order."""
    content = rows((1, "ok", 500, 1, 90), (2, "thin", 12, 0, 80), (200, "old", 900, 0, 70))
    inputs.put_file(bench, ANA, PLAYBOOK, "metrics.csv", content, "mine.csv")
    of = health.look(bench, ANA)
    assert {s.service: s.state for s in of.services} == {"ok": State.OK, "thin": State.THIN, "old": State.STALE}
    at = opened("services")
    assert metric(at, "In order") == ("1 of 3", "1 stale, 1 thin")
    shown = texts(at)
    assert "12 of 100 requests needed" in shown
    assert "No row since" in shown
    assert [m.delta for m in at.metric].count("not judged") == 2
    assert shown.count("In order[/]") + shown.count("In order]") == 1
    at = opened("services", service="old")
    assert [m.value for m in at.metric][:3] == ["unknown", "unknown", "unknown"]
    assert "Error rate: no data in these minutes" in texts(at)
    assert "within its limit" not in texts(at)


def test_a_check_opens_the_incident_and_sends_nothing(opened: Open, bench: Workbench) -> None:
    at = opened("services")
    at.button(key="services_check").click().run()
    assert "Nothing was sent" in at.warning[0].value
    assert "payment-service: error rate 12.00 %" in texts(at)
    with bench.store.read() as books:
        (found,) = books.incidents.list("default", playbook=PLAYBOOK)
        assert books.outbox.list("default") == ()
    assert (found.occurrences, found.severity.name) == (1, "CRITICAL")
    at.run()
    with bench.store.read() as books:
        assert books.incidents.get("default", found.incident_id).occurrences == 1  # no rerun checks anew


def test_one_service_shows_cause_evidence_and_proposals(opened: Open, incident: str) -> None:
    """DP-08 to DP-10, DP-13: 847 of 1,000, confidence 0.92 with its parts, the rollback first."""
    at = opened("services", service="payment-service")
    assert not at.exception
    shown = texts(at)
    for expected in (
        "847 of 1,000 error lines (84.7 %)",
        "confidence 0.92",
        "`+0.40` deployed 45 min before the onset",
        "Deployment v2.4.1 by john.doe",
        "Ask for changes that are not recorded here",
        "Roll payment-service back from v2.4.1 to v2.3.9",
        "about 5 min · risk 0.20",
        "dry run",
    ):
        assert expected in shown
    assert len(at.get("vega_lite_chart")) == 3  # both measures and the top errors
    approve = [b.key for b in at.button if "_approve_" in str(b.key)]
    assert len(approve) == 2


def test_a_healthy_service_has_its_logs_and_no_incident(opened: Open, incident: str) -> None:
    at = opened("services", service="cart-service")
    assert not at.exception
    shown = texts(at)
    assert "Open incidents (0)" in shown
    assert "within its limit of 5 %" in shown


def test_an_unknown_service_is_a_message(opened: Open) -> None:
    at = opened("services", service="nope")
    assert not at.exception
    assert "No service of that name" in at.warning[0].value


def test_the_drawer_opens_from_the_alerts_link(opened: Open, incident: str) -> None:
    at = opened("services", incident=incident)
    assert not at.exception
    assert "Confidence 0.92 is the sum of" in texts(at)
    at.session_state["drawer_tab"] = "What to do"
    at.run()
    assert [b for b in at.button if str(b.key).startswith("drawer_approve_")]


def rollback(bench: Workbench, incident_id: str) -> str:
    found = actions.of_incident(bench, ANA, incident_id)
    return next(a.action_id for a in found if a.proposal.action_type == "rollback")


def test_approving_begins_work_and_a_rejection_needs_a_reason(opened: Open, incident: str, bench: Workbench) -> None:
    """DP-15, DP-16: decided in the page; the reason is kept, the incident is in progress."""
    at = opened("services", service="payment-service")
    action, pool = rollback(bench, incident), ""
    pool = next(a.action_id for a in actions.of_incident(bench, ANA, incident) if "pool" in a.proposal.action_type)
    at.button(key=f"services_do_reject_{pool}").click().run()
    assert any("needs a reason" in e.value for e in at.error)
    at.text_input(key=f"services_do_reason_{pool}").set_value("rolling back instead").run()
    at.button(key=f"services_do_reject_{pool}").click().run()
    at.button(key=f"services_do_approve_{action}").click().run()
    assert actions.get(bench, ANA, pool).reason == "rolling back instead"
    assert actions.get(bench, ANA, action).state is ActionState.APPROVED
    assert incidents.get(bench, ANA, incident).status == "IN_PROGRESS"
    assert "Approved by local" in texts(at)


def test_the_exact_request_is_shown(opened: Open, incident: str, bench: Workbench) -> None:
    action = rollback(bench, incident)
    at = opened("services", service="payment-service")
    at.session_state[f"services_do_request_{action}"] = True
    at.run()
    assert any("POST sandbox://demo/actions" in c.value for c in at.code)
    assert '"v2.3.9"' in at.json[0].value


def test_a_viewer_reads_and_cannot_decide(opened: Open, incident: str, viewer: None) -> None:
    """DP-21"""
    at = opened("services", service="payment-service")
    assert not at.exception
    assert not [b for b in at.button if "_approve_" in str(b.key)]
    assert "The role viewer reads" in texts(at)
    assert at.button(key="services_check").disabled


def test_a_role_that_was_taken_away_meanwhile_is_refused(
    opened: Open, incident: str, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = rollback(bench, incident)
    at = opened("services", service="payment-service")
    monkeypatch.setattr(auth, "current", lambda: Principal("vera", "default", "viewer"))
    at.button(key=f"services_do_approve_{action}").click().run()
    assert actions.get(bench, ANA, action).state is ActionState.PROPOSED
    assert any("does not hold actions:approve" in e.value for e in at.error)


def test_own_files_replace_the_demo_and_every_rejected_row_says_why(opened: Open, bench: Workbench) -> None:
    """DP-02: line and reason; what cannot be read at all changes nothing."""
    at = opened("services", services_tab="Data")
    content = rows((1, "a", 500, 1, 90), (2, "a", 100, 200, 80))
    at.file_uploader(key="services_files_0").upload("my_metrics.csv", content)
    at.run()
    assert "metrics.csv in use from now on." in texts(at)
    assert "metrics: 1 rows, 1 rejected" in texts(at)
    (table,) = (d.value for d in at.dataframe if "reason" in d.value.columns)
    assert table["line"].tolist() == [3]
    assert "error_count 200 is more than requests_total 100" in table["reason"][0]
    at.file_uploader(key="services_files_1").upload("metrics.csv", b"when,what\n1,2\n")
    at.run()
    assert at.error
    assert inputs.listing(bench, "default", PLAYBOOK)[0].original == "my_metrics.csv"
    at.button(key="services_demo").click().run()
    assert inputs.listing(bench, "default", PLAYBOOK) == ()


def test_a_file_of_an_unknown_name_is_refused(opened: Open, bench: Workbench) -> None:
    at = opened("services", services_tab="Data")
    at.file_uploader(key="services_files_0").upload("orders.csv", b"a\n1\n")
    at.run()
    assert "orders.csv: which of the files it stands for is not clear." in at.error[0].value
    with pytest.raises(InputError, match=r"metrics\.csv: file is missing"):
        health.trial(bench, ANA, {"logs.csv": b"ts,service,level,message\n"})


def test_data_that_ended_can_be_judged_at_its_own_end(opened: Open, bench: Workbench) -> None:
    content = rows(*((600 + m, "a", 200, 40, 90) for m in range(10)))
    inputs.put_file(bench, ANA, PLAYBOOK, "metrics.csv", content, "mine.csv")
    at = opened("services")
    assert metric(at, "In order") == ("0 of 1", "1 stale")
    at.toggle(key="services_replay").set_value(True).run()
    assert not at.exception
    assert metric(at, "In order") == ("0 of 1", "1 over")
    assert next(m.value for m in at.metric if m.label == "Error rate") == "20.00 %"


def test_the_last_check_and_the_schedule(opened: Open, incident: str) -> None:
    at = opened("services", services_tab="Last check")
    assert "payment-service: error rate 12.00 %" in texts(at)
    assert "Every check passed." in texts(at)
    at = opened("services", services_tab="Schedule")
    assert at.text_input(key=f"alerts_cron_{PLAYBOOK}").value == "* * * * *"


def test_a_reported_incident_without_a_run_opens_in_the_drawer(opened: Open, incident: str, bench: Workbench) -> None:
    """DP-23: one that a program reported has no run and no explanation of ours."""
    with bench.store.begin() as books:
        known = books.incidents.get("default", incident)
        books.incidents.add(
            replace(known, incident_id="INC-AAAAAAAA", dedup_key="service:x:y", run_id="", subject="x",
                    body={"reported": "queue is full"})
        )  # fmt: skip
    at = opened("incidents", incident="INC-AAAAAAAA")
    assert not at.exception
    assert "queue is full" in texts(at)
