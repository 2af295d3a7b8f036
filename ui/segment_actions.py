"""What people do with segments: snapshot now, check now, accept as new normal, load the demo, set the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import streamlit as st

from core.errors import WorkbenchError
from core.load.segments import TYPES
from core.model import Incident, IncidentStatus, Run
from core.segments import segment_doc
from core.service import casework, incidents, jobs, segments, snapshots
from core.service.audience import PLAYBOOK
from ui import auth, cards, data, schedule, segment_data, segment_list
from ui.segment_data import Board, Story

PROBLEM, TAKEN, CHECKED, DONE = (f"segments_{name}" for name in ("problem", "taken", "checked", "done"))


def top(board: Board) -> None:
    """Title of the list, and what holds for all segments."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Segments", width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            segment_list.builder_link("New segment")
            if board.segments:
                _take(None)
                _check()


def head(story: Story) -> None:
    """Title of one segment, what it is, and what can be done with it."""
    segment = story.segment
    st.button(
        "All segments", icon=":material/arrow_back:", key="segments_back", type="tertiary",
        on_click=segment_list.open_segment, args=(None,),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            st.title(cards.safe(segment.name), width="content")
            if not segment.is_active:
                st.badge("inactive", color="gray")
            elif not segment.watch.monitoring:
                st.badge("not monitored", color="gray", help="Snapshots are kept, nothing is raised.")
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            segment_list.builder_link("Edit", segment.id, ":material/edit:")
            _take(segment.id)
            _check()
            with st.popover("Accept as new normal", icon=":material/done_all:", key="segments_normal_open"):
                _normal(story)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.text(segment.owner or "no owner", width="content")
        st.caption(f"Everybody with {cards.safe(segment_list.phrase(segment.definition))}", width="content")


def _take(segment_id: str | None) -> None:
    clicked = st.button(
        "Take snapshot now", icon=":material/photo_camera:", key="segments_take", disabled=not _may(),
        help="Counts the people now. A snapshot of the same day is replaced."
        + ("" if segment_id else " Segments that are not monitored are left out."),
    )  # fmt: skip
    if not clicked:
        return
    try:
        with st.spinner("Counting people…"):
            st.session_state[TAKEN] = snapshots.take(data.bench(), auth.current(), segment_id)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.rerun()


def _check() -> None:
    clicked = st.button(
        "Check now", type="primary", icon=":material/play_arrow:", key="segments_check", disabled=not _may(),
        help="Judges the newest snapshot of every segment and opens or updates incidents. Nothing is sent by itself.",
    )  # fmt: skip
    if not clicked:
        return
    try:
        with st.spinner("Checking every segment…"):
            st.session_state[CHECKED] = casework.run(data.bench(), auth.current(), PLAYBOOK, kind="manual")
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.rerun()


def _may() -> bool:
    return auth.current().can("incidents:write")


def outcome() -> None:
    """What the last action did, once."""
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    if told := st.session_state.pop(DONE, None):
        st.success(cards.safe(told), icon=":material/check:")
    taken: snapshots.Taken | None = st.session_state.pop(TAKEN, None)
    if taken is not None:
        _told_taken(taken)
    run: Run | None = st.session_state.pop(CHECKED, None)
    if run is not None:
        _told_check(run)


def _told_taken(taken: snapshots.Taken) -> None:
    count = len(taken.snapshots)
    told = f"{count} snapshot{'s' if count != 1 else ''} taken"
    st.success(
        told + (f", {taken.replaced} of today replaced" if taken.replaced else "") + ".", icon=":material/photo_camera:"
    )
    for reason in taken.failed.values():
        st.warning(f"Not counted: {cards.safe(reason)}", icon=":material/report:")
    for note in taken.notes:
        st.caption(cards.safe(note))


def _told_check(run: Run) -> None:
    shown = st.warning if run.report.get("incidents") else st.success
    shown(
        f"{cards.safe(run.headline)}. Nothing was sent: open an incident to preview and send its alert.",
        title="Check done",
        icon=":material/fact_check:",
    )


def empty() -> None:
    """No segment yet: where to begin."""
    st.info(
        "No segments yet. Write the first one, import a segments.yaml in the builder, or load the demo: five segments "
        "with eight days of snapshots, one of which drifts in four ways.",
        icon=":material/groups:",
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Load the demo", type="primary", icon=":material/science:", key="segments_demo", on_click=_demo,
            disabled=not _may(),
        )  # fmt: skip
        segment_list.builder_link("Write a segment")


def _demo() -> None:
    try:
        loaded = segments.seed_demo(data.bench(), auth.current())
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    st.session_state[DONE] = "The demo is loaded. Check now to see what drifts." if loaded else "There is no demo here."


def _normal(story: Story) -> None:
    """One measure from one day on; choosing again moves the day, and forgetting it brings the old baselines back."""
    segment = story.segment
    st.markdown("**What it is now is how it should be**")
    st.caption("Baselines of the chosen measures begin at the day below; an open incident of theirs is resolved.")
    opened = {i.type for i in segment_data.board().incidents_of(segment.id)}
    kinds = st.pills(
        "Measures", TYPES, selection_mode="multi", format_func=lambda t: segment_list.TYPES.get(t, t),
        default=None if "segments_normal_types" in st.session_state else [t for t in TYPES if t in opened],
        key="segments_normal_types",
    )  # fmt: skip
    today = data.bench().ctx.clock.now().astimezone(UTC).date()
    since = st.date_input("From", today, max_value=today, key="segments_normal_since")
    st.button(
        "Accept", type="primary", icon=":material/done_all:", key="segments_normal", on_click=_accept,
        args=(segment.id, tuple(kinds), since), disabled=not kinds or not _may(),
    )  # fmt: skip
    for kind, at in segment.normal_since.items():
        st.button(
            f"Forget the new normal of {segment_list.TYPES.get(kind, kind)} ({at:%d %b %Y})",
            key=f"segments_forget_{kind}", icon=":material/undo:", type="tertiary", on_click=_forget,
            args=(segment.id, kind), disabled=not _may(),
        )  # fmt: skip


def _accept(segment_id: str, kinds: tuple[str, ...], since: object) -> None:
    wb, who = data.bench(), auth.current()
    day = since if isinstance(since, date) else wb.ctx.clock.now().date()
    at = datetime.combine(day, time(), UTC)
    opened = segment_data.board().incidents_of(segment_id)
    try:
        for kind in kinds:
            segments.accept_as_new_normal(wb, who, segment_id, kind, at)
        for incident in opened:
            if incident.type in kinds:
                _resolve(incident, day)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    named = ", ".join(segment_list.TYPES.get(k, k) for k in kinds)
    st.session_state[DONE] = f"New normal of {named} from {day:%d %b %Y}; choose again to undo it."


def _resolve(incident: Incident, day: date) -> None:
    if IncidentStatus.RESOLVED in incidents.allowed(incident):
        incidents.move(
            data.bench(), auth.current(), incident.incident_id, IncidentStatus.RESOLVED,
            f"accepted as new normal from {day:%Y-%m-%d}", seen=incident.updated_at,
        )  # fmt: skip


def _forget(segment_id: str, kind: str) -> None:
    wb, who = data.bench(), auth.current()
    try:
        before = segments.get(wb, who, segment_id)
        since = {k: at.isoformat() for k, at in before.normal_since.items() if k != kind}
        segments.update(wb, who, segment_id, {**segment_doc(before), "normal_since": since}, seen=before.updated_at)
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
        return
    st.session_state[DONE] = f"Baselines of {segment_list.TYPES.get(kind, kind)} use the whole history again."


def schedules() -> None:
    """Both jobs of the playbook: the snapshot, and an hour later the check."""
    planned = jobs.planned(data.bench())
    titles = {f"{PLAYBOOK}.snapshot": "the daily snapshot", PLAYBOOK: "the daily check"}
    for name, title in titles.items():
        if name in planned:
            schedule.editor(name, title, planned[name].cron)
