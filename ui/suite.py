"""The suite of a source as something to edit: keep or drop checks, add suggested ones, or write the YAML."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.check.spec import CheckSpec, specs_from_yaml, specs_to_yaml
from core.check.words import expected
from core.errors import WorkbenchError
from core.playbook import Playbook
from core.service import checks
from ui import auth, cards, data, state


def current(name: str, book: Playbook) -> tuple[CheckSpec, ...]:
    """The suite as edited in this session, else the saved one."""
    tried: dict[str, tuple[CheckSpec, ...]] = st.session_state.setdefault("quality_suites", {})
    return tried.get(name, book.checks)


def is_tried(name: str) -> bool:
    """Whether this session has a suite of its own for the source."""
    return name in st.session_state.get("quality_suites", {})


def use(name: str, specs: Sequence[CheckSpec]) -> None:
    """This session's suite for a source; every field of the editor starts afresh."""
    st.session_state.setdefault("quality_suites", {})[name] = tuple(specs)
    _afresh()


def drop(name: str) -> None:
    """Back to the saved suite."""
    st.session_state.setdefault("quality_suites", {}).pop(name, None)
    _afresh()


def _afresh() -> None:
    st.session_state["quality_round"] = st.session_state.get("quality_round", 0) + 1


def editor(name: str, book: Playbook) -> None:
    """Edit, try, save, download."""
    specs = current(name, book)
    builtin = name in data.bench().playbooks
    round_ = f"quality_{name}_{st.session_state.get('quality_round', 0)}"
    st.caption(
        "The suite of this playbook is its file checks.yaml. What you change here is tried in this session only."
        if builtin
        else "Changes count in this session until you save them; each save is a new version of the source."
    )
    way = st.segmented_control(
        "Edit as", ["Table", "Suggested", "YAML"], default="Table", required=True, key="quality_way"
    )
    {"Table": _as_table, "Suggested": _suggested, "YAML": _as_yaml}[str(way)](name, specs, round_)
    with st.container(horizontal=True):
        if not builtin:
            st.button(
                "Save suite", icon=":material/save:", key="quality_save", disabled=not is_tried(name),
                on_click=_save, args=(name, specs),
            )  # fmt: skip
        st.button(
            "Undo changes", icon=":material/undo:", key="quality_drop", disabled=not is_tried(name),
            on_click=drop, args=(name,),
        )  # fmt: skip
        st.download_button(
            "Download checks.yaml", specs_to_yaml(specs), file_name="checks.yaml", mime="application/yaml",
            icon=":material/download:", on_click="ignore", key="quality_yaml_file",
        )  # fmt: skip


def _as_table(name: str, specs: tuple[CheckSpec, ...], round_: str) -> None:
    if not specs:
        st.info("No checks yet: add suggested ones.", icon=":material/lightbulb:")
        return
    frame = pd.DataFrame(
        [
            {
                "keep": True, "expects": expected(s), "critical": s.critical,
                "mostly": s.mostly, "blocks": ", ".join(s.blocks), "reason": s.reason,
            }
            for s in specs
        ]
    )  # fmt: skip
    frame["mostly"] = frame["mostly"].astype(float)
    config = st.column_config
    edited: pd.DataFrame = st.data_editor(
        frame,
        hide_index=True,
        disabled=["expects", "mostly", "blocks", "reason"],
        column_config={
            "keep": config.CheckboxColumn("Keep", width="small"),
            "expects": config.TextColumn("Expectation", width="large"),
            "critical": config.CheckboxColumn(
                "Critical", width="small", help="A failure stops a run and blocks its table."
            ),
            "mostly": config.NumberColumn("Share", help="Share of rows that must pass; empty: all."),
            "blocks": config.TextColumn("Blocks", help="Metrics that a failure turns into a data problem."),
            "reason": config.TextColumn("Why"),
        },
        key=f"{round_}_table",
        alt="Checks of the suite",
    )
    st.caption("Limits, sets and shares are changed under YAML.")
    fresh = tuple(
        s.model_copy(update={"critical": bool(row["critical"])})
        for s, (_, row) in zip(specs, edited.iterrows(), strict=True)
        if row["keep"]
    )
    same = fresh == specs
    st.button("Use this", type="primary", disabled=same, key="quality_use_table", on_click=use, args=(name, fresh))


def _suggested(name: str, specs: tuple[CheckSpec, ...], round_: str) -> None:
    """Checks that the data passes today and the suite does not have, each with why."""
    try:
        found = data.suggested(name, state.edits(name))
    except WorkbenchError as problem:
        cards.problem(problem)
        return
    have = {_identity(s) for s in specs}
    fresh = [s for s in found if _identity(s) not in have]
    if not fresh:
        st.success("The suite has everything that the data suggests.", icon=":material/check_circle:")
        return
    frame = pd.DataFrame([{"add": False, "expects": expected(s), "why": s.reason} for s in fresh])
    edited: pd.DataFrame = st.data_editor(
        frame,
        hide_index=True,
        disabled=["expects", "why"],
        column_config={
            "add": st.column_config.CheckboxColumn("Add", width="small"),
            "expects": st.column_config.TextColumn("Expectation", width="large"),
            "why": st.column_config.TextColumn("Why", width="large"),
        },
        key=f"{round_}_suggested",
        alt="Suggested checks",
    )
    marked = [s for s, add in zip(fresh, edited["add"], strict=True) if add]
    with st.container(horizontal=True):
        st.button(
            f"Add {len(marked)}", type="primary", disabled=not marked, key="quality_add",
            on_click=use, args=(name, (*specs, *marked)),
        )  # fmt: skip
        st.button(f"Add all {len(fresh)}", key="quality_add_all", on_click=use, args=(name, (*specs, *fresh)))


def _identity(spec: CheckSpec) -> tuple[object, ...]:
    return spec.check, spec.table, spec.column, spec.columns


def _as_yaml(name: str, specs: tuple[CheckSpec, ...], round_: str) -> None:
    text = st.text_area("Suite", specs_to_yaml(specs), height=420, key=f"{round_}_yaml")
    st.button("Use this", type="primary", key="quality_use_yaml", on_click=_use_yaml, args=(name, f"{round_}_yaml"))
    problem = st.session_state.pop("quality_yaml_problem", None)
    if problem is not None:
        cards.problem(problem)
    elif not text.strip():
        st.caption("Expected a list of checks below the key checks.")


def _use_yaml(name: str, key: str) -> None:
    try:
        use(name, specs_from_yaml(st.session_state[key], source="checks.yaml"))
    except WorkbenchError as problem:
        st.session_state["quality_yaml_problem"] = problem


def _save(name: str, specs: tuple[CheckSpec, ...]) -> None:
    try:
        checks.save_suite(data.bench(), auth.current(), name, specs)
    except WorkbenchError as problem:
        st.toast(str(problem), icon=":material/report:")
        return
    drop(name)
    st.toast("Suite saved", icon=":material/check:")
