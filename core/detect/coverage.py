"""How well drift is watched: the share of segments monitored, how late drift was found, and what is open.

Source: acceptance PU-25.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median_high

from core.model import Incident, IncidentStatus, Json, Segment

OPEN = frozenset(
    {IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED, IncidentStatus.IN_PROGRESS, IncidentStatus.MITIGATED}
)
MOST_LEAD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts and times over segments and incidents. Lead times are None where no incident tells its first snapshot."""

    segments: int
    monitored: int
    open_by_type: Mapping[str, int]
    median_lead: timedelta | None
    worst_lead: timedelta | None
    late: int  # incidents found more than 24 h after the first drifting snapshot

    @property
    def share_monitored(self) -> float | None:
        """Monitored segments among all; None without segments."""
        return self.monitored / self.segments if self.segments else None

    def json(self) -> dict[str, Json]:
        """The same for a report; times in hours."""
        return {
            "segments": self.segments,
            "monitored": self.monitored,
            "share_monitored": self.share_monitored,
            "open_by_type": dict(self.open_by_type),
            "median_lead_hours": _hours(self.median_lead),
            "worst_lead_hours": _hours(self.worst_lead),
            "late": self.late,
        }


def coverage(segments: Sequence[Segment], incidents: Iterable[Incident]) -> Coverage:
    """The coverage over the segments and the drift incidents given."""
    known = tuple(incidents)
    leads = [lead for incident in known if (lead := lead_time(incident)) is not None]
    return Coverage(
        segments=len(segments),
        monitored=sum(s.is_active and s.watch.monitoring for s in segments),
        open_by_type=dict(sorted(Counter(i.type for i in known if i.status in OPEN).items())),
        median_lead=median_high(leads) if leads else None,
        worst_lead=max(leads, default=None),
        late=sum(lead > MOST_LEAD for lead in leads),
    )


def lead_time(incident: Incident) -> timedelta | None:
    """From the first drifting snapshot to the check that found it; None where the incident does not tell."""
    receipt = incident.body.get("baseline_receipt")
    since = receipt.get("since") if isinstance(receipt, Mapping) else None
    if not isinstance(since, str):
        return None
    return max(incident.detected_at - datetime.fromisoformat(since), timedelta())


def _hours(time: timedelta | None) -> float | None:
    return None if time is None else time / timedelta(hours=1)
