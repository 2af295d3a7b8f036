"""Fix templates: what is proposed for a CRITICAL alert of each kind, edited by administrators, checked before kept."""

from __future__ import annotations

import json
from collections.abc import Mapping

import streamlit as st

from core.errors import InputError, WorkbenchError
from core.explain.fix_templates import FixTemplate
from core.model import Json
from core.service import fixes
from core.service.fixes import Fix
from ui import auth, cards, data
from ui.alert_story import KIND

PROBLEM, DONE = "di_fix_problem", "di_fix_done"
ADAPTERS = ("airflow", "webhook", "sandbox")
SIGNALS: Mapping[str, str] = {
    "run_state": "the run succeeded", "freshness": "the table is fresh", "resolved_alert": "the tool says resolved"
}  # fmt: skip


def show() -> None:
    """Every kind with its fix, whose it is, and the form behind it."""
    st.header("Fix templates")
    st.caption(
        "Proposed for a CRITICAL alert of the kind that asks for no person. A person approves it; it is verified "
        "afterwards. Addresses and secrets are configuration and never part of a template."
    )
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check:")
    may = auth.current().can("tools:manage")
    if not may:
        st.caption(":material/lock: An administrator edits them.")
    for fix in fixes.listing(data.bench(), auth.current()):
        with st.container(border=True, gap="small"):
            _card(fix, may)


def _card(fix: Fix, may: bool) -> None:
    t = fix.template
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"**{_kind(fix.kind)}**", width="content")
        if fix.own:
            st.badge(f"edited by {cards.safe(fix.saved_by)}", icon=":material/edit:", color="violet")
        else:
            st.badge("the playbook's", color="gray")
        if t is None:
            st.badge("by hand", icon=":material/front_hand:", color="orange", help="No fix: people look into it.")
        elif not t.enabled:
            st.badge("switched off", icon=":material/toggle_off:", color="orange")
    if t is not None:
        st.markdown(cards.safe(t.title))
        approval = "needs approval" if t.requires_approval else "may run unattended where the playbook allows it"
        st.caption(
            f"{cards.safe(t.action_type)} by {t.adapter} · verified when {SIGNALS[t.verify]} · "
            f"about {t.eta_minutes} min · risk {t.risk_score:.2f} · {approval}"
        )
    box = st.expander("Edit", icon=":material/edit:", key=f"di_fix_{fix.kind}_box", on_change="rerun")
    if box.open:
        with box:
            _form(fix, may)


def _kind(kind: str) -> str:
    name = KIND.get(kind, kind)
    return f"{name[:1].upper()}{name[1:]}"


def _form(fix: Fix, may: bool) -> None:
    t = fix.template or FixTemplate(action_type="fix_it", title="Fix {entity}", adapter="webhook")
    key = f"di_fix_{fix.kind}"
    with st.form(key, border=False):
        left, right = st.columns(2, gap="medium")
        with left:
            st.text_input("Action", t.action_type, key=f"{key}_action_type", help="Small letters and _")
            st.text_input("Title", t.title, key=f"{key}_title", help="{entity} is filled in")
            st.selectbox("Carried out by", ADAPTERS, ADAPTERS.index(t.adapter), key=f"{key}_adapter")
            st.selectbox(
                "Verified when", list(SIGNALS), list(SIGNALS).index(t.verify), format_func=SIGNALS.__getitem__,
                key=f"{key}_verify",
            )  # fmt: skip
        with right:
            with st.container(horizontal=True, gap="small"):
                st.number_input("Minutes it takes", 0, 10_000, t.eta_minutes, key=f"{key}_eta_minutes")
                st.number_input("Risk, 0 to 1", 0.0, 1.0, t.risk_score, 0.05, key=f"{key}_risk_score")
            st.text_area(
                "Parameters of the request (JSON)", json.dumps(dict(t.request), indent=1), key=f"{key}_request",
                height=110,
            )  # fmt: skip
            st.toggle("Needs a person's approval", t.requires_approval, key=f"{key}_requires_approval")
            st.toggle("Is proposed at all", t.enabled, key=f"{key}_enabled")
        st.form_submit_button(
            "Save", type="primary", icon=":material/save:", on_click=_save, args=(fix.kind,), disabled=not may,
            key=f"{key}_save",
        )  # fmt: skip
    st.button(
        "Back to the playbook's", icon=":material/undo:", key=f"{key}_reset", type="tertiary", on_click=_reset,
        args=(fix.kind,), disabled=not (may and fix.own),
    )  # fmt: skip


def _save(kind: str) -> None:
    try:
        fixes.save(data.bench(), auth.current(), kind, _given(kind))
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    else:
        _forget(kind)
        st.session_state[DONE] = f"The fix of {KIND.get(kind, kind)} alerts holds from the next alert on."


def _given(kind: str) -> dict[str, Json]:
    names = ("action_type", "title", "adapter", "verify", "eta_minutes", "risk_score", "requires_approval", "enabled")
    found: dict[str, Json] = {n: st.session_state[f"di_fix_{kind}_{n}"] for n in names}
    try:
        found["request"] = json.loads(st.session_state[f"di_fix_{kind}_request"] or "{}")
    except ValueError:
        raise InputError("The parameters are no JSON.", hint='Expected an object such as {"dag": "load"}.',
                         field="request") from None  # fmt: skip
    return found


def _reset(kind: str) -> None:
    try:
        fixes.reset(data.bench(), auth.current(), kind)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    else:
        _forget(kind)
        st.session_state[DONE] = f"The playbook's fix of {KIND.get(kind, kind)} alerts holds again."


def _forget(kind: str) -> None:
    """What was typed is gone: the form shows what is kept."""
    for name in [n for n in st.session_state if str(n).startswith(f"di_fix_{kind}_") and not str(n).endswith("_box")]:
        del st.session_state[name]
