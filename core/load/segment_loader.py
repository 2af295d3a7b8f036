"""Segments, their snapshots and the people table of one run, from a folder's files and from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import Field

from core.context import Context
from core.errors import InputError
from core.load.file import load_file
from core.load.loaders import Loader, loaders
from core.load.segments import read_yaml
from core.load.snapshot_files import parse_snapshots
from core.load.snapshots import People, count
from core.model import Dataset, Json, Segment, Snapshot, Table
from core.segments import segment_doc, segment_of, snapshot_doc, snapshot_of

PEOPLE, SEGMENTS, SNAPSHOTS = "people.csv", "segments.yaml", "snapshots.csv"


@loaders.register("segments", "Segments with their snapshots")
class SegmentLoader(Loader):
    """Reads people.csv, segments.yaml and snapshots.csv; each stands in for what the store holds of it.

    The dataset has the table ``people`` (when there is one) and the documents ``segments`` and ``snapshots`` (lists,
    see ``core.segments``) and ``remarks`` (sentences on what could not be counted). A given people.csv is counted for
    the judged day where the snapshots have none of that day, unless this would leave a gap that the checks refuse:
    an old file says nothing of today.
    """

    conversion: str = Field("converted", description="Column of the people table that says who converted")
    id_column: str | None = Field(None, description="Column that says who somebody is; empty: found by its name")
    max_gap_days: int = Field(2, ge=1, description="Most days since the last snapshot to count people.csv for today")

    def load(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], ctx: Context, now: datetime
    ) -> Dataset:
        """The dataset. Raises: InputError naming the file with the line, column or path of what is wrong."""
        segments = self._segments(files, documents)
        snapshots = self._snapshots(files, documents, segments)
        people = self._people(files, ctx)
        remarks: list[Json] = []
        if people is not None and (missing := self._without(segments, snapshots, now)):
            tracked = {a for s in snapshots for a in s.shares}
            counted = count(ctx.engine, People(people, self.conversion, self.id_column), missing, now, tracked=tracked)
            snapshots = [*snapshots, *counted.snapshots]
            remarks = [*counted.failed.values(), *counted.notes]
        return Dataset(
            {} if people is None else {people.name: people},
            {
                "segments": [segment_doc(s) for s in segments],
                "snapshots": [snapshot_doc(s) for s in snapshots],
                "remarks": remarks,
            },
        )

    def _segments(self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json]) -> list[Segment]:
        if SEGMENTS in files:
            return list(read_yaml(_content(files[SEGMENTS]), SEGMENTS))
        return [segment_of(doc) for doc in _list(documents.get("segments"))]

    def _snapshots(
        self, files: Mapping[str, Path | bytes], documents: Mapping[str, Json], segments: Sequence[Segment]
    ) -> list[Snapshot]:
        if SNAPSHOTS not in files:
            return [snapshot_of(doc) for doc in _list(documents.get("snapshots"))]
        parsed = parse_snapshots(_content(files[SNAPSHOTS]), segments, name=SNAPSHOTS)
        if parsed.rejects:
            first, more = parsed.rejects[0], len(parsed.rejects) - 1
            listed = f" ({more} more rows are wrong)" if more else ""
            raise InputError(f"{SNAPSHOTS} line {first.line}: {first.reason}{listed}.", field=first.column)
        return list(parsed.snapshots)

    def _people(self, files: Mapping[str, Path | bytes], ctx: Context) -> Table | None:
        if PEOPLE not in files:
            return None
        limit = ctx.settings.telltale_max_upload_mb * 1024 * 1024
        loaded = load_file(
            files[PEOPLE],
            name=PEOPLE,
            folder=ctx.engine.folder(),
            now=ctx.clock.now(),
            max_bytes=limit,
            table="people",
        )
        return loaded.table

    def _without(self, segments: Sequence[Segment], snapshots: Sequence[Snapshot], now: datetime) -> list[Segment]:
        """The watched segments that have no snapshot of the judged day, and may get one."""
        past = [s for s in snapshots if s.ts <= now]
        last = {s.segment: s.ts.date() for s in sorted(past, key=lambda s: s.ts)}
        newest = max(last.values(), default=None)
        if newest is not None and (now.date() - newest).days > self.max_gap_days:
            return []
        there = {s.segment for s in snapshots if s.ts.date() == now.date()}
        return [s for s in segments if s.is_active and s.watch.monitoring and s.id not in there]


def _content(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _list(document: Json) -> Sequence[Json]:
    return document if isinstance(document, list | tuple) else ()
