"""The schedule of a source: cron, on or off, the next runs in words, and the slots it has run."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from core.errors import WorkbenchError
from core.service import schedules
from core.store.records import Slot
from ui import auth, cards, data, words


def editor(name: str, title: str, proposed: str | None = None) -> None:
    """Off until somebody switches it on; saving counts from now. ``proposed`` is the cron that nobody changed yet."""
    st.header(f"Schedule of {cards.safe(title)}")
    kept, history = data.schedule(name)
    zone = data.bench().ctx.settings.telltale_timezone
    now = data.bench().ctx.clock.now()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            cron = st.text_input(
                "Cron", kept.cron if kept else proposed or data.playbook(name).schedule.cron,
                key=f"alerts_cron_{name}", width=200,
                help="Minute, hour, day of month, month, weekday: 0 9 * * * is every day at 09:00, "
                "30 7 * * mon-fri every working day at 07:30.",
            )  # fmt: skip
            on = st.toggle("Runs by the clock", bool(kept and kept.enabled), key=f"alerts_on_{name}")
            st.button(
                "Save", type="primary", icon=":material/save:", key=f"alerts_schedule_save_{name}", on_click=_save,
                args=(name, cron, on), disabled=not auth.current().can("tools:manage"),
            )  # fmt: skip
        error = st.session_state.pop(f"alerts_schedule_problem_{name}", None)
        if error is not None:
            cards.problem(error)
        elif st.session_state.pop(f"alerts_schedule_saved_{name}", False):
            st.success("Saved.", icon=":material/check:")
        _next(cron, zone, now, on, bool(kept and kept.enabled and kept.cron == cron))
        st.caption(f"{_what(name)} A missed time runs once after a start.")
        if kept:
            st.caption(f"Last set by {cards.safe(kept.updated_by)} on {words.moment(kept.updated_at)} UTC.")
    _history(history, title)


def _next(cron: str, zone: str, now: datetime, on: bool, saved: bool) -> None:
    try:
        slots = schedules.upcoming(cron, zone, now)
    except WorkbenchError as error:
        cards.problem(error)
        return
    lead = "Next runs" if on and saved else "Once saved, it would run" if on else "Off. It would run"
    st.markdown(f"**{lead}**\n" + "\n".join(f"- {in_words(s, now, zone)}" for s in slots))


def _what(name: str) -> str:
    """What a run by the clock does, as far as people hear of it."""
    if name in data.bench().events:
        return "A run keeps its report, opens or updates incidents, and alerts on every channel that is on."
    return "A run keeps its report and opens an incident; it sends nothing." if "." not in name else ""


def in_words(at: datetime, now: datetime, zone: str) -> str:
    """A coming time as people say it: ``Sunday 22 Nov 2026 09:00 UTC, in 16 hours``."""
    return f"{at:%A} {at.day} {at:%b %Y %H:%M} {zone}, in {_span(at - now)}"


def _span(left: timedelta) -> str:
    minutes = max(1, round(left.total_seconds() / 60))
    size, one = next(((s, w) for s, w in ((1440, "day"), (60, "hour")) if minutes >= 2 * s), (1, "minute"))
    count = round(minutes / size)
    return f"{count} {one}" + ("s" if count != 1 else "")


def _save(name: str, cron: str, on: bool) -> None:
    try:
        schedules.save(data.bench(), auth.current(), name, cron, enabled=on)
    except WorkbenchError as error:
        st.session_state[f"alerts_schedule_problem_{name}"] = error
    else:
        st.session_state[f"alerts_schedule_saved_{name}"] = True


def _history(slots: tuple[Slot, ...], title: str) -> None:
    if not slots:
        st.caption("It has not run by the clock yet.")
        return
    st.table(
        {
            "planned (UTC)": [words.moment(s.slot) for s in slots],
            "started": [words.moment(s.claimed_at) for s in slots],
            "result": ["done" if s.ok else "failed" if s.ok is False else "running or lost" for s in slots],
            "what it said": [cards.safe(s.note) for s in slots],
        },
        border="horizontal",
        alt=f"Past scheduled runs of {title}, latest first",
    )
