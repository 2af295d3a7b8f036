"""The daily KPI playbook from files to report, without a model key: acceptance items OP-01..OP-22 and scenarios."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from core.audit.report import to_json
from core.errors import InputError
from core.model import IncidentStatus, Light, Source
from core.pipeline import parse_as_of
from core.service import incidents, reports, runs
from tests.playbooks.conftest import TABLES, demo_frames

KPIS = "daily_kpis"
CONCERNS = {
    "refunds", "signups", "conversion_rate", "tickets_opened", "avg_first_response_mins", "csat", "failures",
    "incident_count",
}  # fmt: skip
QUIET_ROW = {
    "revenue": {"gross": 107000, "refunds": 5900, "net": 101100, "new_customers": 371},
    "traffic": {"signups": 3040, "conversion_rate": 0.0502},
    "support": {"tickets_opened": 212, "avg_first_response_mins": 49, "csat": 4.50},
    "deploys": {"deploys": 18, "failures": 2, "incident_count": 0},
}


def day(text: str) -> datetime:
    at = parse_as_of(text)
    assert at is not None
    return at


def set_last(frames: dict[str, pd.DataFrame], values: dict[str, dict[str, float]]) -> None:
    for table, cells in values.items():
        for column, value in cells.items():
            frames[table].loc[frames[table].index[-1], column] = value


# --- Scenarios --------------------------------------------------------------------------------


def test_scenario_1_demo_day_is_red_by_guardrail(wb, who):
    run = runs.run(wb, who, KPIS)
    report = run.report
    assert run.light is Light.RED
    assert report["run"]["source"] == "Rules"
    assert report["decisions"][0]["receipt"]["row"] == "guardrail.force_red"
    assert report["report"]["guardrails"] == {"force_red": True}
    assert report["decisions"][0]["confidence"] == pytest.approx(0.90)
    assert set(report["report"]["concerns"]) == CONCERNS
    assert set(report["report"]["quiet"]) == {"gross", "net", "new_customers", "sessions"}  # OP-11


@pytest.mark.parametrize(
    ("date", "light", "confidence"),
    [("2025-12-12", "green", 0.90), ("2025-12-02", "green", 0.65), ("2025-12-01", "yellow", 0.60)],
)
def test_scenarios_2_and_3_earlier_days(wb, date, light, confidence):
    trace = runs.preview(wb, KPIS, as_of=day(date))
    assert trace.decision.light == light
    assert trace.decision.confidence == pytest.approx(confidence, abs=1e-9)


def test_scenario_2_figures_behind_the_quiet_day(wb):
    trace = runs.preview(wb, KPIS, as_of=day("2025-12-12"))
    deltas = {d.metric.name: d for d in trace.deltas}
    assert round(deltas["tickets_opened"].vs_baseline_pct, 2) == 7.46
    assert round(deltas["refunds"].vs_baseline_pct, 2) == 5.05
    assert round(deltas["failures"].vs_baseline_pct, 2) == 27.27
    assert round(deltas["failures"].vs_baseline_abs, 2) == 0.43
    assert trace.findings == ()


def test_scenario_4_repaired_row_is_green_then_tickets_turn_it_yellow(wb, edited):
    files = edited(lambda f: set_last(f, QUIET_ROW))
    assert runs.preview(wb, KPIS, files=files).decision.light is Light.GREEN

    def more_tickets(frames):
        set_last(frames, QUIET_ROW)
        set_last(frames, {"support": {"tickets_opened": 260}})

    trace = runs.preview(wb, KPIS, files=edited(more_tickets))
    tickets = next(d for d in trace.deltas if d.metric.name == "tickets_opened")
    assert trace.decision.light is Light.YELLOW
    assert round(tickets.vs_baseline_pct, 2) == 31.12


def test_scenario_5_guardrail_off_yet_three_systems_are_concerned(wb, edited):
    files = edited(lambda f: set_last(f, {"revenue": {"refunds": 5900, "net": 99400}}))
    trace = runs.preview(wb, KPIS, files=files)
    assert trace.decision.receipt.row == "concerns.several_systems"
    assert trace.decision.light is Light.RED
    assert {f.system for f in trace.findings} == {"traffic", "support", "deploys"}


# --- Load -------------------------------------------------------------------------------------


def test_op02_only_dates_in_all_four_files_count_and_dropped_ones_are_listed(wb, edited):
    def drop(frames):
        frames["support"] = frames["support"][frames["support"]["date"] != "2025-12-03"]

    trace = runs.preview(wb, KPIS, files=edited(drop))
    assert len(trace.panel.index) == 13
    for file in ("revenue.csv", "traffic.csv", "deploys.csv"):
        assert any(file in note and "2025-12-03" in note for note in trace.notes)
    assert not any("support.csv" in note for note in trace.notes)


def test_op03_too_few_aligned_days_states_the_count(wb, edited):
    def keep_seven(frames):
        frames["traffic"] = frames["traffic"].tail(7)

    with pytest.raises(InputError, match=r"7 aligned days found, at least 8"):
        runs.preview(wb, KPIS, files=edited(keep_seven))


def test_op03_eight_aligned_days_are_enough(wb, edited):
    def keep_eight(frames):
        frames["traffic"] = frames["traffic"].tail(8)

    assert runs.preview(wb, KPIS, files=edited(keep_eight)).decision.light is Light.RED


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("2025-11-30", ["2025-11-30", "no earlier day", "2025-12-01 to 2025-12-13"]),
        ("2026-02-01", ["2026-02-01", "no data", "2025-12-01 to 2025-12-13"]),
    ],
)
def test_op04_dates_that_cannot_be_judged(wb, date, words):
    with pytest.raises(InputError) as refused:
        runs.preview(wb, KPIS, as_of=day(date))
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("text", ["13.12.2025", "2025-13-01", "soon"])
def test_op05_malformed_target_date(text):
    with pytest.raises(InputError, match="expected YYYY-MM-DD"):
        parse_as_of(text)


@pytest.mark.parametrize("cell", ["", "abc", "NaN", "inf", "1e400"])
def test_op05_bad_cell_names_file_row_and_column(wb, cell):
    frames = demo_frames()
    lines = frames["revenue"].to_csv(index=False).splitlines()
    lines[5] = lines[5].replace(str(frames["revenue"].loc[4, "refunds"]), cell, 1)
    files = {"revenue": "\n".join(lines).encode()}
    with pytest.raises(InputError) as refused:
        runs.preview(wb, KPIS, files=files)
    message = str(refused.value)
    assert "revenue.csv" in message
    assert "refunds" in message
    assert "6" in message  # physical line


def test_op05_duplicate_date_names_the_file(wb, edited):
    def repeat(frames):
        frames["deploys"] = pd.concat([frames["deploys"], frames["deploys"].tail(1)])

    with pytest.raises(InputError, match=r"deploys\.csv.*2025-12-13"):
        runs.preview(wb, KPIS, files=edited(repeat))


def test_op01_missing_file_and_column_are_named(wb, edited):
    with pytest.raises(InputError, match=r"traffic\.csv"):
        runs.preview(wb, KPIS, files={"traffic": None})

    def without(frames):
        frames["support"] = frames["support"].drop(columns="csat")

    with pytest.raises(InputError, match=r"support\.csv.*csat"):
        runs.preview(wb, KPIS, files=edited(without))


def test_goldens_do_not_depend_on_order_or_calendar(wb, edited):
    """OP-09 with rows shuffled, dates moved by 400 days and an extra column: the same numbers."""

    def move(frames):
        for name in TABLES:
            moved = pd.to_datetime(frames[name]["date"]) + pd.Timedelta(days=400)
            frames[name]["date"] = moved.dt.strftime("%Y-%m-%d")
            frames[name]["remark"] = "x"
            frames[name] = frames[name].sample(frac=1.0, random_state=7)

    plain = runs.preview(wb, KPIS)
    shifted = runs.preview(wb, KPIS, files=edited(move))
    assert shifted.as_of - plain.as_of == pd.Timedelta(days=400)
    for a, b in zip(plain.deltas, shifted.deltas, strict=True):
        assert (a.value, a.previous, a.baseline, a.vs_baseline_pct) == (
            b.value,
            b.previous,
            b.baseline,
            b.vs_baseline_pct,
        )


# --- Check ------------------------------------------------------------------------------------


def test_op07_failed_soft_check_is_named_and_lowers_confidence(wb, edited):
    files = edited(lambda f: set_last(f, {"revenue": {"net": 80000}}))
    trace = runs.preview(wb, KPIS, files=files)
    assert trace.decision.confidence == pytest.approx(0.80)
    assert any("net" in note for note in trace.notes)
    assert trace.decision.light is Light.RED


def test_op07_range_check_on_csat(wb, edited):
    files = edited(lambda f: set_last(f, {**QUIET_ROW, "support": {**QUIET_ROW["support"], "csat": 5.2}}))
    trace = runs.preview(wb, KPIS, files=files)
    failed = [r for r in trace.checks.results if r.status == "failed"]
    assert [(r.table, r.column) for r in failed] == [("support", "csat")]
    assert failed[0].unexpected_count == 1
    assert trace.decision.confidence == pytest.approx(0.80)


# --- Decide, act, govern ----------------------------------------------------------------------


def test_op10_zero_baseline_has_no_percentage_and_fires_nothing_by_percent(wb):
    trace = runs.preview(wb, KPIS)
    incident_count = next(d for d in trace.deltas if d.metric.name == "incident_count")
    assert (incident_count.baseline, incident_count.vs_baseline_pct, incident_count.vs_baseline_abs) == (0.0, None, 2.0)
    assert trace.facts["incident_count.vs_baseline_pct"] is None


def test_op17_payload_holds_what_the_explainer_saw(wb, who):
    payload = runs.run(wb, who, KPIS).report["report"]
    assert payload["target_date"] == "2025-12-13"
    assert payload["dates"] == {"latest": "2025-12-13", "previous": "2025-12-12"}
    assert set(payload["metrics"]) == set(TABLES)
    assert sum(len(m) for m in payload["metrics"].values()) == 13
    assert all(len(figures) == 7 for metrics in payload["metrics"].values() for figures in metrics.values())
    assert payload["raw_latest_rows"]["revenue"] == {
        "date": "2025-12-13", "gross": 105300, "refunds": 17500, "net": 87800, "new_customers": 320,
    }  # fmt: skip


def test_op13_explanation_has_exactly_the_schema(wb, who):
    answer = runs.run(wb, who, KPIS).report["report"]["explanation"]
    assert set(answer) == {"status", "summary", "top_drivers", "recommended_actions", "confidence"}
    assert [set(d) for d in answer["top_drivers"]] == [{"system", "metric", "direction", "evidence"}] * 8
    assert [d["metric"] for d in answer["top_drivers"]] == [
        "failures", "refunds", "avg_first_response_mins", "tickets_opened", "conversion_rate", "signups", "csat",
        "incident_count",
    ]  # OP-14: by |vs7d %|, null last  # fmt: skip


def test_op19_artifact_is_written_for_a_green_day_too(wb, who, tmp_path):
    run = runs.run(wb, who, KPIS, as_of=day("2025-12-12"))
    path = reports.write_report(wb, run, tmp_path / "out")
    written = json.loads(path.read_text())
    assert path.name == "opspulse-report.json"
    assert written["light"] == "green"
    assert written["report"]["effective_status"] == "green"
    assert written["report"]["receipts"]["refunds"]["dates"] == [f"2025-12-{d:02d}" for d in range(5, 12)]
    assert written["incidents"] == []


def test_op20_one_incident_per_date(wb, who):
    first = runs.run(wb, who, KPIS)
    again = runs.run(wb, who, KPIS)
    one, two = first.report["incidents"][0], again.report["incidents"][0]
    assert one["incident_id"] == two["incident_id"]
    assert one["dedup_key"] == "kpi:2025-12-13"
    assert (one["occurrences"], two["occurrences"]) == (1, 2)
    assert one["severity"] == "CRITICAL"


def test_dismissed_incident_stays_dismissed_when_the_same_day_runs_again(wb, who):
    found = runs.run(wb, who, KPIS).report["incidents"][0]
    incidents.move(wb, who, found["incident_id"], "dismissed", "known promotion")
    again = runs.run(wb, who, KPIS).report["incidents"][0]
    assert (again["incident_id"], again["status"]) == (found["incident_id"], "DISMISSED")
    assert incidents.get(wb, who, found["incident_id"]).status is IncidentStatus.DISMISSED


def test_op22_same_inputs_same_report(wb, who):
    def stable(report):
        text = json.dumps(report, sort_keys=True)
        for changing in (report["run"]["id"], report["incidents"][0]["incident_id"]):
            text = text.replace(changing, "X")
        kept = json.loads(text)
        for incident in kept["incidents"]:
            for field in ("occurrences", "timeline", "updated_at", "status"):
                incident.pop(field)
        return kept

    assert stable(runs.run(wb, who, KPIS).report) == stable(runs.run(wb, who, KPIS).report)


def test_bad_input_keeps_a_refused_run_and_no_incident(wb, who, edited):
    def drop(frames):
        frames["traffic"] = frames["traffic"].tail(3)

    with pytest.raises(InputError):
        runs.run(wb, who, KPIS, files=edited(drop))
    with wb.store.read() as books:
        kept = books.runs.list("default")[0]
        assert (kept.status, kept.light) == ("failed_check", None)
        assert "3 aligned days" in kept.headline
        assert books.incidents.list("default") == ()
        assert books.outbox.list("default") == ()


def test_every_run_is_audited_and_the_chain_holds(wb, who):
    run = runs.run(wb, who, KPIS)
    with wb.store.read() as books:
        lines = books.audit.list("default", correlation_id=run.id)
        assert books.audit.verify("default").ok
    assert {line.action for line in lines} == {"findings", "explanation", "decision"}
    assert all(line.decision["actor"] == "ana" for line in lines)


def test_report_is_plain_json_without_nan(wb, who):
    report = runs.run(wb, who, KPIS).report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert to_json(Path("/somewhere/else/x.parquet")) == "x.parquet"


def test_source_is_rules_without_a_key(wb):
    trace = runs.preview(wb, KPIS)
    assert (trace.explanation.source, trace.explanation.ai_confidence, trace.explanation.tokens) == (
        Source.RULES,
        None,
        0,
    )
    assert trace.as_of == datetime(2025, 12, 13, tzinfo=UTC)
