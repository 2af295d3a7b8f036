"""Every cached read of the service pages. Live data is read once a minute; a kept change is seen at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from core.explain.service_facts import Facts
from core.model import Action, ActionState, Incident, JsonObject, Run
from core.playbook import EventPlaybook
from core.service import actions, health, runbooks
from core.service.health import PLAYBOOK, Health
from core.store.incidents import OPEN_STATES
from ui import auth, data


def version() -> str:
    """Changes with every write of the tenant."""
    return f"{auth.current().tenant} {data.trail_length()}"


def playbook() -> EventPlaybook:
    """The playbook of services."""
    return data.bench().events[PLAYBOOK]


def look(at: datetime | None = None) -> Health:
    """How all services stand, as of this minute or of ``at``. Raises: WorkbenchError when the data cannot be read."""
    now = data.bench().ctx.clock.now()
    return _look(version(), f"{now:%Y%m%dT%H%M}" if at is None else "", at)


@st.cache_resource(max_entries=8, show_spinner="Looking at every service…")
def _look(version: str, minute: str, at: datetime | None) -> Health:  # noqa: ARG001  (the key)
    return health.look(data.bench(), auth.current(), at)


def minutes(of: Health, services: tuple[str, ...], last: int) -> Mapping[str, list[JsonObject]]:
    """Each of the last minutes of these services."""
    return _minutes(_key(of), services, last, of)


@st.cache_resource(max_entries=64, show_spinner=False)
def _minutes(key: str, services: tuple[str, ...], last: int, _of: Health) -> Mapping[str, list[JsonObject]]:  # noqa: ARG001
    return health.minutes(data.bench(), _of, services, last)


def facts(of: Health, service: str) -> Facts:
    """Errors, templates, deployments and traffic of one service."""
    return _facts(_key(of), service, of)


@st.cache_resource(max_entries=64, show_spinner=False)
def _facts(key: str, service: str, _of: Health) -> Facts:  # noqa: ARG001  (the key)
    standing = _of.named(service)
    assert standing is not None
    return health.facts(data.bench(), _of, standing)


def newest(of: Health) -> datetime | None:
    """The newest row of the metrics."""
    return _newest(_key(of), of)


@st.cache_resource(max_entries=16, show_spinner=False)
def _newest(key: str, _of: Health) -> datetime | None:  # noqa: ARG001  (the key)
    return health.newest(data.bench(), _of.dataset)


def _key(of: Health) -> str:
    files = " ".join(t.path.name for t in of.dataset.tables.values())
    return f"{auth.current().tenant} {of.at.isoformat()} {files}"


@dataclass(frozen=True, slots=True)
class Desk:
    """Every incident and action, as they are now."""

    incidents: tuple[Incident, ...]  # of all playbooks
    actions: tuple[Action, ...]  # newest first

    @property
    def open(self) -> tuple[Incident, ...]:
        """The services' incidents that are not over, worst first, then newest."""
        found = [i for i in self.incidents if i.playbook == PLAYBOOK and i.status in OPEN_STATES]
        return tuple(sorted(found, key=lambda i: (-i.severity, -i.detected_at.timestamp())))

    def of(self, service: str) -> tuple[Incident, ...]:
        """The service's incidents: open ones first, then those that are over, newest first."""
        own = [i for i in self.incidents if i.playbook == PLAYBOOK and i.subject == service]
        over = [i for i in own if i.status not in OPEN_STATES]
        over.sort(key=lambda i: i.detected_at, reverse=True)
        return tuple([i for i in self.open if i.subject == service] + over)

    @property
    def waiting(self) -> tuple[Action, ...]:
        """Actions that wait for a person."""
        return tuple(a for a in self.actions if a.state is ActionState.PROPOSED and not a.proposal.is_reading)


def desk() -> Desk:
    """Incidents and actions of the tenant."""
    return _desk(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _desk(version: str) -> Desk:  # noqa: ARG001  (the key)
    wb, who = data.bench(), auth.current()
    with wb.store.read() as books:
        found = books.incidents.list(who.tenant, limit=2000)
    return Desk(found, actions.listing(wb, who, limit=1000))


def last_check() -> Run | None:
    """The newest kept check of all services, with its report."""
    return _last_check(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _last_check(version: str) -> Run | None:  # noqa: ARG001  (the key)
    return data.newest_run(PLAYBOOK)


def library() -> tuple[runbooks.Runbook, ...]:
    """Every runbook of the tenant."""
    return _library(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _library(version: str) -> tuple[runbooks.Runbook, ...]:  # noqa: ARG001  (the key)
    return runbooks.listing(data.bench(), auth.current())
