"""One segment: where it stands, how it got there, what moved, who came and went, and the receipt."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import charts, segment_charts
from core import segment_views as views
from core.charts import Mark
from core.model import MetricKind, Segment
from core.segment_views import Comparison
from ui import cards, figures, segment_data, segment_files, segment_list, segment_receipt, words
from ui.segment_data import Story
from ui.segment_list import AGAINST

WORDS = {
    "incident": "the base of its open incident",
    "previous": "the snapshot before",
    "reference": "the median of the 7 before",
    "window_start": "the start of the window",
}
RATES = ("distribution_shift", "conversion_anomaly", "inactivity_creep")
LABEL = {
    "size_jump": "Size",
    "distribution_shift": "Make-up, furthest attribute",
    "conversion_anomaly": "Conversion",
    "inactivity_creep": "Churn",
}


def body(story: Story) -> None:
    """Everything about one segment below its head."""
    opened = segment_data.board().incidents_of(story.segment.id)
    if opened:
        with st.container(border=True, gap="xsmall"):
            st.header(f"Open incidents ({len(opened)})")
            segment_list.incident_rows(opened)
    if story.item is None:
        _nothing(story)
        return
    against = _against(story)
    _measures(story, against)
    with st.container(border=True):
        _size(story, against)
    names = ["What moved", "Make-up over time", "Inflow and outflow", "Conversion and churn", "Receipt"]
    shown = (_moved, _makeup, _flow, _rates, segment_receipt.receipt)
    tabs = st.tabs(names, key="segments_part", on_change="rerun", bind="query-params")
    for tab, show in zip(tabs, shown, strict=True):
        if tab.open:
            with tab:
                show(story, against)


def _nothing(story: Story) -> None:
    if story.history:
        st.warning("Every snapshot failed a check, so nothing is judged.", icon=":material/report:")
        segment_receipt.faults(story)
        return
    st.info(
        "No snapshot yet. Take one now, or upload its history under Data on the list of segments.",
        icon=":material/photo_camera:",
    )


def _against(story: Story) -> str:
    """The chosen reference; the one that decides for the size to begin with."""
    names = list(dict.fromkeys(line.reference for line in story.lines if line.reference))
    if not names:
        st.caption("Not enough history: two snapshots are needed before anything can be compared.")
        return ""
    key = f"segments_against_{story.segment.id}"
    if st.session_state.get(key) not in (None, *names):
        del st.session_state[key]
    start = views.speaking(story.lines)
    chosen = st.segmented_control(
        "Compared with", names, format_func=_named, required=True, key=key,
        default=None if key in st.session_state else start if start in names else names[0],
        help="The snapshot before; the median of up to seven before; the median of the oldest three of the last "
        "fourteen (from eight snapshots on). An open incident keeps the base that it was judged against.",
    )  # fmt: skip
    return str(chosen)


def _named(reference: str | None) -> str:
    return AGAINST.get(reference or "", reference or "").capitalize()


def _measures(story: Story, against: str) -> None:
    """One card a measure: value, change and base together; colour only where it is too far."""
    with st.grid(columns="auto", min_column_width=210, gap="small"):
        for kind in story.detectors:
            own = [line for line in story.lines if line.type == kind]
            line = next((one for one in own if one.reference == against), own[0] if own else None)
            if line is not None:
                _measure(line)


def _measure(line: Comparison) -> None:
    label = LABEL.get(line.type, line.measure)
    kind = MetricKind.SUM if line.type == "size_jump" else MetricKind.RATIO
    if not line.reference:
        value, short = words.figure(line.observed, kind), line.note.partition(":")[0]
        st.metric(label, value, delta=short, delta_color="gray", delta_arrow="off", border=True, help=line.note)
        return
    color = words.SEVERITY[line.severity] if line.severity else "gray"
    if line.type == "distribution_shift":
        value, change = f"{line.observed or 0:.2f}", f"{line.attribute}: limit {line.threshold:.2f}"
        st.metric(
            label, value, delta=cards.safe(change), delta_color=color, delta_arrow="off", border=True,
            help="Total variation distance of the critical attribute that is furthest away; 0 is the same make-up.",
        )  # fmt: skip
        return
    up = (line.observed or 0) - (line.base or 0)
    st.metric(
        label, words.figure(line.observed, kind), delta_color=color, border=True,
        delta="from zero" if line.share is None else words.percent(line.share * 100),
        delta_arrow="up" if up > 0 else "down" if up < 0 else "off",
        delta_description=f"vs {words.figure(line.base, kind)}",
        help=f"Judged against {WORDS.get(line.reference, line.reference)}; limit {line.threshold:.0%}. {line.note}",
    )  # fmt: skip


def headline(segment: Segment, lines: Sequence[Comparison], against: str) -> str:
    """Where the size stands, in one sentence; it is the chart's title."""
    line = next((one for one in lines if one.type == "size_jump" and one.reference == against), None)
    if line is None or line.observed is None:
        return f"Size of {segment.name}"
    if not line.reference:
        return f"{segment.name} holds {line.observed:,.0f} people"
    held, base = f"{segment.name} holds {line.observed:,.0f} people", WORDS.get(against, against)
    if line.share is None:
        return f"{held}, where nobody was: {base} is 0"
    if not line.share:
        return f"{held}, the same as {base}"
    return f"{held}, {abs(line.share):.1%} {'above' if line.share > 0 else 'below'} {base}".replace("%", " %")


def _size(story: Story, against: str) -> None:
    title = headline(story.segment, story.lines, against)
    st.header(cards.safe(title))
    frame = segment_data.track(story, "size_jump", against or "reference")
    figures.show(
        charts.series_chart, frame, key=f"segments_size_{story.segment.id}", title="", unit="people",
        palette=words.palette(), marks=_marks(story), brush=False, height=280, value_format="~s",
        alt=f"{title}. Line chart of {len(frame)} snapshots with the band that is in order; "
        f"{int(frame['alarm'].sum())} of them are outside.",
    )  # fmt: skip
    left = len(story.history) - len(frame)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            f"{len(frame)} snapshots; dashed: what was expected, shaded: within the limit, red: too far"
            + (f" · {left} not shown" if left > 0 else "")
            + _since(story.segment),
            width="content",
        )
        segment_files.download(
            story.segment.id, {story.segment.id: story.segment.name}, "Snapshots as CSV", "segments_one_csv"
        )


def _marks(story: Story) -> list[Mark]:
    """The days from which a new normal holds."""
    return [
        Mark(at.replace(tzinfo=None), f"New normal of {segment_list.TYPES.get(kind, kind)}", "judged")
        for kind, at in story.segment.normal_since.items()
        if kind == "size_jump"
    ]


def _since(segment: Segment) -> str:
    at = segment.normal_since.get("size_jump")
    return f" · baselines start at the new normal of {words.short_moment(at, 'D')}" if at else ""


def _moved(story: Story, against: str) -> None:
    """The largest movers of every attribute, before and after."""
    assert story.item is not None
    base = segment_data.reference(story, "distribution_shift", against)
    own = against
    if base is None:  # an incident of another type is open: its base is not one of the make-up
        own = "reference"
        base = segment_data.reference(story, "distribution_shift", own)
    if base is None:
        st.info("Nothing to compare with yet.", icon=":material/hourglass_empty:")
        return
    frame = views.moved(story.item.judged, base)
    shown = frame[frame["change"].abs() > 0]
    if shown.empty:
        st.info(f"No share is different from {WORDS[own]}.", icon=":material/check_circle:")
        return
    first = shown.iloc[0]
    st.subheader(
        cards.safe(
            f"{first['attribute']} is furthest away ({first['distance']:.2f}): {first['value']} went from "
            f"{first['before']:.1%} to {first['after']:.1%}"
        )
    )
    figures.show(
        segment_charts.movers, shown, palette=words.palette(),
        alt=f"Shares of {len(shown)} values against {WORDS[own]} (ring) and now (dot), the furthest attribute first.",
    )  # fmt: skip
    st.caption(f"Ring: {WORDS[own]}. Dot: now. The three largest movers of each attribute, furthest attribute first.")
    with st.expander("As a table", icon=":material/table:"):
        _table(shown)


def _table(frame: object) -> None:
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    st.table(
        {
            "attribute": [cards.safe(a) for a in frame["attribute"]],
            "value": [cards.safe(v) for v in frame["value"]],
            "before": [f"{v:.2%}" for v in frame["before"]],
            "after": [f"{v:.2%}" for v in frame["after"]],
            "change": [f"{100 * v:+.2f} points".replace("-", words.MINUS) for v in frame["change"]],
        },
        border="horizontal", hide_index=True, alt="Largest movers of every attribute",
    )  # fmt: skip


def _makeup(story: Story, against: str) -> None:  # noqa: ARG001  (one form for all tabs)
    """Stacked shares of one attribute over time."""
    assert story.item is not None
    names = list(dict.fromkeys(a for s in story.item.history[::-1] for a in s.shares))
    if not names:
        st.info("The snapshots hold no attributes.", icon=":material/hourglass_empty:")
        return
    worst = next((line.attribute for line in story.lines if line.attribute), names[0])
    key = f"segments_attribute_{story.segment.id}"
    chosen = st.pills(
        "Attribute",
        names,
        format_func=cards.safe,
        default=None if key in st.session_state else worst if worst in names else names[0],
        required=True,
        key=key,
    )
    frame = views.composition(story.item.history, str(chosen))
    st.subheader(cards.safe(f"Make-up of {story.segment.name} by {chosen}"))
    values = ", ".join(frame["value"].unique())
    figures.show(
        segment_charts.composition, frame, palette=words.palette(),
        alt=f"Stacked shares of {chosen} over {frame['ts'].nunique()} snapshots: {values}.",
    )  # fmt: skip


def _flow(story: Story, against: str) -> None:  # noqa: ARG001
    """Who entered and who left at each snapshot."""
    assert story.item is not None
    frame = views.flow(story.item.history)
    if frame.empty:
        st.info(
            "Who entered and left is not tracked: that needs a people table with an id column, twice.",
            icon=":material/hourglass_empty:",
        )
        return
    last = story.item.judged
    st.subheader(
        cards.safe(
            f"{last.velocity_in or 0:,} entered and {last.velocity_out or 0:,} left before "
            f"{words.short_moment(last.ts, 'D')}"
        )
    )
    figures.show(
        segment_charts.flow, frame, palette=words.palette(),
        alt=f"People who entered and left, {frame['ts'].nunique()} snapshots.",
    )  # fmt: skip


def _rates(story: Story, against: str) -> None:
    """Conversion and churn against the same reference."""
    with st.grid(columns="auto", min_column_width=340, gap="small"):
        for kind in ("conversion_anomaly", "inactivity_creep"):
            if kind in story.detectors:
                with st.container(border=True):
                    _rate(story, kind, against)


def _rate(story: Story, kind: str, against: str) -> None:
    label = LABEL[kind]
    own = [line for line in story.lines if line.type == kind]
    known = [line.reference for line in own if line.reference]
    if not known:
        st.subheader(f"{label} is not judged")
        st.caption(own[0].note if own else "not part of the playbook")
        return
    name = against if against in known else "reference"
    line = next((one for one in own if one.reference == name), own[0])
    change = "from zero" if line.share is None else words.percent(line.share * 100)
    title = f"{label} is {words.figure(line.observed, MetricKind.RATIO)}, {change} against {WORDS[name]}"
    st.subheader(title)
    frame = segment_data.track(story, kind, name)
    figures.show(
        charts.series_chart, frame, key=f"segments_{kind}_{story.segment.id}", title="", unit="",
        palette=words.palette(), brush=False, height=220, value_format=".1~%",
        alt=f"{title}. Line chart of {len(frame)} snapshots; {int(frame['alarm'].sum())} are too far.",
    )  # fmt: skip
