"""Every saved version of the order policy: who saved it when and why, what differs, and the way back."""

from __future__ import annotations

import streamlit as st

from core.errors import WorkbenchError
from core.load.order_policies import SHIPPED
from core.service import order_policies
from core.service.order_policies import Current
from core.store.order_policies import StoredPolicy
from ui import auth, cards, data, policy_editor, words

PER_PAGE = 10


def show(holds: Current) -> None:
    """The versions, newest first, and the shipped defaults they began with."""
    versions = policy_editor.history()
    with st.container(border=True):
        st.header(f"Versions ({len(versions)})")
        if not versions:
            st.caption("Nothing was saved yet; the shipped defaults are in force.")
        pages = -(-len(versions) // PER_PAGE)
        slot = st.container(gap="small")
        page = st.pagination(pages, key=f"policy_history_{pages}") if pages > 1 else 1
        texts = {0: SHIPPED.read_text("utf-8"), **{v.version: v.text for v in versions}}
        with slot:
            for kept in versions[(page - 1) * PER_PAGE : page * PER_PAGE]:
                _version(kept, texts.get(kept.version - 1, texts[0]), holds)
            _shipped(holds)


def _version(kept: StoredPolicy, before: str, holds: Current) -> None:
    with st.container(border=True, gap="small", key=f"policy_version_{kept.version}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
                st.markdown(f"**Version {kept.version}**", width="content")
                if kept.version == holds.version:
                    st.badge("in force", icon=":material/check:", color="green")
                if kept.restored_from is not None:
                    st.badge(f"from {policy_editor.name(kept.restored_from)}", color="gray")
            _back(kept.version, holds)
        st.caption(f"{words.moment(kept.saved_at)} UTC by {cards.safe(kept.saved_by)}")
        if kept.note:
            st.markdown(cards.safe(kept.note))
        box = st.expander(
            "What it changed", icon=":material/difference:", key=f"policy_changes_{kept.version}", on_change="rerun"
        )
        if box.open:
            with box:
                found = policy_editor.diff(
                    before, kept.text, policy_editor.name(kept.version - 1), f"version {kept.version}"
                )
                st.code(found, language="diff", wrap_lines=True)


def _shipped(holds: Current) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", width="content"):
            st.markdown("**The shipped defaults**", width="content")
            if not holds.version:
                st.badge("in force", icon=":material/check:", color="green")
        _back(0, holds)


def _back(version: int, holds: Current) -> None:
    if version == holds.version:
        return
    st.button(
        "Roll back to it", icon=":material/history:", key=f"policy_back_{version}", type="tertiary", width="content",
        on_click=_rollback, args=(version,), disabled=not auth.current().can("tools:manage"),
        help="Its text becomes a new version; no version is ever lost.",
    )  # fmt: skip


def _rollback(version: int) -> None:
    try:
        kept = order_policies.rollback(data.bench(), auth.current(), version)
    except WorkbenchError as problem:
        st.session_state[policy_editor.PROBLEM] = problem
        return
    policy_editor.done(kept)
