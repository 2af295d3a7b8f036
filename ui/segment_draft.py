"""The segment being written: where it starts from, and saving, deleting, importing and exporting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from core.errors import WorkbenchError
from core.load.segments import read_yaml
from core.model import Json, Segment
from core.service import segments
from core.service.audience import PLAYBOOK
from ui import auth, cards, data, links, segment_data, segment_rules
from ui.segment_form import at_the_field
from ui.segment_preview import unfinished
from ui.segment_rules import Edited

NEW = "segment_builder_new"  # the segment a new one starts from
OF = "segment_builder_of"  # what the editor was filled with: id and version
PROBLEM, DONE = "segment_builder_problem", "segment_builder_done"


def chosen() -> Segment | None:
    """The saved segment named in the address; None for a new one. Fills the editor when it is another than before.

    Raises: NotFound.
    """
    asked = st.query_params.get("segment")
    saved = segments.get(data.bench(), auth.current(), asked) if asked else None
    of = (saved.id, str(saved.updated_at)) if saved else ("", str(st.session_state.get("segment_builder_new_round", 0)))
    if st.session_state.get(OF) != of:
        st.session_state[OF] = of
        begun = saved or st.session_state.get(NEW)
        segment_rules.start(begun.definition if begun else None)
    return saved


def started(saved: Segment | None) -> Segment | None:
    """What the form is filled with: the saved segment, or the template of a new one."""
    begun: Segment | None = saved or st.session_state.get(NEW)
    return begun


def key() -> str:
    """The beginning of every field's key; another draft has other fields."""
    return f"segment_builder_{st.session_state[segment_rules.TREE]['round']}"


def switch(saved: Segment | None) -> None:
    """Which segment is edited, and new ones: empty or from a template."""
    board = segment_data.board()
    names = {"": "New segment", **board.names()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        picker = "segment_builder_pick"
        st.session_state[picker] = saved.id if saved else ""
        st.selectbox(
            "Segment", list(names), format_func=lambda i: names.get(str(i), str(i)), key=picker, width=280,
            on_change=_pick,
        )  # fmt: skip
        templates = {s.id: s for s in _templates()}
        if templates:
            st.menu_button(
                "New from template", list(templates), format_func=lambda i: templates[i].name,
                icon=":material/dashboard_customize:", key="segment_builder_template", on_click=_from_template,
            )  # fmt: skip
        with st.popover("Import", icon=":material/upload:"):
            _importer()
        st.download_button(
            "Export", lambda: segments.export_yaml(data.bench(), auth.current(), (saved.id,) if saved else ()),
            file_name=f"{saved.id}.yaml" if saved else "segments.yaml", mime="application/yaml",
            icon=":material/download:", key="segment_builder_export", on_click="ignore", disabled=not board.segments,
            help="This segment as YAML." if saved else "Every segment as YAML.",
        )  # fmt: skip


def _pick() -> None:
    asked = st.session_state["segment_builder_pick"]
    if asked:
        st.query_params["segment"] = asked
    else:
        _new(None)


def _new(template: Segment | None) -> None:
    st.query_params.pop("segment", None)
    st.session_state[NEW] = template
    st.session_state["segment_builder_new_round"] = st.session_state.get("segment_builder_new_round", 0) + 1


def _templates() -> tuple[Segment, ...]:
    path = data.bench().data / PLAYBOOK / "segments.yaml"
    return _read_templates(str(path), path.stat().st_mtime_ns) if path.is_file() else ()


@st.cache_resource(max_entries=2, show_spinner=False)
def _read_templates(path: str, _stamp: int) -> tuple[Segment, ...]:
    with open(path, "rb") as file:
        return read_yaml(file.read())


def _from_template() -> None:
    wanted = st.session_state["segment_builder_template"]
    _new(next((replace(s, id="", owner="") for s in _templates() if s.id == wanted), None))


def _importer() -> None:
    round_ = st.session_state.get("segment_builder_files", 0)
    file = st.file_uploader(
        "segments.yaml", type=["yaml", "yml"], key=f"segment_builder_file_{round_}",
        help="New segments are added; those with a known id or name are replaced. All of them, or none.",
    )  # fmt: skip
    if file is None:
        return
    try:
        done = segments.import_yaml(data.bench(), auth.current(), file.getvalue(), file.name)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = (problem, None)
    else:
        st.session_state[DONE] = (
            f"{file.name}: {len(done.created)} added, {len(done.updated)} replaced, {len(done.unchanged)} as they were."
        )
    st.session_state["segment_builder_files"] = round_ + 1
    st.rerun()


def outcome() -> None:
    """What saving or importing did, or what is wrong with it where no field is to blame."""
    if told := st.session_state.pop(DONE, None):
        st.success(cards.safe(told), icon=":material/check:")
    if (kept := st.session_state.get(PROBLEM)) and kept[1] is None:
        cards.problem(st.session_state.pop(PROBLEM)[0])


def actions(saved: Segment | None, document: Mapping[str, Json], edited: Edited) -> None:
    """Save, and for a saved segment open and delete. What saving refuses is said at the field it is about."""
    can = auth.current().can("incidents:write")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        clicked = st.button(
            "Save changes" if saved else "Save segment", type="primary", icon=":material/save:",
            key="segment_builder_save", disabled=not can,
            help=None if can else "Your role may not change segments.",
        )  # fmt: skip
        if saved:
            st.page_link(
                links.page("segments"), label="Open on Segments", icon=":material/groups:",
                query_params={"segment": saved.id},
            )  # fmt: skip
            with st.popover("Delete", icon=":material/delete:", disabled=not can):
                st.markdown(
                    f"**{cards.safe(saved.name)}** and its snapshots go for good; its incidents and the audit stay."
                )
                st.button(
                    "Delete for good", icon=":material/delete_forever:", key="segment_builder_delete",
                    on_click=_delete, args=(saved.id, saved.name),
                )  # fmt: skip
    if clicked:
        _save(saved, document, edited)


def _save(saved: Segment | None, document: Mapping[str, Json], edited: Edited) -> None:
    wb, who = data.bench(), auth.current()
    if (path := unfinished(edited.doc)) and at_the_field(edited, "Choose a column and a value.", path):
        return
    try:
        kept = (
            segments.update(wb, who, saved.id, document, seen=saved.updated_at)
            if saved
            else segments.create(wb, who, document)
        )
    except WorkbenchError as problem:
        if not at_the_field(edited, problem.message, problem.field):
            cards.problem(problem)
        return
    st.session_state.pop(NEW, None)
    st.session_state[DONE] = f"{kept.name} is saved." + (
        "" if saved else " Take a snapshot on Segments, or wait for the next one by the clock."
    )
    st.query_params["segment"] = kept.id
    st.rerun()


def _delete(segment_id: str, name: str) -> None:
    try:
        segments.delete(data.bench(), auth.current(), segment_id)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = (problem, None)
    else:
        st.session_state[DONE] = f"{name} is deleted."
        _new(None)
