"""The rule editor: AND and OR over columns, one level of groups, each value typed by its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from core.model import Column, ColumnType, Json, JsonObject
from ui.segment_values import LISTS, NULLS, WIDE, Hints, shape, value

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

TREE = "segment_builder_tree"
ORDER = (">", ">=", "<", "<=")
WORDS = {
    ">": "> more than",
    ">=": "≥ at least",
    "<": "< less than",
    "<=": "≤ at most",
    "==": "= is",
    "!=": "≠ is not",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "is_null": "is empty",
    "not_null": "is not empty",
}
OFFERED: Mapping[ColumnType, tuple[str, ...]] = {
    ColumnType.TEXT: ("==", "!=", *LISTS, "contains", *NULLS),
    ColumnType.BOOLEAN: ("==", "!=", *NULLS),
    ColumnType.INTEGER: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.NUMBER: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.DATE: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.TIMESTAMP: (*ORDER, "==", "!=", *NULLS),
}


@dataclass(slots=True)
class Edited:
    """The definition as it stands on screen, and the place of each rule for what is wrong with it."""

    doc: dict[str, Json]
    slots: dict[str, DeltaGenerator] = field(default_factory=dict)

    def slot(self, path: str | None) -> DeltaGenerator | None:
        """The place nearest to a field's path such as ``definition.rules[0].value``."""
        told = (path or "").removeprefix("definition.")
        while told:
            if told in self.slots:
                return self.slots[told]
            told = told.rpartition(".")[0]
        return None


def start(definition: JsonObject | None) -> None:
    """Puts a definition into the editor; every field starts afresh. None: one empty rule."""
    nodes = (definition or {}).get("rules") or [{}]
    operator = str((definition or {}).get("logicalOperator") or "AND")
    round_ = st.session_state.get("segment_builder_round", 0) + 1
    st.session_state["segment_builder_round"] = round_
    assert isinstance(nodes, Sequence)
    st.session_state[TREE] = {"op": operator, "nodes": [_node(n) for n in nodes], "round": round_}


def _node(node: Json) -> dict[str, object]:
    told = dict(node) if isinstance(node, Mapping) else {}
    if "rules" in told:
        rules = told["rules"]
        assert isinstance(rules, Sequence)
        return {"id": _fresh(), "op": str(told.get("logicalOperator") or "AND"), "rules": [_node(r) for r in rules]}
    return {"id": _fresh(), "start": told}


def _fresh() -> int:
    number: int = st.session_state.get("segment_builder_ids", 0) + 1
    st.session_state["segment_builder_ids"] = number
    return number


def editor(columns: Sequence[Column], hint: Hints) -> Edited:
    """The rules and groups of the draft; answers what they say now."""
    tree, types = st.session_state[TREE], {c.name: c.type for c in columns}
    edited = Edited({})
    operator = _match(tree["op"], f"segment_builder_op_{tree['round']}", "Everybody who matches")
    rules: list[Json] = []
    for i, node in enumerate(tree["nodes"]):
        path = f"rules[{i}]"
        if "rules" in node:
            rules.append(_group(node, i, types, hint, edited))
        else:
            rules.append(_rule(node, f"rule {i + 1}", path, types, hint, edited, tree["nodes"]))
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Add rule", icon=":material/add:", key="segment_builder_add", on_click=tree["nodes"].append,
            args=(_blank(),),
        )  # fmt: skip
        st.button(
            "Add group", icon=":material/account_tree:", key="segment_builder_add_group", type="tertiary",
            on_click=_add_group, help="Rules that count as one, with an AND or OR of their own.",
        )  # fmt: skip
    edited.doc |= {"logicalOperator": operator, "rules": rules}
    return edited


def _blank() -> dict[str, object]:
    return {"id": _fresh(), "start": {}}


def _add_group() -> None:
    tree = st.session_state[TREE]
    other = "OR" if st.session_state.get(f"segment_builder_op_{tree['round']}", tree["op"]) == "AND" else "AND"
    tree["nodes"].append({"id": _fresh(), "op": other, "rules": [_blank()]})


def _match(start_: str, key: str, lead: str) -> str:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(lead, width="content")
        chosen = st.segmented_control(
            lead,
            ["AND", "OR"],
            default=None if key in st.session_state else start_,
            required=True,
            key=key,
            persist_state="session",
            format_func={"AND": "all (AND)", "OR": "any (OR)"}.__getitem__,
            label_visibility="collapsed",
        )
        st.markdown("of these", width="content")
    return str(chosen or start_)


def _group(
    node: dict[str, object],
    i: int,
    types: Mapping[str, ColumnType],
    hint: Hints,
    edited: Edited,
) -> dict[str, Json]:
    rules = node["rules"]
    assert isinstance(rules, list)
    with st.container(border=True, gap="small"):
        operator = _match(str(node["op"]), f"segment_builder_op_g{node['id']}", f"Group {i + 1}: those who match")
        edited.slots[f"rules[{i}].rules"] = st.container()
        told: list[Json] = [
            _rule(rule, f"rule {i + 1}.{j + 1}", f"rules[{i}].rules[{j}]", types, hint, edited, rules)
            for j, rule in enumerate(rules)
        ]
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Add rule to this group", icon=":material/add:", key=f"segment_builder_add_{node['id']}",
                type="tertiary", on_click=rules.append, args=(_blank(),),
            )  # fmt: skip
            st.button(
                "Remove group", icon=":material/delete:", key=f"segment_builder_drop_{node['id']}", type="tertiary",
                on_click=_drop, args=(st.session_state[TREE]["nodes"], node["id"]),
            )  # fmt: skip
    return {"logicalOperator": operator, "rules": told}


def _drop(nodes: list[dict[str, object]], number: int) -> None:
    nodes[:] = [n for n in nodes if n["id"] != number]


def _rule(
    node: dict[str, object],
    name: str,
    path: str,
    types: Mapping[str, ColumnType],
    hint: Hints,
    edited: Edited,
    siblings: list[dict[str, object]],
) -> dict[str, Json]:
    """One comparison; answers it as JSON, without a value where none is chosen yet."""
    begun, key = node["start"], f"segment_builder_{node['id']}"
    assert isinstance(begun, dict)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        column = _field(begun.get("field"), f"{key}_field", name, types)
        kind = types.get(column or "", ColumnType.TEXT)
        operator = _operator(begun, column, kind, key, name)
        same = begun.get("field") == column and shape(str(begun.get("operator"))) == shape(operator)
        chosen = value(column, kind, operator, begun.get("value") if same else None, key, name, hint)
        st.button(
            f"Remove {name}", key=f"{key}_drop", type="tertiary", on_click=_drop,
            args=(siblings, node["id"]), disabled=len(siblings) == 1, help=f"Remove {name}",
        )  # fmt: skip
    edited.slots[path] = st.container()
    return {"field": column or "", "operator": operator, **({} if chosen is None else {"value": chosen})}


def _field(begun: Json, key: str, name: str, types: Mapping[str, ColumnType]) -> str | None:
    options = [*types, *([str(begun)] if begun and begun not in types else [])]
    return st.selectbox(
        f"Column of {name}",
        options,
        index=options.index(str(begun)) if begun else None,
        key=key,
        persist_state="session",
        placeholder="Column",
        label_visibility="collapsed",
        width=WIDE,
        format_func=lambda c: c if c in types else f"{c} (not in the data)",
    )


def _operator(begun: Mapping[str, Json], column: str | None, kind: ColumnType, key: str, name: str) -> str:
    options = OFFERED[kind]
    asked = str(begun.get("operator")) if begun.get("field") == column else ""
    return st.selectbox(
        f"Comparison of {name}",
        options,
        index=options.index(asked) if asked in options else 0,
        format_func=WORDS.__getitem__,
        key=f"{key}_{kind}_operator",
        persist_state="session",
        label_visibility="collapsed",
        width=135,
    )
