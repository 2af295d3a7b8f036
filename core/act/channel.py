"""What a channel is: it gives a message its form, and sends that form unchanged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from pydantic import Field

from core.act.message import Message
from core.context import Context
from core.model import Delivery, Notification, Severity
from core.plugins import Plugin, Registry


class Channel(Plugin, ABC):
    """One way to reach people. Its secrets stay in the settings and reach only :meth:`send`."""

    min_severity: Severity = Field(Severity.LOW, description="Least severity that is told")

    @property
    @abstractmethod
    def recipient(self) -> str:
        """Who is reached, as people are shown it; never a secret."""

    @abstractmethod
    def compose(self, message: Message) -> Notification:
        """The message in this channel's form: what the preview shows, the outbox keeps and :meth:`send` sends."""

    @abstractmethod
    def wire(self, notification: Notification, delivery: Delivery) -> bytes:
        """The exact bytes that go out; the same on every attempt."""

    @abstractmethod
    def send(self, notification: Notification, delivery: Delivery, ctx: Context) -> str:
        """Makes one attempt; answers the provider's reference for the message, empty where it gives none.

        Raises: ProviderError (``retryable`` or not), ConfigError when the channel is not set up.
        """


channels: Registry[Channel] = Registry("channel")


def wants(channel: Channel, severity: Severity | None) -> bool:
    """Whether the channel is told of something this bad; what has no severity is told everywhere."""
    return severity is None or severity >= channel.min_severity


def audience(on: Mapping[str, Channel], severity: Severity | None) -> tuple[str, ...]:
    """Names of the channels that are told without anybody choosing them.

    Slack is told once: by the bot where there is one, because only its messages can be changed after a decision.
    """
    names = tuple(name for name, channel in on.items() if wants(channel, severity))
    return tuple(name for name in names if name != "slack" or "slack_bot" not in names)
