"""Suites as data: what is refused and how it is worded, and the YAML round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.check.rule import Rule
from core.check.spec import KINDS, CheckSpec, read_suite, specs_from_yaml, specs_to_yaml
from core.errors import ConfigError

SUITE = Path(__file__).parents[2] / "playbooks" / "daily_kpis" / "checks.yaml"
BETWEEN = "expect_column_values_to_be_between"


def one(body: str) -> str:
    return f"checks:\n- {{{body}}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "suite.yaml: top level: expected keys with values."),
        ("checks: 3", "suite.yaml: checks: expected a list."),
        ("a: [", "suite.yaml: line 1: expected YAML: expected the node content, but found '<stream end>'."),
        ("checks: []\nmore: 1", "suite.yaml: more: unknown key."),
        ("checks: [{check: expect_column_to_exist, column: a}]", "suite.yaml: checks[0].table: is missing."),
        (one("check: nonsense, table: t"), "suite.yaml: checks[0]: unknown check 'nonsense'; expected one of"),
        (one(f"check: {BETWEEN}, table: t, params: {{min_value: 0}}"), "expected a column for"),
        (one(f"check: {BETWEEN}, table: t, column: c"), "at least one of params.min_value, params.max_value."),
        (
            one(f"check: {BETWEEN}, table: t, column: c, params: {{min_value: x}}"),
            "params.min_value: expected a number",
        ),
        (
            one(f"check: {BETWEEN}, table: t, column: c, params: {{min_value: .inf}}"),
            "expected a number or an ISO date",
        ),
        (
            one(f"check: {BETWEEN}, table: t, column: c, params: {{min_value: true}}"),
            "expected a number or an ISO date",
        ),
        (one(f"check: {BETWEEN}, table: t, column: c, params: {{min_value: 2, max_value: 1}}"), "2 is above"),
        (
            one(f"check: {BETWEEN}, table: t, column: c, params: {{low: 1}}"),
            "unknown parameter params.low; expected min",
        ),
        (one(f"check: {BETWEEN}, table: t, column: 7, params: {{min_value: 1}}"), "checks[0].column: expected a text."),
        (one("check: expect_table_row_count_to_be_between, table: t, params: {min_value: -1}"), "a whole number >= 0"),
        (one("check: expect_column_values_to_be_in_set, table: t, column: c"), "params.value_set is missing."),
        (
            one("check: expect_column_values_to_be_in_set, table: t, column: c, params: {value_set: []}"),
            "list of values",
        ),
        (one("check: expect_column_values_to_be_of_type, table: t, column: c, params: {type_: int}"), "one of integer"),
        (one("check: expect_compound_columns_to_be_unique, table: t, columns: [a]"), "two or more columns"),
        (one("check: expect_column_to_exist, table: t, column: c, mostly: 0.5"), "expected no mostly for"),
        (one(f"check: {BETWEEN}, table: t, column: c, params: {{min_value: 1}}, mostly: 2"), "checks[0].mostly"),
        (one('check: row_rule, table: t, params: {left: a, op: "~=", right: b}'), "expected a tolerance with op ~="),
        (one("check: row_rule, table: t, params: {left: a, op: like, right: b}"), "checks[0]"),
        (one("check: row_rule, table: t, params: {left: {sql: x}, op: '==', right: b}"), "checks[0]"),
        (
            one("check: row_rule, table: t, params: {left: {minus: [a, b], plus: [a, b]}, op: '==', right: b}"),
            "checks[0]",
        ),
        ("checks: [{check: x, when: 2025-13-45}]", "suite.yaml: expected YAML: month must be in 1..12."),
        ("[" * 5000, "suite.yaml: "),
    ],
)
def test_a_wrong_suite_names_file_path_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        specs_from_yaml(text, source="suite.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("suite.yaml: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read: No such file"):
        read_suite(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"checks: [\xe4]")
    with pytest.raises(ConfigError, match=r"latin\.yaml: expected UTF-8 text"):
        read_suite(tmp_path / "latin.yaml")


def test_op_07_the_daily_kpi_suite_is_what_the_playbook_promises() -> None:
    suite = read_suite(SUITE)
    critical = {s.dimension for s in suite if s.critical}
    soft = {s.dimension for s in suite if not s.critical}
    assert critical == {"schema", "uniqueness", "completeness"}
    assert soft == {"validity", "consistency"}
    rules = {str(s.rule) for s in suite if s.check == "row_rule"}
    assert rules == {"net = gross - refunds (± 1)", "conversion_rate = signups / sessions (± 0.0005)"}
    limits = {s.column: s.params for s in suite if s.check == BETWEEN}
    assert limits["csat"] == {"min_value": 0, "max_value": 5}
    assert limits["conversion_rate"] == {"min_value": 0, "max_value": 1}
    assert {t for s in suite for t in [s.table]} == {"revenue", "traffic", "support", "deploys"}
    assert specs_from_yaml(specs_to_yaml(suite)) == suite


def test_dates_in_yaml_are_texts_and_dimensions_have_defaults() -> None:
    text = one(f"check: {BETWEEN}, table: t, column: d, params: {{min_value: 2025-01-31}}, dimension: timeliness")
    spec = specs_from_yaml(text)[0]
    assert spec.params == {"min_value": "2025-01-31"}
    assert spec.dimension == "timeliness"
    assert specs_from_yaml(specs_to_yaml([spec])) == (spec,)
    assert CheckSpec(check="expect_column_to_exist", table="t", column="c").dimension == "schema"


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
numbers = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9, allow_nan=False)
operands = st.recursive(
    names | numbers | st.fixed_dictionaries({"text": names}),
    lambda inner: st.sampled_from(["plus", "minus", "times"]).flatmap(
        lambda key: st.fixed_dictionaries({key: st.lists(inner, min_size=2, max_size=3)})
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(left=operands, right=operands, op=st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), blocks=st.lists(names))
def test_every_rule_survives_the_round_trip(left: object, right: object, op: str, blocks: list[str]) -> None:
    data = {"check": "row_rule", "table": "t", "blocks": blocks, "params": {"left": left, "op": op, "right": right}}
    spec = CheckSpec.model_validate(data)
    assert specs_from_yaml(specs_to_yaml([spec])) == (spec,)
    assert str(spec.rule)


def test_a_rule_names_its_columns_once() -> None:
    rule = Rule.model_validate({"left": "net", "op": "==", "right": {"minus": ["gross", "net", {"text": "x"}, 3]}})
    assert rule.columns == ("net", "gross")
    assert str(rule) == "net = gross - net - 'x' - 3"


def test_every_check_has_a_sentence() -> None:
    from core.check.words import expected

    params = {"min_value": 1, "value_set": [1], "column_set": ["a"], "type_": "date", "regex": "x", "max_age_hours": 1}
    for name, kind in KINDS.items():
        rule = {"left": "a", "op": "==", "right": "b"}
        data = {
            "check": name,
            "table": "t",
            "column": "c" if kind.over == "column" else None,
            "columns": ["a", "b"] if kind.over == "columns" else [],
            "params": rule if kind.over == "rule" else {k: v for k, v in params.items() if k in kind.params},
        }
        assert "should" in expected(CheckSpec.model_validate(data)), name
