"""Every cached read of the order pages. Events are looked at once a minute; a kept change is seen at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
import streamlit as st

from core import order_trends, order_views, views
from core.model import ActionState, Baseline, Incident, Json, JsonObject, Panel, Run, Scores
from core.order_views import StageLine, Step, Told, Waiting
from core.playbook import EventPlaybook
from core.service import order_billing, order_desk, order_flows
from core.service.exceptions import PLAYBOOK
from core.service.order_billing import Billing
from core.service.order_desk import OrderDesk
from core.store.incidents import OPEN_STATES
from core.store.order_policies import StoredAdjustment
from ui import auth, data, service_data
from ui.service_data import version


def playbook() -> EventPlaybook:
    """The playbook of orders."""
    return data.bench().events[PLAYBOOK]


def look() -> OrderDesk:
    """How all orders stand, as of this minute. Raises: WorkbenchError when the events cannot be read."""
    return _look(version(), f"{data.bench().ctx.clock.now():%Y%m%dT%H%M}")


@st.cache_resource(max_entries=4, show_spinner="Looking at every order…")
def _look(version: str, minute: str) -> OrderDesk:  # noqa: ARG001  (the key)
    return order_desk.look(data.bench(), auth.current())


def key(of: OrderDesk) -> str:
    """Changes whenever something is judged anew."""
    return f"{version()} {of.at.isoformat()}"


def funnel(of: OrderDesk, since: datetime | None) -> tuple[Step, ...]:
    """How far the orders that were paid from ``since`` on got."""
    return _funnel(key(of), since, of)


@st.cache_resource(max_entries=16, show_spinner=False)
def _funnel(key: str, since: datetime | None, _of: OrderDesk) -> tuple[Step, ...]:  # noqa: ARG001  (the key)
    return order_views.funnel(_of.board, since)


def queue(of: OrderDesk) -> list[Waiting]:
    """Every open stage, overdue first, then the soonest to break."""
    return _queue(key(of), of)


@st.cache_resource(max_entries=4, show_spinner=False)
def _queue(key: str, _of: OrderDesk) -> list[Waiting]:  # noqa: ARG001  (the key)
    return order_views.queue(_of.board)


def stages(of: OrderDesk, order_id: str) -> tuple[StageLine, ...]:
    """Each stage of one order."""
    return order_views.stages_of(of.board, order_id)


def events(of: OrderDesk, order_id: str) -> list[Told]:
    """Every event of one order."""
    return _events(key(of), order_id, of)


@st.cache_resource(max_entries=64, show_spinner=False)
def _events(key: str, order_id: str, _of: OrderDesk) -> list[Told]:  # noqa: ARG001  (the key)
    return order_views.events_of(data.bench().ctx.engine, _of.dataset, order_id)


def exceptions(of: OrderDesk) -> pd.DataFrame:
    """One row an exception, whenever its promise broke."""
    return _exceptions(key(of), of)


@st.cache_resource(max_entries=4, show_spinner=False)
def _exceptions(key: str, _of: OrderDesk) -> pd.DataFrame:  # noqa: ARG001  (the key)
    return order_trends.exceptions_frame(_of.findings, _of.board)


def trend(of: OrderDesk) -> tuple[Panel, Baseline, Scores]:
    """Exceptions in each period with what was expected and where that was left."""
    return _trend(key(of), of)


@st.cache_resource(max_entries=4, show_spinner=False)
def _trend(key: str, _of: OrderDesk) -> tuple[Panel, Baseline, Scores]:
    panel = order_trends.exceptions_panel(_exceptions(key, _of), _of.board)
    return (panel, *order_trends.judged(panel))


def drift(of: OrderDesk, periods: int) -> pd.DataFrame:
    """Which reasons and carriers changed most in the last periods against as many before them."""
    return _drift(key(of), periods, of)


@st.cache_resource(max_entries=16, show_spinner=False)
def _drift(key: str, periods: int, _of: OrderDesk) -> pd.DataFrame:
    frame = _exceptions(key, _of)
    panels = {d: order_trends.exceptions_panel(frame, _of.board, d) for d in ("reason", "carrier")}
    index = panels["reason"].index
    return views.moves(panels, index[-periods], index[-1], top=6)


def billing(of: OrderDesk) -> Billing:
    """Every invoice beside what its order costs at the same moment, wrong ones first; and the months."""
    return _billing(key(of), of.at)


@st.cache_resource(max_entries=4, show_spinner="Recomputing every invoice…")
def _billing(key: str, at: datetime) -> Billing:  # noqa: ARG001  (the key)
    found = order_billing.look(data.bench(), auth.current(), at)
    wrong_first = sorted(
        found.invoices, key=lambda d: (d["adjustment"] is None and d["error"] is None, str(d["order_id"]))
    )
    return replace(found, invoices=tuple(wrong_first))


def adjustments() -> Sequence[StoredAdjustment]:
    """Kept corrections of invoices, newest first."""
    return _adjustments(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _adjustments(version: str) -> Sequence[StoredAdjustment]:  # noqa: ARG001  (the key)
    return order_billing.adjustments(data.bench(), auth.current())


def flows() -> Mapping[str, Run]:
    """The newest run of each flow, with its steps."""
    return _flows(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _flows(version: str) -> Mapping[str, Run]:  # noqa: ARG001  (the key)
    return {name: data.run_report(run.id) for name, run in order_flows.latest(data.bench(), auth.current()).items()}


def bills_of(of: OrderDesk, order_id: str) -> list[JsonObject]:
    """What one order costs: a row for each invoice of it, or one without an invoice; none without work."""
    return [row for row in billing(of).invoices if row["order_id"] == order_id]


def incidents(order_id: str | None = None) -> tuple[Incident, ...]:
    """Exceptions that are kept: open ones first, worst first, then newest; those of one order, or of all."""
    found = [
        i
        for i in service_data.desk().incidents
        if i.playbook == PLAYBOOK and (order_id is None or i.subject == order_id)
    ]
    return tuple(sorted(found, key=lambda i: (i.status not in OPEN_STATES, -i.severity, -i.detected_at.timestamp())))


def opened() -> tuple[Incident, ...]:
    """Exceptions that are not over, worst first."""
    return tuple(i for i in incidents() if i.status in OPEN_STATES)


def waiting() -> int:
    """How many actions for orders wait for a person."""
    own = {i.incident_id for i in incidents()}
    actions = service_data.desk().actions
    return sum(a.incident_id in own and a.state is ActionState.PROPOSED and not a.proposal.is_reading for a in actions)


def notes(incident: Incident) -> JsonObject:
    """The explanation in the playbook's own schema: root cause, ops note, client note, factors, reasoning."""
    return _notes(incident.run_id).get(incident.incident_id, {}) if incident.run_id else {}


@st.cache_resource(max_entries=8, show_spinner=False)
def _notes(run_id: str) -> Mapping[str, JsonObject]:
    rows = data.run_report(run_id).report.get("decisions")
    found = rows if isinstance(rows, list) else []
    return {str(r["incident_id"]): r for r in found if isinstance(r, dict)}


def last_check() -> Run | None:
    """The newest kept check of all orders, with its report."""
    return _last_check(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _last_check(version: str) -> Run | None:  # noqa: ARG001  (the key)
    return data.newest_run(PLAYBOOK)


def rows(value: Json) -> list[JsonObject]:
    """The objects in a list of JSON."""
    return [r for r in value if isinstance(r, Mapping)] if isinstance(value, list | tuple) else []
