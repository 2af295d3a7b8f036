"""The rest of a segment's definition: name, owner, whether and how closely it is watched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.model import Json, Segment, SegmentWatch
from core.segments import THRESHOLDS, watch_doc
from ui import cards
from ui.segment_rules import Edited

ASKED = {
    "sizeChangePercent": ("Size change", "Share of the compared size, both directions."),
    "distributionShift": ("Make-up shift", "Total variation distance of the furthest critical attribute."),
    "conversionAnomaly": ("Conversion change", "Relative, both directions; skipped where it is not tracked."),
    "inactivityCreep": ("Churn rise", "Relative rise of those who left; falls never count."),
}


def head(start: Segment | None, key: str, edited: Edited) -> dict[str, Json]:
    """Name, owner and whether it is in use."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            "Name",
            start.name if start else "",
            key=f"{key}_name",
            persist_state="session",
            max_chars=120,
            width=280,
            placeholder="High-value",
        )
        owner = st.text_input(
            "Owner",
            start.owner if start else "",
            key=f"{key}_owner",
            persist_state="session",
            max_chars=200,
            width=240,
            placeholder="growth@example.com",
            help="Named in every alert of this segment.",
        )
        active = st.toggle(
            "Active", start.is_active if start else True, key=f"{key}_active", persist_state="session",
            help="An inactive segment is neither counted nor checked.",
        )  # fmt: skip
    slot = st.container()
    edited.slots |= {"name": slot, "owner": slot, "id": slot}
    return {"name": name, "owner": owner, "is_active": active}


def watch(
    start: SegmentWatch, limits: Mapping[str, float], attributes: Sequence[str], key: str, edited: Edited
) -> dict[str, Json]:
    """Thresholds beside their defaults, the expected size, and the attributes that count."""
    begun = watch_doc(start)
    on = st.toggle(
        "Monitoring",
        start.monitoring,
        key=f"{key}_monitoring",
        persist_state="session",
        help="Off: snapshots are kept, nothing is raised.",
    )
    doc: dict[str, Json] = {"monitoringEnabled": on}
    with st.grid(columns="auto", min_column_width=190, gap="small"):
        for name in THRESHOLDS:
            if (limit := _limit(name, begun.get(name), limits.get(name), key)) is not None:
                doc[name] = limit
    edited.slots["baseline"] = st.container()
    st.caption(
        "Empty: the default in grey. 1 switches that detector off. Usual: 0.10 for the size of a critical segment, "
        "0.30 for that of an experimental one."
    )
    if expected := _expected(start, key, edited):
        doc["expectedSize"] = expected
    chosen = list(start.critical_attributes)
    if options := list(dict.fromkeys([*attributes, *chosen])):
        pills = f"{key}_critical"
        doc["criticalAttributes"] = st.pills(
            "Critical attributes",
            options,
            selection_mode="multi",
            format_func=cards.safe,
            key=pills,
            persist_state="session",
            default=None if pills in st.session_state else chosen,
            help="Only these are judged for a shift of the make-up; none chosen: all of them.",
        )
    return doc


def _limit(name: str, begun: Json, default: float | None, key: str) -> float | None:
    label, note = ASKED[name]
    return st.number_input(
        label,
        0.0,
        1.0,
        float(begun) if isinstance(begun, int | float) else None,
        step=0.01,
        format="%g",
        key=f"{key}_{name}",
        persist_state="session",
        placeholder=f"{default:.2f} (default)" if default is not None else "not judged",
        help=note,
    )


def _expected(start: SegmentWatch, key: str, edited: Edited) -> dict[str, Json]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        least = st.number_input(
            "Expected size, at least",
            0,
            None,
            start.expected_min,
            step=1,
            key=f"{key}_min",
            persist_state="session",
            placeholder="no limit",
            width=200,
            help="A size outside the range is a finding of at least medium severity.",
        )
        most = st.number_input(
            "at most",
            0,
            None,
            start.expected_max,
            step=1,
            key=f"{key}_max",
            persist_state="session",
            placeholder="no limit",
            width=200,
        )
    edited.slots["baseline.expectedSize"] = st.container()
    return {name: value for name, value in (("min", least), ("max", most)) if value is not None}


def at_the_field(edited: Edited, message: str, field: str | None) -> bool:
    """Says what is wrong beside the field it is about; False when it is about none of them."""
    slot = edited.slot(field)
    if slot is None:
        return False
    told = message.removeprefix(f"{field}: ") if field else message
    slot.error(cards.safe(told[:1].upper() + told[1:]), icon=":material/error:")
    return True
