"""Detectors: forms from the fields, results side by side, and what is kept."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.detect.detectors import detectors
from core.service import sources
from core.service.workbench import Workbench

Open = Callable[..., AppTest]
Save = Callable[[str, bytes], str]


@pytest.fixture
def visits() -> bytes:
    """60 days with one day at four times the usual."""
    values = [100.0 + k % 7 for k in range(60)]
    values[40] = 400.0
    days = pd.date_range("2026-01-01", periods=60).strftime("%Y-%m-%d")
    return pd.DataFrame({"day": days, "visits": values}).to_csv(index=False).encode()


def pick(at: AppTest, name: str, *chosen: str) -> AppTest:
    return at.pills(key=f"detectors_pick_{name}").set_value(list(chosen)).run()


def result(at: AppTest) -> pd.DataFrame:
    return next(d.value for d in at.dataframe if "agrees" in d.value.columns).set_index("detector")


def test_nothing_runs_before_it_is_asked_for(opened: Open) -> None:
    at = opened("detectors")
    assert not at.exception
    assert not at.dataframe
    assert "run them over the whole history" in at.info[0].value


def test_every_registered_detector_has_a_form_and_runs(opened: Open, saved: Save, visits: bytes) -> None:
    name = saved("Visits", visits)
    at = pick(opened("detectors", source=name), name, *detectors.names)
    assert [s.value for s in at.subheader] == [d.title for d in detectors]
    at.button(key="detectors_run").click().run()
    assert not at.exception
    assert list(result(at).index) == [d.title for d in detectors]


def test_results_say_how_often_each_fired(opened: Open, saved: Save, visits: bytes) -> None:
    name = saved("Visits", visits)
    at = pick(opened("detectors", source=name), name, "change", "band")
    at.selectbox(key=f"detectors_{name}_change_side").set_value("both")
    at.selectbox(key=f"detectors_{name}_change_baseline").set_value("previous")
    at.number_input(key=f"detectors_{name}_change_pct").set_value(150.0)
    at.button(key="detectors_run").click().run()
    change = result(at).loc["Percentage change, side both, pct 150.0, on Previous point"]
    assert (change["alarms"], change["alarmed periods"], change["judged periods"]) == (1, 1, 59)
    assert change["agrees"] == 100
    assert change["latest"].startswith("quiet, ")
    fired = next(d.value for d in at.dataframe if "what" in d.value.columns)
    assert "2026-02-10" in fired["period"].tolist()


def test_changed_forms_are_not_mistaken_for_results(opened: Open, saved: Save, visits: bytes) -> None:
    name = saved("Visits", visits)
    at = pick(opened("detectors", source=name), name, "change")
    at.button(key="detectors_run").click().run()
    at.number_input(key=f"detectors_{name}_change_pct").set_value(50.0).run()
    assert any("changed since this run" in c.value for c in at.caption)


def test_abstentions_are_told_in_words(opened: Open, saved: Save) -> None:
    name = saved("Short", b"day,visits\n2026-01-01,5\n2026-01-02,6\n2026-01-03,7\n")
    at = pick(opened("detectors", source=name), name, "combined", "missing")
    at.button(key="detectors_run").click().run()
    said = " ".join(i.value for i in at.info)
    assert "needs 14 earlier points, has 2" in said
    assert "needs 10 earlier points, has 2" in said


def test_a_detector_that_cannot_fire_says_so(opened: Open, saved: Save, visits: bytes) -> None:
    """``visits`` has a good direction, ``label`` has none: on the bad side alone nothing can ever fire."""
    name = saved("Labels", visits.replace(b"visits", b"label"))
    at = pick(opened("detectors", source=name), name, "change")
    at.button(key="detectors_run").click().run()
    assert "cannot fire on the latest period" in at.warning[0].value


def test_a_playbook_is_only_tried_out(opened: Open) -> None:
    at = opened("detectors")
    at.button(key="detectors_run").click().run()
    assert not at.exception
    assert "try-out for this session" in at.info[-1].value
    assert at.code[0].value.startswith("detectors:\n- detector: band")
    assert "detectors_save" not in [b.key for b in at.button]


def test_saving_gives_the_source_these_detectors(opened: Open, saved: Save, visits: bytes, bench: Workbench) -> None:
    name = saved("Visits", visits)
    at = pick(opened("detectors", source=name), name, "change")
    at.number_input(key=f"detectors_{name}_change_pct").set_value(40.0)
    at.button(key="detectors_run").click().run()
    at.button(key="detectors_save").click().run()
    assert not at.exception
    kept = sources.get(bench, bench.tenant, name).detectors
    assert [(u.detector, dict(u.params)) for u in kept] == [("change", {"pct": 40.0})]


def test_a_list_that_cannot_be_read_is_named(opened: Open, saved: Save, visits: bytes) -> None:
    name = saved("Visits", visits)
    at = pick(opened("detectors", source=name), name, "level_shift")
    at.text_input(key=f"detectors_{name}_level_shift_windows").set_value("3, many").run()
    assert at.error[0].value == "Windows: '3, many' is not a list of numbers."
