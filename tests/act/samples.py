"""Messages and deliveries the channel tests use."""

from __future__ import annotations

from datetime import UTC, datetime

from core.act.message import Message
from core.model import Delivery, DeliveryState, Light, Notification

NOW = datetime(2025, 12, 14, 9, tzinfo=UTC)
RED = Message(
    light=Light.RED,
    subject="[OpsPulse RED] 2025-12-13",
    title="Refunds tripled & signups fell <fast>",
    summary="Refunds rose 213.70 % over the 7-day mean.\nConversion fell 22.38 %.",
    drivers=("Refunds +213.70 % (17,500 vs 5,578.57)", "Conversion −22.38 %"),
    actions=("Review the refund queue.", "Walk the sign-up path."),
    confidence=0.9,
    link="http://localhost:8501/incidents?incident=INC-0000AAAA&tab=1",
    playbook="Daily KPIs",
    as_of="2025-12-13",
    dedup_key="kpi:2025-12-13:red",
    run_id="run-1",
    incident_id="INC-0000AAAA",
    report='{"light": "red", "note": "é"}'.encode(),
    report_name="opspulse-report.json",
)


def delivery(notification: Notification, number: int = 1) -> Delivery:
    """The outbox's row for the notification."""
    return Delivery(
        id=f"{number:032x}",
        channel=notification.channel,
        recipient=notification.recipient,
        state=DeliveryState.SENDING,
        attempts=1,
        created_at=NOW,
        sent_at=None,
        next_attempt_at=None,
        error="",
        reference="",
        subject=notification.subject,
        run_id=notification.run_id,
        incident_id=notification.incident_id,
        created_by="ana",
    )
