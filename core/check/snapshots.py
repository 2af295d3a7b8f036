"""Snapshots that cannot be trusted: shares, rates, sizes and times that no real segment can have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby

from pydantic import Field

from core.check.dataset import DatasetCheck, dataset_checks
from core.model import CheckResult, CheckStatus, Dataset, Json, Snapshot
from core.segments import snapshot_of

TABLE = "snapshots"
_PASSED = {
    "snapshot_shares_add_up": "The shares of every attribute add up to 1 in every snapshot.",
    "snapshot_conversion_is_a_share": "Every conversion rate is between 0 and 1.",
    "snapshot_size_is_a_count": "Every size is 0 or more.",
    "snapshot_not_in_the_future": "No snapshot lies in the future.",
    "snapshot_without_gap": "No snapshot follows a gap that is too long.",
    "snapshot_readable": "Every snapshot could be read.",
}
_DIMENSIONS = {
    "snapshot_not_in_the_future": "timeliness",
    "snapshot_without_gap": "completeness",
    "snapshot_readable": "schema",
}

Fault = tuple[str, str, str]  # check, message, column


@dataset_checks.register("snapshots", "Snapshots of segments")
class SnapshotChecks(DatasetCheck):
    """One result per fault, with ``segment`` and ``ts`` in its params; detection on that snapshot is withheld.

    Source: acceptance PU-06. A moment is in the future when it is later than both the judged moment and the time
    at which the data was read, so that looking back at an earlier day finds nothing wrong with later ones. What is
    later than the judged moment is not judged in any other way.
    """

    tolerance: float = Field(0.001, ge=0, description="How far shares may add up to something other than 1")
    max_gap_days: int = Field(2, ge=1, description="Most days between two snapshots of a segment")

    def check(self, dataset: Dataset, now: datetime) -> tuple[CheckResult, ...]:
        """A failed result per fault, and one passed result for each check that found none."""
        snapshots, unreadable = _read(dataset.documents.get("snapshots"))
        latest = max([now, *(p.read_at for p in dataset.provenance), *_read_at(dataset)])
        failed = list(unreadable)
        for _, group in groupby(sorted(snapshots, key=lambda s: (s.segment, s.ts)), key=lambda s: s.segment):
            before: Snapshot | None = None
            for snapshot in group:
                if snapshot.ts > now:
                    failed += [_failed(snapshot, _future(latest))] if snapshot.ts > latest else []
                    continue
                failed += [_failed(snapshot, fault) for fault in self._faults(snapshot, before)]
                before = snapshot
        found = {r.check for r in failed}
        rows = len(snapshots) + len(unreadable)
        passed = [_passed(name, message, rows) for name, message in _PASSED.items() if name not in found]
        return (*failed, *passed) if rows else ()

    def _faults(self, snapshot: Snapshot, before: Snapshot | None) -> Iterator[Fault]:
        for attribute, shares in snapshot.shares.items():
            total = sum(shares.values())
            if (snapshot.size or total) and shares and not abs(total - 1) <= self.tolerance + 1e-9:
                message = f"the shares of {attribute} add up to {total:.4f}, expected 1"
                yield "snapshot_shares_add_up", message, attribute
            elif any(not 0 <= share <= 1 + self.tolerance for share in shares.values()):
                yield "snapshot_shares_add_up", f"a share of {attribute} is not between 0 and 1", attribute
        if snapshot.conv_rate is not None and not 0 <= snapshot.conv_rate <= 1:
            message = f"the conversion rate is {snapshot.conv_rate:g}, expected 0 to 1"
            yield "snapshot_conversion_is_a_share", message, "conv_rate"
        if snapshot.size < 0:
            yield "snapshot_size_is_a_count", f"the size is {snapshot.size}, expected 0 or more", "size"
        gap = (snapshot.ts.date() - before.ts.date()).days if before else 0
        if gap > self.max_gap_days:
            message = f"{gap} days passed since the snapshot before, expected at most {self.max_gap_days}"
            yield "snapshot_without_gap", message, "ts"


def _read_at(dataset: Dataset) -> Iterator[datetime]:
    """When the snapshots were read, where the loader tells."""
    told = dataset.documents.get("read_at")
    if isinstance(told, str):
        yield datetime.fromisoformat(told)


def _future(latest: datetime) -> Fault:
    return "snapshot_not_in_the_future", f"it lies in the future of {latest:%Y-%m-%d %H:%M} UTC", "ts"


def _read(documents: Json) -> tuple[list[Snapshot], list[CheckResult]]:
    """The snapshots that can be read, and a failed result for each that cannot."""
    snapshots: list[Snapshot] = []
    unreadable: list[CheckResult] = []
    for number, document in enumerate(_list(documents), start=1):
        try:
            snapshots.append(_typed(snapshot_of(document)))
        except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as exc:
            reason = f"snapshot {number} cannot be read: {type(exc).__name__} {exc}"
            unreadable.append(_result("snapshot_readable", CheckStatus.FAILED, reason))
    return snapshots, unreadable


def _list(documents: Json) -> Sequence[Json]:
    return documents if isinstance(documents, list | tuple) else ()


def _typed(snapshot: Snapshot) -> Snapshot:
    """The snapshot itself. Raises: TypeError or ValueError when a figure is not one or the time has no zone."""
    numbers = [snapshot.size, *(share for shares in snapshot.shares.values() for share in shares.values())]
    optional = (snapshot.conv_rate, snapshot.velocity_in, snapshot.velocity_out)
    for number in [*numbers, *(n for n in optional if n is not None)]:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError(f"expected a number, found {number!r}")
    snapshot.ts.astimezone(UTC)
    if snapshot.ts.tzinfo is None:
        raise ValueError("the time has no zone")
    return snapshot


def _failed(snapshot: Snapshot, fault: Fault) -> CheckResult:
    check, message, column = fault
    told = f"Snapshot of {snapshot.segment} on {snapshot.ts:%Y-%m-%d}: {message}."
    return _result(
        check,
        CheckStatus.FAILED,
        told,
        column=column,
        params={"segment": snapshot.segment, "ts": snapshot.ts.isoformat()},
    )


def _passed(name: str, message: str, rows: int) -> CheckResult:
    return CheckResult(name, TABLE, CheckStatus.PASSED, False, message, dimension=_dimension(name), rows=rows)


def _result(
    check: str,
    status: CheckStatus,
    message: str,
    *,
    column: str | None = None,
    params: dict[str, Json] | None = None,
) -> CheckResult:
    return CheckResult(
        check=check,
        table=TABLE,
        status=status,
        critical=False,
        message=message,
        column=column,
        dimension=_dimension(check),
        unexpected_count=1,
        params=params or {},
        rows=1,
    )


def _dimension(check: str) -> str:
    return _DIMENSIONS.get(check, "validity")
