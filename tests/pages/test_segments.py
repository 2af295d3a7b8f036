"""The Segments page without a browser: the demo, a check, one segment in full, new normal, files, roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.access import local
from core.model import IncidentStatus, Snapshot
from core.service import audience, casework, incidents, segments, snapshots
from core.service.workbench import Workbench
from core.store.outbox import DeliveryState

ANA = local("default")
DRIFT = "segment_drift"
Open = Callable[..., AppTest]


def texts(at: AppTest) -> str:
    kinds = (at.markdown, at.header, at.subheader, at.caption, at.title, at.info, at.success, at.warning, at.text)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def metrics(at: AppTest) -> dict[str, str]:
    return {m.label: str(m.value) for m in at.metric}


def opened_incidents(bench: Workbench) -> dict[str, str]:
    with bench.store.read() as books:
        return {i.type: i.status for i in books.incidents.list(ANA.tenant, playbook=DRIFT, limit=50)}


@pytest.fixture
def demo(bench: Workbench) -> Workbench:
    assert segments.seed_demo(bench, ANA)
    return bench


@pytest.fixture
def drifting(demo: Workbench) -> Workbench:
    casework.run(demo, ANA, DRIFT)
    return demo


def test_nothing_yet_says_where_to_begin_and_loads_the_demo(opened: Open, bench: Workbench) -> None:
    at = opened("segments")
    assert not at.exception
    assert "No segments yet" in at.info[0].value
    at.button(key="segments_demo").click().run()  # PU-03
    assert "The demo is loaded" in at.success[0].value
    assert {s.name for s in segments.listing(bench, ANA)} == {"High-value", "Trial", "Churned", "Power", "Enterprise"}
    assert metrics(at)["Monitored"] == "5 of 5"
    assert metrics(at)["Detection lead time"] == "n/a"


def test_a_check_by_hand_finds_four_and_sends_nothing(opened: Open, demo: Workbench) -> None:
    at = opened("segments")
    at.button(key="segments_check").click().run()  # scenario 1
    assert not at.exception
    assert "4 incidents, worst first: High-value: size" in texts(at)
    assert "Nothing was sent" in at.warning[0].value
    assert metrics(at)["Open incidents"] == "4"
    assert set(opened_incidents(demo)) == {
        "size_jump",
        "distribution_shift",
        "conversion_anomaly",
        "inactivity_creep",
    }
    with demo.store.read() as books:
        assert books.outbox.list(ANA.tenant, state=DeliveryState.QUEUED) == ()
    first = next(m.value for m in at.markdown if str(m.value).startswith("**") and "people" not in str(m.value))
    assert "High" in first  # drifting segments come first


def test_the_list_can_be_searched(opened: Open, drifting: Workbench) -> None:
    at = opened("segments")
    at.text_input(key="segments_text").set_value("SALES").run()
    shown = [b.key for b in at.button if str(b.key).startswith("segments_open_")]
    assert shown == ["segments_open_enterprise"]
    at.text_input(key="segments_text").set_value("").run()
    at.toggle(key="segments_only").set_value(True).run()
    assert [b.key for b in at.button if str(b.key).startswith("segments_open_")] == ["segments_open_high-value"]
    at.text_input(key="segments_text").set_value("nobody").run()
    assert "No segment matches" in at.info[0].value


def test_one_segment_shows_what_moved_against_the_base_of_its_incident(opened: Open, drifting: Workbench) -> None:
    at = opened("segments", segment="high-value")
    assert not at.exception
    assert at.title[0].value == "High-value"
    told = texts(at)
    assert "11,600 people, 42.0 % below the base of its open incident" in told
    assert "platform is furthest away (0.40): android went from 40.0% to 0.0%" in told
    assert metrics(at)["Size"] == "11,600"
    assert metrics(at)["Conversion"] == "10.00%"
    at.segmented_control(key="segments_against_high-value").set_value("previous").run()
    assert "11,600 people, the same as the snapshot before" in texts(at)


def test_the_receipt_names_the_snapshots_used(opened: Open, drifting: Workbench) -> None:
    at = opened("segments", segment="high-value", segments_part="Receipt")
    told = texts(at)
    assert "Size, limit 15%" in told
    assert "Every snapshot passed the checks." in told
    table = at.table[0].value
    assert table["× limit"].tolist() == ["2.80", "0.00", "2.80", "2.80"]
    assert all("(7)" in used or used.count(" ") for used in table["snapshots used"])


@pytest.mark.parametrize("part", ["Make-up over time", "Inflow and outflow", "Conversion and churn"])
def test_every_part_of_a_story_draws(opened: Open, drifting: Workbench, part: str) -> None:
    at = opened("segments", segment="high-value", segments_part=part)
    assert not at.exception
    assert len(at.get("vega_lite_chart")) >= 2


@pytest.mark.parametrize("tab", ["Overlap", "Last check", "Data", "Schedules"])
def test_every_tab_shows(opened: Open, drifting: Workbench, tab: str) -> None:
    at = opened("segments", segments_tab=tab)
    assert not at.exception
    wanted = {
        "Overlap": "59% of Power is also in High",
        "Last check": "Nothing was suppressed, and every snapshot passed the checks.",
        "Data": "snapshots of the last 45 days; kept for 400 days.",
        "Schedules": "Schedule of the daily check",
    }
    assert wanted[tab] in texts(at)


def test_both_clocks_can_be_set(opened: Open, demo: Workbench) -> None:
    at = opened("segments", segments_tab="Schedules")  # PU-27
    assert at.text_input(key="alerts_cron_segment_drift.snapshot").value == "0 2 * * *"
    assert at.text_input(key="alerts_cron_segment_drift").value == "0 3 * * *"
    at.text_input(key="alerts_cron_segment_drift").set_value("61 3 * * *").run()
    at.button(key="alerts_schedule_save_segment_drift").click().run()
    assert "61 3 * * *" in at.error[0].value
    at.text_input(key="alerts_cron_segment_drift").set_value("30 3 * * *").run()
    at.toggle(key="alerts_on_segment_drift").set_value(True).run()
    at.button(key="alerts_schedule_save_segment_drift").click().run()
    with demo.store.read() as books:
        kept = books.schedules.get(ANA.tenant, DRIFT)
    assert kept is not None
    assert (kept.cron, kept.enabled) == ("30 3 * * *", True)


def test_an_unknown_segment_leads_back(opened: Open, demo: Workbench) -> None:
    at = opened("segments", segment="nope")
    assert "There is no segment 'nope'" in at.error[0].value
    at.button(key="segments_back").click().run()
    assert metrics(at)["Monitored"] == "5 of 5"


def test_an_incident_opens_by_its_link(opened: Open, drifting: Workbench) -> None:
    with drifting.store.read() as books:
        found = next(i for i in books.incidents.list(ANA.tenant, playbook=DRIFT, limit=9) if i.type == "size_jump")
    at = opened("segments", incident=found.incident_id)
    assert not at.exception
    assert any("42.00%" in str(h.value) for h in at.header)
    assert at.button(key="recovery_show").label == "Send the alert"


def test_accepting_a_new_normal_resolves_and_can_be_undone(opened: Open, drifting: Workbench) -> None:
    at = opened("segments", segment="high-value")
    at.button(key="segments_normal").click().run()  # PU-08: all four drifting measures are chosen
    assert not at.exception
    assert set(opened_incidents(drifting).values()) == {IncidentStatus.RESOLVED}
    segment = segments.get(drifting, ANA, "high-value")
    assert set(segment.normal_since) == {
        "size_jump",
        "distribution_shift",
        "conversion_anomaly",
        "inactivity_creep",
    }
    assert metrics(at)["Size"] == "11,600"
    assert "High-value holds 11,600 people" in [h.value.replace("\\", "") for h in at.header]
    at.button(key="segments_forget_size_jump").click().run()
    assert "size_jump" not in segments.get(drifting, ANA, "high-value").normal_since
    assert "use the whole history again" in at.success[0].value


def test_a_snapshot_now_replaces_that_of_the_day(opened: Open, demo: Workbench) -> None:
    at = opened("segments", segment="trial")
    at.button(key="segments_take").click().run()  # PU-04
    assert "1 snapshot taken, 1 of today replaced." in at.success[0].value
    kept = snapshots.history(demo, ANA, "trial")
    assert len(kept) == 8
    assert kept[-1].source == "people.csv"


def test_bad_data_is_withheld_and_shown(opened: Open, demo: Workbench) -> None:
    last = snapshots.history(demo, ANA, "trial")[-1]
    wrong = Snapshot("trial", last.ts + timedelta(minutes=1), 10_000, {"plan": {"trial": 0.5}}, 1.5)
    with demo.store.begin() as books:
        books.snapshots.save(ANA.tenant, [wrong])
        books.audit.append(ANA.tenant, "test", "snapshots_taken", {}, wrong.ts, correlation_id="test")
    at = opened("segments", segment="trial", segments_part="Receipt")  # PU-06
    told = texts(at)
    assert "Snapshots withheld as bad data (1)" in told
    assert "the shares of plan add up to 0.5000, expected 1" in told
    assert metrics(at)["Size"] != "10,000"


def test_suppressed_findings_are_shown_with_their_reason(opened: Open, bench: Workbench) -> None:
    segments.create(
        bench, ANA, {"name": "Tiny", "definition": {"rules": [{"field": "plan", "operator": "==", "value": "trial"}]}}
    )
    now = bench.ctx.clock.now()
    shares = {"plan": {"trial": 1.0}}
    with bench.store.begin() as books:
        books.snapshots.save(
            ANA.tenant,
            [
                Snapshot("tiny", now - timedelta(days=1), 20, shares),
                Snapshot("tiny", now - timedelta(hours=1), 14, shares),
            ],
        )
    casework.run(bench, ANA, DRIFT)  # scenario 4
    at = opened("segments", segments_tab="Last check")
    told = texts(at)
    assert "Suppressed findings (1)" in told
    assert "small sample: fewer than 30 people" in told
    assert "Conversion is not tracked" in told
    assert opened_incidents(bench) == {}


def test_a_people_table_is_taken_over_with_its_rejects(opened: Open, demo: Workbench) -> None:
    at = opened("segments", segments_tab="Data")
    csv = b"id,ltv,last_active_days,plan\n1,1500,3,trial\n2,10,90,pro\n3,1,1,pro,extra,cells\n"
    at.file_uploader(key="segments_people_0").upload("crm.csv", csv).run()
    assert not at.exception
    stored = audience.stored(demo, ANA.tenant)
    assert stored is not None
    assert (stored.uri, stored.rows, stored.rejected_rows) == ("upload:crm.csv", 2, 1)
    assert "2 people from upload:crm.csv are in use" in texts(at)
    assert len(at.dataframe[0].value) == 1
    at.button(key="segments_people_reset").click().run()
    assert audience.stored(demo, ANA.tenant) is None


def test_snapshots_from_a_file_and_what_was_rejected(opened: Open, demo: Workbench) -> None:
    at = opened("segments", segments_tab="Data")
    day = (demo.ctx.clock.now() - timedelta(days=9)).date().isoformat()
    rows = [
        {"segment": "Trial", "ts": f"{day}T02:00:00Z", "size": 9_999, "attr_distributions": {"plan": {"trial": 1.0}}},
        {"segment": "Ghost", "ts": f"{day}T02:00:00Z", "size": 1, "attr_distributions": {}},
    ]
    at.file_uploader(key="segments_snapshots_0").upload("history.json", json.dumps(rows).encode()).run()
    assert not at.exception
    assert "1 snapshots kept, 1 rows rejected." in at.success[0].value
    assert "Ghost" in str(at.dataframe[0].value["reason"][0])
    assert snapshots.history(demo, ANA, "trial")[0].size == 9_999
    at.file_uploader(key="segments_snapshots_1").upload("history.json", b"nonsense").run()
    assert at.error


def test_a_resolved_incident_leaves_the_list(opened: Open, drifting: Workbench) -> None:
    with drifting.store.read() as books:
        found = next(i for i in books.incidents.list(ANA.tenant, playbook=DRIFT, limit=9) if i.type == "size_jump")
    at = opened("segments")
    incidents.move(drifting, ANA, found.incident_id, IncidentStatus.RESOLVED)
    at.run()
    assert metrics(at)["Open incidents"] == "3"
