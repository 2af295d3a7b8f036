"""A data incident's decision as lines of a message. Source: DI-16."""

from __future__ import annotations

from core.alert import mapping, number
from core.model import Incident, Severity

EMOJI = {Severity.CRITICAL: "🔴", Severity.HIGH: "🟠", Severity.MEDIUM: "🟡", Severity.LOW: "🟢"}
ACTIONS = {
    "dismiss": "nothing to do",
    "log_only": "write it down",
    "notify_team": "look into it",
    "auto_fix": "approve the proposed fix",
}
LONGEST = 600  # characters of a line


def lines(incident: Incident) -> tuple[tuple[str, str], ...]:
    """What people need to act on; empty for an incident whose decision has no schema of its own."""
    decision = mapping(incident.body.get("decision"))
    if "is_incident" not in decision:
        return ()
    affected = number(decision.get("affected_count"))
    by = str(mapping(incident.body.get("explanation")).get("source") or "Rules")
    return (
        ("Severity", incident.severity.name),
        ("Confidence", f"{100 * (number(decision.get('confidence')) or 0):.0f} %"),
        ("What happened", str(decision.get("root_cause") or incident.title)[:LONGEST]),
        ("Business impact", str(decision.get("business_impact") or "unknown")[:LONGEST]),
        ("Affected", "unknown" if affected is None else f"{affected:g}"),
        ("Recommended action", ACTIONS.get(str(decision.get("recommended_action")), "look into it")),
        ("Reasoning", str(decision.get("reasoning") or "")[:LONGEST]),
        ("Incident", incident.incident_id),
        ("Decided by", by),
    )
