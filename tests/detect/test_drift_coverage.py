"""How well drift is watched (acceptance PU-25)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from core.detect.coverage import coverage, lead_time
from core.model import Incident, IncidentStatus, Severity
from tests.detect.segment_scene import day, segment


def incident(kind: str, status: IncidentStatus, detected: datetime, since: datetime | None) -> Incident:
    body = {"baseline_receipt": {"since": since.isoformat()}} if since else {}
    return Incident(
        incident_id="INC-00000001",
        tenant="default",
        playbook="segment_drift",
        dedup_key=f"segment:a:{kind}",
        type=kind,
        severity=Severity.HIGH,
        status=status,
        title="a moved",
        subject="a",
        detected_at=detected,
        created_at=detected,
        updated_at=detected,
        run_id="run",
        body=body,
    )


def test_pu25_shares_lead_times_and_open_incidents_come_from_the_tables() -> None:
    at = day(8) + timedelta(hours=1)
    incidents = [
        incident("size_jump", IncidentStatus.OPEN, at, day(8)),
        incident("size_jump", IncidentStatus.ACKNOWLEDGED, at, day(6)),
        incident("inactivity_creep", IncidentStatus.RESOLVED, at, day(7)),
        incident("inactivity_creep", IncidentStatus.OPEN, at, None),
    ]
    off = [segment("b", monitoring=False), replace(segment("c"), is_active=False)]
    found = coverage([segment("a"), segment("d"), *off], incidents)
    assert found.json() == {
        "segments": 4,
        "monitored": 2,
        "share_monitored": 0.5,
        "open_by_type": {"inactivity_creep": 1, "size_jump": 2},
        "median_lead_hours": 25.0,
        "worst_lead_hours": 49.0,
        "late": 2,
    }


def test_pu25_nothing_watched_is_no_number() -> None:
    none = coverage([], [])
    assert (none.share_monitored, none.median_lead, none.worst_lead, none.late) == (None, None, None, 0)
    early = incident("size_jump", IncidentStatus.OPEN, day(5), day(6))
    assert lead_time(early) == timedelta()
