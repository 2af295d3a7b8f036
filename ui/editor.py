"""The what-if editor: change the last rows, rerun, see the light flip, restore."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.errors import WorkbenchError
from core.playbook import Playbook
from core.service import runs
from ui import auth, cards, data, state

ROWS = 3


def what_if(name: str, book: Playbook, edits: dict[str, bytes]) -> None:
    """A collapsed editor over each table's last rows; edits count for this session only."""
    panel = st.expander("What if: edit the last rows", icon=":material/edit_note:", key="what_if", on_change="rerun")
    if not (panel.open or edits):
        return
    with panel:
        st.caption(
            "Change figures and rerun: the whole day is judged again. Nothing is saved; your files stay as they are."
        )
        try:
            _, loaded = runs.dataset(data.bench(), name, dict(edits), tenant=auth.current().tenant)
        except WorkbenchError as error:
            cards.problem(error)
            st.button(
                "Restore demo data", icon=":material/undo:", key="restore_broken", on_click=state.restore, args=(name,)
            )
            return
        changed: dict[str, bytes] = {}
        for table in loaded.tables.values():
            frame = _shown(data.table_frame(table))
            last = frame.tail(ROWS)
            st.markdown(f"**{book.tables[table.name].file}**")
            edited = st.data_editor(
                last,
                hide_index=True,
                key=f"edit_{name}_{table.name}_{st.session_state.get('edit_round', 0)}",
                disabled=[book.tables[table.name].time],
                alt=f"Last rows of {book.tables[table.name].file}",
            )
            if not edited.equals(last):
                changed[table.name] = pd.concat([frame.iloc[:-ROWS], edited]).to_csv(index=False).encode()
        with st.container(horizontal=True):
            st.button(
                "Rerun with these figures", type="primary", icon=":material/replay:", key="what_if_rerun",
                disabled=not changed, on_click=_apply, args=(name, changed),
            )  # fmt: skip
            st.button(
                "Restore demo data" if name in data.bench().playbooks else "Restore",
                icon=":material/undo:",
                key="what_if_restore",
                disabled=not edits,
                on_click=state.restore,
                args=(name,),
            )


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole-day times as dates, so that they are written back the way they came."""
    for column in frame.columns:
        if pd.api.types.is_datetime64_any_dtype(frame[column]):
            times = frame[column].dt.tz_localize(None) if frame[column].dt.tz is not None else frame[column]
            whole = (times == times.dt.normalize()).all()
            frame[column] = times.dt.strftime("%Y-%m-%d" if whole else "%Y-%m-%d %H:%M:%S")
    return frame


def _apply(name: str, changed: dict[str, bytes]) -> None:
    for table, content in changed.items():
        state.edit(name, table, content)
    st.session_state["edit_round"] = st.session_state.get("edit_round", 0) + 1
