"""Which incidents of a run share a message: those of one group, and in a storm many groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.model import Incident
from core.playbook import EventPlaybook

if TYPE_CHECKING:
    from core.service.casework import Kept

STORM = 20  # groups of one run; with more, people get a few messages that tell of many each
TOGETHER = 50  # incidents of such a message


def grouped(playbook: EventPlaybook, kept: Sequence[Kept]) -> list[tuple[tuple[Incident, ...], bool]]:
    """The incidents of each message, the worst first, and whether it is only for the record."""
    groups: dict[tuple[str, bool], list[Incident]] = {}
    for k in kept:
        if k.news:
            quiet = k.case.decision.recommended_action == "log_only"
            groups.setdefault((group_of(playbook, k.incident), quiet), []).append(k.incident)
    if len(groups) <= STORM:
        return [(worst_first(g), quiet) for (_, quiet), g in groups.items()]
    found: list[tuple[tuple[Incident, ...], bool]] = []
    for quiet in (False, True):
        whole = worst_first(i for (_, q), g in groups.items() if q is quiet for i in g)
        found += [(whole[n : n + TOGETHER], quiet) for n in range(0, len(whole), TOGETHER)]
    return found


def group_of(playbook: EventPlaybook, incident: Incident) -> str:
    """Incidents of the same group share one message."""
    template = playbook.notify.group
    return template.replace("{subject}", incident.subject).replace("{type}", incident.type)


def worst_first(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    """The incidents by severity, then type."""
    return tuple(sorted(incidents, key=lambda i: (-i.severity, i.type)))


def headline(incidents: Sequence[Incident], label: str) -> str:
    """The title of a message: the incident's own, the types of a group, or how many there are."""
    first, types = incidents[0], list(dict.fromkeys(i.type.replace("_", " ") for i in incidents))
    if len(incidents) == 1:
        return first.title
    if len({i.subject for i in incidents}) == 1:
        return f"{label}: {', '.join(types)}"
    return f"{len(incidents)} incidents at once, worst first: {first.title}"
