"""The channels there are, and which of them the settings switch on."""

from __future__ import annotations

from urllib.parse import urlsplit

from core.act import tickets
from core.act.channel import Channel, audience, channels, wants
from core.act.channels.email import EmailChannel
from core.act.channels.jira import JiraChannel
from core.act.channels.pagerduty import PagerDutyChannel
from core.act.channels.slack import SlackChannel
from core.act.channels.slack_bot import SlackBotChannel
from core.act.channels.teams import TeamsChannel
from core.act.channels.webhook import WebhookChannel
from core.model import Severity
from core.settings import Settings

__all__ = [
    "NEEDS",
    "Channel",
    "EmailChannel",
    "JiraChannel",
    "PagerDutyChannel",
    "SlackBotChannel",
    "SlackChannel",
    "TeamsChannel",
    "WebhookChannel",
    "audience",
    "build_channels",
    "channels",
    "wants",
]

NEEDS = {
    "email": "SMTP_HOST and SMTP_TO",
    "slack": "SLACK_WEBHOOK_URL",
    "slack_bot": "SLACK_BOT_TOKEN and SLACK_CHANNEL",
    "teams": "TEAMS_WEBHOOK_URL",
    "webhook": "WEBHOOK_URL and WEBHOOK_SECRET",
    "pagerduty": "PAGERDUTY_ROUTING_KEY",
    "jira": "JIRA_URL, JIRA_EMAIL and JIRA_TOKEN",
}  # the settings that switch a channel on


def build_channels(settings: Settings) -> dict[str, Channel]:
    """The channels that are configured, by name: one without its settings is off.

    Raises: ConfigError naming the setting that is wrong.
    """
    return {
        name: channels.build(name, {**params, "min_severity": Severity[least]})
        for name, least, params in _configured(settings)
    }


def _configured(settings: Settings) -> list[tuple[str, str, dict[str, object]]]:
    """Name, least severity and parameters of each channel that has its settings."""
    built: list[tuple[str, str, dict[str, object]]] = []
    if settings.smtp_host and settings.recipients:
        people: dict[str, object] = {"sender": settings.smtp_from, "recipients": settings.recipients}
        built.append(("email", settings.smtp_min_severity, people))
    if settings.slack_webhook_url is not None:
        built.append(("slack", settings.slack_min_severity, {}))
    if settings.slack_bot_token is not None and settings.slack_channel:
        built.append(("slack_bot", settings.slack_min_severity, {"conversation": settings.slack_channel}))
    if settings.teams_webhook_url is not None:
        built.append(("teams", settings.teams_min_severity, {}))
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        host = urlsplit(settings.webhook_url.get_secret_value()).hostname or "?"
        built.append(("webhook", settings.webhook_min_severity, {"host": host}))
    if settings.pagerduty_routing_key is not None:
        built.append(("pagerduty", settings.pagerduty_min_severity, {}))
    if tickets.is_configured(settings):
        place: dict[str, object] = {"project": settings.jira_project, "issue_type": settings.jira_issue_type}
        built.append(("jira", "LOW", place))
    return built
