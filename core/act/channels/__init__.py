"""The channels there are, and which of them the settings switch on."""

from __future__ import annotations

from core.act.channel import Channel, channels
from core.act.channels.email import EmailChannel
from core.act.channels.slack import SlackChannel
from core.settings import Settings

__all__ = ["Channel", "EmailChannel", "SlackChannel", "build_channels", "channels"]


def build_channels(settings: Settings) -> dict[str, Channel]:
    """The channels that are configured, by name: one without its settings is off.

    Raises: ConfigError naming the setting that is wrong.
    """
    built: dict[str, Channel] = {}
    if settings.smtp_host and settings.recipients:
        params: dict[str, object] = {"sender": settings.smtp_from, "recipients": settings.recipients}
        built["email"] = channels.build("email", params)
    if settings.slack_webhook_url is not None:
        built["slack"] = channels.build("slack")
    return built
