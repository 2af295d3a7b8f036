"""What people do on the page of services: check now, see what a check found, replay old data, set the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import streamlit as st

from core.errors import WorkbenchError
from core.model import Json, Run
from core.service import casework, jobs
from core.service.health import PLAYBOOK, Health, State
from ui import auth, cards, data, links, resolver, schedule, service_data, words
from ui.service_data import Desk

ASKED, PROBLEM, CHECKED = (f"services_{name}" for name in ("asked", "problem", "checked"))
REFRESH_S = 20.0
TOLD = timedelta(minutes=2)
SHORT = {State.OVER: "over", State.STALE: "stale", State.THIN: "thin"}


def judged() -> Health:
    """How the services stand now, or at the newest row where somebody asked for that."""
    now = service_data.look()
    if not (now.own and st.session_state.get("services_replay", "services_replay" in st.query_params)):
        return now
    newest = service_data.newest(now)
    return service_data.look(newest) if newest else now


def check(of: Health) -> None:
    """The button that looks at every service now."""
    st.button(
        "Check now", type="primary", icon=":material/play_arrow:", key="services_check", on_click=_ask,
        disabled=not auth.current().can("incidents:write"),
        help="Judges every service, looks for causes, and opens or updates incidents. Nothing is sent by itself.",
    )  # fmt: skip
    if not st.session_state.pop(ASKED, False):  # popped: a rerun during the work must not begin it anew
        return
    at = of.at if st.session_state.get("services_replay") else None
    try:
        with st.spinner("Checking every service…"):
            st.session_state[CHECKED] = casework.run(data.bench(), auth.current(), PLAYBOOK, as_of=at, kind="manual")
    except WorkbenchError as problem:
        st.session_state[PROBLEM] = problem
    st.rerun()


def _ask() -> None:
    st.session_state[ASKED] = True


def outcome() -> None:
    """What the last check found, for a while: the page looks again by itself."""
    if (problem := st.session_state.pop(PROBLEM, None)) is not None:
        cards.problem(problem)
    run: Run | None = st.session_state.get(CHECKED)
    if run is None or data.bench().ctx.clock.now() - run.ended_at > TOLD:
        return
    found = _rows(run.report.get("incidents"))
    shown = st.warning if found else st.success
    shown(
        f"{cards.safe(run.headline)}. Nothing was sent: open an incident to see why, and to preview its alert.",
        title="Check done", icon=":material/fact_check:",
    )  # fmt: skip


def figures(of: Health, desk: Desk) -> None:
    """How many are in order, what is open, what waits for a person, and the last check."""
    by_state = {state: sum(s.state is state for s in of.services) for state in State}
    bad = [f"{by_state[state]} {word}" for state, word in SHORT.items() if by_state[state]]
    open_, waiting, run = desk.open, desk.waiting, service_data.last_check()
    with st.grid(columns=4, min_column_width=160, gap="small"):
        _figure(
            "In order", f"{by_state[State.OK]} of {len(of.services)}", ", ".join(bad) or "every service",
            "orange" if bad and not by_state[State.OVER] else "red" if by_state[State.OVER] else "gray",
            "Fresh, with enough traffic to judge (else thin), and within both limits.",
        )  # fmt: skip
        worst = f"worst {open_[0].severity.name.lower()}" if open_ else "nothing is open"
        _figure("Open incidents", str(len(open_)), worst, "red" if open_ else "gray")
        _figure("Wait for approval", str(len(waiting)), "proposed actions", "orange" if waiting else "gray")
        if run is None:
            _figure("Last check", "never", "choose Check now")
        else:
            ago = resolver.ago(data.bench().ctx.clock.now() - run.ended_at)
            _figure("Last check", ago, f"by {run.actor}", help_=f"{run.id}, {words.moment(run.ended_at)} UTC")


def _figure(
    label: str, value: str, told: str, color: Literal["gray", "red", "orange"] = "gray", help_: str | None = None
) -> None:
    st.metric(label, value, delta=told, delta_color=color, delta_arrow="off", border=True, help=help_)


def context(of: Health) -> None:
    """When and on what the services were judged, and where the data is old: the way to judge it at its own end."""
    sentinel = of.sentinel
    rejected = sum(p.rejected_rows for p in of.provenance)
    what = "your data" if of.own else "the demo, made up to this minute"
    st.caption(
        f"As of {words.moment(of.at)} UTC over {sentinel.window_minutes} min, on {what}"
        + (f" · {rejected:,} rows rejected, see Data" if rejected else "")
        + f" · limits {100 * sentinel.error_rate_limit:g} % errors and {sentinel.p99_limit_ms:,.0f} ms p99, "
        f"{sentinel.min_requests:,} requests needed" + (", own ones for some" if sentinel.overrides else "")
    )
    newest = service_data.newest(of) if of.own else None
    if newest is None or (newest >= min(s.vitals.start for s in of.services) and not _replayed()):
        return
    st.toggle(
        f"Judge at the newest row ({words.moment(newest)} UTC)", key="services_replay", bind="query-params",
        help="For data that ended a while ago. Without it everything is stale, which is what a live watch must say.",
    )  # fmt: skip


def _replayed() -> bool:
    return bool(st.session_state.get("services_replay"))


def refreshing(of: Health) -> None:
    """Brings the next minute in while nobody reads an incident."""
    if "incident" not in st.query_params and not _replayed():
        st.fragment(_refresh, run_every=REFRESH_S)(of.at, [True])


def _refresh(shown: datetime, first: list[bool]) -> None:
    """Nothing at first, within the run that draws the page: what that run tells once would be lost."""
    if first:
        first.clear()
    elif service_data.look().at != shown:
        st.rerun()


def last_check() -> None:
    """The newest kept check: its light, incidents, suppressed findings, checks and notes."""
    run = service_data.last_check()
    if run is None:
        st.info("No check has run yet. Choose Check now above, or switch on its schedule.", icon=":material/schedule:")
        return
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            cards.light_badge(run.light)
            st.caption(f"{words.moment(run.ended_at)} UTC by {cards.safe(run.actor)} · {run.trigger} · {run.id}")
        st.header(cards.safe(run.headline))
        _findings(_rows(run.report.get("findings")))
        failed = [c for c in _rows(run.report.get("checks")) if c.get("status") != "passed"]
        st.subheader(f"Checks that did not pass ({len(failed)})")
        if failed:
            st.markdown("\n".join(f"- {cards.safe(str(c['message']))}" for c in failed[:50]))
        else:
            st.caption("Every check passed.")
        provenance = _rows(run.report.get("provenance"))
        with st.expander("Where the data came from", icon=":material/receipt:"):
            for p in provenance:
                st.caption(
                    f"{p['table']} · {p['rows']} rows, {p['rejected_rows']} rejected · sha256 {str(p['sha256'])[:12]}"
                )
        st.page_link(
            links.page("audit"), label="Its lines in the audit", icon=":material/receipt_long:",
            query_params={"audit_run": run.id},
        )  # fmt: skip


def _findings(found: Sequence[Mapping[str, Json]]) -> None:
    raised = [f for f in found if not f.get("suppressed_by")]
    for f in raised:
        st.markdown(
            f"**{cards.safe(str(f['label']))}** · {str(f['severity']).lower()}  \n{cards.safe(str(f['summary']))}"
        )
    hidden = [f for f in found if f.get("suppressed_by")]
    if hidden:
        st.subheader(f"Suppressed findings ({len(hidden)})")
        for f in hidden:
            st.markdown(
                f"**{cards.safe(str(f['label']))}** · {cards.safe(str(f['summary']))}  \n"
                f":gray[Not raised: {cards.safe(str(f['suppressed_by']))}]"
            )
    if not found:
        st.caption("Nothing was found, and nothing was suppressed.")


def clock() -> None:
    """When the sentinel looks by itself."""
    schedule.editor(PLAYBOOK, "the sentinel", jobs.planned(data.bench())[PLAYBOOK].cron)


def _rows(value: Json) -> list[Mapping[str, Json]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []
