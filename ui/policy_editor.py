"""The order policy as text: the draft, what is wrong with it by line, what the lint says, and saving it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import streamlit as st

from core.errors import WorkbenchError
from core.load.order_policies import Problem, ReadPolicy
from core.model import JsonObject
from core.service import order_policies
from core.service.order_policies import Current
from core.store.order_policies import StoredPolicy
from ui import auth, cards, data, service_data, words

DRAFT, PROBLEM, SAVED = (f"policy_{name}" for name in ("draft", "problem", "saved"))
HEIGHT = 620
SHOWN = 30
GRADE: Mapping[str, words.Color] = {"high": "red", "medium": "orange", "low": "gray", "warning": "orange"}


def in_force() -> Current:
    """The policy that holds."""
    return _in_force(service_data.version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _in_force(version: str) -> Current:  # noqa: ARG001  (the key)
    return order_policies.current(data.bench(), auth.current().tenant)


def name(version: int) -> str:
    """A version as people call it."""
    return f"version {version}" if version else "the shipped defaults"


def head(holds: Current) -> None:
    """Which version is in force, since when, and why a newer text is not."""
    saved = (
        f" since {words.moment(holds.saved_at)} UTC, saved by {cards.safe(holds.saved_by)}" if holds.saved_at else ""
    )
    st.caption(f"In force: {name(holds.version)}{saved}.")
    for error in holds.errors:
        st.warning(
            f"{cards.safe(error)}  \nThe last good policy stays in force.", title="A newer text is broken",
            icon=":material/policy:",
        )  # fmt: skip
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    kept: StoredPolicy | None = st.session_state.pop(SAVED, None)
    if kept is not None:
        what = f"Rolled back to {name(kept.restored_from)}" if kept.restored_from is not None else "Saved"
        st.success(f"{what}: version {kept.version} is in force from now on.", icon=":material/check_circle:")


def draft(holds: Current) -> str:
    """The text that is being edited, kept while one looks at other pages."""
    text = str(st.session_state.get(DRAFT, (holds.version, holds.text))[1])
    key = f"policy_text_{_round()}"
    typed = st.text_area(
        "Policy (YAML)", value=text, height=HEIGHT, key=key, disabled=not _may(),
        help="A key that is left out has its shipped value. Money is whole cents, waits are minutes.",
    )  # fmt: skip
    if typed != text:
        st.session_state[DRAFT] = (holds.version, typed)
    box = st.expander(
        "With line numbers", icon=":material/format_list_numbered:", key="policy_lines", on_change="rerun"
    )
    if box.open:
        with box:
            st.code(typed, language="yaml", line_numbers=True, height=HEIGHT)
    return typed


def start(text: str, holds: Current) -> None:
    """Puts another text into the editor."""
    st.session_state[DRAFT] = (holds.version, text)
    st.session_state["policy_round"] = _round() + 1


@st.cache_resource(max_entries=16, show_spinner=False)
def _read(text: str) -> ReadPolicy:
    return order_policies.validate(text)


@st.cache_resource(max_entries=16, show_spinner=False)
def _lint(text: str) -> Sequence[JsonObject]:
    return order_policies.lint(text)


def checked(text: str) -> bool:
    """What is wrong with the text, line by line, and what the lint advises; answers whether it could be saved."""
    read = _read(text)
    with st.container(border=True):
        st.header("Check")
        if read.policy is None:
            st.error(_lines(read.errors), title=f"{len(read.errors)} to correct", icon=":material/report:")
            _excerpt(text, read.errors[0].line)
        else:
            st.success(f"Valid: {len(read.given):,} keys read.", icon=":material/check_circle:")
        if read.warnings:
            st.warning(_lines(read.warnings), title=f"{len(read.warnings)} unused", icon=":material/help:")
        advice = [i for i in _lint(text) if i.get("type") not in ("invalid", "unknown_key")]  # they stand above
        if read.policy is not None and not advice:
            st.caption("The lint has nothing to add.")
        for issue in advice[:SHOWN]:
            _issue(issue)
    return read.policy is not None


def _lines(problems: Sequence[Problem]) -> str:
    more = f"\n- and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "\n".join(f"- {cards.safe(str(p))}" for p in problems[:SHOWN]) + more


def _excerpt(text: str, line: int) -> None:
    """The line that is meant with its neighbours."""
    lines = text.splitlines()
    if not 1 <= line <= len(lines):
        return
    near = range(max(1, line - 1), min(len(lines), line + 1) + 1)
    st.code("\n".join(f"{'>' if n == line else ' '} {n:>4}  {lines[n - 1]}" for n in near), language="yaml")


def _issue(issue: JsonObject) -> None:
    line = issue.get("line_number")
    grade = str(issue.get("severity") or "low").lower()
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(grade, color=GRADE.get(grade, "gray"))
        st.markdown((f"line {line}: " if line else "") + cards.safe(str(issue.get("message"))), width="content")
    if fix := issue.get("suggested_fix"):
        st.caption(f"Fix: {cards.safe(str(fix))}")


def save(text: str, holds: Current, *, valid: bool) -> None:
    """What would change in the text, a note, and the buttons that save or drop it."""
    changed = text != holds.text
    with st.container(border=True):
        st.header("Save")
        if changed:
            box = st.expander("Changes to the text", icon=":material/difference:", key="policy_diff")
            with box:
                st.code(diff(holds.text, text, name(holds.version), "draft"), language="diff", wrap_lines=True)
        else:
            st.caption(f"The text is that of {name(holds.version)}.")
        st.text_input("Note", key="policy_note", placeholder="Why, for the history", max_chars=500, disabled=not _may())
        with st.container(horizontal=True, gap="small"):
            st.button(
                f"Save as version {_next()}", type="primary", icon=":material/save:", key="policy_save",
                on_click=_save, args=(text,), disabled=not (changed and valid and _may()),
            )  # fmt: skip
            st.button(
                "Undo changes", icon=":material/undo:", key="policy_undo", on_click=start, args=(holds.text, holds),
                disabled=not changed,
            )  # fmt: skip
        if not _may():
            st.caption(":material/lock: An administrator saves a policy.")


def diff(before: str, after: str, one: str, other: str) -> str:
    """The lines that differ, with two lines around them."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), one, other, lineterm="", n=2)
    return "\n".join(found) or "No line differs."


def _next() -> int:
    versions = history()
    return versions[0].version + 1 if versions else 1


def history() -> tuple[StoredPolicy, ...]:
    """Every saved version, newest first."""
    return _history(service_data.version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _history(version: str) -> tuple[StoredPolicy, ...]:  # noqa: ARG001  (the key)
    return order_policies.history(data.bench(), auth.current())


def _save(text: str) -> None:
    try:
        kept = order_policies.save(data.bench(), auth.current(), text, str(st.session_state.get("policy_note") or ""))
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    done(kept)


def done(kept: StoredPolicy) -> None:
    """A version was kept: it is told of, and the editor starts from it."""
    st.session_state[SAVED] = kept
    st.session_state.pop(DRAFT, None)
    st.session_state["policy_note"] = ""
    st.session_state["policy_round"] = _round() + 1


def _may() -> bool:
    return auth.current().can("tools:manage")


def _round() -> int:
    number: int = st.session_state.get("policy_round", 0)
    return number
