"""The Segment builder without a browser: rules, live count, difference, errors at the field, YAML, templates."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.access import local
from core.errors import NotFound
from core.model import Json
from core.service import segments
from core.service.workbench import Workbench

ANA = local("default")
Open = Callable[..., AppTest]


@pytest.fixture
def demo(bench: Workbench) -> Workbench:
    assert segments.seed_demo(bench, ANA)
    return bench


def texts(at: AppTest) -> str:
    kinds = (at.markdown, at.header, at.caption, at.title, at.info, at.success, at.warning, at.error)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def count(at: AppTest) -> str:
    return next((str(m.value) for m in at.metric if m.label == "People who match"), "")


def keyed(elements: object, end: str) -> list[str]:
    return [str(e.key) for e in elements if str(e.key).endswith(end)]  # type: ignore[attr-defined]


def fill(at: AppTest, field: str, operator: str, value: Json, rule: int = 0) -> AppTest:
    """Chooses column, comparison and value of one rule."""
    at.selectbox(key=keyed(at.selectbox, "_field")[rule]).set_value(field).run()
    at.selectbox(key=keyed(at.selectbox, "_operator")[rule]).set_value(operator).run()
    number = keyed(at.selectbox, "_field")[rule].removesuffix("_field")
    for kind in (at.number_input, at.selectbox, at.text_input):
        for element in kind:
            if str(element.key).startswith(f"{number}_{field}"):
                return element.set_value(value).run()  # type: ignore[union-attr,no-any-return]
    raise AssertionError(f"no field for a value of {field}")


def name(at: AppTest, text: str) -> None:
    at.text_input(key=keyed(at.text_input, "_name")[0]).set_value(text).run()


def test_a_new_segment_is_built_previewed_and_saved(opened: Open, bench: Workbench) -> None:
    at = opened("segment_builder")
    assert not at.exception
    assert "Finish the rules to see who matches" in at.info[0].value
    fill(at, "ltv", ">", 1000)  # PU-01, PU-02
    at.button(key="segment_builder_add").click().run()
    fill(at, "last_active_days", "<=", 7, rule=1)
    assert count(at) == "11,600"
    assert len(at.dataframe[0].value) == 5
    name(at, "Best customers")
    at.button(key="segment_builder_save").click().run()
    assert "Best customers is saved." in texts(at)
    kept = segments.get(bench, ANA, "best-customers")
    assert kept.definition == {
        "logicalOperator": "AND",
        "rules": [
            {"field": "ltv", "operator": ">", "value": 1000},
            {"field": "last_active_days", "operator": "<=", "value": 7},
        ],
    }
    assert "The same 11,600 people as the saved definition" in texts(at)


def test_a_change_is_compared_with_the_saved_definition(opened: Open, demo: Workbench) -> None:
    at = opened("segment_builder", segment="high-value")
    assert count(at) == "11,600"
    fill(at, "ltv", ">", 3000)
    table = at.table[0].value
    saved, draft, enters, leaves = table["people"]
    assert (saved, enters) == ("11,600", "+0")
    assert draft == count(at)
    assert int(leaves.removeprefix("\u2212").replace(",", "")) == 11_600 - int(draft.replace(",", ""))
    assert segments.get(demo, ANA, "high-value").definition["rules"][0]["value"] == 1000  # type: ignore[index,call-overload]
    at.button(key="segment_builder_save").click().run()
    assert segments.get(demo, ANA, "high-value").definition["rules"][0]["value"] == 3000  # type: ignore[index,call-overload]


def test_groups_nest_one_level(opened: Open, bench: Workbench) -> None:
    at = opened("segment_builder")
    fill(at, "plan", "==", "trial")
    at.button(key="segment_builder_add_group").click().run()
    fill(at, "sessions", ">=", 20, rule=1)
    add = next(str(b.key) for b in at.button if b.label == "Add rule to this group")
    at.button(key=add).click().run()
    fill(at, "country", "==", "DE", rule=2)
    name(at, "Nested")
    at.button(key="segment_builder_save").click().run()
    assert not at.exception
    assert segments.get(bench, ANA, "nested").definition["rules"][1] == {  # type: ignore[index,call-overload]
        "logicalOperator": "OR",
        "rules": [
            {"field": "sessions", "operator": ">=", "value": 20},
            {"field": "country", "operator": "==", "value": "DE"},
        ],
    }
    drop = next(str(b.key) for b in at.button if b.label == "Remove group")
    at.button(key=drop).click().run()
    assert len(keyed(at.selectbox, "_field")) == 1


def test_values_are_offered_from_the_data(opened: Open, bench: Workbench) -> None:
    at = opened("segment_builder")
    fill(at, "plan", "==", "pro")
    value = next(s for s in at.selectbox if "_plan_one" in str(s.key))
    assert set(value.options) >= {"trial", "pro", "enterprise", "free"}


def test_several_values_can_be_ticked_or_typed(opened: Open, bench: Workbench) -> None:
    at = opened("segment_builder")
    at.selectbox(key=keyed(at.selectbox, "_field")[0]).set_value("plan").run()
    at.selectbox(key=keyed(at.selectbox, "_operator")[0]).set_value("in").run()
    at.text_input(key=keyed(at.text_input, "_others")[0]).set_value("trial, gold").run()
    name(at, "Plans")
    at.button(key="segment_builder_save").click().run()
    assert segments.get(bench, ANA, "plans").definition["rules"] == [
        {"field": "plan", "operator": "in", "value": ["trial", "gold"]}
    ]


def test_what_is_wrong_is_said_at_its_field(opened: Open, demo: Workbench) -> None:
    at = opened("segment_builder")
    at.button(key="segment_builder_save").click().run()
    assert at.error[0].value == "Choose a column and a value."
    fill(at, "plan", "==", "trial")
    at.button(key="segment_builder_save").click().run()
    assert "1 to 120 characters are needed, there are 0" in at.error[0].value
    name(at, "Trial")
    at.button(key="segment_builder_save").click().run()
    assert "There is a segment called" in texts(at)
    name(at, "Ranged")
    at.number_input(key=keyed(at.number_input, "_min")[0]).set_value(10).run()
    at.number_input(key=keyed(at.number_input, "_max")[0]).set_value(5).run()
    at.button(key="segment_builder_save").click().run()
    assert "Min 10 is above max 5" in texts(at)
    assert len(segments.listing(demo, ANA)) == 5  # nothing stored


def test_how_it_is_watched_is_kept(opened: Open, demo: Workbench) -> None:
    at = opened("segment_builder", segment="trial")
    limit = next(n for n in at.number_input if str(n.key).endswith("_sizeChangePercent"))
    assert limit.value is None
    assert limit.proto.placeholder == "0.15 (default)"
    limit.set_value(0.10).run()
    at.toggle(key=keyed(at.toggle, "_monitoring")[0]).set_value(False).run()
    at.text_input(key=keyed(at.text_input, "_owner")[0]).set_value("crm@example.com").run()
    at.button(key="segment_builder_save").click().run()
    kept = segments.get(demo, ANA, "trial")
    assert (kept.watch.size_change, kept.watch.monitoring, kept.owner) == (0.10, False, "crm@example.com")


def test_renaming_keeps_the_id_and_deleting_asks_first(opened: Open, demo: Workbench) -> None:
    at = opened("segment_builder", segment="trial")
    name(at, "Trial people")
    at.button(key="segment_builder_save").click().run()
    assert segments.get(demo, ANA, "trial").name == "Trial people"
    at.button(key="segment_builder_delete").click().run()  # PU-04
    assert not at.exception
    assert "Trial people is deleted." in texts(at)
    with pytest.raises(NotFound):
        segments.get(demo, ANA, "trial")


def test_a_change_by_somebody_else_is_not_overwritten(opened: Open, demo: Workbench) -> None:
    at = opened("segment_builder", segment="trial")
    definition = {"rules": [{"field": "plan", "operator": "==", "value": "free"}]}
    segments.update(demo, ANA, "trial", {"name": "Trial", "definition": definition})
    at.run()
    value = next(s for s in at.selectbox if "_plan_one" in str(s.key))
    assert value.value == "free"  # the editor shows it as it is now


def test_segments_come_from_files(opened: Open, bench: Workbench) -> None:
    assert segments.seed_demo(bench, ANA)
    yaml = segments.export_yaml(bench, ANA, ("power",)).replace("name: Power", "name: Power users")
    yaml = yaml.replace("id: power", "id: pow")
    at = opened("segment_builder")
    at.file_uploader(key="segment_builder_file_0").upload("mine.yaml", yaml.encode()).run()
    assert "mine.yaml: 1 added, 0 replaced, 0 as they were." in texts(at)
    assert segments.get(bench, ANA, "pow").name == "Power users"
    at.file_uploader(key="segment_builder_file_1").upload("bad.yaml", b"segments: [{name: ''}]").run()
    assert "bad.yaml: segments[0]" in texts(at)


def test_without_a_column_in_the_data_the_rule_says_so(opened: Open, demo: Workbench) -> None:
    with demo.store.begin() as books:
        old = books.segments.get(ANA.tenant, "trial")
        gone: Json = {"rules": [{"field": "tier", "operator": "==", "value": "x"}]}
        assert isinstance(gone, dict)
        books.segments.save(ANA.tenant, type(old)(old.id, old.name, gone), demo.ctx.clock.now())
    at = opened("segment_builder", segment="trial")
    assert not at.exception
    assert "There is no column 'tier'" in texts(at)


def test_an_unknown_segment_is_said(opened: Open, bench: Workbench) -> None:
    at = opened("segment_builder", segment="nope")
    assert "There is no segment 'nope'" in texts(at)
