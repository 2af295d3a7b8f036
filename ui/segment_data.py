"""Every cached read of the segment pages. The key is how far the audit has come: every write leaves a line in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core import segment_views as views
from core.baseline.references import Reference
from core.check.dataset import dataset_checks
from core.detect.drift import PLAYBOOK, DriftDetector
from core.detect.events import Scene
from core.detect.watched import Watched
from core.errors import NotFound, WorkbenchError
from core.events import Known
from core.model import (
    CheckReport,
    CheckResult,
    Column,
    ColumnType,
    Dataset,
    Incident,
    Json,
    Run,
    Segment,
    Severity,
    Snapshot,
)
from core.playbook import EventPlaybook
from core.segment_views import Comparison
from core.segments import THRESHOLDS, snapshot_doc
from core.service import audience, casework
from core.store.incidents import OPEN_STATES
from ui import auth, data

RECENT = timedelta(days=45)


def version() -> str:
    """Changes with every write of the tenant."""
    return f"{auth.current().tenant} {data.trail_length()}"


def playbook() -> EventPlaybook:
    """The playbook of segments."""
    return data.bench().events[PLAYBOOK]


@dataclass(frozen=True, slots=True)
class Board:
    """What the list shows: segments, their newest snapshots, and the playbook's incidents."""

    version: str
    segments: tuple[Segment, ...]
    recent: Mapping[str, tuple[Snapshot, ...]]  # oldest first
    latest: Mapping[str, Snapshot]
    incidents: tuple[Incident, ...]

    @property
    def open(self) -> tuple[Incident, ...]:
        """Incidents that are not over, worst first."""
        found = (i for i in self.incidents if i.status in OPEN_STATES)
        return tuple(sorted(found, key=lambda i: (-i.severity, i.type)))

    def incidents_of(self, segment_id: str) -> tuple[Incident, ...]:
        """The segment's open incidents, worst first."""
        return tuple(i for i in self.open if i.subject == segment_id)

    def ranked(self) -> list[Segment]:
        """Segments that drift come first, worst first; the others by name."""
        worst: dict[str, Severity] = {}
        for incident in self.open:
            worst[incident.subject] = max(worst.get(incident.subject, incident.severity), incident.severity)
        return sorted(self.segments, key=lambda s: (-worst.get(s.id, 0), s.name.casefold()))

    def names(self) -> dict[str, str]:
        """Id to name."""
        return {s.id: s.name for s in self.segments}


def board() -> Board:
    """All segments of the tenant as they are now."""
    return _board(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _board(version: str) -> Board:
    tenant, now = auth.current().tenant, data.bench().ctx.clock.now()
    with data.bench().store.read() as books:
        segments, latest = books.segments.list(tenant), books.snapshots.latest(tenant)
        newest = max((s.ts for s in latest.values()), default=now)
        kept = books.snapshots.list(tenant, since=min(newest, now) - RECENT)
        incidents = books.incidents.list(tenant, playbook=PLAYBOOK, limit=10_000)
    recent: dict[str, list[Snapshot]] = defaultdict(list)
    for snapshot in kept:
        recent[snapshot.segment].append(snapshot)
    return Board(version, segments, {k: tuple(v) for k, v in recent.items()}, latest, incidents)


@dataclass(frozen=True, slots=True)
class Story:
    """One segment with everything it was and is: history, faults, and what it is compared with."""

    version: str
    segment: Segment
    history: tuple[Snapshot, ...]  # oldest first, also those that failed a check
    faults: tuple[CheckResult, ...]
    item: Watched | None  # None without a usable snapshot
    scene: Scene
    detectors: Mapping[str, DriftDetector]  # by incident type
    lines: tuple[Comparison, ...]


def story(segment_id: str) -> Story:
    """One segment. Raises: NotFound."""
    return _story(version(), segment_id)


@st.cache_resource(max_entries=128, show_spinner=False)
def _story(version: str, segment_id: str) -> Story:
    wb, tenant = data.bench(), auth.current().tenant
    with wb.store.read() as books:
        segment = books.segments.get(tenant, segment_id)
        history = books.snapshots.list(tenant, segment_id)
    now = wb.ctx.clock.now()
    faults = _faults(history, now)
    bad = {str(r.params.get("ts")) for r in faults}
    usable = tuple(s for s in history if s.ts.isoformat() not in bad)
    names = frozenset(c.name for c in _fields(version))
    known = _known(version)
    scene = Scene(Dataset({}), CheckReport(faults), now, wb.ctx.engine, known.open, known.past)
    item = Watched(segment, usable, names) if usable else None
    found = {d.type: d for d in views.detectors_of(playbook())}
    lines = views.comparisons(found.values(), item, scene) if item else ()
    return Story(version, segment, history, faults, item, scene, found, lines)


@st.cache_resource(max_entries=4, show_spinner=False)
def _known(version: str) -> Known:  # noqa: ARG001  (the key)
    return casework.known_cases(data.bench(), playbook(), auth.current().tenant)


def _faults(history: tuple[Snapshot, ...], now: datetime) -> tuple[CheckResult, ...]:
    """What the playbook's own checks say against these snapshots."""
    dataset = Dataset({}, {"snapshots": [snapshot_doc(s) for s in history]})
    results = (r for name in playbook().verify for r in dataset_checks.build(name).check(dataset, now))
    return CheckReport(tuple(r for r in results if r.params.get("ts"))).failed


def lines(of: Board, segment_id: str) -> tuple[Comparison, ...]:
    """Every measure of a segment's newest usable snapshot against every reference."""
    return _story(of.version, segment_id).lines


def reference(of: Story, kind: str, name: str) -> Reference | None:
    """One reference of a measure, by name."""
    if of.item is None:
        return None
    return next((r for n, r in views.references_of(of.detectors[kind], of.item, of.scene) if n == name), None)


def track(of: Story, kind: str, name: str) -> pd.DataFrame:
    """One measure of a segment over time against one kind of reference."""
    return _track(of.version, of.segment.id, kind, name)


@st.cache_resource(max_entries=256, show_spinner=False)
def _track(version: str, segment_id: str, kind: str, name: str) -> pd.DataFrame:
    told = _story(version, segment_id)
    assert told.item is not None
    return views.track(told.detectors[kind], told.item, told.scene, name)


def last_check() -> Run | None:
    """The newest kept check of all segments, with its report."""
    return _last_check(version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _last_check(version: str) -> Run | None:  # noqa: ARG001  (the key)
    return data.newest_run(PLAYBOOK)


def fields() -> tuple[Column, ...]:
    """The columns of the people table; none without one."""
    return _fields(version())


@st.cache_resource(max_entries=8, show_spinner=False)
def _fields(version: str) -> tuple[Column, ...]:  # noqa: ARG001  (the key)
    try:
        return audience.fields(data.bench(), auth.current())
    except NotFound:
        return ()


def hint(field: str) -> tuple[str, ...]:
    """The most frequent values of a column; none of one that tells who somebody is."""
    return _hint(version(), field)


@st.cache_resource(max_entries=256, show_spinner=False)
def _hint(version: str, field: str) -> tuple[str, ...]:  # noqa: ARG001  (the key)
    try:
        found = audience.suggestions(data.bench(), auth.current(), field)
    except WorkbenchError:
        return ()
    return tuple(str(s.value) for s in found)


def preview(definition: Mapping[str, Json], saved: Segment | None) -> audience.Preview:
    """What a definition selects now, beside the saved one. Raises: InputError naming the path, NotFound."""
    return _preview(version(), json.dumps(definition, sort_keys=True), saved.id if saved else "", saved)


@st.cache_resource(max_entries=64, show_spinner=False)
def _preview(version: str, definition: str, segment_id: str, _saved: Segment | None) -> audience.Preview:  # noqa: ARG001
    return audience.preview(data.bench(), auth.current(), json.loads(definition), _saved)


def overlap(ids: tuple[str, ...]) -> audience.Overlap:
    """How many people these segments share now. Raises: InputError for too many, NotFound."""
    return _overlap(version(), ids)


@st.cache_resource(max_entries=8, show_spinner="Counting who is in several segments")
def _overlap(version: str, ids: tuple[str, ...]) -> audience.Overlap:  # noqa: ARG001  (the key)
    segments = [s for s in board().segments if s.id in ids]
    return audience.overlap(data.bench(), auth.current(), segments)


def limits() -> dict[str, float]:
    """The playbook's own thresholds under the names of a segment's ``baseline``."""
    own = {d.override: d.limit for d in views.detectors_of(playbook())}
    return {name: own[field] for name, field in THRESHOLDS.items() if field in own}


def attributes(saved: Segment | None) -> tuple[str, ...]:
    """Attributes that snapshots of this segment (or of any) hold; else the people table's text columns."""
    latest = board().latest
    known = latest.get(saved.id) if saved else None
    held = [known] if known else list(latest.values())
    named = dict.fromkeys(a for s in held for a in s.shares)
    return tuple(named) or tuple(c.name for c in fields() if c.type is ColumnType.TEXT)
