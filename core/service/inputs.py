"""What the store already holds of a playbook of events, for its loader."""

from __future__ import annotations

from collections.abc import Mapping

from core.model import Incident, Json
from core.service.workbench import Workbench
from core.store.books import Books


def documents(wb: Workbench, playbook: str, tenant: str) -> Mapping[str, Json]:
    """The playbook's stored documents; empty when it reads everything from files."""
    return {}


def in_flight(books: Books, incident: Incident) -> bool:
    """Whether an action of the incident was approved and is not over."""
    return False
