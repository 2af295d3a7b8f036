"""What people do on the page of orders: check now, see what a check found, and set its clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import streamlit as st

from core.errors import WorkbenchError
from core.model import Run
from core.service import casework, jobs
from core.service.exceptions import PLAYBOOK
from core.service.order_desk import OrderDesk
from ui import auth, cards, data, order_data, resolver, schedule, words

ASKED, PROBLEM, CHECKED = (f"orders_{name}" for name in ("asked", "problem", "checked"))
REFRESH_S = 20.0
TOLD = timedelta(minutes=2)


def check() -> None:
    """The button that judges every order now."""
    st.button(
        "Check now", type="primary", icon=":material/play_arrow:", key="orders_check", on_click=_ask,
        disabled=not auth.current().can("incidents:write"),
        help="Judges every order, explains each exception, and opens or updates incidents. Nothing is sent by itself.",
    )  # fmt: skip
    if not st.session_state.pop(ASKED, False):  # popped: a rerun during the work must not begin it anew
        return
    try:
        with st.spinner("Checking every order…"):
            st.session_state[CHECKED] = casework.run(data.bench(), auth.current(), PLAYBOOK, kind="manual")
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
    shown = st.warning if order_data.rows(run.report.get("incidents")) else st.success
    shown(
        f"{cards.safe(run.headline)}. Nothing was sent: open an order to see why.",
        title="Check done", icon=":material/fact_check:",
    )  # fmt: skip


def context(of: OrderDesk) -> None:
    """When and on what the orders were judged, and a policy that could not be taken."""
    rejected = sum(p.rejected_rows for p in of.provenance)
    what = "your events" if of.own else "the demo"
    st.caption(
        f"As of {words.moment(of.at)} UTC, on {what}: {len(of.board.orders):,} orders"
        + (f" · {rejected:,} rows rejected or repeated, see Data" if rejected else "")
    )
    for error in of.policy_errors:
        st.warning(
            f"{cards.safe(error)}  \nThe last good policy stays in force.", title="The policy file is broken",
            icon=":material/policy:",
        )  # fmt: skip


def figures(of: OrderDesk) -> None:
    """What is late, what soon will be, what is open, what waits for a person, and the last check."""
    late = [w for w in order_data.queue(of) if w.left < 0]
    soon, opened, waiting, run = of.predictions, order_data.opened(), order_data.waiting(), order_data.last_check()
    horizon = f"{of.board.policy.sla.predictive_horizon_minutes.normalize():f} min"
    with st.grid(columns="auto", min_column_width=168, gap="small"):
        worst = f"longest {late[0].told.removeprefix('overdue by ')}" if late else "none over its promise"
        _figure("Overdue now", f"{len(late):,}", worst, "red" if late else "gray")
        on = of.board.policy.sla.enable_predictive_alerts
        _figure(
            f"Break within {horizon}", f"{len(soon):,}" if on else "off",
            f"next in {_minutes(soon[0]['minutes_left'])}" if soon else "none predicted" if on else "by the policy",
            "orange" if soon else "gray",
        )  # fmt: skip
        told = f"worst {opened[0].severity.name.lower()}" if opened else "nothing is open"
        _figure("Open exceptions", f"{len(opened):,}", told, "red" if opened else "gray")
        _figure("Wait for approval", f"{waiting:,}", "proposed actions", "orange" if waiting else "gray")
        if run is None:
            _figure("Last check", "never", "choose Check now")
        else:
            ago = resolver.ago(data.bench().ctx.clock.now() - run.ended_at)
            _figure("Last check", ago, f"by {run.actor}", help_=f"{run.id}, {words.moment(run.ended_at)} UTC")


def _minutes(value: object) -> str:
    return f"{float(value):,.0f} min" if isinstance(value, int | float) else "n/a"


def _figure(
    label: str, value: str, told: str, color: Literal["gray", "red", "orange"] = "gray", help_: str | None = None
) -> None:
    st.metric(label, value, delta=told, delta_color=color, delta_arrow="off", border=True, help=help_)


def refreshing(of: OrderDesk) -> None:
    """Brings the next minute in while nobody reads an incident."""
    if "incident" not in st.query_params:
        st.fragment(_refresh, run_every=REFRESH_S)(of.at)


def _refresh(shown: datetime) -> None:
    if order_data.look().at != shown:
        st.rerun()


def clock() -> None:
    """When orders are judged by themselves."""
    schedule.editor(PLAYBOOK, "orders", jobs.planned(data.bench())[PLAYBOOK].cron)
