"""The Audit page without a browser: chain, filters, decision, runs compared, model cost."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from core.model import Light, Run, Source

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def story(bench) -> None:
    """Two runs and three audit lines."""
    with bench.store.begin() as books:
        for n, (light, value) in enumerate(((Light.GREEN, 5), (Light.RED, 17)), start=1):
            report = {
                "findings": [] if n == 1 else [{"metric": "refunds", "labels": {}, "summary": "Refunds tripled"}],
                "report": {"metrics": {"revenue": {"refunds": {"value": value}}}},
            }
            books.runs.save(
                Run(
                    f"run-{n}", "daily_kpis", "default", AT, AT, AT.replace(hour=9 + n), "completed", light,
                    f"Headline {n}", Source.RULES, "ana", "manual", report,
                )
            )  # fmt: skip
        for agent, action in (("detect", "findings"), ("decide", "decision"), ("act", "message_sent")):
            books.audit.append("default", agent, action, {"actor": "ana", "n": 1}, AT, correlation_id="run-1")


def badges(at) -> str:
    return "\n".join(str(m.value) for m in at.markdown)


def test_the_chain_is_intact_and_its_lines_newest_first(opened, story):
    at = opened("audit")
    assert not at.exception
    assert "3 lines, intact" in badges(at)
    assert list(at.dataframe[0].value["action"]) == ["message_sent", "decision", "findings"]


def test_an_edited_line_is_found_when_somebody_checks(opened, story, bench, tmp_path):
    at = opened("audit")
    with sqlite3.connect(tmp_path / "telltale.db") as db:
        for (trigger,) in db.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            db.execute(f"drop trigger {trigger}")  # somebody with the file in hand can get past the append-only rule
        db.execute("update audit set action = 'nothing' where seq = 2")
    at.button(key="audit_verify").click().run()
    assert "broken at line 2" in badges(at)


def test_filters_and_the_decision_of_a_line(opened, story):
    at = opened("audit", audit_action="decision")
    assert list(at.dataframe[0].value["line"]) == [2]
    at.session_state["audit_table"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at.run()
    assert '"actor": "ana"' in at.json[0].value or '"actor":"ana"' in at.json[0].value
    nothing = opened("audit", audit_incident="INC-00000000")
    assert "No line matches" in nothing.info[0].value


def test_two_runs_are_compared(opened, story):
    at = opened("audit", audit_tab="Runs")
    assert list(at.dataframe[0].value["run"]) == ["run-2", "run-1"]
    at.session_state["audit_runs_False"] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    at.run()
    shown = badges(at)
    assert "Light: green to red" in shown
    assert "New: Refunds tripled" in shown
    assert at.dataframe[1].value.to_dict("records") == [{"metric": "refunds", "before": 5, "after": 17}]


def test_model_cost_without_a_model_and_with_use(opened, bench):
    at = opened("audit", audit_tab="Model cost")
    assert "rules only" in at.info[0].value
    assert not at.get("vega_lite_chart")
    held = bench.ctx.ledger.reserve(100, 0.1)
    bench.ctx.ledger.settle(held, 80, 0.05, "timeout")
    at = opened("audit", audit_tab="Model cost")
    assert not at.exception
    assert len(at.get("vega_lite_chart")) == 1
    assert "1 timeout" in badges(at)
