"""Questions about incidents in a few words, answered from what is stored and by no model. Source: E2-23."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.access import Principal, require
from core.model import Incident, IncidentStatus, Severity
from core.service.workbench import Workbench
from core.store.incidents import OPEN_STATES

MOST_SHOWN: Final = 10
MOST_READ: Final = 2000
MOST_TITLE: Final = 160
_WORD: Final = re.compile(r"[\w.:#/-]+")
_FILLERS: Final = frozenset(
    {
        "a", "about", "all", "and", "any", "are", "at", "by", "exception", "exceptions", "find", "for", "from",
        "give", "has", "have", "how", "in", "incident", "incidents", "is", "it", "late", "list", "many", "me",
        "now", "of", "on", "or", "order", "orders", "our", "please", "problem", "problems", "shipment", "show",
        "status", "still", "tell", "that", "the", "there", "to", "was", "we", "were", "what", "whats", "when",
        "which", "who", "why", "with",
    }
)  # fmt: skip


@dataclass(slots=True)
class _Wanted:
    statuses: set[IncidentStatus] = field(default_factory=set)
    severities: set[Severity] = field(default_factory=set)
    words: list[str] = field(default_factory=list)


def answer(wb: Workbench, who: Principal, question: str) -> str:
    """The incidents that the question names, with their ids, as Slack shows text; worst and newest first.

    States and severities select; every other word must be in id, type, title or subject. Without a state only open
    incidents are meant, unless one is named by its id.
    """
    require(who, "incidents:read")
    wanted = _read(question)
    by_id = any(word.startswith("inc-") for word in wanted.words)
    statuses = wanted.statuses or (frozenset() if by_id else OPEN_STATES)
    with wb.store.read() as books:
        found = books.incidents.list(who.tenant, statuses=statuses, severities=wanted.severities, limit=MOST_READ)
    matching = [i for i in found if _mentions(i, wanted.words)]
    matching.sort(key=lambda i: i.severity, reverse=True)  # newest first within a severity, as they were read
    asked = f" for '{_plain(question.strip()[:100])}'" if question.strip() else ""
    if not matching:
        return f"No {'' if by_id or wanted.statuses else 'open '}incident{asked}."
    more = f", the first {MOST_SHOWN} of them" if len(matching) > MOST_SHOWN else ""
    count = f"{len(matching)} incident{'' if len(matching) == 1 else 's'}"
    return "\n".join([f"{count}{asked}{more}:", *(_line(i) for i in matching[:MOST_SHOWN])])


def _read(question: str) -> _Wanted:
    wanted = _Wanted()
    for word in _WORD.findall(question.lower()):
        name = word.strip(".:").upper().replace("-", "_")
        if name in Severity.__members__:
            wanted.severities.add(Severity[name])
        elif name in IncidentStatus.__members__:
            wanted.statuses.add(IncidentStatus[name])
        elif word.strip(".:") not in _FILLERS and word.strip(".:"):
            wanted.words.append(word.strip(".:"))
    return wanted


def _mentions(incident: Incident, words: Sequence[str]) -> bool:
    text = (
        f"{incident.incident_id} {incident.type.replace('_', ' ')} {incident.type} {incident.title} {incident.subject}"
    )
    return all(word in text.lower() for word in words)


def _line(incident: Incident) -> str:
    facts = (incident.incident_id, incident.severity.name, incident.type, incident.subject, str(incident.status))
    return f"• {_plain(' · '.join(facts))}: {_plain(incident.title[:MOST_TITLE])}"


def _plain(text: str) -> str:
    """The text as Slack shows it letter by letter. Source: Slack, escaping text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
