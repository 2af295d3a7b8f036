"""The segments of a scene, ready to be judged: each with its history up to now, and what cannot be judged and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.detect.events import Scene
from core.model import Json, Segment, Snapshot
from core.segments import segment_of, snapshot_of

MOST_NAMED = 10
STALE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Watched:
    """One segment with the snapshot to judge and its usable ones, oldest first, the judged one last."""

    segment: Segment
    history: tuple[Snapshot, ...]
    columns: frozenset[str] = frozenset()  # of the loaded tables: an attribute of that name exists in the source

    @property
    def judged(self) -> Snapshot:
        """The newest snapshot."""
        return self.history[-1]


@dataclass(slots=True)
class Remarks:
    """Reasons with the segments they hold for; one sentence each in the end."""

    reasons: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Notes that ``reason`` holds for the segment called ``name``."""
        self.reasons.setdefault(reason, []).append(name)

    def sentences(self) -> tuple[str, ...]:
        """``reason (2 segments): A, B``."""
        return tuple(f"{reason} ({_counted(names)}): {_named(names)}" for reason, names in self.reasons.items())


def _counted(names: Sequence[str]) -> str:
    return f"{len(names):,} segment" if len(names) == 1 else f"{len(names):,} segments"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def watched(scene: Scene, remarks: Remarks) -> tuple[Watched, ...]:
    """Every segment that can be judged at the scene's moment; why the others cannot goes into ``remarks``.

    Not judged: segments that are switched off or cannot be read, that have no snapshot yet, or whose newest
    snapshot failed a check. Snapshots that failed one are in no history.
    """
    withheld = _withheld(scene)
    histories = _histories(scene, remarks)
    columns = frozenset(c.name for table in scene.dataset.tables.values() for c in table.columns)
    found: list[Watched] = []
    for segment in _segments(scene.dataset.documents.get("segments"), remarks):
        history = histories.get(segment.id, ())
        if not (segment.is_active and segment.watch.monitoring):
            remarks.add("Not monitored", segment.name)
        elif not history:
            remarks.add("No snapshot yet", segment.name)
        elif (segment.id, history[-1].ts) in withheld:
            why = withheld[segment.id, history[-1].ts]
            remarks.add(f"Bad data: the snapshot of {history[-1].ts:%Y-%m-%d} is withheld, {why} failed", segment.name)
        else:
            if scene.now - history[-1].ts > STALE:
                remarks.add(f"The newest snapshot is of {history[-1].ts:%Y-%m-%d}", segment.name)
            usable = tuple(s for s in history if (s.segment, s.ts) not in withheld)
            found.append(Watched(segment, usable, columns))
    return tuple(found)


def _withheld(scene: Scene) -> dict[tuple[str, datetime], str]:
    """Snapshots named by a failed check, with its name."""
    named: dict[tuple[str, datetime], str] = {}
    for result in scene.checks.failed:
        segment, ts = result.params.get("segment"), result.params.get("ts")
        if isinstance(segment, str) and isinstance(ts, str):
            named.setdefault((segment, datetime.fromisoformat(ts)), result.check)
    return named


def _segments(documents: Json, remarks: Remarks) -> Iterator[Segment]:
    for number, document in enumerate(_list(documents), start=1):
        try:
            yield segment_of(document)
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as exc:
            remarks.add(f"Cannot be read: {type(exc).__name__} {exc}", _title(document, number))


def _histories(scene: Scene, remarks: Remarks) -> Mapping[str, Sequence[Snapshot]]:
    """The snapshots of each segment up to now, by time; the last one given for a moment counts."""
    found: dict[str, dict[datetime, Snapshot]] = defaultdict(dict)
    for number, document in enumerate(_list(scene.dataset.documents.get("snapshots")), start=1):
        try:
            snapshot = snapshot_of(document)
            if snapshot.ts <= scene.now:
                found[snapshot.segment][snapshot.ts] = snapshot
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as exc:
            remarks.add(f"A snapshot cannot be read: {type(exc).__name__} {exc}", _title(document, number))
    return {name: tuple(of[ts] for ts in sorted(of)) for name, of in found.items()}


def _title(document: Json, number: int) -> str:
    told = document if isinstance(document, Mapping) else {}
    return str(told.get("name") or told.get("segment_id") or told.get("id") or f"number {number}")


def _list(documents: Json) -> Iterable[Json]:
    return documents if isinstance(documents, list | tuple) else ()
