"""The Data quality page: bad data, checks that could not run, what is blocked, and suites tried and saved."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from streamlit.testing.v1 import AppTest

from core import access
from core.check.spec import CheckSpec
from core.service import checks, sources
from core.service.workbench import Workbench

Open = Callable[..., AppTest]
Save = Callable[[str, bytes], str]
DAYS = pd.date_range("2026-01-01", periods=30).strftime("%Y-%m-%d")
CSV = ("day,orders,shop\n" + "".join(f"{d},{i if i != 4 else ''},a\n" for i, d in enumerate(DAYS))).encode()
FILLED = "expect_column_values_to_not_be_null"
SUITE = (
    CheckSpec(check=FILLED, table="shop", column="orders", blocks=("orders",), dimension="completeness"),
    CheckSpec(check=FILLED, table="shop", column="gone", dimension="completeness"),
    CheckSpec(check="expect_column_values_to_be_in_set", table="shop", column="shop", params={"value_set": ["a"]}),
)  # fmt: skip


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click()
    return at.run()


def figures(at: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in at.metric}


def checked(bench: Workbench, saved: Save) -> str:
    name = saved("shop", CSV)
    checks.save_suite(bench, access.local(bench.tenant), name, SUITE)
    return name


def test_a_check_that_raised_is_an_error_and_not_bad_data(opened: Open, bench: Workbench, saved: Save) -> None:
    checked(bench, saved)
    at = press(opened("quality", source="shop"), "quality_run")
    assert not at.exception
    assert figures(at) == {"Passed": "1", "Failed": "1", "Errors": "1"}
    results = next(d.value for d in at.dataframe if "Status" in d.value.columns)
    assert results["Status"].tolist() == ["failed", "error", "passed"]
    assert results["Failing rows"].tolist() == [1, 0, 0]
    (rows,) = (d.value for d in at.dataframe if "Row" in d.value.columns)
    assert rows["day"].tolist() == ["2026-01-05"]
    assert at.warning[0].value.startswith("orders: moves of these are shown as data problems")


def test_every_run_is_kept_and_audited(opened: Open, bench: Workbench, saved: Save) -> None:
    name = checked(bench, saved)
    press(press(opened("quality", source=name), "quality_run"), "quality_run")
    who = access.local(bench.tenant)
    assert [len(o.rows) for o in checks.history(bench, who, name)] == [3, 3]
    with bench.store.read() as books:
        assert [e.action for e in books.audit.list(bench.tenant)].count("checks_run") == 2


def test_a_playbooks_suite_is_tried_in_this_session_only(opened: Open, bench: Workbench) -> None:
    at = opened("quality")
    at.session_state["quality_suites"] = {"daily_kpis": bench.playbooks["daily_kpis"].checks[:2]}
    at.run()
    assert at.button(key="quality_run").label == "Run 2 checks"
    assert at.button(key="quality_run").label != f"Run {len(bench.playbooks['daily_kpis'].checks)} checks"
    again = opened("quality")
    assert again.button(key="quality_run").label == f"Run {len(bench.playbooks['daily_kpis'].checks)} checks"


def test_yaml_that_is_wrong_says_where_and_changes_nothing(opened: Open, bench: Workbench, saved: Save) -> None:
    name = checked(bench, saved)
    at = opened("quality", source=name)
    at.session_state["quality_edit"] = True
    at.run()
    at.session_state["quality_way"] = "YAML"
    at.run()
    at.text_area[0].set_value("checks:\n- check: expect_nothing\n  table: shop\n")
    press(at, "quality_use_yaml")
    assert "checks[0]: unknown check 'expect_nothing'" in at.error[0].value
    at.text_area[0].set_value("checks:\n- {check: expect_column_to_exist, table: shop, column: day}\n")
    press(press(at, "quality_use_yaml"), "quality_save")
    kept = sources.get(bench, bench.tenant, name).checks
    assert [(c.check, c.column) for c in kept] == [("expect_column_to_exist", "day")]


def test_a_source_without_checks_gets_the_suggested_ones(opened: Open, bench: Workbench, saved: Save) -> None:
    name = saved("shop", CSV)
    at = opened("quality", source=name)
    assert at.button(key="quality_run").disabled
    at.session_state["quality_edit"] = True
    at.run()
    at.session_state["quality_way"] = "Suggested"
    at.run()
    press(at, "quality_add_all")
    assert not at.exception
    data = sources.get(bench, bench.tenant, name).dataset(bench.ctx.engine.folder())
    wanted = len(checks.suggested(bench, data, {"shop": "day"}))
    assert at.button(key="quality_run").label == f"Run {wanted} checks"
