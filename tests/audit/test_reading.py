"""A kept report gives back the values it was made from."""

from __future__ import annotations

import json

from core.audit import reading
from core.audit.report import to_json
from core.service import runs
from tests.playbooks.conftest import settings, wb, who  # noqa: F401 - fixtures


def test_explanation_and_decision_survive_the_report(wb, who):  # noqa: F811
    trace = runs.preview(wb, "daily_kpis")
    report = json.loads(json.dumps(runs.run(wb, who, "daily_kpis").report))
    explanation, decision = reading.explanation_of(report), reading.decision_of(report)
    assert to_json(explanation) == to_json(trace.explanation)
    assert to_json(decision) == to_json(trace.decision)
    assert explanation is not None
    assert explanation.summary == trace.explanation.summary


def test_a_refused_run_has_neither():
    report = {"run": {"id": "r"}, "error": {"message": "traffic.csv: file is missing."}}
    assert reading.explanation_of(report) is None
    assert reading.decision_of(report) is None
