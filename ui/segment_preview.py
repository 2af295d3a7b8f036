"""What a draft selects right now: a live count, the difference to the saved definition, and masked rows."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import NotFound, WorkbenchError
from core.model import Json, Segment
from core.service.audience import Preview
from ui import cards, segment_data
from ui.segment_form import at_the_field
from ui.segment_rules import Edited
from ui.segment_values import NULLS


def show(edited: Edited, saved: Segment | None) -> bool:
    """The preview; what is not complete or wrong is said beside its rule. Answers whether the rules can be asked."""
    st.header("Live preview")
    try:
        found = segment_data.preview(edited.doc, saved)
    except NotFound as problem:
        st.info(f"{problem.message} {problem.hint}", icon=":material/upload_file:")
        return True
    except WorkbenchError as problem:
        if unfinished(edited.doc):
            st.info("Finish the rules to see who matches: a column or a value is still open.", icon=":material/edit:")
        elif not at_the_field(edited, problem.message, problem.field):
            cards.problem(problem)
        return False
    _count(found)
    if saved is not None:
        _difference(found, saved)
    _rows(found)
    return True


def unfinished(doc: Mapping[str, Json], where: str = "") -> str | None:
    """The path of the first rule that lacks its column or its value."""
    rules = doc.get("rules")
    for i, rule in enumerate(rules if isinstance(rules, list) else ()):
        path = f"{where}rules[{i}]"
        if not isinstance(rule, Mapping):
            return path
        if "rules" in rule:
            if inner := unfinished(rule, f"{path}."):
                return inner
        elif not rule.get("field") or ("value" not in rule and rule.get("operator") not in NULLS):
            return path
    return None


def _count(found: Preview) -> None:
    share = found.count / found.total if found.total else 0.0
    st.metric(
        "People who match", f"{found.count:,}", delta=f"{share:.1%} of {found.total:,}", delta_color="gray",
        delta_arrow="off",
    )  # fmt: skip
    if not found.count:
        st.warning("Nobody matches these rules.", icon=":material/person_off:")


def _difference(found: Preview, saved: Segment) -> None:
    if found.saved is None or found.shared is None:
        st.caption("The saved definition asks for a column that the people table no longer has.")
        return
    enters, leaves = found.count - found.shared, found.saved - found.shared
    if not enters and not leaves:
        st.caption(f"The same {found.saved:,} people as the saved definition of {cards.safe(saved.name)}.")
        return
    st.table(
        {
            "compared with the saved definition": ["saved", "this draft", "would enter", "would leave"],
            "people": [f"{found.saved:,}", f"{found.count:,}", f"+{enters:,}", f"\u2212{leaves:,}"],
        },
        border="horizontal", hide_index=True, alt="The draft against the saved definition",
    )  # fmt: skip


def _rows(found: Preview) -> None:
    if not found.sample:
        return
    st.markdown(f"**{len(found.sample)} of them**")
    st.dataframe(
        [dict(row) for row in found.sample], hide_index=True, key="segment_builder_sample",
        alt=f"{len(found.sample)} people who match; whatever tells who they are is masked",
    )  # fmt: skip
    st.caption("Names, mail addresses and the like are masked.")
