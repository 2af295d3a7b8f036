"""The receipt: every comparison with the snapshots behind it, what was suppressed, and what a check withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import streamlit as st

from core.model import Json, MetricKind, Run
from core.segment_views import Comparison
from ui import cards, segment_data, words
from ui.segment_data import Story

AGAINST = {
    "incident": "base of the open incident",
    "previous": "snapshot before",
    "reference": "median of up to 7 before",
    "window_start": "start of the window",
}


def receipt(story: Story, against: str) -> None:  # noqa: ARG001  (one form for all tabs)
    """Every comparison of the newest usable snapshot, with the dates of the snapshots that made its base."""
    assert story.item is not None
    judged = story.item.judged
    st.markdown(
        f"Judged: the snapshot of **{words.moment(judged.ts)} UTC** (from {cards.safe(judged.source or 'an upload')}). "
        "It is never part of its own base."
    )
    for kind in story.detectors:
        own = [line for line in story.lines if line.type == kind]
        if own:
            _measure(story, own)
    faults(story)
    suppressed(segment_data.last_check(), story.segment.id)


def _measure(story: Story, own: Sequence[Comparison]) -> None:
    """One measure: a row for everything it was compared with."""
    first = own[0]
    by = f" by {cards.safe(first.attribute)}" if first.attribute else ""
    limit = f"{first.threshold:.2f}" if first.type == "distribution_shift" else f"{first.threshold:.0%}"
    st.subheader(f"{first.measure}{by}, limit {limit}")
    lines = [line for line in own if line.reference]
    if not lines:
        st.caption(f"{first.note[:1].upper()}{first.note[1:]}.")
        return
    st.table(
        {
            "against": [AGAINST.get(line.reference, line.reference) for line in lines],
            "base": [_figure(line, line.base) for line in lines],
            "now": [_figure(line, line.observed) for line in lines],
            "change": [_change(line) for line in lines],
            "× limit": ["n/a" if line.ratio is None else f"{max(0.0, line.ratio):.2f}" for line in lines],
            "says": [_verdict(line) for line in lines],
            "snapshots used": [days(line.dates) for line in lines],
        },
        border="horizontal", hide_index=True, alt=f"{first.measure} of {story.segment.name}: every comparison made",
    )  # fmt: skip


def _figure(line: Comparison, value: float | None) -> str:
    if line.type == "distribution_shift":
        return f"{value or 0:.3f}"
    return words.figure(value, MetricKind.SUM if line.type == "size_jump" else MetricKind.RATIO)


def _change(line: Comparison) -> str:
    if line.type == "distribution_shift":
        return "distance"
    return "from zero" if line.share is None else words.percent(line.share * 100)


def _verdict(line: Comparison) -> str:
    if line.note:
        return line.note
    return "in order" if line.severity is None else line.severity.name.lower()


def days(dates: Sequence[datetime]) -> str:
    """The days of snapshots; consecutive ones as a range: ``14 Nov to 20 Nov (7)``."""
    told = [words.short_moment(at, "D") for at in dates]
    gaps = {(b.date() - a.date()).days for a, b in pairwise(dates)}
    return f"{told[0]} to {told[-1]} ({len(told)})" if len(told) > 2 and gaps == {1} else ", ".join(told)


def faults(story: Story) -> None:
    """Snapshots that failed a check: no detection on them, and no baseline of them."""
    if not story.faults:
        st.caption("Every snapshot passed the checks.")
        return
    st.subheader(f"Snapshots withheld as bad data ({len({str(f.params.get('ts')) for f in story.faults})})")
    for fault in story.faults:
        with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
            st.badge(fault.dimension, color="orange")
            st.markdown(cards.safe(fault.message))


def suppressed(run: Run | None, segment_id: str | None = None) -> int:
    """Findings that the last check kept to itself, each with its reason; answers how many."""
    found = [
        f
        for f in (_rows(run.report.get("findings")) if run else ())
        if f.get("suppressed_by") and segment_id in (None, f.get("subject"))
    ]
    if found:
        st.subheader(f"Suppressed findings ({len(found)})")
    for finding in found:
        st.markdown(
            f"**{cards.safe(str(finding['label']))}** · {cards.safe(str(finding['summary']))}  \n"
            f":gray[Not raised: {cards.safe(str(finding['suppressed_by']))}]"
        )
    return len(found)


def _rows(value: Json) -> Sequence[Mapping[str, Json]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def last_check(run: Run | None) -> None:
    """What the newest check of all segments found, withheld, suppressed and left out."""
    if run is None:
        st.info("No check has run yet. Choose Check now above, or switch on its schedule.", icon=":material/schedule:")
        return
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            cards.light_badge(run.light)
            st.caption(f"{words.moment(run.ended_at)} UTC by {cards.safe(run.actor)} · {run.trigger} · {run.id}")
        st.header(cards.safe(run.headline))
        count = suppressed(run)
        failed = [c for c in _rows(run.report.get("checks")) if c.get("status") != "passed"]
        if failed:
            st.subheader(f"Checks that did not pass ({len(failed)})")
            st.markdown("\n".join(f"- {cards.safe(str(c['message']))}" for c in failed[:50]))
        if not count and not failed:
            st.caption("Nothing was suppressed, and every snapshot passed the checks.")
        notes = [str(n) for n in run.report.get("notes") or () if not str(n).startswith(("suppressed:", "check "))]  # type: ignore[union-attr]
        if notes:
            st.subheader("Left out, and why")
            st.markdown("\n".join(f"- {cards.safe(n)}" for n in notes[:50]))
