"""Snapshots that cannot be trusted (acceptance PU-06)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from core.check.snapshots import SnapshotChecks
from core.model import CheckResult, CheckStatus, Dataset, Snapshot
from tests.detect.segment_scene import dataset, day, segment, sizes, snapshot


def failed(*snapshots: Snapshot, until: int = 9) -> list[CheckResult]:
    found = SnapshotChecks().check(dataset([segment()], snapshots), day(until))
    return [r for r in found if r.status is CheckStatus.FAILED]


def test_pu06_good_snapshots_pass_every_check() -> None:
    found = SnapshotChecks().check(dataset([segment()], sizes(100, 110, 0)), day(9))
    assert {r.status for r in found} == {CheckStatus.PASSED}
    assert len(found) == 6


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"shares": {"p": {"a": 0.5, "b": 0.4985}}}, "snapshot_shares_add_up"),
        ({"shares": {"p": {"a": 1.2, "b": -0.2}}}, "snapshot_shares_add_up"),
        ({"conv_rate": 1.01}, "snapshot_conversion_is_a_share"),
        ({"conv_rate": -0.01}, "snapshot_conversion_is_a_share"),
        ({"size": -1}, "snapshot_size_is_a_count"),
        ({"ts": day(10)}, "snapshot_not_in_the_future"),
        ({"ts": day(4)}, "snapshot_without_gap"),
    ],
)
def test_pu06_a_fault_names_the_snapshot_that_is_withheld(change: dict[str, object], check: str) -> None:
    bad = replace(snapshot(2), **change)  # type: ignore[arg-type]
    (result,) = failed(snapshot(1), bad)
    assert (result.check, result.critical) == (check, False)
    assert result.params == {"segment": "high-value", "ts": bad.ts.isoformat()}


def test_pu06_the_tolerance_and_a_gap_of_two_days_are_allowed() -> None:
    assert not failed(
        snapshot(1), replace(snapshot(3, shares={"p": {"a": 0.5, "b": 0.499}}), ts=day(3) + timedelta(hours=9))
    )


def test_looking_back_finds_nothing_wrong_with_later_snapshots() -> None:
    data = dataset([segment()], [snapshot(1), snapshot(7, size=-4)], columns=["plan"])
    later = replace(data.tables["people"], provenance=replace(data.tables["people"].provenance, read_at=day(30)))
    read = {**data.documents, "read_at": day(30).isoformat()}
    for looked_back in (Dataset({"people": later}, data.documents), Dataset({}, read)):
        found = SnapshotChecks().check(looked_back, day(2))
        assert {r.status for r in found} == {CheckStatus.PASSED}


@pytest.mark.parametrize(
    "broken", [3, {"ts": 1}, {"segment_id": "a", "ts": "2025-01-01T02:00:00+00:00", "size": "x"},
               {"segment_id": "a", "ts": "2025-01-01T02:00:00", "size": 5}]
)  # fmt: skip
def test_an_unreadable_snapshot_is_a_failed_check_and_stops_nothing(broken: object) -> None:
    found = SnapshotChecks().check(Dataset({}, {"snapshots": [broken]}), day(9))  # type: ignore[dict-item]
    assert [r.check for r in found if r.status is CheckStatus.FAILED] == ["snapshot_readable"]


def test_without_snapshots_nothing_is_said() -> None:
    assert SnapshotChecks().check(Dataset({}), day(1)) == ()
