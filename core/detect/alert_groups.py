"""Which alerts are one incident: of the same thing within a window, and those that name each other. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.alert import Alert, alert_doc, items, mapping, moment
from core.model import Json, JsonObject
from core.severity import lenient

_CLOCK = re.compile(r"(?<!\d)(?:[01]?\d|2[0-3]):[0-5]\d(?!\d)")
MOST_MEMBERS = 60  # of an incident's timeline


@dataclass(frozen=True, slots=True)
class Member:
    """One alert of an incident. ``role`` is lead, same, or listed (named by another alert); ``at`` may be unknown."""

    alert_id: str
    title: str
    at: datetime | None
    severity: str
    source: str
    kind: str
    entity: str
    role: str

    def as_json(self) -> dict[str, Json]:
        """The member as JSON."""
        at = self.at.isoformat() if self.at else None
        return {
            "alert_id": self.alert_id, "title": self.title, "at": at, "severity": self.severity,
            "source": self.source, "kind": self.kind, "entity": self.entity, "role": self.role,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are one incident. ``lead`` is the one it is judged by."""

    lead: Alert
    others: tuple[Alert, ...]
    members: tuple[Member, ...]  # oldest first; those without a time last


def grouped(alerts: Sequence[Alert], window: timedelta) -> tuple[Group, ...]:
    """The alerts as groups, in the order of their first alert. Source: DI-10."""
    parent = list(range(len(alerts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in _pairs(alerts, window):
        parent[max(root(a), root(b))] = min(root(a), root(b))
    found: dict[int, list[Alert]] = {}
    for i, alert in enumerate(alerts):
        found.setdefault(root(i), []).append(alert)
    return tuple(_group(members) for members in found.values())


def _pairs(alerts: Sequence[Alert], window: timedelta) -> Iterator[tuple[int, int]]:
    """Neighbours: the same entity within the window, the same kind of the same entity, and listed ones."""
    by_entity: dict[str, list[int]] = {}
    by_id = {a.alert_id: i for i, a in enumerate(alerts)}
    for i, alert in enumerate(alerts):
        by_entity.setdefault(alert.entity.lower(), []).append(i)
        for listed in alert.correlated:
            other = by_id.get(listed_id(listed))
            if other is not None and other != i:
                yield i, other
    for same in by_entity.values():
        ordered = sorted(same, key=lambda i: alerts[i].at)
        for a, b in itertools.pairwise(ordered):
            if alerts[b].at - alerts[a].at <= window:
                yield a, b
        first: dict[str, int] = {}
        for i in ordered:
            if first.setdefault(alerts[i].kind, i) != i:
                yield first[alerts[i].kind], i


def _group(alerts: Sequence[Alert]) -> Group:
    ids = {a.alert_id for a in alerts}
    lead = min(alerts, key=lambda a: (-len(a.correlated), -a.severity, a.at, a.alert_id))
    members = [_member(a, "lead" if a is lead else "same") for a in alerts]
    for alert in alerts:
        members += [m for m in _listed(alert) if m.alert_id not in ids]
    return Group(lead, tuple(a for a in alerts if a is not lead), ordered(members))


def ordered(members: Sequence[Member]) -> tuple[Member, ...]:
    """Each member once, oldest first, those without a time last; at most as many as a timeline holds."""
    first: dict[tuple[str, str], Member] = {}
    for member in members:
        known = first.setdefault((member.source, member.alert_id), member)
        if known.role == "listed" and member.role != "listed":
            first[member.source, member.alert_id] = member
    everything = sorted(first.values(), key=lambda m: (m.at is None, m.at.timestamp() if m.at else 0.0, m.alert_id))
    if len(everything) <= MOST_MEMBERS:
        return tuple(everything)
    half = MOST_MEMBERS // 2
    return (*everything[:half], *everything[-half:])  # how a storm began, and its latest alerts


def _member(alert: Alert, role: str) -> Member:
    return Member(
        alert.alert_id, alert.title, alert.at, alert.severity.name, alert.source, alert.kind, alert.entity, role
    )


def listed_id(listed: Json) -> str:
    """The id by which an alert names another one."""
    row = mapping(listed)
    return str(row.get("alert_id") or row.get("id") or "") if row else str(listed)


def _listed(alert: Alert) -> Iterator[Member]:
    """The alerts that this one names, as far as it describes them; a time of day is one of its own day."""
    for n, listed in enumerate(alert.correlated, 1):
        row = mapping(listed)
        text = "" if row else " ".join(str(listed).split())
        title = str(row.get("title") or row.get("message") or row.get("name") or row.get("type") or text)[:200]
        given = next((row[k] for k in ("timestamp", "time", "ts", "at") if row.get(k)), None)
        clock = _CLOCK.search(text)
        at = moment(given, alert.at) or (moment(clock[0], alert.at) if clock else None)
        ident = listed_id(listed) if row.get("alert_id") or row.get("id") else text or f"{alert.alert_id}#{n}"
        severity = lenient(str(row["severity"]))[0].name if row.get("severity") else ""
        source = str(row.get("source") or alert.source).lower()
        yield Member(ident[:200], title or ident, at, severity, source, "", "", "listed")


def earlier(body: JsonObject) -> tuple[Member, ...]:
    """The members that an open incident already has."""
    rows = [mapping(r) for r in items(mapping(body.get("metrics")).get("members"))]
    return tuple(
        Member(
            str(r.get("alert_id")), str(r.get("title")), moment(r.get("at")), str(r.get("severity")),
            str(r.get("source")), str(r.get("kind")), str(r.get("entity")),
            "same" if r.get("role") == "lead" else str(r.get("role")),
        )
        for r in rows
    )  # fmt: skip


class OpenIncidents:
    """The open incidents by what they are about and by the alerts they know."""

    def __init__(self, bodies: Mapping[tuple[str, str], JsonObject], window: timedelta) -> None:
        self.bodies, self._window = bodies, window
        self._about: dict[str, list[tuple[str, str]]] = {}
        self._knowing: dict[str, tuple[str, str]] = {}
        self._listing: dict[str, tuple[str, str]] = {}
        for key, body in bodies.items():
            self._about.setdefault(key[0].lower(), []).append(key)
            for member in items(mapping(body.get("metrics")).get("members")):
                row = mapping(member)
                (self._listing if row.get("role") == "listed" else self._knowing)[str(row.get("alert_id"))] = key

    def of(self, group: Group) -> tuple[str, str] | None:
        """The incident that the group belongs to: the same thing within the window, or one that names the other."""
        for alert in (group.lead, *group.others):
            if alert.alert_id in self._listing:
                return self._listing[alert.alert_id]
            for listed in alert.correlated:
                if (key := self._knowing.get(listed_id(listed))) is not None:
                    return key
        near = [
            (apart, key) for key in self._about.get(group.lead.entity.lower(), ()) for apart in self._apart(group, key)
        ]
        return min(near)[1] if near else None

    def _apart(self, group: Group, key: tuple[str, str]) -> Iterator[timedelta]:
        """How far the group is from the incident's latest alert, if that is within the window."""
        last = max((m.at for m in earlier(self.bodies[key]) if m.at), default=None)
        if last is not None and (apart := abs(group.lead.at - last)) <= self._window:
            yield apart


def lead_doc(group: Group) -> JsonObject:
    """The lead as JSON, without what only it has no field for."""
    doc = alert_doc(group.lead)
    return {k: v for k, v in doc.items() if k not in ("raw_data", "correlated_alerts")}


def demanded_by_hand(group: Group) -> bool:
    """Whether any alert of the group says that a person must intervene."""
    for alert in (group.lead, *group.others):
        for part in (alert.metric, alert.related, alert.business, alert.raw):
            value = part.get("manual_intervention_required")
            if value is True or str(value).strip().lower() in ("true", "yes", "1"):
                return True
    return False
