"""The Today page without a browser: verdict, cards, run, what-if, bad data."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from core.access import local
from core.bootstrap import ROOT
from core.service import runs


def texts(at: AppTest) -> str:
    return "\n".join(str(e.value) for e in (*at.markdown, *at.header, *at.caption, *at.title))


def badges(at: AppTest) -> list[str]:
    return [str(e.value) for e in at.markdown if "badge" in str(e.value)]


def test_demo_day_shows_light_headline_and_every_metric(opened):
    at = opened("today")
    assert not at.exception
    assert any("RED" in b for b in badges(at))
    assert any("confidence 0.90" in b for b in badges(at))
    assert at.header[0].value.startswith("8 metrics moved the wrong way across 4 systems: Refunds +213.70%")
    assert len(at.metric) == 13
    refunds = next(m for m in at.metric if m.label == "Refunds")
    assert (refunds.value, refunds.delta) == ("17,500", "+213.70%")
    incidents = next(m for m in at.metric if m.label == "Incidents")
    assert incidents.delta == "2 (baseline 0)"


def test_another_period_is_judged_on_its_own(opened):
    at = opened("today", today_date="2025-12-12")
    assert any("GREEN" in b for b in badges(at))
    assert at.info[0].value.startswith("Nothing fired. 12 metrics were judged")


def test_run_and_save_keeps_a_run_and_says_so(opened, bench):
    at = opened("today")
    at.button(key="today_run").click().run()
    with bench.store.read() as books:
        kept = books.runs.list("default")
    assert [r.light for r in kept] == ["red"]
    assert kept[0].id in texts(at)


def test_a_kept_run_is_recognised_by_its_content(opened, bench):
    run = runs.run(bench, local("default"), "daily_kpis")
    assert run.id in texts(opened("today"))
    assert run.id not in texts(opened("today", today_date="2025-12-12"))


def test_send_keeps_the_run_first_and_names_the_missing_setting(opened, bench):
    at = opened("today")
    at.button(key="today_send").click().run()
    assert at.get("dialog")
    assert any("SMTP_HOST" in i.value for i in at.info)
    with bench.store.read() as books:
        assert len(books.runs.list("default")) == 1
        assert books.outbox.list("default") == ()


def test_edited_figures_flip_the_light_and_restore_brings_it_back(opened):
    at = opened("today")
    lines = (ROOT / "data" / "daily_kpis" / "revenue.csv").read_text().splitlines()
    quiet = "\n".join([*lines[:-1], "2025-12-13,107000,5900,101100,371"]).encode()
    at.session_state["edits"] = {"daily_kpis": {"revenue": quiet}}
    at.run()
    refunds = next(m for m in at.metric if m.label == "Refunds")
    assert refunds.value == "5,900"
    assert at.header[0].value.startswith("7 metrics moved the wrong way across 3 systems")
    at.button(key="what_if_restore").click().run()
    assert next(m for m in at.metric if m.label == "Refunds").value == "17,500"


def test_broken_edit_is_a_message_with_a_way_back(opened):
    at = opened("today")
    at.session_state["edits"] = {
        "daily_kpis": {"traffic": b"date,sessions,signups,conversion_rate\n2025-12-13,x,1,0\n"}
    }
    at.run()
    assert not at.exception
    assert "traffic.csv" in at.error[0].value
    assert "sessions" in at.error[0].value
    at.button(key="restore_broken").click().run()
    assert len(at.metric) == 13


def test_a_finding_opens_by_its_link(opened, bench):
    finding = runs.preview(bench, "daily_kpis").findings[0]
    at = opened("today", finding=finding.id)
    assert at.get("dialog")
    assert finding.summary.split(" vs ")[0].split()[-1] in texts(at)
