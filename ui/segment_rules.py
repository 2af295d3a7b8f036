"""The rule editor: AND and OR over columns, one level of groups, each value typed by its column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import streamlit as st

from core.model import Column, ColumnType, Json, JsonObject

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
NULLS, LISTS = ("is_null", "not_null"), ("in", "not_in")
OFFERED: Mapping[ColumnType, tuple[str, ...]] = {
    ColumnType.TEXT: ("==", "!=", *LISTS, "contains", *NULLS),
    ColumnType.BOOLEAN: ("==", "!=", *NULLS),
    ColumnType.INTEGER: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.NUMBER: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.DATE: (*ORDER, "==", "!=", *LISTS, *NULLS),
    ColumnType.TIMESTAMP: (*ORDER, "==", "!=", *NULLS),
}
NUMBERS = (ColumnType.INTEGER, ColumnType.NUMBER)
MOST_PILLS = 12
WIDE = 160  # pixels of a field: three and the button fit beside the preview


Hints = Callable[[str], Sequence[str]]  # a column's most frequent values


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
            lead, ["AND", "OR"], default=None if key in st.session_state else start_, required=True, key=key,
            format_func={"AND": "all (AND)", "OR": "any (OR)"}.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
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
        same = begun.get("field") == column and _shape(str(begun.get("operator"))) == _shape(operator)
        value = _value(column, kind, operator, begun.get("value") if same else None, key, name, hint)
        st.button(
            f"Remove {name}", key=f"{key}_drop", type="tertiary", on_click=_drop,
            args=(siblings, node["id"]), disabled=len(siblings) == 1, help=f"Remove {name}",
        )  # fmt: skip
    edited.slots[path] = st.container()
    return {"field": column or "", "operator": operator, **({} if value is None else {"value": value})}


def _field(begun: Json, key: str, name: str, types: Mapping[str, ColumnType]) -> str | None:
    options = [*types, *([str(begun)] if begun and begun not in types else [])]
    return st.selectbox(
        f"Column of {name}", options, index=options.index(str(begun)) if begun else None, key=key,
        placeholder="Column", label_visibility="collapsed", width=WIDE,
        format_func=lambda c: c if c in types else f"{c} (not in the data)",
    )  # fmt: skip


def _operator(begun: Mapping[str, Json], column: str | None, kind: ColumnType, key: str, name: str) -> str:
    options = OFFERED[kind]
    asked = str(begun.get("operator")) if begun.get("field") == column else ""
    return st.selectbox(
        f"Comparison of {name}", options, index=options.index(asked) if asked in options else 0,
        format_func=WORDS.__getitem__, key=f"{key}_{kind}_operator", label_visibility="collapsed", width=135,
    )  # fmt: skip


def _shape(operator: str) -> str:
    return "none" if operator in NULLS else "list" if operator in LISTS else "one"


def _value(column: str | None, kind: ColumnType, operator: str, begun: Json, key: str, name: str, hint: Hints) -> Json:
    shape = _shape(operator)
    if shape == "none" or column is None:
        return None
    label, key, known = f"Value of {name}", f"{key}_{column}_{shape}", hint(column)
    if shape == "list":
        return _several(kind, begun, key, label, known)
    if operator == "contains":
        text = st.text_input(label, str(begun or ""), key=f"{key}_part", label_visibility="collapsed", width=WIDE)
        return text or None
    return _one(kind, begun, key, label, known)


def _one(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    if kind is ColumnType.BOOLEAN:
        default = begun if isinstance(begun, bool) else True
        return st.segmented_control(
            label, [True, False], default=None if key in st.session_state else default, required=True, key=key,
            format_func={True: "yes", False: "no"}.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
    if kind in NUMBERS:
        return _number(kind, begun, key, label, known)
    if kind is ColumnType.DATE:
        day = st.date_input(label, _day(begun), key=key, label_visibility="collapsed", width=WIDE)
        return day.isoformat() if isinstance(day, date) else None
    if kind is ColumnType.TIMESTAMP:
        at = st.datetime_input(label, _moment(begun), key=key, label_visibility="collapsed", width=WIDE)
        return at.replace(tzinfo=UTC).isoformat() if at is not None else None
    options = list(dict.fromkeys([*known, *([str(begun)] if begun is not None else [])]))
    return st.selectbox(
        label, options, index=options.index(str(begun)) if begun is not None else None, key=key,
        accept_new_options=True, placeholder="Choose or type", label_visibility="collapsed", width=WIDE,
    )  # fmt: skip


def _number(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    whole = kind is ColumnType.INTEGER and not (isinstance(begun, float) and not begun.is_integer())
    number = begun if isinstance(begun, int | float) and not isinstance(begun, bool) else None
    if whole:
        return st.number_input(
            label, value=None if number is None else int(number), step=1, key=key, placeholder=_example(known),
            label_visibility="collapsed", width=WIDE,
        )  # fmt: skip
    found = st.number_input(
        label, value=None if number is None else float(number), step=1.0, format="%g", key=key,
        placeholder=_example(known), label_visibility="collapsed", width=WIDE,
    )  # fmt: skip
    return int(found) if found is not None and found.is_integer() else found


def _several(kind: ColumnType, begun: Json, key: str, label: str, known: Sequence[str]) -> Json:
    """Values to tick, and others to type; numbers and dates are typed."""
    chosen = [str(v) for v in begun] if isinstance(begun, Sequence) and not isinstance(begun, str) else []
    if kind is not ColumnType.TEXT:
        text = st.text_input(
            label,
            ", ".join(chosen),
            key=f"{key}_typed",
            placeholder=_example(known),
            label_visibility="collapsed",
            width=WIDE,
        )
        parts = _parts(text)
        return [_numeric(p) for p in parts] or None if kind in NUMBERS else list(parts) or None
    ticks = list(dict.fromkeys([*[v for v in chosen if v in known], *known]))[:MOST_PILLS]
    with st.container(width=360, gap="xsmall"):
        picked = (
            st.pills(
                label, ticks, selection_mode="multi", key=f"{key}_pills", label_visibility="collapsed",
                default=None if f"{key}_pills" in st.session_state else [v for v in chosen if v in ticks],
            )
            if ticks
            else []
        )  # fmt: skip
        others = ", ".join(v for v in chosen if v not in ticks)
        typed = st.text_input(
            f"Other values for {label.lower()}", others, key=f"{key}_others", placeholder="Others, separated by commas",
            label_visibility="collapsed",
        )  # fmt: skip
    return list(dict.fromkeys([*picked, *_parts(typed)])) or None


def _example(known: Sequence[str]) -> str:
    return f"such as {known[0]}" if known else "number"


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(p.strip() for p in (text or "").split(",") if p.strip())


def _numeric(text: str) -> Json:
    """A number, or the text itself for the rules to refuse."""
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _day(begun: Json) -> date | None:
    try:
        return date.fromisoformat(str(begun)[:10]) if begun else None
    except ValueError:
        return None


def _moment(begun: Json) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(begun)) if begun else None
    except ValueError:
        return None
    return at.astimezone(UTC).replace(tzinfo=None) if at and at.tzinfo else at
