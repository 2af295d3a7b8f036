"""Messages and deliveries the channel tests use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from pydantic import SecretStr

from core.act.message import Message
from core.act.slack_requests import buttons
from core.adapters.clock import FixedClock
from core.adapters.http import SafeHttp
from core.context import Context
from core.model import Delivery, DeliveryState, Light, Notification, Severity
from core.ports import Engine, Ledger, Mailer
from core.settings import Settings

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

INCIDENT = replace(
    RED,
    subject="[CRITICAL] payment-service",
    title="[CRITICAL] Incident detected: payment-service",
    summary="12 % of 2,000 requests failed in the last 15 minutes.",
    severity=Severity.CRITICAL,
    facts=(
        ("Incident", "INC-0000AAAA"),
        ("Severity", "CRITICAL"),
        ("Error rate", "12.00 %"),
        ("p99", "2594 ms"),
        ("Detected", "2025-12-14 08:59 UTC"),
        ("Team", "payments"),
    ),
    report=None,
)
APPROVAL = replace(
    INCIDENT,
    title="Approve: Roll back payment-service",
    facts=(("Action", "Roll back payment-service"), ("ETA", "5 min"), ("Risk", "0.20")),
    buttons=buttons("INC-0000AAAA", "ACT-9909B4E1D710ED64"),
)
ATTACK = (
    '<!channel> <@U1> <script>alert(1)</script> [x](http://evil) *b* {{DATE(2020-01-01T00:00:00Z)}} " \\ \x00\ud800'
)
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"


def everything_on(url: str = "https://hooks.example.com/canary-path") -> Settings:
    """Settings with every channel on; all of them call ``url``."""
    return Settings(
        _env_file=None,
        smtp_host="127.0.0.1",
        smtp_to="ops@example.com",
        slack_webhook_url=SecretStr(f"{url}/slack"),
        slack_bot_token=SecretStr("xoxb-canary-token"),
        slack_channel="C0123",
        slack_api_url=f"{url}/api",
        teams_webhook_url=SecretStr(f"{url}/teams"),
        webhook_url=SecretStr(f"{url}/n8n"),
        webhook_secret=SecretStr(WEBHOOK_SECRET),
        pagerduty_routing_key=SecretStr("canary0123456789canary0123456789"),
        pagerduty_url=url,
        jira_url=url,
        jira_email="bot@example.com",
        jira_token=SecretStr("canary-jira-token"),
    )


@dataclass(frozen=True)
class Nothing:
    """An engine or ledger that no channel may touch."""


def context(settings: Settings, mailer: Mailer | None = None) -> Context:
    """Real HTTP to this machine, at a fixed time."""
    unused = Nothing()
    return Context(
        settings=settings,
        clock=FixedClock(NOW),
        engine=cast(Engine, unused),
        http=SafeHttp(allow=["localhost"]),
        ledger=cast(Ledger, unused),
        mailer=mailer,
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
